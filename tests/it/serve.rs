//! The page for those who watch, without a browser: who is let in, what they are told, and what they may not do.

mod browser;
mod named;

use crate::support::program::{Program, Running};
use crate::support::visitor::{Page, answer};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};
use surefoot_engine::model::{Event, Fault, FaultKind, Outcome, RunId, Stamped, TaskEvent, TaskName};

/// A run that waits for a file in the middle of a step.
const WAITS: &str = "runbook: test/serve\nparams: { word: { type: secret } }\nsteps:\n  \
    - { id: made, file: { path: $D/made, content: \"<b>made</b>\\n\" } }\n  \
    - { id: grow, sh: \"echo one $WORD.; for i in $(seq 2000); do test -e $D/go && break; sleep 0.05; done; echo two\", reads: true, \
        env: { WORD: \"{{ params.word }}\" } }\n  \
    - { id: bad, sh: \"exit 7\", undo: [{ sh: echo back }] }\n";

/// Serves, and starts that run.
fn waiting(program: &Program, words: &[&str]) -> (Page, Running) {
    std::fs::create_dir(program.path("d")).unwrap();
    let book = program.write("book.yaml", &WAITS.replace("$D", &program.path("d").display().to_string()));
    program.write("word", "hunter2hunter2");
    let page = Page::serve(program, words);
    (page, program.start(&book, ["-p", "word=file:word"]))
}

fn run_of(program: &Program) -> String {
    program.store().runs().unwrap().pop().unwrap().to_string()
}

/// The newest word of each task, by its place.
fn words(events: &[Json]) -> Vec<String> {
    let mut words = Vec::new();
    for task in events.iter().flat_map(|event| event["tasks"].as_array().unwrap()) {
        let place = task["place"].as_u64().unwrap() as usize;
        words.resize(words.len().max(place + 1), String::new());
        words[place] = task["word"].as_str().unwrap().to_owned();
    }
    words
}

#[test]
fn who_watches_sees_a_run_as_it_goes_on() {
    let program = Program::new();
    let (page, run) = waiting(&program, &[]);
    let listed = page.events("/api/runs", |rows| rows[0]["total"] == 3);
    assert_eq!(listed.last().unwrap()[0]["runbook"], "test/serve");
    let path = format!("/api/runs/{}", run_of(&program));

    let printed = |event: &Json| {
        let mut tasks = event["tasks"].as_array().unwrap().iter();
        tasks.any(|task| task["place"] == 1 && task["printed"].as_u64() >= Some(7))
    };
    let events = page.events(&path, printed);
    let first = &events[0];
    let steps: Vec<&str> =
        first["frame"]["steps"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(steps, ["made", "grow", "bad"]);
    assert!(first["frame"]["graph"].as_str().unwrap().contains("data-step=\"grow\""));
    assert_eq!(words(&events), ["changed", "running", "pending"]);
    assert_eq!((&first["head"]["engine"], &first["head"]["end"]), (&Json::Bool(true), &Json::Null));
    let output = page.json(&format!("{path}/outputs/grow@controller.1.out"));
    // What may be the beginning of a secret is held back until more comes.
    let begun = output["text"].as_str().unwrap();
    assert!("one ***.\n".starts_with(begun) && begun.starts_with("one ***") && output["from"] == 0, "{output}");

    program.write("d/go", "");
    let events = page.events(&path, |event| event["head"]["end"] == "failed" && event["head"]["engine"] == false);
    assert_eq!(words(&events), ["changed", "done", "failed"]);
    assert_eq!(run.end().code, Some(1));
    let rest = page.json(&format!("{path}/outputs/grow@controller.1.out/{}", output["next"]));
    assert_eq!(format!("{begun}{}", rest["text"].as_str().unwrap()), "one ***.\ntwo\n");
    let bad = page.json(&format!("{path}/tasks/bad@controller"));
    assert!(bad["fault_text"].as_str().unwrap().contains("command failed"), "{bad}");
    let back = page.json(&format!("{path}/back"));
    let undone: Vec<&str> = back["steps"].as_array().unwrap().iter().map(|s| s["task"].as_str().unwrap()).collect();
    assert_eq!(undone, ["bad@controller", "made@controller"]);
}

#[test]
fn a_slow_watcher_gets_what_was_missed_in_one_piece() {
    let program = Program::new();
    let (page, run) = waiting(&program, &[]);
    page.events("/api/runs", |rows| rows[0]["total"] == 3);
    program.write("d/go", "");
    run.end();
    let events = page.events(&format!("/api/runs/{}", run_of(&program)), |_| true);
    assert_eq!(words(&events), ["changed", "done", "failed"]);
    assert!(events[0]["moments"].as_array().unwrap().len() > 1);
}

#[test]
fn who_opens_the_list_while_another_watches_it_sees_it_at_once() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let book = program.write("book.yaml", "runbook: test/serve\nsteps:\n  - { id: a, sh: echo a, reads: true }\n");
    program.run(&book, [] as [&str; 0]).done();
    let ended = |rows: &Json| rows[0]["end"] == "done";
    let mut first = page.watch("/api/runs");
    first.until(ended);
    // Nothing changes any more: what the second one sees is what the first was told.
    assert_eq!(page.events("/api/runs", |_| true).last().unwrap()[0]["end"], "done");
    program.run(&book, [] as [&str; 0]).done();
    first.until(|rows| rows.as_array().unwrap().len() == 2 && ended(rows));
}

#[test]
fn a_record_that_could_not_be_read_for_a_while_is_watched_on() {
    let program = Program::new();
    let (run, task): (RunId, TaskName) = ("20260102-030405-abcd".into(), "a@db-1".parse().unwrap());
    let (folder, mut journal) = program.store().create(&run, &[]).unwrap();
    let mut places = 0..;
    let mut happens = |event| {
        let seq = places.next().unwrap();
        journal.append(&[Stamped { seq, at: jiff::Timestamp::now(), event }]).unwrap();
    };
    happens(begun(&run, &task));
    let page = Page::serve(&program, &[]);
    let mut watcher = page.watch(&format!("/api/runs/{run}"));
    assert_eq!(words(&watcher.until(|_| true)), ["pending"]);
    let whole = folder.journal().metadata().unwrap().len();
    let mut file = std::fs::File::options().append(true).open(folder.journal()).unwrap();
    file.write_all(b"no line of a journal\nand one more\n").unwrap();
    watcher.until(|event| event["broken"].is_string());
    assert!(
        page.events(&format!("/api/runs/{run}"), |_| true)[0]["broken"].is_string(),
        "who comes now is told so, too"
    );
    file.set_len(whole).unwrap();
    let events = watcher.until(|event| event["broken"].is_null());
    assert_eq!(words(&events[events.len() - 1..]), ["pending"], "all of it is told anew");
    happens(Event::Task { task: task.clone(), what: TaskEvent::Started { attempt: 1 } });
    assert_eq!(words(&watcher.until(|event| event["head"]["counts"]["running"] == 1)), ["running"]);
}

fn begun(run: &RunId, task: &TaskName) -> Event {
    Event::RunStarted {
        run: run.clone(),
        runbook: "test/serve".into(),
        version: "0.1.0".into(),
        operator: "ana@desk".into(),
        inputs: Default::default(),
        tasks: vec![task.clone()],
    }
}

#[test]
fn nobody_is_let_in_without_the_token_or_by_a_strange_name() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let status = |path: &str, headers: &[&str]| page.ask("GET", path, headers, "").status;
    assert_eq!(status("/", &[]), 200, "there is nothing in it");
    for path in ["/api/session", "/api/runs", "/api/runs/x", "/api/runs/x/back"] {
        assert_eq!(status(path, &[]), 401, "{path}");
        assert_eq!(status(path, &["Authorization: Bearer 00000000000000000000000000000000"]), 401, "{path}");
    }
    assert_eq!(status("/api/session", &[&page.bearer()]), 200);
    for host in ["evil.example", "127.0.0.1.evil.example:80", ""] {
        assert_eq!(status("/", &[&format!("Host: {host}")]), 421, "{host}");
        assert_eq!(status("/api/session", &[&format!("Host: {host}"), &page.bearer()]), 421, "{host}");
    }
    assert_eq!(status("/api/session", &["Host: localhost:9", &page.bearer()]), 200, "as ssh may forward it");
    assert_eq!(page.ask("POST", "/login", &[], r#"{"token": "other"}"#).status, 401);
    let body = json!({ "token": page.token }).to_string();
    let foreign = page.ask("POST", "/login", &["Origin: https://evil.example"], &body);
    assert_eq!(foreign.status, 403);
    let entered = page.ask("POST", "/login", &[&format!("Origin: http://{}", page.address)], &body);
    let cookie = entered.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    assert!(!cookie.contains(&page.token));
    assert_eq!(status("/api/session", &[&format!("Cookie: {}", cookie.split(';').next().unwrap())]), 200);
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let start = page.ask("GET", "/", &[], "");
    let policy = start.head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for header in ["x-content-type-options: nosniff", "cache-control: no-store", "referrer-policy: no-referrer"] {
        assert!(start.head.contains(header), "{header}");
    }
    let names: Vec<&str> = start.body.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert_eq!(page.ask("GET", &format!("/assets/{name}"), &[], "").status, 200, "{name}");
    }
    assert_eq!(page.ask("GET", "/assets/..%2fmod.rs", &[], "").status, 404);
}

#[test]
fn only_what_tasks_printed_can_be_read() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let book = program.write("book.yaml", "runbook: test/serve\nsteps:\n  - { id: a, sh: echo a, reads: true }\n");
    program.run(&book, [] as [&str; 0]).done();
    let path = format!("/api/runs/{}", run_of(&program));
    assert_eq!(page.get(&format!("{path}/outputs/a@controller.1.out")).status, 200);
    for file in ["..%2fjournal", "..", "%2fetc%2fpasswd", "none", ".%2fa@controller.1.out"] {
        assert_eq!(page.get(&format!("{path}/outputs/{file}")).status, 404, "{file}");
    }
    assert_eq!(page.get("/api/runs/..%2f..").status, 404);
    assert_eq!(page.get("/api/runs/none").status, 404);
    assert_eq!(page.get(&format!("{path}/tasks/none@controller")).status, 404);
}

#[test]
fn a_unix_socket_is_its_owners_and_goes_away_with_the_server() {
    let program = Program::new();
    let socket = program.path("page.sock");
    let listen = format!("unix:{}", socket.display());
    let mut server = program.command(["serve", "--listen", &listen]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), listen);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let _holding: Vec<UnixStream> = (0..MANY).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut stream = UnixStream::connect(&socket).unwrap();
    write!(stream, "GET /api/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let answer = answer(stream);
    assert_eq!(answer.status, 200, "its mode lets in");
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn a_token_of_a_file_is_made_once_and_is_for_its_owner_only() {
    let program = Program::new();
    let file = program.path("token");
    let words = ["--token-file", "token"];
    let first = Page::serve(&program, &words).token.clone();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Page::serve(&program, &words).token, first);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let refused = program.call(["serve", "--listen", "127.0.0.1:0", "--token-file", "token"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

/// A run that asks at a terminal, as any that asks does.
const ASKS: &str = "runbook: test/serve\nsteps:\n  - { id: go, approve: Go <b>on</b>? }\n  \
                    - { id: hold, sh: \"for i in $(seq 2000); do test -e $D/go && break; sleep 0.05; done\", reads: true }\n  \
                    - { id: after, sh: sleep 600, irreversible: it sleeps }\n";

#[test]
fn who_watches_approves_pauses_and_stops_where_that_is_allowed() {
    let program = Program::new();
    std::fs::create_dir(program.path("d")).unwrap();
    let book = program.write("book.yaml", &ASKS.replace("$D", &program.path("d").display().to_string()));
    let page = Page::serve(&program, &["--allow-control"]);
    let mut run = program.at_terminal(&["run", book.to_str().unwrap(), "--yes", "--log", "quiet"]);
    page.events("/api/runs", |rows| rows[0]["total"] == 3);
    let path = format!("/api/runs/{}", run_of(&program));
    let events = page.events(&path, |event| event["head"]["asks"][0]["step"] == "go");
    assert_eq!(events.last().unwrap()["head"]["asks"][0]["question"], "Go <b>on</b>?");

    // Nobody else's page may: without the word that only our own can read, or from elsewhere.
    let (approve, body) = (format!("{path}/approve"), json!({ "step": "go" }));
    let refused = |headers: &[&str]| page.ask("POST", &approve, headers, &body.to_string()).status;
    let csrf = format!("X-CSRF-Token: {}", page.json("/api/session")["csrf"].as_str().unwrap());
    assert_eq!(refused(&[&csrf]), 401);
    assert_eq!(refused(&[&page.bearer()]), 403);
    assert_eq!(refused(&[&page.bearer(), "X-CSRF-Token: 0"]), 403);
    assert_eq!(refused(&[&page.bearer(), &csrf, "Origin: http://evil.example"]), 403);
    assert_eq!(refused(&[&page.bearer(), &csrf, "Sec-Fetch-Site: same-site"]), 403);
    assert_eq!(page.post(&approve, &json!({ "step": "after" })).status, 409, "it does not ask");
    assert_eq!(page.post(&approve, &json!({})).status, 400);
    assert_eq!(
        page.post(&format!("{path}/settle"), &json!({ "task": "go@controller", "took_effect": true })).status,
        409
    );

    // The question is on its way to the engine's answers when the step is on record as asking.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while page.post(&approve, &body).status != 204 {
        assert!(std::time::Instant::now() < deadline, "it never took the answer");
    }
    page.events(&path, |event| event["head"]["asks"][0].is_null() && event["head"]["counts"]["running"] == 1);
    assert_eq!(page.post(&format!("{path}/pause"), &json!({ "paused": true })).status, 204);
    page.events(&path, |event| event["head"]["paused"].as_str().is_some_and(|by| by.ends_with(", on the page")));
    program.write("d/go", "");
    page.events(&path, |event| event["head"]["over"] == 2);
    assert_eq!(page.post(&format!("{path}/pause"), &json!({ "paused": false })).status, 204);
    page.events(&path, |event| event["head"]["counts"]["changing"] == 1);
    assert_eq!(page.post(&format!("{path}/cancel"), &json!({})).status, 204);
    page.events(&path, |event| event["head"]["end"] == "interrupted" && event["head"]["engine"] == false);
    assert!(!run.wait().unwrap().success());
    assert_eq!(page.post(&format!("{path}/pause"), &json!({ "paused": true })).status, 409, "no engine is there");
    let state = program.store().find(&run_of(&program).as_str().into()).unwrap().replay(|_, _| {}).unwrap().state;
    assert!(state.approved["go"].ends_with(", on the page"), "{:?}", state.approved);
}

const HOLDS: &str = "runbook: test/serve\nsteps:\n  \
    - { id: hold, reads: true, sh: \"for i in $(seq 6000); do test -e $D/go && break; sleep 0.05; done\" }\n  \
    - { id: after, sh: echo after, irreversible: it prints }\n";

/// A run that waits in its first step for the file `go`.
fn held(program: &Program) -> Running {
    let book = program.write("book.yaml", &HOLDS.replace("$D", &program.path("").display().to_string()));
    let mut run = program.start(&book, [] as [&str; 0]);
    run.until("hold@controller", |what| matches!(what, TaskEvent::Started { .. }));
    run
}

#[test]
fn to_stop_lets_what_runs_finish_and_to_cancel_ends_it() {
    let page_of = |event: &Event| match event {
        Event::Stopping { because: None, by: Some(by) } | Event::Cancelling { by } => by.ends_with(", on the page"),
        _ => false,
    };
    for cancelled in [false, true] {
        let program = Program::new();
        let page = Page::serve(&program, &["--allow-control"]);
        let run = held(&program);
        let path = format!("/api/runs/{}", run_of(&program));
        let post = |act: &str, body: Json| page.post(&format!("{path}/{act}"), &body).status;
        assert_eq!(post("stop", json!({})), 204);
        page.events(&path, |event| event["head"]["stopping"] == true && event["head"]["end"].is_null());
        assert_eq!((post("stop", json!({})), post("pause", json!({ "paused": true }))), (409, 409), "it stops already");
        match cancelled {
            true => assert_eq!(post("cancel", json!({})), 204),
            false => drop(program.write("go", "")),
        }
        let ran = run.end();
        assert_eq!((ran.code, &*ran.words("after")), (Some(130), &["pending"][..]));
        assert_eq!(ran.words("hold") == ["done"], !cancelled, "{:?}", ran.state);
        let told = ran.events.iter().filter(|stamped| page_of(&stamped.event)).count();
        assert_eq!(told, 1 + usize::from(cancelled), "{:?}", ran.events);
    }
}

/// Reads a file that its operator gives, and fails then.
const TAKES: &str = "runbook: test/serve\nparams: { from: { type: file } }\nsteps:\n  \
    - { id: copied, copy: { from: \"{{ params.from }}\", to: $D/copied } }\n  \
    - { id: bad, sh: exit 7, undo: [{ sh: echo back }] }\n";

#[test]
fn a_run_is_shown_and_rolled_back_by_its_record_alone() {
    let program = Program::new();
    std::fs::create_dir(program.path("d")).unwrap();
    let book = program.write("book.yaml", &TAKES.replace("$D", &program.path("d").display().to_string()));
    let given = program.write("given", "words\n");
    assert_eq!(program.run(&book, ["-p", "from=given"]).code, Some(1));
    std::fs::remove_file(given).unwrap();
    std::fs::remove_file(book).unwrap();
    let page = Page::serve(&program, &[]);
    let path = format!("/api/runs/{}", run_of(&program));
    let seen = page.events(&path, |_| true).remove(0);
    assert!(seen["frame"]["graph"].as_str().unwrap().contains("data-step=\"copied\"") && seen["no_inputs"].is_null());
    assert_eq!(page.json(&format!("{path}/back"))["steps"].as_array().unwrap().len(), 2);
    let shown = program.call(["show", "last"]);
    assert!(shown.out.contains("a rollback to the start") && shown.err.is_empty(), "{shown:?}");
    let resumed = program.call(["resume", "last"]);
    assert!(resumed.code == Some(1) && !resumed.err.contains("E0605"), "the run has its own copy: {}", resumed.err);
    let back = program.call(["rollback", "last", "--yes"]);
    assert!(back.code == Some(0) && !program.path("d/copied").exists(), "{}", back.err);

    let folder = program.store().find(&run_of(&program).as_str().into()).unwrap();
    std::fs::remove_file(folder.inputs().join("runbook.yaml")).unwrap();
    let seen = Page::serve(&program, &[]).events(&path, |_| true).remove(0);
    assert!(
        seen["no_inputs"].as_str().unwrap().contains("runbook.yaml"),
        "why there is no graph: {}",
        seen["no_inputs"]
    );
    assert_eq!(seen["frame"]["tasks"].as_array().unwrap().len(), 2);
    assert!(program.call(["show", "last"]).err.contains("runbook.yaml"));
}

#[test]
fn a_page_that_only_shows_does_nothing() {
    let program = Program::new();
    let (page, run) = waiting(&program, &[]);
    page.events("/api/runs", |rows| rows[0]["total"] == 3);
    let path = format!("/api/runs/{}", run_of(&program));
    for (act, body) in [
        ("approve", json!({ "step": "grow" })),
        ("pause", json!({ "paused": true })),
        ("stop", json!({})),
        ("cancel", json!({})),
        ("settle", json!({ "task": "bad@controller", "took_effect": true })),
    ] {
        assert_eq!(page.post(&format!("{path}/{act}"), &body).status, 403, "{act}");
    }
    program.write("d/go", "");
    assert_eq!(run.end().code, Some(1), "it was neither paused nor stopped");
}

#[test]
fn what_is_unknown_is_settled_on_the_page() {
    let program = Program::new();
    let (run, task): (RunId, TaskName) = ("20260102-030405-abcd".into(), "a@db-1".parse().unwrap());
    let unknown = || TaskEvent::Unknown { fault: Fault::new(FaultKind::Lost, "the link broke") };
    let (_, mut journal) = program.store().create(&run, &[]).unwrap();
    let of_task = |what| Event::Task { task: task.clone(), what };
    let events = [
        begun(&run, &task),
        of_task(TaskEvent::Started { attempt: 1 }),
        of_task(TaskEvent::Changing { summary: "run it".into(), undo: None }),
        of_task(unknown()),
        Event::RunEnded { outcome: Outcome::Unknown },
    ];
    for (seq, event) in (0..).zip(events) {
        journal.append(&[Stamped { seq, at: jiff::Timestamp::now(), event }]).unwrap();
    }
    let page = Page::serve(&program, &["--allow-control"]);
    let (path, body) = (format!("/api/runs/{run}"), json!({ "task": "a@db-1", "took_effect": true }));
    assert_eq!(words(&page.events(&path, |_| true)), ["unknown"]);
    assert_eq!(page.post(&format!("{path}/settle"), &body).status, 409, "somebody else writes to its record");
    drop(journal);
    assert_eq!(page.post(&format!("{path}/settle"), &body).status, 204);
    assert_eq!(words(&page.events(&path, |_| true)), ["changed"]);
    assert_eq!(page.post(&format!("{path}/settle"), &body).status, 409, "it is settled");
}

/// So many connections from one machine hold no seat of others.
const MANY: usize = 300;

#[test]
fn who_holds_hundreds_of_connections_keeps_nobody_out() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let half_a_body = format!("POST /login HTTP/1.1\r\nHost: {}\r\nContent-Length: 99\r\n\r\n{{", page.address);
    let (bearer, host) = (page.bearer(), &page.address);
    let unread = format!("GET /api/runs HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n\r\n");
    for said in ["", "GET / HT", "GET / HTTP/1.1\r\nX-More: ", &half_a_body, &unread] {
        let holding: Vec<TcpStream> = (0..MANY)
            .map(|_| {
                let mut stream = TcpStream::connect(&page.address).unwrap();
                // One that has to leave its seat meanwhile may be closed already.
                let _ = stream.write_all(said.as_bytes());
                stream
            })
            .collect();
        let asked = Instant::now();
        page.json("/api/session");
        assert!(asked.elapsed() < Duration::from_secs(10), "{said}");
        drop(holding);
    }
}

#[test]
fn who_watches_keeps_the_seat_while_strangers_come_and_say_nothing() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let mut watched = page.watch("/api/runs");
    watched.until(|_| true);
    let holding: Vec<TcpStream> = (0..MANY).map(|_| TcpStream::connect(&page.address).unwrap()).collect();
    let run =
        program.run(&program.write("book.yaml", "runbook: a/b\nsteps:\n  - { reads: true, sh: 'true' }\n"), [""; 0]);
    watched.until(|rows| rows[0]["run"] == run.run().as_str());
    drop(holding);
}

#[test]
fn a_connection_that_says_nothing_more_ends() {
    let program = Program::new();
    let page = Page::serve(&program, &[]);
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Long: {}\r\n\r\n", page.address, "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: {}\r\n{}\r\n", page.address, "X-More: 1\r\n".repeat(200));
    let half = format!("POST /login HTTP/1.1\r\nHost: {}\r\nContent-Length: 99\r\n\r\n{{", page.address);
    let idle = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", page.address);
    let cases = [("", ""), ("GET / HT", ""), (&long, "431"), (&many, "431"), (&half, "408"), (&idle, "200")];
    std::thread::scope(|all| {
        for (said, status) in cases {
            let page = &page;
            all.spawn(move || {
                let mut stream = TcpStream::connect(&page.address).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
                let _ = stream.write_all(said.as_bytes());
                let mut answer = Vec::new();
                let read = stream.read_to_end(&mut answer);
                let reset = read.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
                assert!(read.is_ok() || reset, "{said:.40}: {read:?}");
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.split(' ').nth(1).unwrap_or_default() == status || reset, "{said:.40}: {answer}");
            });
        }
    });
}
