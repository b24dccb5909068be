//! An undo that ends well and leaves something else than what was there before is stuck.

use super::after;
use crate::support::etcds::sampled;
use crate::support::site::{Layout, Site};
use serde_json::json;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use surefoot_lab::lab::{LabName, LabSpec};

/// Something on the host writes the file as soon as it is back.
#[test]
fn an_undo_that_somebody_reverts_at_once_is_stuck() {
    let bed = after(super::FILE, |_| {});
    let (path, stop) = (bed.at("host/kept"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if fs::read_to_string(&path).is_ok_and(|text| text == "ours before\n") {
                    fs::write(&path, "reverted").unwrap();
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!((code, bed.text("kept").as_str()), (4, "reverted"), "{said}");
    });
    assert!(bed.surefoot(&["show", "last"]).1.contains("not as it was before"));
}

/// The undo of a snapshot leaves a file that is not its own alone; a look refuses it, which tells nothing of ours.
#[test]
fn an_undo_after_which_the_step_refuses_to_look_is_stuck() {
    let spec = LabSpec::cluster(LabName::of_this_process("verified").unwrap(), 1, sampled());
    let mut site = Site::boot(&spec, 1, Layout::Debian, false);
    site.set_up(&site.members.clone(), 10, false);
    let step = json!({ "id": "take", "etcd.snapshot": { "from": "members", "to": "taken.db" } });
    let runbook = json!({ "runbook": "test/taken", "hosts": { "members": { "min": 1 } }, "steps": [step] });
    site.run(&site.program.write("taken.yaml", &runbook.to_string()), &[]).done();
    fs::remove_file(site.program.path("taken.db.json")).unwrap();
    site.program.write("taken.db", "theirs");
    let back = site.program.call(["rollback", "last", "--yes"]);
    assert_eq!(back.code, Some(4), "{}{}", back.out, back.err);
    assert_eq!(fs::read_to_string(site.program.path("taken.db")).unwrap(), "theirs");
}
