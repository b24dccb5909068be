//! The undo of `etcd.restore`: a directory that an etcd has run in since holds what its clients wrote, and is kept.

use crate::support::etcds::sampled;
use crate::support::site::{Layout, Site};
use serde_json::json;
use surefoot_lab::lab::{LabName, LabSpec};

const MADE: &str = "/var/lib/etcd/made";

/// One member, and a run that has made a data directory beside its own.
fn made(stem: &str) -> Site {
    let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 1, sampled());
    let mut site = Site::boot(&spec, 1, Layout::Debian, false);
    site.set_up(&site.members.clone(), 10, false);
    let restore = json!({
        "file": "/root/s.db", "into": MADE, "name": "made", "peer_url": "http://127.0.0.1:12380",
        "initial_cluster": "made=http://127.0.0.1:12380", "token": "made", "owner": "etcd",
    });
    let steps = json!([
        { "id": "push", "on": "members", "copy": { "from": "before.db", "to": "/root/s.db" } },
        { "id": "restore", "on": "members", "etcd.restore": restore },
    ]);
    let hosts = json!({ "members": { "min": 1 } });
    let runbook = json!({ "runbook": "test/made", "hosts": hosts, "steps": steps });
    site.run(&site.program.write("made.yaml", &runbook.to_string()), &[]).done();
    site
}

impl Site {
    /// Lets an etcd run on what was restored, while a client talks to it.
    fn served(&self, client: &str) -> String {
        let script = format!(
            "systemd-run -q -u made -p User=etcd -p Type=notify etcd --name made --data-dir {MADE} \
               --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
               --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380
             export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=http://127.0.0.1:12379
             {client}
             systemctl stop made"
        );
        self.inside(&self.members[0], &script)
    }

    fn listed(&self) -> String {
        self.inside(&self.members[0], "ls -A /var/lib/etcd")
    }
}

#[test]
fn a_directory_that_nobody_has_used_is_removed() {
    let site = made("undone");
    assert_eq!(site.listed(), "default\nmade");
    assert_eq!(site.program.call(["rollback", "last", "--yes"]).code, Some(0));
    assert_eq!(site.listed(), "default");
}

#[test]
fn what_clients_wrote_after_the_restore_outlives_the_rollback() {
    let site = made("undonew");
    site.served("etcdctl put precious kept");
    let plan = site.program.call(["rollback", "last", "--plan"]);
    let said = plan.out + &plan.err;
    assert!(plan.code == Some(0) && said.contains(MADE) && said.contains("will be set aside"), "{said}");
    let back = site.program.call(["rollback", "last", "--yes"]);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    let listed = site.listed();
    let kept = listed.lines().find(|name| name.ends_with(".made.theirs")).expect("it is beside");
    assert!(!listed.lines().any(|name| name == "made") && site.program.call(["show", "last"]).out.contains(kept));
    let tidied = site.program.call(["tidy", "last", "--yes"]);
    assert!(tidied.code == Some(0) && (tidied.out + &tidied.err).contains(kept), "it is named, and stays");
    site.inside(&site.members[0], &format!("mv /var/lib/etcd/{kept} {MADE}"));
    assert_eq!(site.served("etcdctl get precious --print-value-only"), "kept");
}
