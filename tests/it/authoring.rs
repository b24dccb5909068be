//! What helps authors: a first runbook, one style, pictures, and a look at the hosts.

use crate::support::program::Program;
use serde_json::Value as Json;
use std::path::Path;
use surefoot_engine::load::formatted;
use surefoot_engine::model::Sources;
use surefoot_lab::lab::{Break, Etcd, LabGuard, LabName, LabSpec};

#[test]
fn a_new_runbook_checks_is_in_style_passes_its_test_and_rehearses() {
    let program = Program::new();
    assert_eq!(program.call(["new", "rotate"]).code, Some(0));
    assert_eq!(program.call(["new", "rotate"]).code, Some(2), "never over a file");
    let files = ["rotate.yaml", "rotate.test.yaml", "rotate.rehearse.yaml"];
    let checked = program.call(["check", files[0], files[1], files[2]]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    assert_eq!(program.call(["fmt", "--check", files[0], files[1], files[2]]).code, Some(0));
    let tested = program.call(["test", files[1]]);
    assert_eq!(tested.code, Some(0), "{}{}", tested.out, tested.err);
    let lab = LabName::of_this_process("new").unwrap();
    let rehearsed = program.call(["rehearse", files[0], "--lab", lab.as_str()]);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.err);
}

#[test]
fn a_formatted_file_keeps_its_comments_and_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let program = Program::new();
    let ugly = "# first\nrunbook:   a/b   # last\nsteps:\n- sh:   'true'\n  # within\n  reads:   true\n";
    let path = program.write("ugly.yaml", ugly);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let looked = program.call(["fmt", "--check", "ugly.yaml"]);
    assert_eq!((looked.code, looked.out.as_str()), (Some(1), "ugly.yaml\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), ugly, "a check writes nothing");
    assert_eq!(program.call(["fmt", "ugly.yaml"]).code, Some(0));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(["# first\n", "# last\n", "# within\n"].iter().all(|comment| text.contains(comment)), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(program.call(["fmt", "--check", "ugly.yaml"]).code, Some(0), "once is enough");
}

#[test]
fn what_is_no_yaml_is_left_alone() {
    let program = Program::new();
    let path = program.write("broken.yaml", "steps: [\n");
    let called = program.call(["fmt", "broken.yaml"]);
    assert!(called.code == Some(2) && called.err.contains("E0100"), "{called:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "steps: [\n");
}

#[test]
fn shipped_runbooks_are_in_style() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let (old, new) = formatted(&path, &mut Sources::default()).unwrap();
                assert!(old == new, "surefoot fmt {}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 2);
}

#[test]
fn a_graph_is_drawn_in_every_format() {
    let program = Program::new();
    let steps = "steps:\n  - id: look\n    reads: true\n    sh: uptime\n  - checkpoint: looked\n  \
                 - id: act\n    sh: 'true'\n    irreversible: it is\n";
    program
        .write("book.yaml", &format!("runbook: a/b\n{steps}finally:\n  - id: bye\n    reads: true\n    sh: 'true'\n"));
    let drawn = |format: &str| {
        let called = program.call(["graph", "book.yaml", "--format", format]);
        assert_eq!(called.code, Some(0), "{}", called.err);
        called.out
    };
    let json: Json = serde_json::from_str(&drawn("json")).unwrap();
    let marks: Vec<_> = json["nodes"].as_array().unwrap().iter().map(|node| node["mark"].as_str().unwrap()).collect();
    assert_eq!(marks, ["read_only", "checkpoint", "irreversible", "read_only"]);
    let edges: Vec<_> = json["edges"].as_array().unwrap().iter().map(|edge| (&edge["from"], &edge["to"])).collect();
    assert_eq!(
        edges,
        [(&Json::from(0), &Json::from(1)), (&Json::from(1), &Json::from(2))],
        "`finally` waits for no step"
    );
    for format in ["text", "svg", "dot", "mermaid"] {
        let picture = drawn(format);
        assert!(["look", "checkpoint looked", "act", "bye"].iter().all(|name| picture.contains(name)), "{picture}");
    }
}

#[test]
fn what_belongs_together_stands_together_in_a_graph() {
    let program = Program::new();
    let look = |id: &str| format!("{{ id: {id}, reads: true, sh: 'true' }}");
    program.write("used.yaml", &format!("runbook: used\nsteps:\n  - {}\n  - {}\n", look("one"), look("two")));
    let roll = format!(
        "  - id: roll\n    on: web\n    rolling: {{ gate: [{}] }}\n    steps:\n      - {}\n",
        look("gate"),
        look("act")
    );
    program.write(
        "book.yaml",
        &format!(
            "runbook: a/b\nhosts: {{ web: {{}} }}\nsteps:\n  - {}\n  - {{ id: inner, use: used.yaml }}\n{roll}",
            look("first")
        ),
    );
    let called = program.call(["graph", "book.yaml", "--format", "json"]);
    assert_eq!(called.code, Some(0), "{}", called.err);
    let json: Json = serde_json::from_str(&called.out).unwrap();
    let ids: Vec<_> = json["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let group = |title: &str| -> Vec<&str> {
        let groups = json["groups"].as_array().unwrap();
        let nodes = &groups.iter().find(|group| group["title"] == title).unwrap()["nodes"];
        let place = |end: &str| usize::try_from(nodes[end].as_u64().unwrap()).unwrap();
        ids[place("start")..place("end")].to_vec()
    };
    assert!(group("use inner").starts_with(&["inner.one", "inner.two"]), "{ids:?}");
    assert!(["gate", "act"].iter().all(|id| group("rolling roll").contains(id)), "{ids:?}");
    assert!(!group("rolling roll").contains(&"first"));
}

#[test]
fn hosts_are_told_with_what_runs_there_and_why_one_cannot_be_reached() {
    let program = Program::new();
    let name = LabName::of_this_process("hosts").unwrap();
    let lab = LabGuard::up(&LabSpec::cluster(name, 2, Etcd::V3_4), &|_| {}).unwrap();
    let look = || {
        let inventory = lab.inventory();
        let called = program.call(["hosts".as_ref(), "-i".as_ref(), inventory.as_path(), "--format=json".as_ref()]);
        (called.code, serde_json::from_str::<Json>(&called.out).unwrap())
    };
    let (code, seen) = look();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen[0]["root"] == true && seen[0]["login"] == "root", "{seen}");
    assert!(seen[1]["etcd"].as_str().unwrap().starts_with("3.4."), "{seen}");
    assert!(
        seen[1]["systemd"].as_str().unwrap().parse::<u32>().unwrap() > 200 && seen[1]["free"].as_u64() > Some(1 << 20)
    );

    lab.apply(&"etcd-2".parse().unwrap(), Break::LinkDown).unwrap();
    let (code, seen) = look();
    assert_eq!((code, seen[0].get("fault")), (Some(1), None));
    assert!(seen[1]["fault"].as_str().is_some_and(|why| why.contains("etcd-2")), "{seen}");
}

#[test]
fn the_examples_of_the_pages_about_files_are_right() {
    let program = Program::new();
    let example = |page: &str| {
        let text = program.call(["actions", page]).out;
        let (_, example) = text.split_once("\nExample\n").unwrap();
        example.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap())).collect::<String>()
    };
    let hello = "  - { id: answers, on: web, wait: { tcp: 127.0.0.1:80 } }\n";
    program.write("hello.yaml", &format!("runbook: hello\nhosts: {{ web: {{}} }}\nsteps:\n{hello}"));
    let files = [("runbook", "r.yaml"), ("test", "hello.test.yaml"), ("rehearsal", "hello.rehearse.yaml")];
    for (page, file) in files.into_iter().chain([("inventory", "site.yaml"), ("config", "config.yaml")]) {
        program.write(file, &example(page));
    }
    let files = files.map(|(_, file)| file);
    let checked = program.call([&["check", "--deny-warnings", "-i", "site.yaml"], &files[..]].concat());
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(program.call(["test", "hello.test.yaml"]).code, Some(0));
    // Nobody can be told by a program that is not there; that is a warning.
    program.write("q.yaml", "runbook: q\nsteps:\n  - { reads: true, sh: \"true\" }\n");
    let told = program.call(["run", "q.yaml", "--yes", "--config", "config.yaml"]);
    assert!(told.code == Some(0) && told.err.contains("page-me"), "{told:?}");
}
