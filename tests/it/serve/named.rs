//! Who approves and who stops is on record by name: a person by a token of their own, or by a proxy's word.

use crate::support::program::Program;
use crate::support::visitor::Page;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use surefoot_engine::action::sha256;
use surefoot_engine::model::Event;

const BOOK: &str = "runbook: test/named\nsteps:\n  - { id: go, approve: \"Go on?\" }\n  \
    - { id: hold, reads: true, sh: \"for i in $(seq 6000); do test -e $D/go && break; sleep 0.05; done\" }\n  \
    - { id: after, sh: echo after, irreversible: it prints }\n";

const ANA: &str = "ana-has-a-token-of-her-own";
const BEN: &str = "and-ben-has-one-that-differs";

/// A program, and the folder that the run waits in.
fn program() -> Program {
    let program = Program::new();
    std::fs::create_dir(program.path("d")).unwrap();
    program.write("book.yaml", &BOOK.replace("$D", &program.path("d").display().to_string()));
    program
}

/// A run that asks at a terminal, as any that asks does.
fn asking(program: &Program) -> (String, Child) {
    let run = program.at_terminal(&["run", "book.yaml", "--yes", "--log", "quiet"]);
    program.until(|state| state.of_step("go").any(|(_, task)| task.state.is_in_flight()));
    (program.state().run.unwrap().to_string(), run)
}

/// Ana approves, and Ben stops the run.
fn answered(program: &Program, page: &mut Page, is: impl Fn(&mut Page, &str)) {
    let (run, mut asking) = asking(program);
    let path = format!("/api/runs/{run}");
    is(page, "ana");
    let end = Instant::now() + Duration::from_secs(60);
    while page.post(&format!("{path}/approve"), &json!({ "step": "go" })).status != 204 {
        assert!(Instant::now() < end, "it never took the answer");
    }
    program.until(|state| state.of_step("hold").any(|(_, task)| task.state.is_in_flight()));
    is(page, "ben");
    assert_eq!(page.post(&format!("{path}/stop"), &json!({})).status, 204);
    program.until(|state| state.stopping);
    program.write("d/go", "");
    asking.wait().unwrap();

    let (mut approved, mut stopped) = (None, None);
    let folder = program.store().find(&run.as_str().into()).unwrap();
    folder
        .replay(|stamped, _| match &stamped.event {
            Event::Approved { by, .. } => approved = Some(by.clone()),
            Event::Stopping { by, .. } => stopped.clone_from(by),
            _ => {}
        })
        .unwrap();
    assert_eq!(approved.as_deref(), Some("ana, on the page"));
    assert_eq!(stopped.as_deref(), Some("ben, on the page"));
    for words in [&["show", "last"][..], &["report", "last", "--markdown", "-"]] {
        let said = program.call(words).out;
        assert!(said.contains("ana, on the page"), "{said}");
    }
    let report = program.call(["report", "last", "--markdown", "-"]).out;
    assert!(report.contains("ben, on the page"), "{report}");
}

fn private(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

#[test]
fn a_person_approves_and_stops_by_a_token_of_their_own() {
    let program = program();
    let file = program.write("people", &format!("ana {}\nben {}\n", sha256(ANA), sha256(BEN)));
    let words = ["--allow-control", "--people", "people"];
    let open = program.call([&["serve", "--listen", "127.0.0.1:0"][..], &words].concat());
    assert_eq!(open.code, Some(2), "others could read the file: {open:?}");
    private(&file);
    let mut page = Page::serve(&program, &words);
    for token in ["", "a-token-that-nobody-has-ever-had", &sha256(ANA)] {
        page.token = token.to_owned();
        assert_eq!(page.get("/api/session").status, 401, "{token}");
    }
    answered(&program, &mut page, |page, name| page.token = if name == "ana" { ANA } else { BEN }.to_owned());
}

#[test]
fn a_proxy_names_who_approves_and_stops() {
    let program = program();
    private(&program.write("token", "the-token-of-the-proxy-itself\n"));
    let words = ["--allow-control", "--trusted-proxy-header", "X-Remote-User", "--token-file", "token"];
    let mut page = Page::serve(&program, &words);
    page.headers = vec!["X-Remote-User: ana".to_owned()];
    page.token = "whoever-is-not-the-proxy-knows-not".to_owned();
    assert_eq!(page.get("/api/session").status, 401, "others of this machine can reach the port");
    page.token = "the-token-of-the-proxy-itself".to_owned();
    for headers in [vec![], vec!["X-Remote-User: ana".to_owned(), "X-Remote-User: ben".to_owned()]] {
        page.headers = headers;
        assert_eq!(page.get("/api/session").status, 401, "it must name one");
    }
    answered(&program, &mut page, |page, name| page.headers = vec![format!("X-Remote-User: {name}")]);
}
