//! What `surefoot check` gives to editors, code hosts and scripts, and what it fixes by itself.

use crate::support::program::{Called, Program};
use serde_json::Value as Json;

/// Slips in a key, in `needs` and in a value; a number that may be text; a secret that is written out.
const SLIPS: &str = "\
# what it is for
runbook: test/slips
params: { key: { type: secret, default: tr0ub4dor } }
steps:
  - id: first   # the first
    reads: yes
    sh: echo {{ run.id }}
    env: { KEY: \"{{ params.key }}\" }
  - needs: [frist]
    timeuot: 1m # not long
    vars: { version: 1.10 }
    approve: Go on with {{ vars.version }}?
";

fn slips(words: &[&str]) -> (Called, Program) {
    let program = Program::new();
    program.write("slips.yaml", SLIPS);
    (program.call([&["check", "slips.yaml"], words].concat()), program)
}

fn codes(called: &Called) -> Vec<String> {
    let parsed = called.out.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    parsed.map(|found| found["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn warnings_fail_where_they_are_denied() {
    let program = Program::new();
    program.write("book.yaml", "runbook: a\nsteps:\n  - { id: a, sh: touch x }\n");
    program.write("good.yaml", "runbook: a\nsteps:\n  - { id: a, sh: touch x, irreversible: it is there }\n");
    assert_eq!(program.call(["check", "book.yaml"]).code, Some(0));
    let denied = program.call(["check", "--deny-warnings", "good.yaml", "book.yaml"]);
    assert!(denied.code == Some(2) && denied.err.contains("W0201"), "{denied:?}");
    assert_eq!(program.call(["check", "--deny-warnings", "good.yaml"]).code, Some(0));
}

#[test]
fn what_can_have_meant_one_thing_only_is_mended() {
    let (called, program) = slips(&["--fix", "--format", "json"]);
    assert_eq!((called.code, codes(&called)), (Some(2), vec!["E0606".into(), "W0501".into()]));
    let text = std::fs::read_to_string(program.path("slips.yaml")).unwrap();
    let fixed = SLIPS.replace("yes", "true").replace("frist", "first").replace("timeuot", "timeout");
    assert_eq!(text, fixed, "what is uncertain, and every comment, stays as it is");
    let again = program.call(["check", "--fix", "--format", "json", "slips.yaml"]);
    assert_eq!(again.err, "", "once is enough");
    assert_eq!(std::fs::read_dir(program.path("")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn what_can_have_meant_several_things_is_left() {
    let program = Program::new();
    let text = "runbook: a\nsteps:\n  - { id: node_1, approve: x }\n  - { id: node_2, approve: x }\n  \
                - { needs: [node_3], approve: x }\n  - { needs: [b], id: a, approve: x }\n  \
                - { timeout: 1m, timeuot: 1m, approve: x }\n";
    let path = program.write("book.yaml", text);
    assert_eq!(program.call(["check", "--fix", "book.yaml"]).code, Some(2));
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

#[test]
fn used_runbooks_are_not_mended() {
    let program = Program::new();
    let used = "runbook: used\nsteps:\n  - { approve: x, timeuot: 1m }\n";
    let path = program.write("used.yaml", used);
    program.write("book.yaml", "runbook: a\nsteps:\n  - { id: a, ues: used.yaml }\n");
    let called = program.call(["check", "--fix", "book.yaml"]);
    assert!(called.code == Some(2) && called.err.contains("used.yaml:3:"), "{called:?}");
    assert!(std::fs::read_to_string(program.path("book.yaml")).unwrap().contains("use: used.yaml"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), used);
}

#[test]
fn sarif_is_valid_and_has_rules_places_and_fixes() {
    let (called, _program) = slips(&["--format", "sarif"]);
    assert_eq!(called.code, Some(2));
    let log: Json = serde_json::from_str(&called.out).unwrap();
    let mut schema: Json = serde_json::from_str(include_str!("schema/sarif-2.1.0.json")).unwrap();
    // As it is published, it is no regular expression.
    for part in ["run", "toolComponent"] {
        schema["definitions"][part]["properties"]["language"].as_object_mut().unwrap().remove("pattern").unwrap();
    }
    let wrong: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&log)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert_eq!(wrong, [""; 0]);
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 6);
    for result in results {
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().is_some_and(|text| text.contains("```yaml")), "{rule}");
    }
    let slip = results.iter().find(|result| result["ruleId"] == "E0303").unwrap();
    let place = &slip["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "slips.yaml");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&9.into(), &13.into()));
    let change = &slip["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "first");
    assert_eq!(change["deletedRegion"]["endColumn"], 18);
    assert!(!called.out.contains("tr0ub4dor"), "a secret that was written out is not shown again");
}

#[test]
fn paths_of_sarif_are_uris() {
    let program = Program::new();
    let path = program.write("a b#ü.yaml", "runbook: a\n");
    for name in ["a b#ü.yaml", "./a b#ü.yaml", path.to_str().unwrap()] {
        let called = program.call(["check", "--format", "sarif", name]);
        let log: Json = serde_json::from_str(&called.out).unwrap();
        let uri = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(uri, "a%20b%23%C3%BC.yaml");
    }
}

#[test]
fn annotations_stand_at_their_places() {
    let (called, program) = slips(&["--format", "github"]);
    let lines: Vec<&str> = called.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", called.out);
    let place = "::error file=slips.yaml,line=9,endLine=9,col=13,endColumn=18,title=E0303::";
    assert!(lines.iter().any(|line| line.starts_with(place)), "{}", called.out);
    assert!(lines.iter().any(|line| line.starts_with("::warning ") && line.contains("%0A")), "{}", called.out);
    program.write("a,b:c.yaml", "runbook: a\n");
    let odd = program.call(["check", "--format", "github", "a,b:c.yaml"]);
    assert!(odd.out.starts_with("::error file=a%2Cb%3Ac.yaml,"), "{}", odd.out);
}
