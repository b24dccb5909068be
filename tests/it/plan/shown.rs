//! How a plan is shown: as JSON, as a page, by exit codes; and what it must not show.

use crate::support::program::Program;
use serde_json::Value as Json;

const BOOK: &str = "runbook: test/shown
params: { word: { type: secret }, text: { type: string, default: \"<b>one</b>\" } }
steps:
  - { id: open, file: { path: $D/open, content: \"{{ params.text }}\\n\" } }
  - { id: closed, file: { path: $D/closed, content: \"it is {{ params.word }}\\n\" } }
  - { id: kept, file: { path: \"{{ run.dir }}/kept\", content: x } }
  - { id: read, sh: \"echo is $WORD\", env: { WORD: \"{{ params.word }}\" }, reads: true, needs: [] }
  - { id: say, assert: { that: \"steps.read.out.stdout == 'no'\", else: \"it said {{ steps.read.out.stdout }}\" }, on_failure: continue, needs: [read] }
";

fn book(program: &Program) {
    std::fs::create_dir(program.path("d")).unwrap();
    program.write("book.yaml", &BOOK.replace("$D", &program.path("d").display().to_string()));
    program.write("word", "hunter2hunter2");
}

fn plan(program: &Program, more: &[&str]) -> crate::support::program::Called {
    program.call([&["plan", "book.yaml", "-p", "word=file:word"], more].concat())
}

#[test]
fn secrets_are_masked_and_what_a_secret_replaces_is_not_shown() {
    let program = Program::new();
    book(&program);
    program.write("d/closed", "it is swordfish\n");
    let page = ["--html", "page.html"];
    let all = [plan(&program, &[]), plan(&program, &["--format", "json"]), plan(&program, &page)];
    let page = std::fs::read_to_string(program.path("page.html")).unwrap();
    let texts: Vec<&str> = all.iter().flat_map(|called| [&*called.out, &*called.err]).chain([&*page]).collect();
    for text in &texts {
        assert!(!text.contains("hunter2") && !text.contains("swordfish"), "{text}");
    }
    assert!(texts.iter().any(|text| text.contains("it said is ***")), "{}", all[0].out);
}

#[test]
fn a_page_is_whole_and_escapes_what_it_shows() {
    let program = Program::new();
    book(&program);
    assert_eq!(plan(&program, &["--html", "page.html"]).code, Some(0));
    let page = std::fs::read_to_string(program.path("page.html")).unwrap();
    assert!(page.contains("+&lt;b&gt;one&lt;&#x2f;b&gt;") && !page.contains("<b>one"), "{page}");
    for foreign in ["http://", "https://", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn exit_codes_tell_whether_there_is_something_to_change() {
    let program = Program::new();
    program.write(
        "book.yaml",
        "runbook: test/code\nsteps:\n  - { id: f, file: { path: /etc/hostname-of-nobody, state: absent } }\n",
    );
    let code = |more: &[&str]| program.call([&["plan", "book.yaml"], more].concat()).code;
    assert_eq!((code(&[]), code(&["--detailed-exitcode"])), (Some(0), Some(0)));
    program.write("book.yaml", "runbook: test/code\nsteps:\n  - { id: f, sh: \"true\", irreversible: x }\n");
    assert_eq!((code(&[]), code(&["--detailed-exitcode"])), (Some(0), Some(7)));
    program.write("book.yaml", "runbook: test/code\nsteps:\n  - { id: f, assert: { that: \"1 == 2\" } }\n");
    assert_eq!((code(&[]), code(&["--detailed-exitcode"])), (Some(1), Some(1)));
    assert_eq!(code(&["--offline", "--detailed-exitcode"]), Some(2));
}

#[test]
fn how_long_it_took_last_time_is_told() {
    let program = Program::new();
    let book =
        program.write("book.yaml", "runbook: test/past\nsteps:\n  - { id: f, sh: \"sleep 0.3\", irreversible: x }\n");
    let planned =
        || -> Json { serde_json::from_str(&program.call(["plan", "book.yaml", "--format", "json"]).out).unwrap() };
    assert!(planned().get("last_seconds").is_none());
    program.run(&book, [""; 0]).done();
    let plan = planned();
    let seconds = |of: &Json| of["last_seconds"].as_f64().unwrap();
    assert!(seconds(&plan) >= 0.3 && seconds(&plan["steps"][0]["tasks"][0]) >= 0.3, "{plan:#}");
}

#[test]
fn the_run_has_no_id_yet() {
    let program = Program::new();
    book(&program);
    let plan: Json = serde_json::from_str(&plan(&program, &["--format", "json"]).out).unwrap();
    let path = plan["steps"][2]["tasks"][0]["parameters"]["path"].as_str().unwrap();
    assert!(path.ends_with("/RUN/controller/kept"), "{path}");
}
