//! An undo on a host that others work on too: it never writes over what they have made, and says so.

mod aside;
mod authors;
mod capabilities;
mod merged;
mod own;
mod preserved;
mod raced;
mod random;
mod rebooted;
mod verified;

use crate::support::bed::Bed;
use crate::support::lab_bed::LabBed;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use surefoot_lab::lab::Etcd;

/// Runs a runbook that is done, and what is said and done of a rollback after `edit`.
fn after(steps: &str, edit: impl FnOnce(&Bed)) -> Bed {
    let bed = Bed::new();
    bed.write("host/kept", "ours before\n");
    bed.runbook("", steps);
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    edit(&bed);
    bed
}

const FILE: &str = "  - { id: write, on: h, file: { path: $D/kept, content: ours } }";

#[test]
fn what_others_have_written_since_is_not_written_over() {
    let bed = after(FILE, |bed| bed.write("host/kept", "theirs"));
    let (code, plan) = bed.surefoot(&["rollback", "last", "--plan"]);
    assert!(code == 0 && plan.contains("other size, content"), "{plan}");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!(bed.text("kept"), "theirs");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
    let theirs = fs::read_dir(bed.at("host")).unwrap().map(|entry| entry.unwrap().path());
    let theirs: Vec<_> = theirs.filter(|path| path.display().to_string().ends_with(".theirs")).collect();
    assert_eq!(theirs.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>(), ["theirs"]);
    assert!(bed.surefoot(&["show", "last"]).1.contains(".theirs"));
}

#[test]
fn another_mode_a_deletion_and_a_link_in_its_place_are_others_work_too() {
    let edits: [fn(&Bed); 4] = [
        |bed| fs::set_permissions(bed.at("host/kept"), Permissions::from_mode(0o640)).unwrap(),
        |bed| fs::remove_file(bed.at("host/kept")).unwrap(),
        |bed| {
            fs::remove_file(bed.at("host/kept")).unwrap();
            symlink("/etc/passwd", bed.at("host/kept")).unwrap();
        },
        |bed| {
            fs::remove_file(bed.at("host/kept")).unwrap();
            fs::create_dir(bed.at("host/kept")).unwrap();
        },
    ];
    for edit in edits {
        let bed = after(FILE, edit);
        assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
        let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
        assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
    }
}

#[test]
fn a_later_step_of_the_same_run_is_nobody_elses() {
    let steps = "  - { id: one, on: h, file: { path: $D/kept, content: one } }
  - { id: two, on: h, file: { path: $D/kept, content: two, mode: \"0640\" } }
  - { id: env, on: h, env_file: { path: $D/kept, set: { A: b } } }";
    let bed = after(steps, |_| {});
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
}

#[test]
fn a_failure_that_rolls_back_spares_what_others_have_written() {
    let bed = Bed::new();
    bed.write("host/kept", "ours before\n");
    let steps = format!("{FILE}\n  - {{ id: them, on: h, reads: true, sh: 'echo theirs >$D/kept; exit 1' }}");
    bed.runbook("on_failure: rollback", &steps);
    assert_eq!(bed.run().0, 4);
    assert_eq!(bed.text("kept"), "theirs\n");
}

#[test]
fn something_else_in_the_place_of_what_was_made_stays() {
    let steps = "  - { id: made, on: h, file: { path: $D/made, state: directory } }";
    let bed = after(steps, |bed| {
        fs::remove_dir(bed.at("host/made")).unwrap();
        bed.write("host/made", "a file");
    });
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!(bed.text("made"), "a file");
}

#[test]
fn a_step_that_failed_is_no_point_of_no_return() {
    let bed = Bed::new();
    bed.write("host/kept", "ours before\n");
    let steps = format!(
        "{FILE}
  - id: start
    on: h
    move: {{ from: $D/kept, to: $D/none/there }}
    irreversible: nothing leads back"
    );
    bed.runbook("", &steps);
    assert_eq!(bed.run().0, 1);
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("kept").as_str()), (0, "ours before\n"), "{said}");
}

/// A step of an undo that was cut off by a reboot: its record on the host says that it ran, in another boot.
#[test]
fn an_undo_whose_record_is_gone_is_done_again() {
    let bed = Bed::new();
    let steps = "  - id: work
    on: h
    sh: touch $D/begun
    undo:
      sh: |
        echo undone >>$D/undone
        if [ ! -e $D/again ]; then
          touch $D/again
          i=${SUREFOOT_ACT%;}
          kill -9 $PPID
          printf '%-8s %10s %12s %10s %s\\n' running 1 1 1 another-boot >$i.st
          exit 1
        fi
        rm -f $D/begun";
    bed.runbook("", steps);
    assert_eq!(bed.run().0, 0);
    assert_ne!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
    assert_eq!(bed.text("undone"), "undone\n");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("undone").as_str()), (0, "undone\nundone\n"), "{said}");
    assert!(!bed.at("host/begun").exists());
}

#[test]
fn a_variable_goes_back_and_others_lines_stay() {
    let bed = Bed::new();
    bed.write("host/env", "A=1\nB=2\n");
    bed.runbook("", "  - { id: set, on: h, env_file: { path: $D/env, set: { A: new, C: new }, unset: [B] } }");
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    bed.write("host/env", &format!("{}THEIRS=1\n", bed.text("env")));
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("env").as_str()), (0, "A=1\nTHEIRS=1\nB=2\n"), "{said}");
}

#[test]
fn a_unit_that_others_have_masked_since_stays_so() {
    let bed = LabBed::new("drift", Etcd::None);
    let unit = "[Service]\\nExecStart=/usr/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n";
    bed.inside(&format!(
        "printf '{unit}' >/usr/lib/systemd/system/up.service; systemctl daemon-reload; systemctl enable --now up"
    ));
    let state = || bed.inside("systemctl is-active up || :; systemctl is-enabled up || :");
    bed.runbook("  - { id: stop, on: HOST, service: { unit: up, state: stopped, enabled: false } }");
    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(code, Some(0), "{said}");
    bed.inside("systemctl mask up");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, Some(4));
    assert_eq!(state(), "inactive\nmasked");
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]).0, Some(0));
    assert_eq!(state(), "active\nenabled");
}
