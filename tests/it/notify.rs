//! Others are told of a run: by real commands, and by a real web server.

use crate::support::program::{Program, crash};
use crate::support::web::{Asked, Web, reply};
use serde_json::{Value as Json, json};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use surefoot_engine::journal::Journal;
use surefoot_engine::model::Outcome;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Keeps what it is told, a line for each notice.
const KEEP: &str = "#!/bin/sh\nread -r notice\nprintf '%s\\n' \"$notice\" >>\"$1\"\nprintf '%s|%s\\n' \"$SUREFOOT_NOTICE\" \"$SUREFOOT_NEXT\" >>\"$1.env\"\n";

fn program(config: &str) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let program = Program::new();
    let keep = program.write("keep.sh", KEEP);
    std::fs::set_permissions(keep, PermissionsExt::from_mode(0o755)).unwrap();
    program.write("config.yaml", config);
    program
}

/// What a command has kept, by now.
fn kept(program: &Program, name: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(program.path(name)).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same, without what a crash had told twice.
fn kept_once(program: &Program, name: &str) -> Vec<Json> {
    let mut notices = kept(program, name);
    let mut seen = std::collections::HashSet::new();
    notices.retain(|notice| seen.insert(format!("{} {}", notice["notice"], notice["at"])));
    notices
}

fn words(notices: &[Json]) -> Vec<&str> {
    notices.iter().map(|notice| notice["notice"].as_str().unwrap()).collect()
}

#[track_caller]
fn until(holds: &dyn Fn() -> bool, what: &str) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "not yet: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn run(program: &Program, steps: &str, more: &[&str]) -> (Option<i32>, String) {
    let book = program.write("book.yaml", &format!("runbook: test/notify\nsteps:\n{steps}"));
    let words = [&["--config", "config.yaml"], more].concat();
    let ran = program.run(&book, words);
    (ran.code, ran.err)
}

const FAILS: &str = "  - { id: bad, sh: exit 3, irreversible: it is a test }\n";
const GOOD: &str = "  - { id: good, sh: echo good, irreversible: it is a test }\n";

#[test]
fn a_command_is_told_of_a_run_in_order_and_of_what_it_asked_for_only() {
    let program = program(
        "notify:\n  - command: [./keep.sh, all]\n  - { on: [ended], command: [./keep.sh, ends] }\n  - { on: [waiting], command: [./keep.sh, waits] }\n",
    );
    let (code, err) = run(&program, FAILS, &[]);
    assert_eq!(code, Some(1), "{err}");
    assert!(!err.contains("warning"), "{err}");
    let all = kept(&program, "all");
    assert_eq!(words(&all), ["start", "failed", "ended"]);
    let run = program.store().runs().unwrap().pop().unwrap();
    for notice in &all {
        assert_eq!(notice["run"], run.as_str());
        assert_eq!(notice["runbook"], "test/notify");
        assert!(notice["operator"].as_str().unwrap().contains('@'));
        notice["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    let [failed, ended] = [&all[1], &all[2]];
    assert_eq!([&failed["step"], &failed["host"]], ["bad", "controller"]);
    assert_eq!(ended["outcome"], "failed");
    assert_eq!(ended["exit_code"], 1);
    assert_eq!(ended["next"], json!(format!("surefoot resume {run}")));
    assert_eq!(words(&kept(&program, "ends")), ["ended"]);
    assert!(!program.path("waits").exists());
    let variables = std::fs::read_to_string(program.path("all.env")).unwrap();
    assert_eq!(variables.lines().next_back(), Some(&*format!("ended|surefoot resume {run}")));
}

#[test]
fn where_only_the_failed_step_is_undone_the_command_that_goes_on_is_told() {
    let program = program("notify: [{ on: [ended], command: [./keep.sh, ends] }]\n");
    let back = "  - { id: back, sh: exit 3, undo: { sh: \"true\" }, on_failure: rollback }\n";
    let (code, err) = run(&program, &format!("{GOOD}{back}"), &[]);
    assert_eq!(code, Some(1), "{err}");
    let run = program.store().runs().unwrap().pop().unwrap();
    let ended = &kept(&program, "ends")[0];
    assert_eq!((&ended["outcome"], &ended["exit_code"]), (&json!("failed"), &json!(1)));
    assert_eq!(ended["next"], json!(format!("surefoot resume {run}")));
}

#[test]
fn what_cannot_be_known_is_told_with_the_word_that_settles_it() {
    let program = program("notify: [{ on: [unknown, ended], command: [./keep.sh, all] }]\n");
    let dies =
        "  - id: gone\n    irreversible: it is a test\n    http: { url: \"http://127.0.0.1:PORT/\", method: POST }\n";
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let web = runtime.block_on(Web::plain(|_: &Asked| reply("", "", "")));
    let steps = dies.replace("PORT", &web.address.port().to_string());
    let (code, err) = run(&program, &steps, &[]);
    assert_eq!(code, Some(5), "{err}");
    let all = kept(&program, "all");
    assert_eq!(words(&all), ["unknown", "ended"]);
    let next = all[0]["next"].as_str().unwrap();
    assert!(next.starts_with("surefoot settle ") && next.contains("gone@controller"), "{next}");
    assert_eq!(all[1]["next"], next);
}

/// A server that answers all alike, and the config that names it.
fn hook(
    answer: impl Fn(&Asked) -> crate::support::web::Reply + Send + Sync + 'static,
) -> (tokio::runtime::Runtime, Web) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let web = runtime.block_on(Web::plain(answer));
    (runtime, web)
}

#[test]
fn a_webhook_gets_the_notice_and_its_token_and_neither_shows_anywhere() {
    let (_runtime, web) = hook(|_| reply("204 No Content", "", ""));
    let secret_path = "/T0K-in-the-path";
    let program =
        program("notify:\n  - { webhook: \"env:HOOK\", token: \"file:token\" }\n  - command: [./keep.sh, all]\n");
    program.write("token", "hook-token-4711\n");
    let book = "runbook: test/notify\nparams: { pass: { type: secret } }\nsteps:\n  - { id: tells, env: { P: \"{{ params.pass }}\" }, sh: \"echo the pass is $P >&2; exit 1\", irreversible: it is a test }\n";
    program.write("book.yaml", book);
    let mut command = program.command([
        "run",
        "book.yaml",
        "--yes",
        "--log",
        "json",
        "--config",
        "config.yaml",
        "-p",
        "pass=env:PASS",
    ]);
    command.env("HOOK", web.url(secret_path)).env("PASS", "correct-horse-9").stderr(Stdio::piped());
    command.env("SUREFOOT_LOG", "trace");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let asked = web.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|one| one.line == format!("POST {secret_path} HTTP/1.1")), "{asked:?}");
    assert!(asked.iter().all(|one| one.headers.to_lowercase().contains("authorization: bearer hook-token-4711")));
    let told: Vec<Json> = asked.iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect();
    assert_eq!(words(&told), ["start", "failed", "ended"]);
    let mut everything = vec![output.stdout, output.stderr];
    everything.extend(asked.iter().map(|one| one.body.clone().into_bytes()));
    everything.push(std::fs::read(program.path("all")).unwrap());
    let run = program.store().runs().unwrap().pop().unwrap();
    let folder = program.store().find(&run).unwrap();
    everything.push(std::fs::read(folder.journal()).unwrap());
    let log = std::fs::read(&folder.engine_log()[1]).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("HTTP request"));
    everything.push(log);
    for (index, bytes) in everything.iter().enumerate() {
        let text = String::from_utf8_lossy(bytes);
        for secret in ["correct-horse-9", "hook-token-4711", "T0K-in-the-path"] {
            assert!(!text.contains(secret), "{secret} in {index}: {text}");
        }
    }
}

/// A token belongs to who is told, not to what the run does: it is not pinned, and one that was exchanged meanwhile is the
/// one that counts.
#[test]
fn a_run_that_goes_on_uses_the_token_of_that_time() {
    let (_runtime, web) = hook(|_| reply("204 No Content", "", ""));
    let program =
        program(&format!("notify:\n  - {{ on: [ended], webhook: \"{}\", token: \"file:token\" }}\n", web.url("/")));
    program.write("token", "token-of-the-first-day\n");
    let go = program.path("go").display().to_string();
    let (code, err) = run(&program, &format!("  - {{ id: waits, reads: true, sh: test -e {go} }}\n"), &[]);
    assert_eq!(code, Some(1), "{err}");
    program.write("token", "token-of-the-next-day\n");
    std::fs::write(go, "").unwrap();
    let resumed = program.call(["resume", "last", "--config", "config.yaml"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    let told: Vec<String> = web.asked().into_iter().map(|one| one.headers).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("token-of-the-first-day") && told[1].contains("token-of-the-next-day"), "{told:?}");
}

#[test]
fn what_cannot_be_told_is_a_warning_for_each_and_holds_up_nobody_else() {
    let (_runtime, web) = hook(|asked| match asked.line.contains("/moved") {
        true => reply("307 Temporary Redirect", "Location: /elsewhere\r\n", ""),
        false => reply("500 Internal Server Error", "", ""),
    });
    let config = format!(
        "notify:\n  - {{ on: [ended], webhook: \"{}\" }}\n  - {{ on: [ended], webhook: \"{}\" }}\n  - {{ on: [ended], command: [./nowhere.sh] }}\n  - {{ on: [ended], command: [./keep.sh, all] }}\n  - {{ on: [ended], webhook: \"{}\", token: \"env:NOT_THERE\" }}\n",
        web.url("/broken"),
        web.url("/moved"),
        web.url("/never"),
    );
    let program = program(&config);
    let (code, err) = run(&program, GOOD, &[]);
    assert_eq!(code, Some(0), "a notice fails no run: {err}");
    assert_eq!(err.matches("warning: ").count(), 4, "{err}");
    assert_eq!(words(&kept(&program, "all")), ["ended"]);
    let lines: Vec<String> = web.asked().into_iter().map(|one| one.line).collect();
    let times = |path: &str| lines.iter().filter(|line| line.contains(path)).count();
    assert_eq!([times("/broken"), times("/moved")], [3, 3], "{lines:?}");
    assert_eq!([times("/elsewhere"), times("/never")], [0, 0], "{lines:?}");
}

#[test]
fn who_hangs_is_left_and_what_they_started_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let deaf = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let config = format!(
        "notify:\n  - {{ on: [start], webhook: \"http://{}/\" }}\n  - {{ on: [start], command: [sh, -c, \"echo $$ >pid; sleep 7777 & sleep 7778\"] }}\n  - {{ on: [ended], command: [./keep.sh, all] }}\n",
        deaf.local_addr().unwrap()
    );
    let program = program(&config);
    let (code, err) = run(&program, GOOD, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err.matches("warning: ").count(), 2, "{err}");
    assert_eq!(words(&kept(&program, "all")), ["ended"]);
    let group = std::fs::read_to_string(program.path("pid")).unwrap();
    let group = rustix::process::Pid::from_raw(group.trim().parse().unwrap()).unwrap();
    until(&|| rustix::process::test_kill_process_group(group).is_err(), "nothing of the command is left");
}

/// At a terminal of its own, until it asks.
fn asking(program: &Program, words: &str) -> Child {
    let line = format!("exec {} {words} --config config.yaml --log quiet", env!("CARGO_BIN_EXE_surefoot"));
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(program.path(""))
        .env("SUREFOOT_STATE", program.state_folder());
    let mut terminal = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let out = terminal.stdout.as_mut().unwrap();
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"[yes/no] ") {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "ended before that: {}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    terminal
}

#[test]
fn a_run_that_waits_says_how_to_approve_and_says_it_again_after_a_crash() {
    let program = program("notify: [{ command: [./keep.sh, all] }]\n");
    program.write("book.yaml", "runbook: test/notify\nsteps:\n  - { id: go, approve: Go on? }\n");
    let terminal = asking(&program, "run book.yaml --yes");
    until(&|| kept(&program, "all").len() == 2, "it is told that the run waits");
    crash(terminal);
    let run = program.store().runs().unwrap().pop().unwrap();
    let journal = program.store().find(&run).unwrap().journal();
    until(&|| Journal::open(&journal).is_ok(), "the engine is gone");
    let mut terminal = asking(&program, "resume last --yes");
    until(&|| kept_once(&program, "all").len() == 4, "it is told so again");
    let notices = kept_once(&program, "all");
    let next = notices[3]["next"].as_str().unwrap().strip_prefix("surefoot ").unwrap().to_owned();
    assert!(next.starts_with("approve "), "{next}");
    let approved = program.call(next.split(' '));
    assert_eq!(approved.code, Some(0), "{}", approved.err);
    assert!(terminal.wait().unwrap().success());
    let notices = kept_once(&program, "all");
    assert_eq!(words(&notices), ["start", "waiting", "start", "waiting", "ended"]);
    assert_eq!(notices[4]["outcome"], json!(Outcome::Done));
    assert!(notices[4].get("next").is_none());
}

/// Its first notice it keeps to itself, for as long as it lives.
const HOLDS: &str =
    "#!/bin/sh\nif ! [ -e held ]; then echo $$ >pid; mv pid held; exec sleep 600; fi\nexec ./keep.sh all\n";

#[test]
fn an_end_that_a_crash_kept_from_being_told_is_told_by_the_next_resume_and_once_more_by_none() {
    use std::os::unix::fs::PermissionsExt;
    let program = program("notify: [{ on: [ended], command: [./hold.sh] }]\n");
    let hold = program.write("hold.sh", HOLDS);
    std::fs::set_permissions(hold, PermissionsExt::from_mode(0o755)).unwrap();
    let book = program.write("book.yaml", &format!("runbook: test/notify\nsteps:\n{GOOD}"));
    let mut run = program.start(&book, ["--config", "config.yaml"]);
    until(&|| program.path("held").exists(), "its end is being told");
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let holder = std::fs::read_to_string(program.path("held")).unwrap();
    let holder = rustix::process::Pid::from_raw(holder.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::KILL).unwrap();
    assert_eq!(kept(&program, "all"), [] as [Json; 0]);

    let shown = program.call(["show", "last"]);
    assert!(shown.code == Some(0) && shown.err.contains("surefoot resume"), "{}", shown.err);
    let resume = || program.call(["resume", "last", "--config", "config.yaml"]);
    let resumed = resume();
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let told = kept(&program, "all");
    assert_eq!(words(&told), ["ended"]);
    assert_eq!((&told[0]["outcome"], &told[0]["runbook"]), (&json!("done"), &json!("test/notify")));
    let mut ended = None;
    let found = program.store().runs().unwrap().pop().unwrap();
    let folder = program.store().find(&found).unwrap();
    folder.replay(|stamped, _| ended = Some(stamped.at)).unwrap();
    assert_eq!(told[0]["at"], json!(ended), "it is told as of when it happened");
    assert_eq!(resume().code, Some(0));
    assert_eq!(kept(&program, "all").len(), 1, "nothing is due any more");
    assert_eq!(program.call(["show", "last"]).err, "");
}

#[test]
fn a_config_with_a_mistake_stops_before_anything_and_is_not_asked_for_where_there_is_none() {
    let program = program("notify: [{ on: [ende], command: [a] }]\n");
    let book = program.write("book.yaml", &format!("runbook: test/notify\nsteps:\n{GOOD}"));
    let ran = program.run(&book, ["--config", "config.yaml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("E0510") && ran.err.contains("config.yaml:1:17"), "{}", ran.err);
    assert_eq!(program.run(&book, ["--config", "nowhere.yaml"]).code, Some(2));
    assert!(program.store().runs().unwrap_or_default().is_empty(), "nothing was begun");
    let mut usual = program.command(["run", "book.yaml", "--yes", "--log", "quiet"]);
    usual.env_remove("SUREFOOT_CONFIG").env("XDG_CONFIG_HOME", program.path("home"));
    assert!(usual.status().unwrap().success(), "there is none");
    std::fs::create_dir_all(program.path("home/surefoot")).unwrap();
    program.write("home/surefoot/config.yaml", "notify: [{ command: [../../keep.sh, all] }]\n");
    assert!(usual.status().unwrap().success());
    assert_eq!(words(&kept(&program, "all")), ["start", "ended"], "a program's path starts from the config's folder");
}

/// A server's side of TLS, with a certificate for 127.0.0.1 that trusts nobody but itself; and that as PEM.
fn certified() -> (TlsAcceptor, String) {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), own.cert.pem())
}

#[test]
fn a_webhook_with_tls_is_told_where_this_machine_trusts_it_and_not_elsewhere() {
    let (tls, pem) = certified();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let web = runtime.block_on(Web::at("127.0.0.1", Some(tls), |_| reply("200 OK", "", "")));
    let program = program(&format!("notify: [{{ on: [ended], webhook: \"https://{}/\" }}]\n", web.address));
    program.write("book.yaml", &format!("runbook: test/notify\nsteps:\n{GOOD}"));
    let trusted = program.write("trusted.pem", &pem);
    let call = |trust: Option<&Path>| {
        let mut command = program.command(["run", "book.yaml", "--yes", "--log", "quiet", "--config", "config.yaml"]);
        command.envs(trust.map(|file| ("SSL_CERT_FILE", file)));
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(call(None).contains("warning: "));
    assert_eq!(web.asked().len(), 0, "nothing is said to a stranger");
    let err = call(Some(&trusted));
    assert!(!err.contains("warning: "), "{err}");
    assert_eq!(web.asked().len(), 1);
}
