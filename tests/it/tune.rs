//! `runbooks/etcd/tune-leader.yaml` on a real cluster with a client that writes all the time: a roll forward, broken
//! off, failing and rolled back.

use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::{Program, Ran, Running};
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::path::Path;
use surefoot_engine::model::{Event, TaskEvent};
use surefoot_lab::lab::{Etcd, LabName, LabSpec};

const TUNE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/tune-leader.yaml");
const QUICK: [&str; 12] = [
    "-i",
    "site.yaml",
    "--approve",
    "go",
    "-p",
    "sample=2s",
    "-p",
    "settle=1s",
    "-p",
    "soak=2s",
    "-p",
    "election=5000",
];

/// The election timeout with which each member runs.
fn election(site: &Site) -> Vec<String> {
    let look = "tr '\\0' '\\n' </proc/$(systemctl show etcd -P MainPID)/environ | sed -n s/ETCD_ELECTION_TIMEOUT=//p";
    site.members.iter().map(|host| site.inside(host, look)).collect()
}

/// The hosts of a step, in the order in which its tasks ended so.
fn order(ran: &Ran, step: &str, fits: impl Fn(&TaskEvent) -> bool) -> Vec<String> {
    let of_step = ran.events.iter().filter_map(|stamped| match &stamped.event {
        Event::Task { task, what } if task.step.as_str() == step && fits(what) => Some(task.host.to_string()),
        _ => None,
    });
    of_step.collect()
}

fn start(site: &Site, runbook: &Path) -> Running {
    site.program.start(runbook, QUICK)
}

#[test]
fn a_roll_goes_forward_is_broken_off_and_rolls_back_under_a_writing_client() {
    prove("etcd/tune-leader", &minor(sampled()), "plain, the engine killed, resumed, and rolled back", there_and_back);
}

fn there_and_back() -> Proof {
    let site = Site::serving("tunes", 200);
    let leader = site.leader();
    let writer = Writer::start(&site);

    // The engine dies while the second member is down.
    let mut running = start(&site, Path::new(TUNE));
    let mut stopped = 0;
    running.until_task(|task, what| {
        stopped += usize::from(task.step.as_str() == "stop" && matches!(what, TaskEvent::Done { .. }));
        stopped == 2
    });
    running.signal(Signal::KILL);
    let cut = running.end();
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    assert_eq!(election(&site), ["5000"; 3]);
    let mut stops = order(&cut, "stop", |what| matches!(what, TaskEvent::Started { .. }));
    stops.extend(order(&resumed, "stop", |what| matches!(what, TaskEvent::Started { .. })));
    assert_eq!((stops.len(), stops.last()), (3, Some(&leader)), "each once, the leader last: {stops:?}");
    assert_ne!(site.leader(), leader, "it was handed over");

    let way = site.program.call(["rollback", cut.run().as_str(), "--plan"]).err;
    let mut hosts: Vec<&str> = way.lines().filter_map(|line| line.split_once("@etcd-")?.1.split(':').next()).collect();
    hosts.dedup();
    let last_first: Vec<&str> = stops.iter().rev().map(|host| host.trim_start_matches("etcd-")).collect();
    assert_eq!(hosts, last_first, "the way is shown batch by batch: {way}");

    // Back: one after the other, with the gates between.
    let back = site.program.follow("rollback", cut.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(election(&site), [""; 3]);
    let undone = order(&back, "stop", |what| matches!(what, TaskEvent::Undone { .. }));
    assert_eq!(undone, stops.iter().rev().cloned().collect::<Vec<_>>(), "the last first");
    let gates = order(&back, "now", |what| matches!(what, TaskEvent::Done { .. }));
    assert!(gates.len() >= 3, "a gate for each batch: {gates:?}");

    let written = writer.stop();
    assert_eq!(written.lost, 0);
    assert!(written.acknowledged > 100, "{written:?}");
    Proof { seconds: back.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn a_plan_shows_a_roll_as_a_roll() {
    let program = Program::new();
    program.write("site.yaml", "hosts: { a: {}, b: {} }\ngroups: { members: [a, b] }\n");
    let planned = program.call(["plan", TUNE, "-i", "site.yaml", "--offline", "--format", "json"]);
    let plan: Json = serde_json::from_str(&planned.out).unwrap();
    let parts = plan["steps"].as_array().unwrap().iter().filter(|step| step["roll"]["id"] == "roll");
    let mut parts: Vec<&str> = parts.map(|step| step["roll"]["part"].as_str().unwrap()).collect();
    parts.dedup();
    assert_eq!(parts, ["gate", "choice", "batch"]);
    let shown = program.call(["plan", TUNE, "-i", "site.yaml", "--offline"]).out;
    assert!(shown.contains("a, b in batches of 1; last {{ steps.now.out.leader }}"), "{shown}");
}

#[test]
fn a_member_that_fails_is_put_back_and_the_others_stay_as_they_are() {
    prove("etcd/tune-leader", &minor(sampled()), "plain, a member fails and is rolled back", one_fails);
}

fn one_fails() -> Proof {
    let site = Site::serving("tunef", 200);
    let text = std::fs::read_to_string(TUNE).unwrap();
    // On the second member something goes wrong once it is stopped and has its new settings.
    let place = "      - id: start\n";
    let strike = json!({ "id": "strike", "sh": "exit 9", "reads": true, "when": "batch.done | length == 1" });
    assert_eq!(text.matches(place).count(), 1);
    let runbook = site.program.write("altered.yaml", &text.replace(place, &format!("      - {strike}\n{place}")));
    let leader = site.leader();
    let writer = Writer::start(&site);
    let ran = start(&site, &runbook).end();
    assert_eq!(ran.code, Some(1), "only what carries the word is rolled back: {}", ran.story());
    let stops = order(&ran, "stop", |what| matches!(what, TaskEvent::Done { .. }));
    let back = order(&ran, "stop", |what| matches!(what, TaskEvent::Undone { .. }));
    assert_eq!((stops.len(), &back[..]), (2, &stops[1..]), "the failed batch alone is rolled back");
    assert!(!stops.contains(&leader), "the leader was not touched");
    let now = election(&site);
    for (host, election) in site.members.iter().zip(&now) {
        assert_eq!(election, if host.as_str() == stops[0] { "5000" } else { "" }, "{now:?}");
    }
    let written = writer.stop();
    assert_eq!(written.lost, 0);
    site.look();
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn a_leader_that_stalls_while_the_last_member_waits_for_its_turn_is_not_lost_for_good() {
    for etcd in [Etcd::V3_4, sampled()].into_iter().filter(|_| full()) {
        prove("etcd/tune-leader", &minor(etcd), "the leader stalls while the last member waits for its turn", || {
            stalls(etcd)
        });
    }
}

/// On 3.4, with a leader that has the long timeout already, there is none any more after such a stall.
fn stalls(etcd: Etcd) -> Proof {
    let name = LabName::of_this_process(&format!("tunst{}", &etcd.to_string()[2..])).unwrap();
    let mut site = Site::boot(&LabSpec::cluster(name, 3, etcd), 3, Layout::Debian, false);
    site.set_up(&site.members.clone(), 200, true);
    let text = std::fs::read_to_string(TUNE).unwrap();
    let place = "      - id: hand_over\n";
    assert_eq!(text.matches(place).count(), 1);
    // The last leads, until the second is about to be stopped: now the first does, which is tuned.
    site.inside(&site.members[0], &lead(&site, &site.members[2]));
    let first = lead(&site, &site.members[0]);
    let strike = json!({ "id": "strike", "sh": first, "reads": true, "when": "batch.done | length == 1" });
    let runbook = site.program.write("altered.yaml", &text.replace(place, &format!("      - {strike}\n{place}")));
    let writer = Writer::start(&site);
    let words = ["-i", "site.yaml", "--approve", "go", "-p", "sample=2s", "-p", "settle=15s", "-p", "soak=2s"];
    let mut running = site.program.start(&runbook, [&words[..], &["-p", "election=5000"]].concat());
    running.until("settled@etcd-2", |what| matches!(what, TaskEvent::Started { .. }));
    let leads = |host: &&LabName| site.inside(host, "ETCDCTL_API=3 etcdctl endpoint status").contains(", true, ");
    let leader = site.members.iter().find(leads).unwrap();
    site.inside(leader, "pid=$(systemctl show -P MainPID etcd); kill -STOP $pid; sleep 3; kill -CONT $pid");
    let ran = running.end().done();
    assert_eq!(election(&site), ["5000"; 3]);
    let written = writer.stop();
    assert_eq!(written.lost, 0, "{written:?}");
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

/// A script that has this member lead.
fn lead(site: &Site, host: &LabName) -> String {
    let url = |host| format!("http://{}:2379", site.lab.address(host).unwrap());
    let urls: Vec<String> = site.members.iter().map(url).collect();
    format!(
        "export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={}
         id=$(etcdctl member list | sed -n 's/, started, {host},.*//p')
         until etcdctl endpoint status | grep -q \", $id, .*, true, \"; do etcdctl move-leader $id || sleep 0.2; done",
        urls.join(",")
    )
}
