//! Every example of the manual runs as it stands, on real hosts.

use crate::support::cluster::Cluster;
use crate::support::example;
use crate::support::program::Program;
use crate::support::web::{Web, reply};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use surefoot::cli::ACTIONS;
use surefoot_engine::action::ActionKind;
use surefoot_lab::lab::Etcd;

/// They need what a step before has brought to the host (a snapshot, a newer program), a second cluster, or an etcd that can be
/// downgraded; their own tests run them.
const NOT_ALONE: &[&str] =
    &["etcd.restore", "etcd.mirror", "etcd.accepts_settings", "etcd.try_program", "etcd.downgrade"];

struct Scene {
    cluster: Cluster,
    program: Program,
    mirror: String,
}

impl Scene {
    async fn set() -> (Scene, Web) {
        let cluster = Cluster::up("examples", 3, Etcd::V3_4, false).await;
        let program = Program::new();
        let [a, b, c, _] = cluster.lab.address(&cluster.names[0]).unwrap().octets();
        let web = Web::at(&format!("{a}.{b}.{c}.1"), None, |_| reply("200 OK", "", "a tool\n")).await;
        for folder in ["files", "backup", "tool-1"] {
            std::fs::create_dir(program.path(folder)).unwrap();
        }
        program.write("files/etcd.conf", "# nothing\n");
        program.write("tool-1/tool", "run\n");
        let tar =
            std::process::Command::new("tar").args(["czf", "t.tgz", "tool-1"]).current_dir(program.path(".")).status();
        assert!(tar.unwrap().success());
        let mirror = web.url("");
        (Scene { cluster, program, mirror }, web)
    }

    fn everywhere(&self, script: &str) {
        self.cluster.names.iter().for_each(|name| drop(self.cluster.inside(name, script)));
    }

    #[track_caller]
    fn runs(&self, kind: &ActionKind) {
        let text = example::runbook(kind);
        let runbook = self.program.write(&format!("{}.yaml", kind.name), &text);
        let sum: String = Sha256::digest("a tool\n").iter().map(|byte| format!("{byte:02x}")).collect();
        let given = [
            ("snapshot", "backup/etcd.db".to_owned()),
            ("archive", "t.tgz".to_owned()),
            ("mirror", self.mirror.clone()),
            ("sha256", sum),
        ];
        let mut words = vec!["-i".to_owned(), self.cluster.lab.inventory().display().to_string()];
        words.extend(["--approve", "all"].map(str::to_owned));
        let roles: &[&str] = match text.contains("\n  source:") {
            true => &["members=etcd-1,etcd-2", "source=etcd-3"],
            false => &["members=etcd-1,etcd-2,etcd-3"],
        };
        for role in roles.iter().filter(|role| text.contains(&format!("\n  {}:", role.split('=').next().unwrap()))) {
            words.extend(["--bind".to_owned(), (*role).to_owned()]);
        }
        for (name, value) in given.iter().filter(|(name, _)| text.contains(&format!("\n  {name}:"))) {
            words.extend(["-p".to_owned(), format!("{name}={value}")]);
        }
        let ran = self.program.run(&runbook, words);
        assert_eq!(ran.code, Some(0), "{}: {}\n{text}", kind.name, ran.story());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_runs() {
    let (scene, _web) = Scene::set().await;
    let of_etcd = |kind: &&Arc<ActionKind>| kind.name.starts_with("etcd.") || kind.name == "http";
    let members = scene.cluster.names_json();
    let put = serde_json::json!({ "members": members, "key": "/config/version", "value": "1" });
    scene.cluster.act("controller", "etcd.put", put).await.unwrap();
    let snapshot = serde_json::json!({ "from": members, "to": scene.program.path("backup/etcd.db") });
    scene.cluster.act("controller", "etcd.snapshot", snapshot).await.unwrap();
    let alone = || ACTIONS.iter().filter(|kind| !NOT_ALONE.contains(&kind.name));
    alone().filter(of_etcd).for_each(|kind| scene.runs(kind));
    for kind in alone().filter(|kind| !of_etcd(kind)) {
        scene.everywhere(
            "systemctl stop etcd; install -d -o etcd -g etcd -m 700 /var/lib/etcd; touch /var/log/etcd.log",
        );
        scene.runs(kind);
    }
}
