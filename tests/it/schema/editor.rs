//! What an author sees: yaml-language-server itself, which VS Code and other editors run, with our schemas.

use super::root;
use crate::support::language_server::Server;
use serde_json::Value as Json;
use surefoot::cli::ACTIONS;
use surefoot_engine::check::STEP;

/// A text with `|` where the cursor is.
fn with_cursor(text: &str) -> (String, usize, usize) {
    let at = text.find('|').unwrap();
    let line = text[..at].matches('\n').count();
    let column = at - text[..at].rfind('\n').map_or(0, |start| start + 1);
    (text.replacen('|', "", 1), line, column)
}

const HEAD: &str = "# yaml-language-server: $schema=../../schemas/runbook.json\n\
                    runbook: case\nhosts:\n  members: { min: 1 }\nsteps:\n";

fn open(server: &mut Server, text: &str) -> String {
    let uri = format!("file://{}/runbooks/etcd/open-in-an-editor.yaml", root().display());
    server.open(&uri, text);
    uri
}

fn completions(server: &mut Server, steps: &str) -> Vec<String> {
    let (text, line, column) = with_cursor(&format!("{HEAD}{steps}"));
    let uri = open(server, &text);
    let answer = server.at("textDocument/completion", &uri, line, column);
    let items = answer["items"].as_array().or(answer.as_array()).cloned().unwrap_or_default();
    items.iter().map(|item| item["label"].as_str().unwrap_or_default().to_owned()).collect()
}

fn hover(server: &mut Server, steps: &str) -> String {
    let (text, line, column) = with_cursor(&format!("{HEAD}{steps}"));
    let uri = open(server, &text);
    server.at("textDocument/hover", &uri, line, column)["contents"]["value"].as_str().unwrap_or_default().to_owned()
}

/// Where the server marks mistakes, as `line:column` from 1, with what it says.
fn mistakes(server: &mut Server, text: &str) -> Vec<(String, String)> {
    let uri = open(server, text);
    let place = |mistake: &Json| {
        let start = &mistake["range"]["start"];
        format!("{}:{}", start["line"].as_u64().unwrap() + 1, start["character"].as_u64().unwrap() + 1)
    };
    let all = server.diagnostics(&uri);
    all.iter().map(|mistake| (place(mistake), mistake["message"].as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn an_editor_completes_explains_and_checks() {
    let mut server = Server::start();
    completes(&mut server);
    explains(&mut server);
    checks(&mut server);
}

fn completes(server: &mut Server) {
    for (steps, wanted) in [
        ("  - id: a\n    ser|\n", &["service", "etcd.health", "copy"][..]),
        ("  - id: a\n    sh: x\n    |\n", &["retry", "undo", "needs", "irreversible"]),
        ("  - id: a\n    service:\n      |\n", &["unit", "state", "enabled"]),
        ("  - id: a\n    service:\n      unit: etcd\n      state: |\n", &["started", "stopped"]),
        ("  - checkpoint: a\n    on_failure: |\n", &["stop", "rollback", "continue"]),
        ("  - id: a\n    sh: x\n    undo:\n      - |\n", &["sh", "service", "env"]),
    ] {
        let found = completions(server, steps);
        let missing: Vec<&&str> = wanted.iter().filter(|name| !found.iter().any(|label| label == *name)).collect();
        assert!(missing.is_empty(), "{steps}: no {missing:?} in {found:?}");
    }
    let inner = completions(server, "  - id: a\n    sh: x\n    undo:\n      - |\n");
    assert!(!inner.contains(&"needs".to_owned()), "an undo has no `needs`: {inner:?}");
}

fn explains(server: &mut Server) {
    let manual =
        |name: &str| (ACTIONS.find(name).unwrap().schema)().get("description").unwrap().as_str().unwrap().to_owned();
    let first = |text: &str| text.lines().next().unwrap().to_owned();
    let needs = STEP.fields().find(|field| field.name == "needs").unwrap().about;
    for (steps, wanted) in [
        ("  - id: a\n    serv|ice: { unit: etcd }\n", first(&manual("service"))),
        ("  - needs|: []\n    service: { unit: etcd }\n", needs.to_owned()),
        ("  - copy: { from: a, to: /b, mo|de: \"0600\" }\n", "Its mode.".to_owned()),
    ] {
        let shown = hover(server, steps);
        assert!(shown.contains(&wanted), "{steps}: {shown}");
    }
}

fn checks(server: &mut Server) {
    for (steps, places) in [
        ("  - service: { unit: etcd, state: \"{{ 'stopped' }}\" }\n    timeout: 3s\n", &[][..]),
        ("  - service: { unit: etcd, state: stoped }\n", &["6:35"]),
        ("  - service: { unit: etcd, stat: stopped }\n", &["6:28"]),
        ("  - sevice: { unit: etcd, state: stopped }\n", &["6:5", "6:5"]),
        ("  - checkpoint: a\n    timeout: soon\n", &["7:14"]),
        ("  - id: a\n", &["6:5"]),
        ("  - id: a\n    sh: x\n    exec: [y]\n", &["6:5"]),
        ("  - id: a\n    copy: { from: a, to: b, mode: [] }\n", &["7:26", "7:35"]),
        ("  - id: \"{{ x }}\"\n    sh: x\n", &["6:9"]),
        ("  - id: a\n    sh: x\n    undo: { sh: x, needs: [] }\n", &["8:20"]),
    ] {
        let found = mistakes(server, &format!("{HEAD}{steps}"));
        let at: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(at, places, "{steps}: {found:?}");
    }
    for shipped in ["restore-cluster.yaml", "restore-cluster.rehearse.yaml"] {
        let text = std::fs::read_to_string(root().join("runbooks/etcd").join(shipped)).unwrap();
        assert_eq!(mistakes(server, &text), [], "{shipped}");
    }
}
