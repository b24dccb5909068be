//! `etcd.config`: the effective configuration of a host's etcd.

use super::layout::{self, DataPlace, EtcdSettings, Places, ResolvedSettings, Runner, SettingLocation};
use super::restart_safe::{PendingSetting, RestartData, pending, risks, would_move};
use super::tools::{self, FoundTool};
use super::versions::Capability;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Script;

/// Reads what this host's etcd would start with, and what it runs with: the systemd unit with its drop-ins and
/// environment, `ETCD_` variables, flags (also those fed from other variables), a configuration file; or the manifest
/// of a static pod; and `/proc/PID` of a running one. Paths are those of the host, not of the pod's container.
///
/// Nothing set gives etcd's own defaults. `missing` where the unit is not there; `value` where it does not run etcd;
/// `denied` where its files may not be read (let the step `become`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What runs etcd: a systemd unit, or the path of a static pod's manifest, wherever that lies now.
    #[serde(default = "default_unit")]
    pub unit: String,
}

pub fn default_unit() -> String {
    "etcd".to_owned()
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ConfigOut {
    /// The unit by its own name, such as `etcd.service`; of a pod the manifest's path.
    pub unit: String,
    /// Of a pod, such as `registry.k8s.io/etcd:3.5.16-0`.
    pub image: Option<String>,
    /// Whether it runs.
    pub active: bool,
    /// The user it runs as (`User=`).
    pub user: String,
    /// `Restart=`, such as `on-failure`. With `always`, a stopped member must be masked to stay down. A pod is started
    /// `always`, as long as its manifest is where the kubelet looks.
    pub restart: String,
    pub name: String,
    pub data_dir: String,
    /// None where the WAL lies in the data directory.
    pub wal_dir: Option<String>,
    /// Where the data directory lies on its disk, and how it can be set aside; none where `immovable` says why not.
    pub data: Option<DataPlace>,
    /// The same of the log; none where it lies on the disk of the data.
    pub wal: Option<DataPlace>,
    /// Why data and log cannot be set aside, such as a mount point within the data directory.
    pub immovable: Option<String>,
    /// Why etcd cannot make a new log there, as a new member must: the directory is a mount point or a link.
    pub no_new_log: Option<String>,
    /// `initial-advertise-peer-urls`, the first.
    pub peer_url: String,
    pub peer_urls: Vec<String>,
    /// Those of them that lead every host to itself: `localhost`, loopback, or no address at all.
    pub local_peer_urls: Vec<String>,
    /// This member's part of `initial-cluster`: `NAME=URL`, once for each of its peer URLs.
    pub initial_cluster_entry: String,
    /// `advertise-client-urls`.
    pub client_urls: Vec<String>,
    pub listen_client_urls: Vec<String>,
    pub listen_peer_urls: Vec<String>,
    /// Every port that it listens on, client ports first.
    pub ports: Vec<u16>,
    pub tls: TlsPaths,
    /// The program, as the unit names it.
    pub binary: String,
    /// Of the program, or of the pod's image, such as `3.5.16`; none where it did not say.
    pub version: Option<String>,
    /// What restores snapshots here: `etcdutl`, else an `etcdctl` that can (before 3.6); beside the program or in `PATH`.
    /// None where nothing can.
    pub tool: Option<String>,
    /// What `tool` can do.
    pub tool_can: Vec<Capability>,
    /// `etcdutl` and `etcdctl`, as far as they are there, each with its version and what it can do.
    pub tools: Vec<FoundTool>,
    /// What the files say, by the name of the flag. What is not here has etcd's default.
    pub settings: IndexMap<String, String>,
    /// Where each of `settings` is kept.
    pub kept: IndexMap<String, SettingLocation>,
    /// What the running process was started with, by the name of the flag; empty where none runs. Of etcd's own
    /// configuration file it is what the file says now: etcd does not tell what it has read.
    pub running: IndexMap<String, String>,
    /// Settings in which the running process differs from the files: a restart would change them.
    pub pending: Vec<PendingSetting>,
    /// Why it must not be restarted as it is, a sentence each: see `etcd.restart_safe`.
    pub restart_risks: Vec<String>,
}

/// Files of certificates and keys, as etcd's flags name them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TlsPaths {
    /// Whether clients are served over TLS.
    pub client: bool,
    /// Whether peers talk over TLS.
    pub peer: bool,
    pub cert_file: Option<String>,
    pub key_file: Option<String>,
    pub trusted_ca_file: Option<String>,
    pub peer_cert_file: Option<String>,
    pub peer_key_file: Option<String>,
    pub peer_trusted_ca_file: Option<String>,
}

impl Action for Config {
    const NAME: &'static str = "etcd.config";
    const EXAMPLE: &'static str = "on: members\netcd.config: { unit: etcd }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = ConfigOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("read the configuration of {}", self.unit))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<ConfigOut, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let binary = match &loaded.runner {
            Runner::Unit(unit) => layout::binary(unit).unwrap_or("etcd"),
            Runner::Pod(_) => "etcd",
        };
        let programs = programs(cx, binary).await?;
        let (data_dir, wal_dir) = loaded.directories();
        let pod = matches!(loaded.runner, Runner::Pod(_));
        let places = layout::places(cx, &data_dir, wal_dir.as_deref(), pod).await?;
        same_files(cx, &loaded, &places).await?;
        Ok(out(&loaded, binary, programs, places))
    }
}

/// The database that the process has open is the one below the directory that procedures will work on. Where only the
/// files name another one, a restart would change it: that is told as pending.
async fn same_files(cx: &Cx<'_>, loaded: &layout::EtcdUnit, places: &Places) -> Result<(), Fault> {
    let Some(process) = &loaded.process else { return Ok(()) };
    if would_move(loaded) {
        return Ok(());
    }
    let (data_dir, wal_dir) = loaded.directories();
    let wal = places.wal.as_ref().map(|place| place.dir.clone()).or(wal_dir);
    let wal = wal.unwrap_or_else(|| format!("{data_dir}/member/wal"));
    let strange = layout::strange_file(cx, process, &format!("{data_dir}/member/snap"), &wal).await?;
    let Some(file) = strange else { return Ok(()) };
    let message = format!("the etcd that runs on {} has other files open than those in {data_dir}", cx.host.name());
    let fault = Fault::refused(message).detail(format!("process {} has {file}", process.pid));
    Err(fault.hint("is it in a container, or does it see another file system? This is for an etcd on the host itself"))
}

/// `programs`: the program's version, and the tool beside it.
fn out(
    loaded: &layout::EtcdUnit,
    binary: &str,
    (version, tools): (Option<String>, Vec<FoundTool>),
    places: Places,
) -> ConfigOut {
    let layout::EtcdUnit { runner, settings, process } = loaded;
    let running = process.as_ref().map(|process| values(&process.settings));
    let defaults = ResolvedSettings(settings);
    let (name, peer_urls) = (defaults.name(), defaults.advertise_peer());
    let (listen_client_urls, listen_peer_urls) = (defaults.listen_client(), defaults.listen_peer());
    let own = values(settings);
    let on_host = |path: String| runner.on_host(path);
    let (data_dir, wal_dir) = loaded.directories();
    let base = match runner {
        Runner::Unit(unit) => (unit.id.clone(), None, unit.active, unit.user.clone(), unit.restart.clone(), version),
        Runner::Pod(pod) => {
            let image = Some(pod.image.clone());
            (pod.path.clone(), image, running.is_some(), "root".to_owned(), "always".to_owned(), pod.version())
        }
    };
    let (unit, image, active, user, restart, version) = base;
    ConfigOut {
        data_dir,
        wal_dir,
        data: places.data,
        wal: places.wal,
        immovable: places.problem,
        no_new_log: places.no_new_log,
        peer_url: peer_urls.first().cloned().unwrap_or_default(),
        local_peer_urls: peer_urls.iter().filter(|url| layout::is_local(url)).cloned().collect(),
        initial_cluster_entry: peer_urls.iter().map(|url| format!("{name}={url}")).collect::<Vec<_>>().join(","),
        client_urls: defaults.advertise_client(),
        ports: layout::ports(&[listen_client_urls.clone(), listen_peer_urls.clone()].concat()),
        tls: tls(settings, &on_host, &listen_client_urls, &peer_urls),
        pending: pending(loaded),
        restart_risks: risks(loaded, RestartData::Kept),
        kept: settings.set.iter().map(|(name, setting)| (name.clone(), setting.kept.clone())).collect(),
        settings: own,
        binary: binary.to_owned(),
        running: running.unwrap_or_default(),
        unit,
        image,
        active,
        user,
        restart,
        version,
        name,
        peer_urls,
        listen_client_urls,
        listen_peer_urls,
        tool: tools::restorer(&tools).map(|tool| tool.path.clone()),
        tool_can: tools::restorer(&tools).map(|tool| tool.can.clone()).unwrap_or_default(),
        tools,
    }
}

fn tls(settings: &EtcdSettings, on_host: &dyn Fn(String) -> String, clients: &[String], peers: &[String]) -> TlsPaths {
    let https = |urls: &[String]| urls.iter().any(|url| url.starts_with("https://"));
    let path = |name: &str| settings.path(name).map(on_host);
    TlsPaths {
        client: https(clients),
        peer: https(peers),
        cert_file: path("cert-file"),
        key_file: path("key-file"),
        trusted_ca_file: path("trusted-ca-file"),
        peer_cert_file: path("peer-cert-file"),
        peer_key_file: path("peer-key-file"),
        peer_trusted_ca_file: path("peer-trusted-ca-file"),
    }
}

fn values(settings: &EtcdSettings) -> IndexMap<String, String> {
    settings.set.iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect()
}

/// Asks the program for its version, with an environment of its own: `ETCD_` variables beside flags are fatal to it.
const VERSION: &str = r#"env -i PATH="$PATH" "$1" --version 2>/dev/null | sed -n 's/^etcd Version: //p'
"#;

async fn programs(cx: &Cx<'_>, binary: &str) -> Result<(Option<String>, Vec<FoundTool>), Fault> {
    let output = cx.probe(Script::new(format!("{VERSION}{}", tools::FIND)).arg(binary)).await?;
    let text = output.text();
    let version = text.lines().find(|line| line.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned);
    Ok((version, tools::found(&text)))
}
