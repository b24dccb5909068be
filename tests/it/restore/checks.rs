//! What must be true after a case.

use super::cases::{Onto, Twist};
use super::scene::Scene;
use crate::support::program::Ran;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Scene {
    /// What the run says of itself.
    pub fn check_run(&self, ran: &Ran) {
        let serving = matches!(self.case.onto, Onto::Survivor | Onto::Serving);
        let word = |test: bool| if test { "done" } else { "skipped" };
        assert_eq!((ran.words("last_backup"), ran.words("go_back")), (vec![word(serving)], vec![word(serving)]));
        let disarmed = &ran.out("stale_alarms@controller")["disarmed"];
        assert_eq!(disarmed.as_array().unwrap().len(), usize::from(self.case.twist == Twist::Alarm), "{disarmed}");
        if self.case.twist == Twist::Writer {
            assert_eq!((ran.words("writers_off"), ran.words("writers_on")), (vec!["done"], vec!["done"]));
            let writer = self.site.lab.hosts().last().unwrap();
            self.site.inside(writer, "systemctl is-active writer && systemctl stop writer");
            let deleted = self.site.inside(&self.site.members[0], "ETCDCTL_API=3 etcdctl del /writer");
            assert_eq!(deleted, "1", "it has written");
        }
    }

    /// Every key on every member, one cluster with the predicted id, no alarms, a backup; again after a restart.
    pub fn check_cluster(&self, ran: &Ran) {
        let backup = ran.out("fresh_backup@controller")["file"].as_str().unwrap();
        let after = self.site.after(backup);
        let predicted = &ran.out("identity@controller")["cluster_id"];
        for step in ["health@controller", "again@controller"] {
            assert_eq!(after.out(step)["cluster_id"], *predicted);
        }
        for host in &self.site.members {
            for step in ["content", "content_again"] {
                let held = after.out(&format!("{step}@{host}"));
                assert_eq!(
                    (&held["digest"], &held["keys"]),
                    (&self.site.content, &json!(self.case.keys)),
                    "{step}@{host}"
                );
            }
            let config = after.out(&format!("config@{host}"));
            assert_eq!((&config["pending"], &config["user"]), (&json!([]), &json!(self.case.layout.user())));
            assert_eq!(config["running"]["initial-cluster-state"], "existing");
            assert_ne!(config["running"]["initial-cluster-token"], crate::support::site::TOKEN);
        }
        assert_eq!(after.out("alarms@controller")["alarms"], json!([]));
        assert_eq!(after.out("backup@controller")["keys"], json!(self.case.keys));
        let revision = after.out("health@controller")["revision"].as_i64().unwrap();
        assert_eq!(revision > 1_000_000_000, self.case.twist == Twist::Bump, "{revision}");
        assert_eq!(std::fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Owners and modes all the way down, the old data beside the new, and nothing else left.
    pub fn check_hosts(&self, ran: &Ran) {
        let (site, layout) = (&self.site, self.case.layout);
        for (host, old) in site.members.iter().zip(&self.old) {
            for folder in [Some(layout.data_dir()), layout.wal_dir()].into_iter().flatten() {
                let wrong = format!("find {folder} ! -user {0} -o ! -group {0} -o -type d ! -perm 700", layout.user());
                assert_eq!(site.inside(host, &wrong), "", "{host}");
                assert_eq!(site.inside(host, &format!("ls -d {folder}.new-* 2>/dev/null || :")), "", "{host}");
            }
            let aside = format!("{}.before-{}", layout.data_dir(), ran.run());
            let kept = site.files(host, &aside);
            assert_eq!(kept == "-", self.case.onto == Onto::New, "{host}: {kept}");
            assert!(old.as_ref().is_none_or(|old| *old == kept), "{host}: {old:?} {kept}");
            let unit = site.inside(host, "systemctl show etcd -P LoadState -P ActiveState -P NeedDaemonReload");
            assert_eq!(unit, "loaded\nactive\nno", "{host}");
        }
    }

    /// Only the operator can read what the program keeps, and no key of TLS came there.
    pub fn check_controller(&self) {
        walk(&self.site.program.state_folder(), &mut |path| {
            let meta = std::fs::symlink_metadata(path).unwrap();
            let wanted = if meta.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(meta.permissions().mode() & 0o777, wanted, "{}", path.display());
        });
        // What clients of this test have, lies beside.
        let client = self.site.program.path("client");
        walk(&self.site.program.path(""), &mut |path| {
            let ours = path.is_file() && !path.starts_with(&client);
            let text = if ours { std::fs::read(path).unwrap() } else { Vec::new() };
            assert!(!text.windows(11).any(|part| part == b"PRIVATE KEY"), "{}", path.display());
        });
    }
}

/// Each file and folder below.
fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    each(folder);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, each) } else { each(&path) }
    }
}
