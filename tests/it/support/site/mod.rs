//! A site: hosts of a lab with an etcd cluster as somebody has set it up, and the program beside them.

mod layout;
mod node;
mod picture;
mod tls;
mod users;

use crate::support::etcds::sampled;
use crate::support::program::{Program, Ran};
pub use layout::Layout;
use node::Node;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};
pub use users::PASSWORD;

/// Of the clusters that are set up.
pub const TOKEN: &str = "first";
/// The runbooks that set one up and look at it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/site");

pub struct Site {
    pub lab: LabGuard,
    pub program: Program,
    /// Those that are, or will be, the cluster; the lab may have more hosts.
    pub members: Vec<LabName>,
    pub layout: Layout,
    pub tls: bool,
    /// Whether its etcd has users; the program is `root` among them.
    pub users: bool,
    /// Who the program is on the hosts.
    user: &'static str,
    /// Digest of what is in `before.db`, once that is there.
    pub content: Json,
}

impl Site {
    /// Boots the hosts, the first `members` of which are the cluster's. Nothing is set up on them yet.
    pub fn boot(spec: &LabSpec, members: usize, layout: Layout, tls: bool) -> Site {
        let lab = LabGuard::up(spec, &|_| {}).unwrap();
        let members = lab.hosts().take(members).cloned().collect();
        let (program, content) = (Program::new(), Json::Null);
        let site = Site { lab, program, members, layout, tls, users: false, user: "root", content };
        if tls {
            let hosts: Vec<LabName> = site.lab.hosts().cloned().collect();
            tls::certify(&site, &hosts);
        }
        site.inventory(&[], json!({}));
        site
    }

    /// Three members with Debian's layout, serving these many keys, and more than are in `before.db`.
    pub fn serving(stem: &str, keys: u64) -> Site {
        let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 3, sampled());
        let mut site = Site::boot(&spec, 3, Layout::Debian, false);
        site.set_up(&site.members.clone(), keys, true);
        site
    }

    /// From now on the program comes as a user who has sudo.
    pub fn by_sudo(&mut self) {
        self.user = "ops";
        self.inventory(&[], json!({}));
    }

    /// A running cluster with this many keys, its snapshot in `before.db`, and more keys after that where `later`.
    pub fn set_up(&mut self, hosts: &[LabName], keys: u64, later: bool) {
        hosts.iter().for_each(|host| self.install(host, hosts));
        let names: Vec<&str> = hosts.iter().map(LabName::as_str).collect();
        let [bind, keys] = [format!("members={}", names.join(",")), format!("keys={keys}")];
        let later = format!("later={later}");
        let words = ["-i", "site.yaml", "--bind", &bind, "-p", &keys, "-p", &later];
        let ran = self.program.run(&own("setup.yaml"), words).done();
        let digest = ran.out(&format!("content@{}", hosts[0]))["digest"].clone();
        let all = |host: &&LabName| ran.out(&format!("content@{host}"))["digest"] == digest;
        assert!(digest.is_string() && hosts.iter().all(|host| all(&host)), "{}: {:?}", ran.story(), ran.state);
        self.content = digest;
    }

    pub fn node(&self, host: &LabName, cluster: &[LabName]) -> Node {
        let entry = |name: &LabName| (name.to_string(), self.lab.address(name).unwrap().to_string());
        let (name, address) = entry(host);
        Node { name, address, cluster: cluster.iter().map(entry).collect(), tls: self.tls }
    }

    /// Writes the host's unit and settings.
    pub fn install(&self, host: &LabName, cluster: &[LabName]) {
        for folder in self.layout.folders() {
            self.inside(host, &format!("install -d -o {user} -g {user} {folder}", user = self.layout.user()));
        }
        for (path, mode, text) in self.layout.files(&self.node(host, cluster)) {
            self.write(host, path, mode, "root", &text);
        }
        self.inside(host, "systemctl daemon-reload");
    }

    /// `site.yaml`, with variables for these hosts, and more groups.
    pub fn inventory(&self, vars: &[(LabName, Json)], groups: Json) {
        let entry = |host: &LabName| {
            let mut entry = json!({ "address": self.lab.address(host).unwrap().to_string() });
            if let Some((_, vars)) = vars.iter().find(|(name, _)| name == host) {
                entry["vars"] = vars.clone();
            }
            (host.to_string(), entry)
        };
        let hosts: serde_json::Map<String, Json> = self.lab.hosts().map(entry).collect();
        let mut all = json!({ "members": self.members.iter().map(LabName::as_str).collect::<Vec<_>>() });
        all.as_object_mut().unwrap().extend(groups.as_object().unwrap().clone());
        let defaults = json!({ "ssh_config": self.lab.ssh_config(), "user": self.user, "become": self.user != "root" });
        let mut inventory = json!({ "defaults": defaults, "hosts": hosts, "groups": all });
        if self.users {
            inventory["etcd"] = json!({ "all": { "user": "root", "password": "file:password" } });
        }
        self.program.write("site.yaml", &inventory.to_string());
    }

    /// A runbook for the members, by `site.yaml`.
    pub fn run(&self, runbook: &Path, words: &[&str]) -> Ran {
        self.program.run(runbook, [&["-i", "site.yaml"], words].concat())
    }

    /// What is true of the members after a restore, and after their next start.
    pub fn after(&self, backup: &str) -> Ran {
        self.run(&own("after.yaml"), &["-p", &format!("backup={backup}")]).done()
    }

    pub fn snapshot(&self, to: &str) {
        self.run(&own("snapshot.yaml"), &["-p", &format!("to={to}")]).done();
    }

    /// Waits until the cluster is healthy; gives its id, and the digest of what each member holds.
    pub fn look(&self) -> (Json, Vec<Json>) {
        self.look_with(&[])
    }

    /// The host that leads.
    pub fn leader(&self) -> String {
        let ran = self.run(&own("look.yaml"), &[]).done();
        ran.out("healthy@controller")["leader"].as_str().unwrap().to_owned()
    }

    pub fn look_with(&self, words: &[&str]) -> (Json, Vec<Json>) {
        let ran = self.run(&own("look.yaml"), words).done();
        let digest = |host: &LabName| ran.out(&format!("content@{host}"))["digest"].clone();
        (ran.out("healthy@controller")["cluster_id"].clone(), self.members.iter().map(digest).collect())
    }

    /// A script on a host, as root, past ssh: to set a scene, or to look.
    pub fn inside(&self, host: &LabName, script: &str) -> String {
        self.feed(host, &["sh", "-ec", script], b"")
    }

    pub fn on_all(&self, script: &str) {
        self.members.iter().for_each(|host| drop(self.inside(host, script)));
    }

    pub fn write(&self, host: &LabName, path: &str, mode: &str, owner: &str, text: &str) {
        self.feed(host, &["install", "-D", "-m", mode, "-o", owner, "-g", owner, "/dev/stdin", path], text.as_bytes());
    }

    /// Copies a file of here to a host.
    pub fn send(&self, name: &str, host: &LabName, to: &str) {
        self.feed(host, &["sh", "-ec", "cat >\"$1\"", "sh", to], &std::fs::read(self.program.path(name)).unwrap());
    }

    fn feed(&self, host: &LabName, words: &[&str], input: &[u8]) -> String {
        let mut command = self.lab.enter(host, words).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{host}: {words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Copies a file of a host here.
    pub fn fetch(&self, host: &LabName, path: &str, to: &str) {
        let mut command = self.lab.enter(host, &["cat", path]).unwrap();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{host}: {path}: {output:?}");
        std::fs::write(self.program.path(to), output.stdout).unwrap();
    }
}

pub fn own(runbook: &str) -> PathBuf {
    Path::new(FOLDER).join(runbook)
}

/// What Debian calls the etcd that hosts with this one have.
pub fn package_version(etcd: Etcd) -> String {
    let spec = LabSpec::cluster(LabName::of_this_process("version").unwrap(), 1, etcd);
    let site = Site::boot(&spec, 1, Layout::Debian, false);
    site.inside(&site.members[0], "dpkg-query -f '${Version}' -W etcd-server")
}
