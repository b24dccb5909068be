//! An etcd cluster on lab hosts, and single actions on it as the engine calls them: parameters in, outputs out.

use super::bench::Recorder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use surefoot::cli::ACTIONS;
use surefoot_engine::action::{CommandSettings, Cx, ErasedSeen};
use surefoot_engine::model::{Fault, HostName, Outputs, RunId, TaskName};
use surefoot_engine::secret::EtcdLogin;
use surefoot_engine::world::{EtcdAccess, Host, LocalHost, Silent, SshHost, SshTarget, World};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "first";

/// Hosts of a lab, reached by ssh, and the controller.
pub struct Cluster {
    pub lab: LabGuard,
    pub names: Vec<LabName>,
    world: World,
    controller: Arc<dyn Host>,
    run: RunId,
    folder: TempDir,
    steps: AtomicU32,
    tls: bool,
    pub settings: CommandSettings,
}

impl Cluster {
    /// Boots the hosts; no etcd runs yet.
    pub async fn hosts(stem: &str, count: usize, etcd: Etcd) -> Cluster {
        let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), count, etcd);
        let lab = tokio::task::spawn_blocking(move || LabGuard::up(&spec, &|_| {})).await.unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = RunId::from("20260101-000000-abcd");
        let names: Vec<LabName> = lab.hosts().cloned().collect();
        let mut world = World::default();
        for name in &names {
            let target = SshTarget { ssh_config: Some(lab.ssh_config()), ..SshTarget::new(name.as_str()) };
            world.add(SshHost::connect(&target, &run).await.unwrap());
        }
        let run_dir = folder.path().join("run").display().to_string();
        let controller = LocalHost::open(&run_dir, &run).await.unwrap();
        world.add(controller.clone());
        Cluster {
            lab,
            names,
            world,
            controller,
            run,
            folder,
            steps: AtomicU32::new(0),
            tls: false,
            settings: CommandSettings::default(),
        }
    }

    /// From here on as this user, who has sudo.
    pub async fn log_in_as(&mut self, user: &str) {
        for name in &self.names {
            let config = Some(self.lab.ssh_config());
            let target = SshTarget { ssh_config: config, user: Some(user.to_owned()), ..SshTarget::new(name.as_str()) };
            self.world.add(SshHost::connect(&target, &self.run).await.unwrap());
        }
    }

    /// A cluster with Debian's layout that has elected its leader.
    pub async fn up(stem: &str, count: usize, etcd: Etcd, tls: bool) -> Cluster {
        let cluster = Cluster { tls, ..Cluster::hosts(stem, count, etcd).await };
        cluster.configure(&[&cluster.names]);
        cluster.start();
        cluster.settle(&cluster.names_json(), None).await;
        cluster
    }

    /// The same hosts as clusters of one member each.
    pub async fn apart(stem: &str, count: usize, etcd: Etcd, tls: bool) -> Cluster {
        let cluster = Cluster { tls, ..Cluster::hosts(stem, count, etcd).await };
        cluster.configure(&cluster.names.chunks(1).collect::<Vec<_>>());
        cluster.start();
        for name in &cluster.names {
            cluster.settle(&json!([name.as_str()]), None).await;
        }
        cluster
    }

    fn configure(&self, clusters: &[&[LabName]]) {
        if self.tls {
            self.certify();
        }
        for (members, name) in clusters.iter().flat_map(|members| members.iter().map(move |name| (members, name))) {
            let variables = self.variables(name, &self.list(members));
            self.inside(name, &format!("cat >>/etc/default/etcd <<'EOF'\n{variables}EOF"));
        }
    }

    pub fn peer_url(&self, name: &LabName) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:2380", self.lab.address(name).unwrap())
    }

    pub fn initial_cluster(&self) -> String {
        self.list(&self.names)
    }

    fn list(&self, members: &[LabName]) -> String {
        members.iter().map(|name| format!("{name}={}", self.peer_url(name))).collect::<Vec<_>>().join(",")
    }

    fn variables(&self, name: &LabName, list: &str) -> String {
        let peer = self.peer_url(name);
        let client = peer.replace(":2380", ":2379");
        let loopback = client.replace(&self.lab.address(name).unwrap().to_string(), "127.0.0.1");
        let mut text = format!(
            "ETCD_LISTEN_PEER_URLS={peer}\nETCD_INITIAL_ADVERTISE_PEER_URLS={peer}\nETCD_LISTEN_CLIENT_URLS={client},{loopback}\n\
             ETCD_ADVERTISE_CLIENT_URLS={client}\nETCD_INITIAL_CLUSTER=\"{list}\"\nETCD_INITIAL_CLUSTER_TOKEN={TOKEN}\n"
        );
        if self.tls {
            for prefix in ["ETCD_", "ETCD_PEER_"] {
                text += &format!(
                    "{prefix}CERT_FILE=/etc/etcd/host.pem\n{prefix}KEY_FILE=/etc/etcd/host.key\n\
                     {prefix}TRUSTED_CA_FILE=/etc/etcd/ca.pem\n{prefix}CLIENT_CERT_AUTH=true\n"
                );
            }
        }
        text
    }

    /// A CA, and for each host a certificate for its address only: loopback is not in it. Keys go to their hosts alone.
    fn certify(&self) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(self.path("ca.pem"), ca.pem()).unwrap();
        for name in &self.names {
            let key = KeyPair::generate().unwrap();
            let mut own = CertificateParams::new([self.lab.address(name).unwrap().to_string()]).unwrap();
            own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let own = own.signed_by(&key, &ca).unwrap();
            self.inside(name, "mkdir -p /etc/etcd");
            for (file, text) in [("ca.pem", ca.pem()), ("host.pem", own.pem()), ("host.key", key.serialize_pem())] {
                self.inside(
                    name,
                    &format!("umask 077; cat >/etc/etcd/{file} <<'EOF'\n{text}EOF\nchown etcd: /etc/etcd/{file}"),
                );
            }
        }
    }

    /// Says in the inventory's place how a host's etcd is reached.
    pub fn access(&mut self, name: &LabName, access: EtcdAccess) {
        self.world.add_etcd(HostName::from(name.as_str()), access);
    }

    /// From here on every etcd is asked as this user.
    pub fn log_in_to_etcd(&mut self, login: &EtcdLogin) {
        for name in &self.names {
            self.world.add_login(HostName::from(name.as_str()), login.clone());
        }
    }

    /// Starts every etcd at once, and waits for none.
    pub fn start(&self) {
        self.names.iter().for_each(|name| drop(self.inside(name, "systemctl start --no-block etcd")));
    }

    pub fn stop(&self) {
        self.names.iter().for_each(|name| drop(self.inside(name, "systemctl stop etcd")));
    }

    /// A script on a host, as root, past ssh: to set a scene, or to look.
    pub fn inside(&self, name: &LabName, script: &str) -> String {
        let mut command = self.lab.enter(name, &["sh", "-ec", script]).unwrap();
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{name}: {script}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// All hosts, as the engine gives `members: members` to an action.
    pub fn names_json(&self) -> Json {
        self.names.iter().map(|name| name.to_string()).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn host(&self, on: &str) -> &Arc<dyn Host> {
        self.world.host(&HostName::from(on)).unwrap_or(&self.controller)
    }

    /// Copies a file of the controller to a host.
    pub async fn push(&self, from: &str, name: &LabName, to: &str) {
        self.host(name.as_str()).put(&self.path(from), to, None, &Silent).await.unwrap();
    }

    /// Waits, as a step with `retry` does, until the cluster is healthy; gives the outputs.
    pub async fn settle(&self, members: &Json, cluster_id: Option<&str>) -> Outputs {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match self.act("controller", "etcd.health", json!({ "members": members, "cluster_id": cluster_id })).await {
                Ok(out) => return out,
                Err(fault) if Instant::now() > end => panic!("{fault:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Looks and, where there is something to do, does it.
    pub async fn act(&self, on: &str, kind: &str, parameters: Json) -> Result<Outputs, Fault> {
        let step = self.step(on, kind, parameters);
        match step.inspect().await? {
            ErasedSeen::Clean(out) => Ok(out),
            ErasedSeen::Change(change) => step.apply(&change.before).await,
        }
    }

    /// A step of its own each time.
    pub fn step(&self, on: &str, kind: &str, parameters: Json) -> Step<'_> {
        let kind = ACTIONS.find(kind).unwrap_or_else(|| panic!("no kind {kind}"));
        let action = (kind.decode)(parameters).unwrap();
        let step = format!("s{}", self.steps.fetch_add(1, Ordering::Relaxed));
        let task = TaskName { step: step.into(), host: HostName::from(on), item: None };
        Step { cluster: self, task, action, attempts: AtomicU32::new(0) }
    }
}

/// One task.
pub struct Step<'a> {
    cluster: &'a Cluster,
    task: TaskName,
    action: Box<dyn surefoot_engine::action::Erased>,
    attempts: AtomicU32,
}

impl Step<'_> {
    async fn attempt<T>(&self, call: impl AsyncFnOnce(&Cx<'_>) -> T) -> T {
        let (questions, _) = mpsc::channel(1);
        let cx = Cx {
            task: &self.task,
            attempt: self.attempts.fetch_add(1, Ordering::Relaxed) + 1,
            run: &self.cluster.run,
            host: self.cluster.host(self.task.host.as_str()),
            world: &self.cluster.world,
            settings: &self.cluster.settings,
            deadline: None,
            sink: &Recorder::default(),
            folder: self.cluster.folder.path(),
            questions: &questions,
            acts: AtomicU32::new(0),
            taken_up: false,
            set_aside: false,
            end: CancellationToken::new(),
        };
        call(&cx).await
    }

    pub async fn inspect(&self) -> Result<ErasedSeen, Fault> {
        self.attempt(async |cx| self.action.inspect(cx).await).await
    }

    pub async fn is_clean(&self) -> bool {
        matches!(self.inspect().await.unwrap(), ErasedSeen::Clean(_))
    }

    pub async fn apply(&self, before: &Json) -> Result<Outputs, Fault> {
        self.attempt(async |cx| self.action.apply(cx, before).await).await
    }

    pub async fn undo(&self, before: &Json) -> Result<(), Fault> {
        self.attempt(async |cx| self.action.undo(cx, before).await).await
    }

    /// Looks and does it; what it saw before, and what it gave.
    pub async fn run(&self) -> Result<(Json, Outputs), Fault> {
        match self.inspect().await? {
            ErasedSeen::Change(change) => self.apply(&change.before).await.map(|out| (change.before, out)),
            ErasedSeen::Clean(out) => panic!("nothing to do: {out:?}"),
        }
    }
}
