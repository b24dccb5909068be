//! Members as they are, to be compared with how they were.

use super::Site;
use surefoot_lab::lab::LabName;

impl Site {
    /// Every file below a folder of a host by its hash, `-` where there is no such folder.
    pub fn files(&self, host: &LabName, folder: &str) -> String {
        self.inside(
            host,
            &format!(
                "cd {folder} 2>/dev/null || {{ echo -; exit; }}; find . -type f -exec sha256sum {{}} + | sort -k 2"
            ),
        )
    }

    /// Each member as it is: its unit, its settings, what lies beside its data, and the data's bytes where it is down;
    /// but for what an undo has set aside.
    pub fn picture(&self) -> Vec<String> {
        self.members.iter().map(|host| self.picture_of(host)).collect()
    }

    fn picture_of(&self, host: &LabName) -> String {
        let unit =
            self.inside(host, "systemctl show etcd -p ActiveState,UnitFileState,LoadState,MainPID,NeedDaemonReload");
        let settings = self.inside(host, "sha256sum /etc/default/etcd /opt/etcd/cfg/* /etc/etcd/* 2>/dev/null || :");
        let folders = [Some(self.layout.data_dir()), self.layout.wal_dir()].into_iter().flatten();
        let data = folders.map(|folder| {
            let beside = self.inside(
                host,
                &format!(
                    "find $(dirname {folder}) -mindepth 1 -maxdepth 1 ! -name '.surefoot-*.theirs' ! -name '*.left-*' \
                     -printf '%p %u:%g %m\\n' 2>/dev/null | sort"
                ),
            );
            let bytes = if unit.contains("ActiveState=active") { String::new() } else { self.files(host, folder) };
            format!("{beside}\n{bytes}")
        });
        let data: Vec<String> = data.collect();
        format!("{host}\n{unit}\n{settings}\n{}", data.join("\n"))
    }
}
