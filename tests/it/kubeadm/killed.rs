//! The runbooks for control planes, with an engine that is killed as its steps begin to change something, one after the
//! other, and a run that is taken up again each time.

use super::{REPLACE, control_planes, is_replaced, lose_data, only_manifests, proof, restored, runbook};
use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{full, prove};
use crate::support::program::Ran;
use crate::support::site::Site;
use rustix::process::Signal;
use std::collections::BTreeSet;
use surefoot_engine::model::{Event, TaskEvent};
use surefoot_lab::lab::Etcd;

/// Runs it, killing the engine once at each of these steps; with none named, at every one that changes something.
pub fn killed(site: &Site, name: &str, words: &[&str], steps: &[&str]) -> Ran {
    let mut engine = site.program.start(&runbook(name), [&["-i", "site.yaml"], words].concat());
    let (mut run, mut at) = (None, BTreeSet::new());
    let mut begins = |event: &Event| match event {
        Event::Task { task, what: TaskEvent::Changing { .. } } => {
            let step = task.step.as_str();
            (steps.is_empty() || steps.contains(&step)) && at.insert(step.to_owned())
        }
        _ => false,
    };
    while engine.comes(&mut begins) {
        engine.signal(Signal::KILL);
        engine.child.wait().unwrap();
        let run = run.get_or_insert_with({
            let cut = engine;
            || cut.end().run().clone()
        });
        engine = site.program.take_up(run, &["--approve", "all"]);
    }
    let run = run.expect("it was killed");
    let ran = site.program.went_on(&run, engine.called());
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(steps.iter().all(|step| at.contains(*step)) && at.len() > 2, "killed at {at:?}");
    ran
}

const CASE: &str = "TLS, stand-ins; the engine killed at each step that changes something, and resumed";

#[test]
fn a_restore_is_killed_at_each_step() {
    if full() {
        for (etcd, bump) in [(sampled(), "bump=1000000000"), (Etcd::V3_4, "bump=0")] {
            prove("etcd/kubeadm/restore", &minor(etcd), CASE, || {
                let site = control_planes("kubkr", etcd, 2 << 30);
                proof(&restored(&site, &["-p", bump], Some(&[])))
            });
        }
    }
}

#[test]
fn a_raise_is_killed_at_each_step() {
    if full() {
        prove("etcd/kubeadm/raise-quota", &minor(sampled()), CASE, || {
            let site = control_planes("kubkq", sampled(), 64 << 20);
            let words = ["--approve", "all", "-p", "settle=1s", "-p", "watch=1s", "-p", "quota=134217728"];
            let ran = killed(&site, "raise-quota", &words, &[]);
            site.look();
            site.members.iter().for_each(|host| only_manifests(&site, host));
            proof(&ran)
        });
    }
}

#[test]
fn a_replacement_is_killed_at_each_step() {
    if full() {
        for etcd in [sampled(), Etcd::V3_4] {
            prove("etcd/kubeadm/replace-member", &minor(etcd), CASE, || {
                let site = control_planes("kubkm", etcd, 2 << 30);
                lose_data(&site, &site.members[2]);
                let ran = killed(&site, "replace-member", &REPLACE, &[]);
                is_replaced(&site, &site.members[2]);
                proof(&ran)
            });
        }
    }
}
