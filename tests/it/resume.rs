//! The program itself, killed and taken up again, on a real host behind a real sshd.

use crate::support::bed::Bed;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

#[test]
fn a_rollback_brings_services_back_as_they_were() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("walk").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-c", script]).unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let unit = "[Service]\\nExecStart=/usr/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n";
    inside(&format!(
        "for u in up down; do printf '{unit}' >/usr/lib/systemd/system/$u.service; done
         systemctl daemon-reload; systemctl enable --now up"
    ));
    let states = || inside("for u in up down; do systemctl is-active $u; systemctl is-enabled $u; done");
    let before = states();
    assert_eq!(before, "active\nenabled\ninactive\ndisabled");
    let folder = tempfile::tempdir().unwrap();
    let steps = format!(
        "runbook: test\non_failure: rollback\nsteps:
  - {{ id: stop, on: {host}, service: {{ unit: up, state: stopped, enabled: false }} }}
  - {{ id: start, on: {host}, service: {{ unit: down, state: started, enabled: true }} }}
  - {{ id: look, on: {host}, reads: true, sh: 'test -e /go' }}\n"
    );
    fs::write(folder.path().join("r.yaml"), steps).unwrap();
    let surefoot = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(folder.path()).env("SUREFOOT_STATE", folder.path().join("state")).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let inventory = lab.inventory().display().to_string();
    let run = surefoot(&["run", "r.yaml", "-i", &inventory, "--yes"]);
    assert_eq!(run.status.code(), Some(3), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(states(), before);
    inside("touch /go");
    assert!(surefoot(&["resume", "last"]).status.success());
    assert_eq!(states(), "inactive\ndisabled\nactive\nenabled");
}

/// A step that counts its starts, prints, and ends when it may.
const LONG: &str = "  - id: long
    on: h
    sh: |
      echo start >>$D/starts
      seq 1 20000
      touch $D/begun
      echo now >$D/tell
      until [ -e $D/go ]; do sleep 0.05; done
      echo end
    undo: { sh: rm -f $D/begun }
";

#[test]
fn a_killed_engines_step_is_taken_up_whole_and_was_started_once() {
    let bed = Bed::new();
    bed.runbook(
        "",
        &format!("{LONG}  - {{ id: after, on: h, reads: true, sh: \"echo {{{{ steps.long.out.code }}}}\" }}"),
    );
    bed.run_killed();
    assert!(bed.surefoot(&["show", "last"]).1.contains("changing"));
    fs::remove_file(bed.at("r.yaml")).unwrap();
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bed.text("starts"), "start\n");
    let whole: String = (1..=20_000).map(|n| format!("{n}\n")).chain(["end\n".to_owned()]).collect();
    let outputs = fs::read_dir(bed.at("state/runs")).unwrap().next().unwrap().unwrap().path().join("outputs");
    assert!(fs::read_to_string(outputs.join("long@h.1.out")).unwrap() == whole, "all of its output, once");
    assert_eq!(fs::read_to_string(outputs.join("after@h.1.out")).unwrap_or_default(), "0\n");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0, "there is nothing left to do");
}

#[test]
fn a_killed_run_is_rolled_back_after_its_step_has_ended() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    bed.run_killed();
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(!bed.at("host/begun").exists());
    assert_eq!(bed.text("starts"), "start\n");
}

#[test]
fn a_rollback_brings_files_back_byte_for_byte_with_mode_and_owner() {
    let bed = Bed::new();
    let conf = bed.at("host/conf");
    fs::write(&conf, b"old\xff\0bytes").unwrap();
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o604)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&conf, Some(1), Some(2)).unwrap();
    }
    let owner = |path: &Path| fs::metadata(path).map(|m| (m.uid(), m.gid(), m.mode())).unwrap();
    let before = owner(&conf);
    let steps = "  - { id: write, on: h, file: { path: $D/conf, content: new, mode: \"0600\" } }
  - { id: new, on: h, file: { path: $D/new, content: new } }
  - { id: moved, on: h, move: { from: $D/conf, to: $D/other } }
  - { id: fails, on: h, reads: true, sh: test -e $D/go }";
    bed.runbook("on_failure: rollback", steps);
    let (code, said) = bed.run();
    assert_eq!(code, 3, "{said}");
    assert_eq!((fs::read(&conf).unwrap(), owner(&conf)), (b"old\xff\0bytes".to_vec(), before));
    assert!(!bed.at("host/new").exists() && !bed.at("host/other").exists());
    bed.write("host/go", "");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0);
    assert_eq!(bed.text("other"), "new");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
    assert_eq!((fs::read(&conf).unwrap(), owner(&conf)), (b"old\xff\0bytes".to_vec(), before));
}

#[test]
fn a_walk_back_ends_at_the_checkpoint_and_the_run_goes_on_from_there() {
    let bed = Bed::new();
    let steps = "  - { id: one, on: h, file: { path: $D/one, content: x } }
  - checkpoint: staged
  - { id: two, on: h, file: { path: $D/two, content: x } }
  - checkpoint: later
  - { id: kept, on: h, sh: echo start >>$D/starts }";
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 0);
    assert_eq!(bed.surefoot(&["rollback", "last", "--to", "nowhere", "--yes"]).0, 2);
    let (code, plan) = bed.surefoot(&["rollback", "last", "--to", "staged", "--plan"]);
    assert!(code == 0 && plan.contains("two@h") && plan.contains("kept@h") && !plan.contains("one@h"), "{plan}");
    assert!(bed.at("host/two").exists(), "a plan does nothing");
    assert_eq!(bed.surefoot(&["rollback", "last", "--to", "staged", "--yes"]).0, 4, "nothing takes `kept` back");
    assert!(bed.at("host/one").exists() && !bed.at("host/two").exists());
    assert!(bed.surefoot(&["show", "last"]).1.contains("to the checkpoint staged"), "the last safe place");
    assert_eq!(bed.surefoot(&["rollback", "last", "--to", "later", "--yes"]).0, 2, "it is not there any more");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0);
    assert!(bed.at("host/two").exists());
    assert_eq!(bed.text("starts"), "start\n", "what was kept is not done again");
}

#[test]
fn an_outcome_that_nobody_knows_waits_for_the_operator() {
    let bed = Bed::new();
    let steps = "  - id: gone
    on: h
    sh: \"echo start >>$D/starts; [ -e $D/go ] || kill -9 $PPID $$\"
    undo: { sh: rm -f $D/starts }";
    bed.runbook("on_failure: rollback", steps);
    let (code, said) = bed.run();
    assert_eq!(code, 5, "{said}");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 5);
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 5);
    assert_eq!(bed.text("starts"), "start\n", "neither began it again nor took it back");
    assert_eq!(bed.surefoot(&["settle", "last", "other@h", "done"]).0, 2);
    assert_eq!(bed.surefoot(&["settle", "last", "gone@h", "undone"]).0, 0);
    assert_eq!(bed.surefoot(&["settle", "last", "gone@h", "done"]).0, 2, "it is settled");
    bed.write("host/go", "");
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 0);
    assert_eq!(bed.text("starts"), "start\nstart\n");
}

#[test]
fn what_is_unknown_before_a_checkpoint_holds_no_rollback_up_that_ends_there() {
    let bed = Bed::new();
    let one = "  - { id: one, on: h, file: { path: $D/one, content: x } }\n";
    let gone = "  - id: gone
    on: h
    sh: \"echo start >>$D/starts; kill -9 $PPID $$\"
    undo: { sh: rm -f $D/starts }\n";
    let rest = "  - { id: staged, checkpoint: staged }
  - { id: two, on: h, file: { path: $D/two, content: x } }
  - { id: look, on: h, reads: true, sh: test -e $D/go }\n";
    bed.runbook("", &format!("{one}{rest}"));
    assert_eq!(bed.run().0, 1);
    bed.runbook("", &format!("{one}{gone}{rest}"));
    assert_eq!(bed.surefoot(&["resume", "last", "--runbook", "r.yaml"]).0, 5);
    let (code, plan) = bed.surefoot(&["rollback", "last", "--plan"]);
    assert!(code == 0 && plan.contains("settle"), "{plan}");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 5);
    assert!(bed.at("host/two").exists() && bed.at("host/one").exists(), "what lies after it is held up too");
    assert!(!bed.surefoot(&["rollback", "last", "--to", "staged", "--plan"]).1.contains("settle"));
    let (code, said) = bed.surefoot(&["rollback", "last", "--to", "staged", "--yes"]);
    assert!(code == 5 && said.contains("gone@h") && said.contains("settle"), "{said}");
    assert!(!bed.at("host/two").exists() && bed.at("host/one").exists());
    assert_eq!(bed.surefoot(&["settle", "last", "gone@h", "done"]).0, 0);
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
    assert!(!bed.at("host/one").exists() && !bed.at("host/starts").exists());
}

#[test]
fn a_rollback_that_did_what_was_asked_says_that_finally_failed() {
    let bed = Bed::new();
    let steps = "  - { id: one, on: h, file: { path: $D/one, content: x } }
  - { id: fails, on: h, reads: true, sh: test -e $D/never }
finally:
  - { id: last, on: h, reads: true, sh: test -e $D/go }";
    bed.runbook("on_failure: rollback", steps);
    assert_eq!(bed.run().0, 3, "what failed first is not hidden");
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 1);
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert!(code == 1 && said.contains("last@h") && !bed.at("host/one").exists(), "{said}");
    bed.write("host/go", "");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
}

#[test]
fn what_nothing_takes_back_as_it_is_written_is_shown_as_that() {
    let bed = Bed::new();
    let steps = "  - { id: aside, on: h, remove: { path: $D/aside } }
  - { id: gone, on: h, remove: { path: $D/gone, permanent: true } }
  - { id: fixed, on: h, remove: { path: $D/fixed, permanent: true }, undo: { sh: touch $D/fixed } }";
    bed.runbook("", steps);
    ["host/aside", "host/gone", "host/fixed"].iter().for_each(|file| bed.write(file, ""));
    let (code, plan) = bed.surefoot(&["plan", "r.yaml", "-i", "site.yaml", "--offline", "--format", "json"]);
    let plan: serde_json::Value = serde_json::Deserializer::from_str(&plan).into_iter().next().unwrap().unwrap();
    let ways: Vec<_> = plan["steps"].as_array().unwrap().iter().map(|step| step["undo"]["way"].clone()).collect();
    assert!(code == 0 && ways == ["known", "none", "steps"], "{ways:?}");
    assert_eq!(bed.run().0, 0);
    let (_, way) = bed.surefoot(&["rollback", "last", "--plan"]);
    let kept: Vec<&str> = way.lines().filter(|line| line.contains("keeps")).collect();
    assert!(kept.len() == 1 && kept[0].contains("gone@h"), "{way}");
    let (_, shown) = bed.surefoot(&["show", "last"]);
    let undoable = |task: &str| shown.lines().any(|line| line.contains(task) && line.contains("undo:"));
    assert_eq!(["aside@h", "gone@h", "fixed@h"].map(undoable), [true, false, true], "{shown}");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert!(bed.at("host/aside").exists() && bed.at("host/fixed").exists() && !bed.at("host/gone").exists());
}

#[test]
fn the_steps_of_an_undo_are_called_by_their_names() {
    let bed = Bed::new();
    let steps = "  - id: work
    on: h
    sh: echo forth; touch $D/work
    undo:
      - { id: first, sh: echo back one }
      - { id: second, sh: echo back two; test -e $D/go }
      - { id: third, sh: echo back three; rm $D/work }";
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 0);
    let (_, way) = bed.surefoot(&["rollback", "last", "--plan"]);
    assert!(way.contains("first, second, third"), "{way}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert!(code == 4 && said.contains("second"), "{said}");
    let (_, shown) = bed.surefoot(&["show", "last"]);
    assert!(shown.contains("second (step 2 of 3"), "{shown}");
    bed.write("host/go", "");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
    let titles =
        |logs: &str| logs.lines().filter(|line| line.starts_with("==> ")).map(str::to_owned).collect::<Vec<_>>();
    let back = |part: &str, attempt: u32| format!("==> work@h, {part} of its undo, attempt {attempt}, output");
    let parts = [back("first", 2), back("first", 3), back("second", 2), back("second", 3), back("third", 3)];
    let (_, logs) = bed.surefoot(&["logs", "last", "work@h"]);
    assert!(logs.starts_with("forth\n") && titles(&logs) == parts, "{logs}");
    let (_, logs) = bed.surefoot(&["logs", "last"]);
    assert!(titles(&logs)[0] == "==> work@h, attempt 1, output" && titles(&logs)[1..] == parts, "{logs}");
}

#[test]
fn a_damaged_record_is_refused() {
    let bed = Bed::new();
    bed.runbook("", LONG);
    bed.run_killed();
    let run = fs::read_dir(bed.at("state/runs")).unwrap().next().unwrap().unwrap().path();
    let input = run.join("inputs/runbook.yaml");
    let whole = fs::read(&input).unwrap();
    fs::write(&input, [&whole[..], b"#"].concat()).unwrap();
    assert_eq!(bed.surefoot(&["resume", "last"]).0, 1, "its runbook is another");
    fs::write(&input, &whole).unwrap();
    assert_eq!(bed.surefoot(&["verify", "last"]).0, 0);
    assert_eq!(bed.surefoot(&["verify", "last", "--seal", "of another record"]).0, 1);
    let mut journal = fs::read(run.join("journal")).unwrap();
    let half = journal.len() / 2;
    journal[half] ^= 1;
    fs::write(run.join("journal"), journal).unwrap();
    for command in [
        &["resume", "last"][..],
        &["rollback", "last", "--yes"],
        &["settle", "last", "long@h", "done"],
        &["verify", "last"],
    ] {
        assert_eq!(bed.surefoot(command).0, 1, "{command:?}");
    }
    bed.write("host/go", "");
}

#[test]
fn a_corrected_runbook_must_keep_what_is_done() {
    let bed = Bed::new();
    let one = "  - { id: one, on: h, file: { path: $D/one, content: x } }\n";
    bed.runbook("", &format!("{one}  - {{ id: two, on: h, sh: \"false\" }}"));
    assert_eq!(bed.run().0, 1);
    bed.runbook("", &format!("{}  - {{ id: two, on: h, sh: touch $D/two }}", one.replace("content: x", "content: y")));
    let (code, said) = bed.surefoot(&["resume", "last", "--runbook", "r.yaml"]);
    assert!(code == 2 && said.contains("one@h"), "{said}");
    bed.runbook(
        "",
        &format!("{one}  - {{ id: two, on: h, sh: touch $D/two }}\n  - {{ id: more, on: h, sh: touch $D/more }}"),
    );
    let (code, said) = bed.surefoot(&["resume", "last", "--runbook", "r.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(bed.at("host/two").exists() && bed.at("host/more").exists());
    fs::remove_file(bed.at("r.yaml")).unwrap();
    let (code, said) = bed.surefoot(&["show", "last"]);
    assert!(code == 0 && said.contains("more@h"), "{said}");
}

#[test]
fn what_somebody_has_changed_meanwhile_stops_a_resume_until_it_is_accepted() {
    let bed = Bed::new();
    let steps = "  - { id: one, on: h, file: { path: $D/one, content: x } }
  - { id: two, on: h, file: { path: $D/two, content: x } }
  - { id: three, on: h, remove: { path: $D/two } }
  - { id: four, on: h, reads: true, sh: test -e $D/go }
  - { id: five, on: h, file: { path: $D/five, content: x } }";
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 1);
    bed.write("host/go", "");
    bed.write("host/one", "by hand");
    let (code, said) = bed.surefoot(&["resume", "last"]);
    assert!(code == 130 && said.contains("one@h") && !said.contains("two@h"), "{said}");
    assert!(!bed.at("host/five").exists() && bed.surefoot(&["show", "last"]).1.contains("not as it was left"));
    assert_eq!(bed.surefoot(&["resume", "last", "--yes"]).0, 0);
    assert_eq!((bed.text("one"), bed.text("five")), ("by hand".into(), "x".into()), "it is told, not fixed");
}
