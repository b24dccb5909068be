//! Procedures on etcd that ship, each on real clusters, by the program itself: forward, what stops it, and back.
//!
//! Every landing runs one case of each; `SUREFOOT_FULL=1` all, on every version of etcd, with TLS and without.

mod add_member;
mod backup;
mod bootstrap;
mod client;
mod layouts;
mod membership;
mod migrate_grow;
mod migrate_mirror;
mod migrate_snapshot;
mod raise_quota;
mod recover_quorum;
mod remove_member;
mod replace_member;
mod rotate_certs;
mod silence;
mod unsound;
pub mod upgrade;
mod users;
mod verify_backup;

use crate::support::etcds::{NEWEST, minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran};
use crate::support::site::{Layout, Site};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::{Etcd, LabName, LabSpec};

/// A shipped runbook by its name.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("runbooks/etcd/{name}.yaml"))
}

/// The etcd and the TLS of a case.
#[derive(Clone, Copy)]
struct Kind {
    etcd: Etcd,
    tls: bool,
}

fn plain() -> Kind {
    Kind { etcd: sampled(), tls: false }
}

/// What a full run goes through, the one of each landing first.
fn kinds() -> Vec<Kind> {
    let others = NEWEST.into_iter().filter(|etcd| *etcd != sampled());
    let all = [sampled()].into_iter().chain(others).chain([Etcd::V3_4]);
    all.flat_map(|etcd| [false, true].map(|tls| Kind { etcd, tls })).collect()
}

impl Kind {
    /// Hosts of which the first `members` will be a cluster.
    fn boot(self, stem: &str, members: usize, more: usize, layout: Layout) -> Site {
        let etcd = self.etcd.to_string().replace('.', "");
        let name = LabName::of_this_process(&format!("{stem}{etcd}{}", if self.tls { "t" } else { "" })).unwrap();
        Site::boot(&LabSpec::cluster(name, members + more, self.etcd), members, layout, self.tls)
    }

    /// A running cluster of three with keys, and more hosts.
    fn serving(self, stem: &str, keys: u64, more: usize) -> Site {
        let mut site = self.boot(stem, 3, more, Layout::Debian);
        site.set_up(&site.members.clone(), keys, true);
        site
    }

    fn prove(self, runbook: &str, case: &str, run: impl FnOnce(Kind) -> Proof) {
        let case = if self.tls { format!("{case}, TLS") } else { case.to_owned() };
        prove(&format!("etcd/{runbook}"), &minor(self.etcd), &case, || run(self));
    }
}

/// One kind for each landing, all of them in a full run.
fn prove_kinds(runbook: &str, case: &str, run: impl Fn(Kind) -> Proof) {
    let kinds = if full() { kinds() } else { vec![plain()] };
    kinds.iter().for_each(|kind| kind.prove(runbook, case, &run));
}

/// The run stopped because this task failed for that reason, and for no other.
#[track_caller]
fn stopped(ran: &Ran, task: &str, kind: FaultKind, word: &str) {
    stopped_by_all(ran, &[task], kind, word);
}

#[track_caller]
fn stopped_by_all(ran: &Ran, tasks: &[&str], kind: FaultKind, word: &str) {
    let faults: Vec<(String, FaultKind)> = ran.faults().map(|(task, fault)| (task.to_string(), fault.kind)).collect();
    let wanted: Vec<(String, FaultKind)> = tasks.iter().map(|task| ((*task).to_owned(), kind)).collect();
    assert_eq!(faults, wanted, "{}", ran.story());
    assert!(ran.faults().all(|(_, fault)| format!("{fault:?}").contains(word)), "{}", ran.story());
    assert_eq!(ran.code, Some(1));
}

fn took(ran: &Ran) -> Proof {
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
}

/// A shipped runbook with one place of it replaced, as a file. What it uses is still found.
fn altered(site: &Site, name: &str, place: &str, by: &str) -> PathBuf {
    let text = std::fs::read_to_string(shipped(name)).unwrap();
    assert_eq!(text.matches(place).count(), 1, "{place}");
    let used = format!(" use: {}/", shipped(name).parent().unwrap().display());
    site.program.write("altered.yaml", &text.replace(place, by).replace(" use: ", &used))
}

/// With a script on a host before a step of its own: what may happen there at that very moment.
fn struck(site: &Site, name: &str, before: &str, host: &LabName, script: &str) -> PathBuf {
    let place = format!("  - id: {before}\n");
    // JSON is YAML.
    let step = json!({ "id": "strike", "on": host.as_str(), "sh": script, "undo": [{ "sh": "true" }], "env": { "RUN": "{{ run.id }}" } });
    altered(site, name, &place, &format!("  - {step}\n{place}"))
}

/// How many keys a host's own etcd has.
fn keys(site: &Site, name: &LabName) -> Json {
    let text = "runbook: count\nhosts: { one: {} }\nsteps: [{ id: all, on: one, etcd.content: { digest: false } }]\n";
    let path = site.program.write("count.yaml", text);
    site.run(&path, &["--bind", &format!("one={name}")]).done().out(&format!("all@{name}"))["keys"].clone()
}

/// With what their rehearsals make, and nothing else.
#[test]
fn each_rehearsal_passes() {
    const REHEARSED: [&str; 12] = [
        "add-member",
        "backup",
        "bootstrap",
        "migrate-grow",
        "migrate-mirror",
        "migrate-snapshot",
        "raise-quota",
        "recover-quorum",
        "remove-member",
        "replace-member",
        "rotate-certs",
        "verify-backup",
    ];
    for name in REHEARSED.iter().filter(|_| full()) {
        let path = shipped(name).display().to_string();
        let lab = LabName::of_this_process("reh").unwrap();
        let said = Program::new().call(["rehearse", &path, "--lab", lab.as_str()]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
}
