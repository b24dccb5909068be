//! `etcd.mirror` whose engine is killed in each of its phases and taken up again, while the source goes on changing.

use crate::support::etcds::sampled;
use crate::support::program::Running;
use crate::support::site::{Layout, Site};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use surefoot_engine::model::TaskEvent;
use surefoot_lab::lab::{Break, Etcd, LabName, LabSpec};

/// For how long the source must have been quiet before both are compared: long enough to be killed in.
const QUIET: Duration = Duration::from_secs(6);
const RUNBOOK: &str = "\
runbook: mirror
hosts: { source: {}, destination: {} }
steps:
  - { id: mirror, etcd.mirror: { from: source, to: destination, until: frozen, quiet: 6s } }
  - { id: from, etcd.content: { members: source } }
  - { id: to, etcd.content: { members: destination } }
";

/// Two clusters of one member each.
struct Two {
    site: Site,
    source: LabName,
    destination: LabName,
}

impl Two {
    fn up(stem: &str, etcd: Etcd, tls: bool) -> Two {
        let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 2, etcd);
        let mut site = Site::boot(&spec, 1, Layout::Debian, tls);
        site.set_up(&site.members.clone(), 20_000, false);
        let [source, destination] = ["etcd-1", "etcd-2"].map(|name| name.parse::<LabName>().unwrap());
        site.install(&destination, std::slice::from_ref(&destination));
        site.inside(&destination, "systemctl start etcd");
        site.inventory(&[], json!({ "source": ["etcd-1"], "destination": ["etcd-2"] }));
        Two { site, source, destination }
    }

    /// etcdctl on a host, of its own etcd.
    fn ctl(&self, host: &LabName, script: &str) -> String {
        let scheme = if self.site.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}:2379", self.site.lab.address(host).unwrap());
        let tls = match self.site.tls {
            true => {
                "export ETCDCTL_CACERT=/etc/etcd/ca.pem ETCDCTL_CERT=/etc/etcd/host.pem ETCDCTL_KEY=/etc/etcd/host.key;"
            }
            false => "",
        };
        self.site.inside(host, &format!("export ETCDCTL_API=3 ETCDCTL_ENDPOINTS={url}; {tls} {script}"))
    }

    fn json(&self, host: &LabName, words: &str) -> Json {
        serde_json::from_str(&self.ctl(host, &format!("etcdctl {words} -w json"))).unwrap()
    }

    fn newest(&self) -> i64 {
        self.json(&self.source, "get none")["header"]["revision"].as_i64().unwrap()
    }

    /// The revision that the destination has by its own note.
    fn noted(&self) -> Option<i64> {
        let note = self.ctl(&self.destination, "etcdctl get surefoot/mirror --print-value-only");
        serde_json::from_str::<Json>(&note).ok()?["revision"].as_i64()
    }

    /// Whether the destination has this key.
    fn has(&self, key: &str) -> bool {
        self.json(&self.destination, &format!("get {key}"))["count"] == 1
    }

    fn holds(&self, what: &str, fits: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !fits() {
            assert!(Instant::now() < end, "{what}: {:?} at revision {}", self.noted(), self.newest());
            sleep(Duration::from_millis(50));
        }
    }

    /// What a mirror must not miss: keys that it has brought already go, change, or come.
    fn change(&self, round: usize) {
        let script = format!(
            "etcdctl del --prefix /load/0000{round}0 >/dev/null; etcdctl put /load/00000{round}55 again >/dev/null
             (echo; seq -f 'put /round{round}/%g v' 100; echo; echo) | etcdctl txn >/dev/null
             etcdctl del /round{round}/7 >/dev/null"
        );
        self.ctl(&self.source, &script);
    }

    /// The destination stands still, and `meanwhile` passes; then the engine is killed and the destination goes on.
    fn kill(&self, engine: &mut Running, meanwhile: impl FnOnce()) {
        self.site.lab.apply(&self.destination, Break::Freeze).unwrap();
        meanwhile();
        engine.signal(Signal::KILL);
        self.site.lab.apply(&self.destination, Break::Thaw).unwrap();
        assert_eq!(engine.child.wait().unwrap().code(), None, "it was not done");
    }
}

fn is_taken_up_in_each_phase(stem: &str, etcd: Etcd, tls: bool) {
    let two = Two::up(stem, etcd, tls);
    two.ctl(&two.destination, "etcdctl put /load/00000007 other; etcdctl put /stale/1 x; etcdctl put zz x");
    let runbook = two.site.program.write("mirror.yaml", RUNBOOK);

    // While it copies page by page.
    let mut engine = two.site.program.start(&runbook, ["-i", "site.yaml"]);
    engine.until("mirror@controller", |what| matches!(what, TaskEvent::Changing { .. }));
    two.holds("it copies", || two.has("/load/00001000"));
    two.kill(&mut engine, || ()); // on a machine that is slow to stop it, it may rest already
    two.change(1);

    // While it follows: the source has gone on, and the destination does not take it.
    let run = engine.end().run().clone();
    let again = || two.site.program.take_up(&run, &[]);
    let mut engine = again();
    two.holds("it rests", || two.noted() == Some(two.newest()));
    two.kill(&mut engine, || {
        two.change(2);
        sleep(QUIET + Duration::from_secs(2));
    });
    assert!(two.noted().unwrap() < two.newest());
    two.change(3);

    // While it waits for the source to be quiet.
    let mut engine = again();
    two.holds("it rests", || two.noted() == Some(two.newest()));
    two.kill(&mut engine, || ());
    two.change(4);

    // While it compares both, once the source has been quiet.
    let mut engine = again();
    two.holds("it rests", || two.noted() == Some(two.newest()));
    two.kill(&mut engine, || sleep(QUIET + Duration::from_secs(2)));
    two.change(5);

    let ran = two.site.program.follow("resume", &run, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let (from, to) = (ran.out("from@controller"), ran.out("to@controller"));
    assert_eq!((&from["keys"], &from["digest"]), (&to["keys"], &to["digest"]));
    let out = ran.out("mirror@controller");
    assert!(out["puts"].as_u64().unwrap() < 200, "it went on where it was: {out:?}");
    assert_eq!(two.ctl(&two.destination, "etcdctl get surefoot/mirror; etcdctl get --prefix /stale/"), "");
}

#[test]
fn an_engine_killed_in_each_phase_leaves_nothing_out() {
    is_taken_up_in_each_phase("mkill35", sampled(), false);
    if std::env::var_os("SUREFOOT_FULL").is_some() {
        is_taken_up_in_each_phase("mkill34", Etcd::V3_4, false);
        is_taken_up_in_each_phase("mkilltls", sampled(), true);
    }
}
