//! A restore that is rolled back once the new cluster serves: the old one is there again, with what it held and as it ran,
//! and what clients wrote to the new one meanwhile is beside it.

use super::guards::{BEFORE, serving};
use crate::support::site::Site;
use serde_json::{Value as Json, json};
use surefoot_lab::lab::LabName;

/// Whether the cluster is one, and what it holds: its id, and etcd's own hash of its keys at their revision.
const HELD: &str = "runbook: test/held
hosts: { members: { min: 1 } }
steps:
  - { id: healthy, etcd.health: { members: members }, retry: { for: 60s, every: 200ms } }
  - { id: consistent, etcd.consistent: { members: members } }
  - { id: content, on: members, etcd.content: {} }
";

/// What systemd gives each start of a process anew.
const OF_ONE_START: &str = "INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|MEMORY_PRESSURE_[A-Z]+|NOTIFY_SOCKET";

impl Site {
    /// The live data of the cluster, as etcd tells of it.
    fn live_data(&self) -> (Json, Json, Vec<Json>) {
        let ran = self.run(&self.program.write("held.yaml", HELD), &[]).done();
        let digest = |host: &LabName| ran.out(&format!("content@{host}"))["digest"].clone();
        let id = ran.out("healthy@controller")["cluster_id"].clone();
        (id, json!(ran.out("consistent@controller")), self.members.iter().map(digest).collect())
    }

    /// Each member as it stands: its files with their modes and owners, its unit, and what its process runs with.
    fn standing(&self) -> Vec<String> {
        let data = self.layout.data_dir();
        let look = format!(
            "systemctl show etcd -p ActiveState,SubState,UnitFileState,LoadState,NeedDaemonReload
             find /etc/default /etc/etcd /etc/systemd/system -type f -printf '%p %u:%g %m\\n' -exec sha256sum {{}} + 2>/dev/null | sort
             find $(dirname {data}) -name '.surefoot-*.theirs' -prune -o -type d -printf '%p %u:%g %m\\n' | sort
             find {data}/member/snap/db -printf '%p %u:%g %m\\n'
             pid=$(systemctl show etcd -p MainPID --value)
             readlink /proc/$pid/exe; tr '\\0' '\\n' </proc/$pid/cmdline
             tr '\\0' '\\n' </proc/$pid/environ | grep -vE '^({OF_ONE_START})=' | sort"
        );
        self.members.iter().map(|host| self.inside(host, &look)).collect()
    }
}

#[test]
fn a_restore_that_is_rolled_back_leaves_the_old_cluster_with_its_data_as_it_ran() {
    let site = serving("gback");
    let (held, stood) = (site.live_data(), site.standing());
    assert!(
        stood
            .iter()
            .all(|host| host.contains("ActiveState=active") && host.contains("ETCD_INITIAL_CLUSTER_TOKEN=first")),
        "{stood:?}"
    );
    let restored = site.restore(&BEFORE).done();
    let new = site.live_data();
    assert_eq!(new.0, restored.out("identity@controller")["cluster_id"]);
    assert!(new.0 != held.0 && new.2 != held.2 && site.standing() != stood, "another cluster serves, with other keys");

    site.inside(&site.members[0], "ETCDCTL_API=3 etcdctl put meanwhile precious");
    let back = site.program.call(["rollback", restored.run().as_str(), "--yes"]);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    assert_eq!(site.live_data(), held);
    assert_eq!(site.standing(), stood);
    let kept = "grep -lr precious /var/lib/etcd/.surefoot-*.theirs/member/wal";
    site.members.iter().for_each(|host| assert_ne!(site.inside(host, kept), "", "{host}"));
}
