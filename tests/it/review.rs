//! One account of a run, in each of its forms: what is in it, and what must not be.

use crate::support::program::Program;
use serde_json::Value as Json;

const BOOK: &str = r#"runbook: test/report
summary: A run to be reviewed.
params: { word: { type: secret }, name: { type: string, default: "<i>ana</i>" } }
steps:
  - { id: make, file: { path: $D/made, content: "{{ params.name }}\n" } }
  - { id: say, sh: "echo out $WORD; echo err >&2", env: { WORD: "{{ params.word }}" }, irreversible: it prints }
  - { id: hard, sh: "echo tried >> $D/tries; test $(wc -l < $D/tries) -ge 2", reads: true, retry: { attempts: 3, every: 10ms } }
  - { id: skip, when: "1 == 2", sh: "true", irreversible: it is only tried }
  - { id: fail, sh: "echo \"no & <never>\" >&2; exit 7", reads: true }
  - { id: after, sh: "true", irreversible: it is only tried }
"#;

/// A run that has failed, and its account in all forms.
fn reviewed() -> (Program, Json, [String; 3]) {
    let program = Program::new();
    std::fs::create_dir(program.path("d")).unwrap();
    let book = program.write("book.yaml", &BOOK.replace("$D", &program.path("d").display().to_string()));
    program.write("word", "hunter2hunter2");
    assert_eq!(program.run(&book, ["-p", "word=file:word"]).code, Some(1));
    let (json, texts) = report(&program);
    (program, json, texts)
}

/// JSON; the page, Markdown and JUnit.
fn report(program: &Program) -> (Json, [String; 3]) {
    let words = ["report", "last", "--json", "-", "--html", "r.html", "--markdown", "r.md", "--junit", "r.xml"];
    let called = program.call(words);
    assert_eq!(called.code, Some(0), "{}", called.err);
    let texts = ["r.html", "r.md", "r.xml"].map(|name| std::fs::read_to_string(program.path(name)).unwrap());
    (serde_json::from_str(&called.out).unwrap(), texts)
}

fn task<'j>(review: &'j Json, step: &str) -> &'j Json {
    let name = format!("{step}@controller");
    review["tasks"].as_array().unwrap().iter().find(|task| task["task"] == name.as_str()).unwrap()
}

#[test]
fn a_review_tells_what_became_of_each_task_and_of_the_run() {
    let (program, review, _) = reviewed();
    let verified = program.call(["verify", "last"]).out;
    assert!(verified.contains(review["seal"].as_str().unwrap()), "{verified}");
    assert_eq!((review["outcome"].as_str(), review["params"]["word"].as_str().is_some()), (Some("failed"), true));
    let states =
        ["make", "say", "hard", "skip", "fail", "after"].map(|step| task(&review, step)["state"].as_str().unwrap());
    assert_eq!(states, ["done", "done", "done", "skipped", "failed", "pending"]);
    assert_eq!(
        (&task(&review, "make")["changed"], &task(&review, "hard")["changed"]),
        (&Json::Bool(true), &Json::Bool(false))
    );
    assert!(task(&review, "make")["undo"].is_string() && task(&review, "say")["undo"].is_null());
    let say = task(&review, "say");
    assert_eq!((&say["output"][0]["text"], &say["output"][1]["text"]), (&"out ***\n".into(), &"err\n".into()));
    assert!(say["command"].as_str().unwrap().contains("echo out"));
    let hard = task(&review, "hard");
    assert_eq!((hard["attempts"].as_u64(), hard["earlier"].as_array().unwrap().len()), (Some(2), 1));
    assert_eq!(task(&review, "fail")["fault"]["code"], 7);
    let ends = |step: &str| {
        task(&review, step)["spans"].as_array().unwrap().iter().map(|span| span["end"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (ends("make"), ends("hard"), ends("after")),
        (vec!["changed".into()], vec!["again".into(), "done".into()], vec![])
    );
    let moments = review["moments"].as_array().unwrap();
    assert!(moments.len() >= 3, "{moments:?}");
}

#[test]
fn no_form_shows_a_secret_and_each_escapes_what_it_shows() {
    let (_, json, [page, markdown, junit]) = reviewed();
    for text in [&json.to_string(), &page, &markdown, &junit] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(page.contains("&lt;i&gt;ana") && !page.contains("<i>ana") && !page.contains("<never>"), "{page}");
    for foreign in ["http://", "https://", "src=", "<script", "@import"] {
        assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{foreign}");
    }
    assert!(junit.contains("failures=\"1\" skipped=\"2\"") && junit.contains("no &amp; &lt;never&gt;"), "{junit}");
    assert_eq!(junit.matches("<testcase ").count(), 6);
    let hash = json["runbook_sha256"].as_str().unwrap();
    assert!(junit.contains(&format!(r#"<property name="runbook_sha256" value="{hash}"/>"#)), "{junit}");
    assert!(markdown.contains("| fail@controller | failed |"), "{markdown}");
}

#[test]
fn a_walk_back_is_in_it() {
    let (program, ..) = reviewed();
    let back = program.call(["rollback", "last", "--force", "--yes"]);
    let (review, _) = report(&program);
    assert_eq!(task(&review, "make")["state"], "undone", "{}", back.err);
    let spans = task(&review, "make")["spans"].as_array().unwrap();
    assert_eq!(spans.iter().map(|span| span["end"].as_str().unwrap()).collect::<Vec<_>>(), ["changed", "undone"]);
}

#[test]
fn what_a_step_failed_of_is_told_after_it_was_undone() {
    let program = Program::new();
    let text = "runbook: test/back\non_failure: rollback\nsteps:\n  \
                - { id: fails, sh: \"echo why >&2; exit 1\", undo: { sh: \"true\" } }\n";
    let ran = program.run(&program.write("book.yaml", text), [""; 0]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let shown = program.call(["show", "last"]).out;
    assert!(shown.contains("| why") && shown.contains("book.yaml:4:"), "{shown}");
    let (review, forms) = report(&program);
    let fails = task(&review, "fails");
    assert_eq!((&fails["state"], &fails["fault"]["detail"]), (&"undone".into(), &"why".into()));
    assert!(forms.iter().any(|form| form.contains("failures=\"1\"")), "CI is told that it failed");
}

#[test]
fn a_record_that_is_not_whole_is_not_reported_on() {
    let (program, ..) = reviewed();
    let run = program.store().runs().unwrap().pop().unwrap();
    let journal = program.store().find(&run).unwrap().journal();
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("make@controller", "mako@controller", 1)).unwrap();
    assert_eq!(program.call(["report", "last", "--markdown", "-"]).code, Some(1));
    assert_eq!(program.call(["report", "last"]).code, Some(2), "it needs to know in which form");
}

#[test]
fn a_run_that_was_made_from_a_plan_tells_which_lines_it_was_to_change() {
    let program = Program::new();
    let text = format!(
        "runbook: test/lines\nsteps:\n  - {{ id: make, file: {{ path: {}, content: x }} }}\n",
        program.path("made").display()
    );
    program.write("book.yaml", &text);
    assert_eq!(program.call(["plan", "book.yaml", "--out", "p.json"]).code, Some(0));
    assert_eq!(program.call(["run", "p.json"]).code, Some(0));
    let (review, [page, ..]) = report(&program);
    let diff = task(&review, "make")["diff"].as_str().unwrap();
    assert!(diff.contains("+x") && page.contains("class=\"added\">+x"), "{diff}");
}
