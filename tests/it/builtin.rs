//! Runbooks by name, with nothing but the binary: in an empty folder, with a home of its own.

use crate::support::program::{Called, Program, event};
use serde_json::Value as Json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use surefoot::cli::ACTIONS;
use surefoot_engine::catalog::{Catalog, Found, Location, built_in_files};
use surefoot_engine::check::check;
use surefoot_engine::load;
use surefoot_engine::model::{Event, Sources, Stamped, TaskEvent};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// A folder of its own for one call after the other, and what the calls find in their environment.
struct House {
    program: Program,
    folders: Vec<PathBuf>,
}

impl House {
    fn new() -> House {
        House { program: Program::new(), folders: Vec::new() }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.program.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_surefoot")), words)
    }

    fn command_of(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.program.path("")).stdin(Stdio::null());
        let path = std::env::var("PATH").unwrap();
        command.env_clear().env("PATH", path).env("HOME", self.program.path("")).env("USER", "root");
        command.env("SUREFOOT_STATE", self.program.state_folder());
        command.env("SUREFOOT_RUNBOOKS", std::env::join_paths(&self.folders).unwrap());
        command
    }

    fn call(&self, words: &[&str]) -> Called {
        self.call_of(Path::new(env!("CARGO_BIN_EXE_surefoot")), words)
    }

    fn call_of(&self, program: &Path, words: &[&str]) -> Called {
        let output = self.command_of(program, words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Called { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> Called {
        let called = self.call(words);
        assert_eq!(called.code, Some(0), "{words:?}: {}{}", called.out, called.err);
        called
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Json {
        serde_json::from_str(&self.done(words).out).unwrap()
    }
}

/// A runbook of this name that says where it is.
fn small(name: &str, said: &str) -> String {
    format!("runbook: {name}\nsummary: {said}\nsteps:\n  - {{ id: say, reads: true, sh: echo {said} }}\n")
}

fn sums(paths: &[PathBuf]) -> Vec<String> {
    let output = Command::new("sha256sum").args(paths).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line[..64].to_owned()).collect()
}

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(path)
}

#[test]
fn every_shipped_file_is_in_the_program_as_it_is() {
    let files = built_in_files();
    let mut open = vec![shipped("")];
    let mut count = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let below = path.strip_prefix(shipped("")).unwrap();
        let there = Location::BuiltIn(below.to_owned()).read(u64::MAX).unwrap();
        assert_eq!(there, fs::read(&path).unwrap(), "{}", path.display());
        count += 1;
    }
    assert_eq!(files.len(), count);
}

/// Among other mistakes: none names a file beside itself, for there is none.
#[test]
fn every_built_in_runbook_test_and_rehearsal_is_without_mistakes() {
    let house = House::new();
    let all = house.json(&["runbooks", "--format", "json"]);
    let names: Vec<String> = all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().into()).collect();
    assert!(names.len() >= 29 && names.contains(&"etcd/restore-cluster".to_owned()), "{names:?}");
    let words: Vec<&str> = ["check", "--deny-warnings"].into_iter().chain(names.iter().map(String::as_str)).collect();
    house.done(&words);
    for file in built_in_files().into_iter().filter(|file| file.to_string_lossy().ends_with(".rehearse.yaml")) {
        let (mut sources, catalog) = (Sources::default(), Catalog::default());
        let location = Location::BuiltIn(file.to_owned());
        let rehearsal = surefoot_lab::rehearse::load_at(&location, &catalog, &mut sources).unwrap();
        let inventory = load::Inventory::of_names(rehearsal.lab.hosts.iter().map(|name| name.as_str().into()));
        for stage in [&rehearsal.setup, &rehearsal.damage, &rehearsal.proof].into_iter().flatten() {
            let verdict = check(stage, Some(&inventory), &sources, &ACTIONS);
            assert!(verdict.runbook.is_some(), "{}: {:#?}", file.display(), verdict.diagnostics);
        }
    }
}

#[test]
fn a_name_is_checked_drawn_planned_tested_and_shown() {
    let house = House::new();
    house.write("site.yaml", "hosts: { a: {}, b: {}, c: {} }\ngroups: { members: [a, b, c] }\n");
    house.done(&["check", "etcd/report"]);
    house.done(&["graph", "etcd/report"]);
    house.done(&["schema", "params", "--of", "etcd/report"]);
    assert!(house.done(&["test", "etcd/restore-cluster"]).out.contains("all ok"));
    assert_eq!(
        house.done(&["runbooks", "show", "etcd/report"]).out.as_bytes(),
        fs::read(shipped("etcd/report.yaml")).unwrap()
    );
    let plan = ["plan", "etcd/report", "-i", "site.yaml", "--offline"];
    let json = house.json(&[&plan[..], &["--format", "json"]].concat());
    assert_eq!(json["runbook_source"]["from"], "built_in");
    assert_eq!(json["runbook_source"]["version"], env!("CARGO_PKG_VERSION"));
    let hash = json["runbook_sha256"].as_str().unwrap().to_owned();
    assert_eq!([hash.clone()].as_slice(), sums(&[shipped("etcd/report.yaml")]));
    let text = house.done(&[&plan[..], &["--html", "plan.html"]].concat()).out;
    let named = format!("runbook etcd/report sha256:{hash}");
    assert!(text.contains(&named), "{text}");
    assert!(fs::read_to_string(house.program.path("plan.html")).unwrap().contains(&format!("sha256:{hash}")));
    assert!(house.done(&["runbooks", "--long"]).out.contains(&hash));
}

#[test]
fn the_hash_covers_what_is_used_and_not_where_it_is() {
    let house = House::new();
    let hashed = |path: &str| house.json(&["plan", path, "--offline", "--format", "json"])["runbook_sha256"].clone();
    let outer = "runbook: outer\nsteps:\n  - { id: one, use: lib/inner.yaml }\n  - { id: two, use: lib/inner.yaml }\n";
    for folder in ["a", "b"] {
        house.write(&format!("{folder}/outer.yaml"), outer);
        house.write(&format!("{folder}/lib/inner.yaml"), &small("inner", "same"));
    }
    let first = hashed("a/outer.yaml");
    assert_eq!(first, hashed("b/outer.yaml"));
    let lines = sums(&[house.program.path("a/outer.yaml"), house.program.path("a/lib/inner.yaml")]).join("\n") + "\n";
    house.write("sums", &lines);
    assert_eq!(first.as_str(), Some(sums(&[house.program.path("sums")])[0].as_str()));
    house.write("b/lib/inner.yaml", &small("inner", "other"));
    assert_ne!(first, hashed("b/outer.yaml"));
}

#[test]
fn a_file_goes_before_the_search_path_and_that_before_the_config_and_what_is_built_in() {
    let mut house = House::new();
    let source = |house: &House, word: &str| {
        let called = house.done(&["plan", word, "--offline", "--format", "json"]);
        let json: Json = serde_json::from_str(&called.out).unwrap();
        (json["summary"].as_str().unwrap().to_owned(), json["runbook_source"].clone(), called.err)
    };
    house.write("configured/etcd/report.yaml", &small("etcd/report", "configured"));
    house.write("configured/own/thing.yaml", &small("own/thing", "configured"));
    house.write(".config/surefoot/config.yaml", "runbooks: [~/configured]\n");
    let (summary, from, err) = source(&house, "etcd/report");
    assert_eq!((summary.as_str(), &from["from"]), ("configured", &Json::from("search_path")));
    assert_eq!(from["folder"], house.program.path("configured").to_str().unwrap());
    assert!(err.contains("note:") && err.contains("built into"), "{err}");
    assert!(source(&house, "own/thing").2.is_empty(), "it can mean one thing only");

    house.write("team/etcd/report.yaml", &small("etcd/report", "team"));
    house.folders = vec![house.program.path("nowhere"), house.program.path("team")];
    assert_eq!(source(&house, "etcd/report").0, "team");

    house.write("etcd/report.yaml", &small("etcd/report", "here"));
    let (summary, from, err) = source(&house, "etcd/report");
    assert_eq!((summary.as_str(), &from["from"]), ("here", &Json::from("file")));
    assert_eq!(err.matches("note:").count(), 3, "{err}");
    house.write("etcd/report", &small("etcd/report", "exactly"));
    assert_eq!(source(&house, "etcd/report").0, "exactly");

    house.done(&["check", "builtin:etcd/report"]);
    let listed = house.json(&["runbooks", "--format", "json"]);
    let own = listed.as_array().unwrap().iter().filter(|one| one["runbook_source"]["from"] == "search_path");
    assert_eq!(own.map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), ["etcd/report", "own/thing"]);
}

#[test]
fn a_path_never_falls_back_to_a_name() {
    let house = House::new();
    assert_eq!(house.call(&["check", "etcd/report.yaml"]).code, Some(2));
    assert_eq!(house.call(&["check", "./etcd/report"]).code, Some(2));
    for (wrong, right) in
        [("etcd/reprot", "etcd/report"), ("report", "etcd/report"), ("etcd/restore", "etcd/restore-cluster")]
    {
        for command in [&["check", "--format", "json"][..], &["graph"], &["run", "--yes"], &["rehearse"], &["test"]] {
            let called = house.call(&[command, &[wrong]].concat());
            assert_eq!(called.code, Some(2));
            let said = called.out + &called.err;
            assert!(said.contains("E0111") && said.contains(&format!("`{right}`")), "{command:?}: {said}");
        }
    }
    assert!(!house.program.state_folder().exists(), "nothing was begun");
}

#[test]
fn use_takes_a_name_and_a_built_in_text_is_shown_by_its_own() {
    let mut house = House::new();
    house.write("team/lib/say.yaml", &small("lib/say", "said"));
    house.folders = vec![house.program.path("team")];
    house.write("a.yaml", "runbook: a\nsteps:\n  - { id: one, use: lib/say }\n");
    house.done(&["run", "a.yaml", "--yes"]);
    house.write("b.yaml", "runbook: b\nsteps:\n  - { id: one, use: etcd/verify-backup, with: { nothing: 1 } }\n");
    let called = house.call(&["check", "b.yaml"]);
    assert!(called.err.contains("builtin:etcd/verify-backup.yaml:"), "{}", called.err);
    house.write("c.yaml", "runbook: c\nsteps:\n  - { id: one, use: lib/syy }\n");
    assert!(house.call(&["check", "c.yaml"]).err.contains("`lib/say`"));
    // The same name another time: the one around it, and the one within.
    house.write("team/etcd/defragment.yaml", "runbook: own\nsteps:\n  - { id: one, use: builtin:etcd/defragment, bind: { members: members } }\nhosts: { members: {} }\n");
    house.done(&["check", "etcd/defragment"]);
}

#[test]
fn a_resumed_run_has_its_names_as_they_were() {
    let mut house = House::new();
    house.write("team/lib/wait.yaml", "runbook: lib/wait\nsteps:\n  - { id: go, reads: true, sh: test -e go }\n");
    house.folders = vec![house.program.path("team")];
    house.write("a.yaml", "runbook: a\nsteps:\n  - { id: one, use: lib/wait }\n");
    assert_eq!(house.call(&["run", "a.yaml", "--yes"]).code, Some(1));
    house.folders.clear();
    fs::remove_dir_all(house.program.path("team")).unwrap();
    house.write("go", "");
    house.done(&["resume", "last", "--yes"]);
}

#[test]
fn a_copy_is_a_catalog_of_its_own_that_editors_understand() {
    let mut house = House::new();
    let said = house.done(&["runbooks", "copy", "etcd/kubeadm/restore", "mine"]).out;
    for file in ["etcd/kubeadm/restore.yaml", "etcd/kubeadm/restore.rehearse.yaml", "etcd/kubeadm/lab-cluster.yaml"] {
        assert!(said.contains(file) && house.program.path("mine").join(file).exists(), "{file}: {said}");
    }
    house.done(&["runbooks", "copy", "etcd/restore-cluster", "mine"]);
    // They share a file, which stays as it is.
    house.done(&["runbooks", "copy", "etcd/recover-quorum", "mine"]);
    let mut open = vec![house.program.path("mine")];
    let mut checked = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let schema = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
            let schema: Json = serde_json::from_slice(&fs::read(path.parent().unwrap().join(schema)).unwrap()).unwrap();
            assert!(schema["$id"].as_str().unwrap().starts_with("urn:surefoot:schema:"));
            checked.push(path.to_str().unwrap().to_owned());
        }
    }
    house.done(&[&["check"], &*checked.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    house.done(&["test", "mine/etcd/restore-cluster.test.yaml"]);
    house.folders = vec![house.program.path("mine")];
    assert!(house.done(&["check", "etcd/restore-cluster"]).err.contains("mine"));

    house.write("mine/etcd/restore-cluster.yaml", "changed");
    assert_eq!(house.call(&["runbooks", "copy", "etcd/recover-quorum", "mine"]).code, Some(2));
    house.folders.clear();
    assert_eq!(house.call(&["runbooks", "copy", "etcd/recover-quorum", "mine"]).code, Some(2));
    assert_eq!(fs::read_to_string(house.program.path("mine/etcd/restore-cluster.yaml")).unwrap(), "changed");
}

#[test]
fn a_new_runbook_starts_from_a_shipped_one() {
    let house = House::new();
    house.done(&["new", "ours", "--from", "etcd/recover-quorum"]);
    house.done(&["check", "ours.yaml", "ours.rehearse.yaml", "ours.test.yaml"]);
    house.done(&["test", "ours.test.yaml"]);
    let text = fs::read_to_string(house.program.path("ours.yaml")).unwrap();
    assert!(text.contains("\nrunbook: ours\n") && text.contains("use: etcd/restore-cluster\n"), "{text}");
    assert_eq!(house.call(&["new", "ours", "--from", "etcd/backup"]).code, Some(2), "never over a file");
    house.done(&["new", "fresh"]);
    assert!(fs::read_to_string(house.program.path("fresh.yaml")).unwrap().starts_with("# yaml-language-server:"));
    assert!(house.program.path("schemas/runbook.json").exists());
}

#[test]
fn a_built_in_text_is_not_mended_in_place() {
    let house = House::new();
    assert_ne!(house.call(&["check", "--fix", "etcd/backup"]).code, Some(0));
}

#[test]
fn a_relative_file_in_a_text_without_a_folder_is_a_mistake() {
    let mut sources = Sources::default();
    let text = "runbook: a\nhosts: { web: {} }\nsteps:\n  - { on: web, id: c, copy: { from: files/x, to: /x } }\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, text).unwrap();
    let mut document = load::found(&Found::file(&path), &Catalog::default(), &mut sources).unwrap();
    assert!(check(&document, None, &sources, &ACTIONS).runbook.is_some());
    document.location = Location::BuiltIn("a.yaml".into());
    let verdict = check(&document, None, &sources, &ACTIONS);
    assert_eq!(verdict.diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), ["E0510"]);
}

#[test]
fn a_saved_plan_runs_what_it_was_made_from_wherever_the_name_would_lead_now() {
    let mut house = House::new();
    house.write("team/say.yaml", &small("say", "one"));
    house.folders = vec![house.program.path("team")];
    house.done(&["plan", "say", "--out", "say.plan"]);
    house.write("say.yaml", &small("say", "two"));
    house.done(&["run", "say.plan"]);
    assert!(house.done(&["show", "last"]).out.contains("team"));
}

/// The program of another version: the same, but for a word in the text of this runbook.
fn of_another_version(house: &House, name: &str) -> PathBuf {
    let text = fs::read(shipped(&format!("{name}.yaml"))).unwrap();
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_surefoot")).unwrap();
    let at = bytes.windows(text.len()).position(|part| part == text).expect("the text is in the program");
    let word = text.windows(9).position(|part| part == b"\nsummary:").unwrap() + 10;
    bytes[at + word] = b'#';
    let path = house.program.path("other-version");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_built_in_runbook_runs_on_a_host_and_is_taken_up_by_another_version_of_the_program() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("builtin").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let value = || {
        let host = lab.hosts().next().unwrap();
        let read = lab.enter(host, &["cat", "/proc/sys/net/ipv4/tcp_keepalive_time"]).unwrap().output().unwrap();
        String::from_utf8(read.stdout).unwrap().trim().to_owned()
    };
    let before = value();
    let (house, name) = (House::new(), "examples/set-network-parameter");
    let site = lab.inventory();
    let params = ["name=net.ipv4.tcp_keepalive_time", "value=600", "watch=4"].map(|param| ["-p", param]).concat();
    let given = [&[name, "-i", site.to_str().unwrap(), "--bind", "targets=etcd-1"], &params[..]].concat();
    house.done(&[&["plan"], &given[..]].concat());

    let mut command = house.command(&[&["run"], &given[..], &["--yes", "--log", "json"]].concat());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let watches = |stamped: Stamped| match stamped.event {
        Event::Task { task, what: TaskEvent::Started { .. } } => task.step.as_str() == "watch",
        _ => false,
    };
    assert!(lines.filter_map(|line| event(&line)).any(watches), "it gets that far");
    child.kill().unwrap();
    child.wait().unwrap();

    let other = of_another_version(&house, name);
    let resumed = house.call_of(&other, &["resume", "last"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(resumed.err.contains(&format!("builtin:{name}.yaml has changed since")), "{}", resumed.err);
    assert_eq!(value(), "600");

    house.done(&["report", "last", "--json", "report.json", "--html", "report.html", "--markdown", "report.md"]);
    let report: Json = serde_json::from_slice(&fs::read(house.program.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["runbook_source"]["from"], "built_in");
    let hash = report["runbook_sha256"].as_str().unwrap();
    assert_eq!([hash.to_owned()].as_slice(), sums(&[shipped(&format!("{name}.yaml"))]));
    for page in ["report.html", "report.md"] {
        assert!(fs::read_to_string(house.program.path(page)).unwrap().contains(hash), "{page}");
    }
    assert!(house.done(&["show", "last"]).out.contains(hash));

    let back = house.call_of(&other, &["rollback", "last", "--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    assert_eq!(value(), before);
}
