//! A saved plan runs once, as it is; in each way that it can be stale it is refused, with what has moved, and nothing is
//! begun. Hosts are this machine, behind an sshd of the test's own.

use crate::support::bed::Bed;
use serde_json::{Value as Json, json};
use std::fs;
use std::process::{Command, Stdio};

const HEAD: &str = "params: { text: { type: string, default: one }, source: { type: file, default: source } }";
const STEPS: &str = "  - { id: look, on: h, sh: \"cat $D/seen\", reads: true }
  - { id: count, on: h, sh: \"cat $D/count\", reads: true }
  - { id: write, on: h, file: { path: $D/made, content: \"{{ params.text }} {{ steps.look.out.stdout }}\" } }
  - { id: send, on: h, copy: { from: \"{{ params.source }}\", to: $D/sent } }
  - { id: use, use: used.yaml }";
const USED: &str = "runbook: test/used\nsteps:\n  - { id: same, on: h, file: { path: $D/host, state: directory } }\n";

/// A plan in `p.json` of what is not done yet.
fn bed() -> Bed {
    let bed = Bed::new();
    bed.runbook(HEAD, STEPS);
    bed.write("used.yaml", &USED.replace("$D/host", &bed.at("host").display().to_string()));
    bed.write("source", "sent\n");
    bed.write("params.yaml", "text: two\n");
    bed.write("host/seen", "seen");
    bed.write("host/count", "1");
    plan(&bed);
    bed
}

fn plan(bed: &Bed) {
    let words = ["plan", "r.yaml", "-i", "site.yaml", "-P", "params.yaml", "--out", "p.json"];
    let (code, said) = bed.surefoot(&words);
    assert_eq!(code, 0, "{said}");
}

/// A command and a folder are read anew when the plan is run.
#[test]
fn a_plan_is_kept_with_hosts_of_a_command_and_of_a_folder() {
    let bed = Bed::new();
    bed.runbook("", "  - { id: write, on: h, file: { path: $D/made, content: x } }");
    fs::create_dir(bed.at("site")).unwrap();
    let config = bed.sshd.ssh_config();
    bed.write("site/hosts", &format!("h ansible_ssh_common_args='-F {}'\n", config.display()));
    let command = format!("cmd:cat {}", bed.at("site/hosts").display());
    for inventory in [command.as_str(), "site"] {
        let (code, said) = bed.surefoot(&["plan", "r.yaml", "-i", inventory, "--out", "kept.json"]);
        assert_eq!(code, 0, "{inventory}: {said}");
        let (code, said) = bed.surefoot(&["run", "kept.json"]);
        assert_eq!((code, bed.text("made").as_str()), (0, "x"), "{inventory}: {said}");
        fs::remove_file(bed.at("host/made")).unwrap();
        fs::remove_file(bed.at("kept.json")).unwrap();
    }
}

/// What is said to have moved; nothing was begun.
#[track_caller]
fn refused(bed: &Bed) -> Vec<String> {
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert_eq!(code, 2, "{said}");
    assert!(!bed.at("host/made").exists() && !bed.at("state").exists(), "nothing was begun: {said}");
    said.lines().filter_map(|line| line.strip_prefix("moved: ")).map(str::to_owned).collect()
}

#[test]
fn a_saved_plan_runs_as_it_is_and_once() {
    let bed = bed();
    let text = fs::read_to_string(bed.at("p.json")).unwrap();
    // What a read gave may move on, where nothing is made of it; and nobody is asked, terminal or not.
    bed.write("host/count", "2");
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((bed.text("made"), bed.text("sent")), ("two seen".to_owned(), "sent\n".to_owned()));
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert_eq!(code, 2, "{said}");
    assert_eq!(bed.surefoot(&["runs"]).1.lines().count(), 1);
    // The same for who has lost the record of it: there is nothing to change any more.
    fs::remove_dir_all(bed.at("state")).unwrap();
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert!(code == 2 && said.contains("moved: write@h"), "{said}");
    assert_eq!(fs::read_to_string(bed.at("p.json")).unwrap(), text);
}

#[test]
fn a_run_keeps_its_plan_and_can_be_taken_up() {
    let bed = bed();
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert_eq!(code, 0, "{said}");
    let run = bed.surefoot(&["runs"]).1.split_whitespace().next().unwrap().to_owned();
    let kept = bed.at("state/runs").join(run).join("inputs/plan.json");
    assert_eq!(fs::read(kept).unwrap(), fs::read(bed.at("p.json")).unwrap());
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(!bed.at("host/made").exists());
}

#[test]
fn each_way_in_which_a_plan_is_stale_is_told() {
    type Way = (&'static str, fn(&Bed), &'static str);
    let ways: [Way; 14] = [
        ("runbook", |bed| bed.runbook(HEAD, &STEPS.replace("id: send", "id: push")), "the runbook r.yaml has changed"),
        ("comment", |bed| append(bed, "r.yaml", "# a word\n"), "the runbook r.yaml has changed"),
        ("used", |bed| append(bed, "used.yaml", "# a word\n"), "a runbook that it uses has changed"),
        ("params", |bed| bed.write("params.yaml", "text: three\n"), "the parameter `text` has another value"),
        (
            "params gone",
            |bed| fs::remove_file(bed.at("params.yaml")).unwrap(),
            "what it was made from has mistakes now",
        ),
        ("inventory", |bed| append(bed, "site.yaml", "# a word\n"), "the inventory has changed"),
        ("mistake", |bed| bed.write("r.yaml", "runbook: [\n"), "what it was made from has mistakes now"),
        ("file", |bed| bed.write("source", "same\n"), "source has changed"),
        ("made", |bed| bed.write("host/sent", "sent\n"), "send@h: it was `changes`, now it is `nothing to do`"),
        ("other", |bed| bed.write("host/sent", "other\n"), "send@h: it would change something else"),
        ("seen", |bed| bed.write("host/seen", "else"), "write@h: it would be done with other parameters"),
        ("failing", |bed| fs::remove_file(bed.at("host/seen")).unwrap(), "look@h: it was `reads`, now it is `fails`"),
        ("boot", |bed| edit(bed, |plan| plan["machines"]["h"]["boot"] = json!("x")), "h was booted again since"),
        ("machine", |bed| edit(bed, |plan| plan["machines"]["h"]["id"] = json!("x")), "h is another machine now"),
    ];
    let bed = bed();
    let files = ["r.yaml", "used.yaml", "params.yaml", "site.yaml", "source", "p.json", "host/seen"];
    let kept = files.map(|name| fs::read(bed.at(name)).unwrap());
    for (way, move_it, told) in ways {
        move_it(&bed);
        let moved = refused(&bed);
        assert!(moved.iter().any(|line| line.ends_with(told)), "{way}: {moved:?}");
        files.iter().zip(&kept).for_each(|(name, was)| fs::write(bed.at(name), was).unwrap());
        let _ = fs::remove_file(bed.at("host/sent"));
    }
    // As it was: it is not stale.
    let (code, said) = bed.surefoot(&["run", "p.json"]);
    assert_eq!(code, 0, "{said}");
}

fn append(bed: &Bed, name: &str, text: &str) {
    let whole = fs::read_to_string(bed.at(name)).unwrap() + text;
    bed.write(name, &whole);
}

fn edit(bed: &Bed, edit: impl Fn(&mut Json)) {
    let mut plan: Json = serde_json::from_slice(&fs::read(bed.at("p.json")).unwrap()).unwrap();
    edit(&mut plan);
    bed.write("p.json", &serde_json::to_string_pretty(&plan).unwrap());
}

#[test]
fn a_plan_of_another_version_or_with_more_words_is_refused() {
    let bed = bed();
    assert_eq!(bed.surefoot(&["run", "p.json", "-i", "site.yaml"]).0, 2);
    assert_eq!(bed.surefoot(&["run", "p.json", "-p", "text=x"]).0, 2);
    edit(&bed, |plan| plan["version"] = json!("0.0.1"));
    assert!(refused(&bed).is_empty());
    let (_, said) = bed.surefoot(&["run", "p.json"]);
    assert!(said.contains("0.0.1"), "{said}");
    let whole = fs::read_to_string(bed.at("p.json")).unwrap();
    bed.write("p.json", &whole[..whole.len() / 2]);
    refused(&bed);
}

#[test]
fn only_its_operator_can_read_a_saved_plan() {
    use std::os::unix::fs::PermissionsExt;
    let bed = bed();
    assert_eq!(fs::metadata(bed.at("p.json")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// At a terminal, with this answer.
fn asked(bed: &Bed, answer: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_surefoot");
    let line = format!("{program} run r.yaml -i site.yaml -P params.yaml --log lines");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(bed.at("."));
    command.env("SUREFOOT_STATE", bed.at("state")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_run_at_a_terminal_shows_its_plan_and_asks() {
    let bed = bed();
    let (code, said) = asked(&bed, "no\n");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("Run it?") && said.contains("+two seen") && !bed.at("host/made").exists(), "{said}");
    let (code, said) = asked(&bed, "yes\n");
    assert_eq!((code, bed.text("made").as_str()), (Some(0), "two seen"), "{said}");
}
