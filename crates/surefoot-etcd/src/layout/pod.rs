//! An etcd that the kubelet runs: the manifest of a static pod, as kubeadm writes it.
//!
//! Paths in the manifest are those within the container. What this host keeps them at is told by the volumes of kind
//! `hostPath`; of a path that none holds, nothing is known here.

use super::program::after_etcd;
use super::settings::EtcdSettings;
use serde::Deserialize;
use surefoot_engine::action::command_line::Environment;
use surefoot_engine::action::{Cx, read};
use surefoot_engine::model::Fault;

/// A static pod that runs etcd.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// The manifest.
    pub path: String,
    /// Such as `registry.k8s.io/etcd:3.5.16-0`.
    pub image: String,
    /// Paths within the container and where the host has them.
    mounts: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Manifest {
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(default)]
    volume_mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: String,
    mount_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    host_path: Option<HostPathVolume>,
}

#[derive(Deserialize)]
struct HostPathVolume {
    path: String,
}

/// Whether what runs etcd is named as a manifest rather than as a unit.
pub fn is_manifest(name: &str) -> bool {
    name.starts_with('/')
}

/// Reads the manifest on the task's host.
pub async fn load(cx: &Cx<'_>, path: &str) -> Result<(Pod, EtcdSettings), Fault> {
    let text = read::text(cx, cx.host.as_ref(), path).await?;
    let text = text.ok_or_else(|| {
        let fault = Fault::missing(format!("{} has no manifest {path}", cx.host.name()));
        fault.hint("an etcd outside the cluster, or that of k3s or rke2, has none: it is run another way")
    })?;
    let (pod, settings) = parse(path, &text)?;
    let settings = with_config_file(cx, &pod, settings).await?;
    Ok((pod, settings))
}

/// The configuration file that the pod's etcd reads, as rke2 gives it one, from where the host has it.
async fn with_config_file(cx: &Cx<'_>, pod: &Pod, settings: EtcdSettings) -> Result<EtcdSettings, Fault> {
    let Some(inside) = settings.path("config-file") else { return Ok(settings) };
    let Some(file) = pod.on_host(&inside) else {
        let fault = Fault::refused(format!("{}: its settings are in {inside}, a file of the container", pod.path));
        return Err(fault.hint("only files on a volume of kind hostPath can be read"));
    };
    let text = read::text(cx, cx.host.as_ref(), &file).await?;
    let text = text.ok_or_else(|| Fault::missing(format!("{file}, which {} names, is not there", pod.path)))?;
    EtcdSettings { config_file: Some(file), ..settings }.with_config_file(&text)
}

pub fn parse(path: &str, text: &str) -> Result<(Pod, EtcdSettings), Fault> {
    let no_pod = |why: String| Fault::value(format!("{path} is no manifest of an etcd")).detail(why);
    // By way of JSON: code for each type is large for YAML, and small for JSON.
    let tree: serde_json::Value = serde_saphyr::from_str(text).map_err(|error| no_pod(error.to_string()))?;
    let manifest: Manifest = serde_json::from_value(tree).map_err(|error| no_pod(error.to_string()))?;
    let count = manifest.spec.containers.len();
    let [container] = <[Container; 1]>::try_from(manifest.spec.containers)
        .map_err(|_| no_pod(format!("it has {count} containers, not one")))?;
    let command = [container.command, container.args].concat();
    let (_, flags) = after_etcd(&command).ok_or_else(|| no_pod(format!("it runs {}", command.join(" "))))?;
    let environment: Environment = container.env.into_iter().map(|set| (set.name, (set.value, None))).collect();
    // `$(NAME)` is the kubelet's to replace; a dollar sign is none of a shell.
    let flags: Vec<String> = flags.iter().map(|word| word.replace('$', "$$")).collect();
    let host_path = |name: &str| {
        let volume = manifest.spec.volumes.iter().find(|volume| volume.name == name)?;
        Some(volume.host_path.as_ref()?.path.clone())
    };
    let mounts = container.volume_mounts.iter();
    let mounts = mounts.filter_map(|mount| Some((mount.mount_path.clone(), host_path(&mount.name)?))).collect();
    Ok((Pod { path: path.to_owned(), image: container.image, mounts }, EtcdSettings::of(&flags, &environment, "/")))
}

impl Pod {
    /// Where the host has a path of the container; none where no volume of the host holds it.
    pub fn on_host(&self, path: &str) -> Option<String> {
        let below = |(inside, outside): &(String, String)| {
            let rest = path.strip_prefix(inside.trim_end_matches('/'))?;
            let fits = rest.is_empty() || rest.starts_with('/');
            fits.then(|| (inside.len(), format!("{}{rest}", outside.trim_end_matches('/'))))
        };
        self.mounts.iter().filter_map(below).max_by_key(|(length, _)| *length).map(|(_, path)| path)
    }

    /// Of etcd, as the image's tag tells it: `3.5.16` of `etcd:3.5.16-0`.
    pub fn version(&self) -> Option<String> {
        let (_, tag) = self.image.split('@').next()?.rsplit_once(':')?;
        let version = tag.trim_start_matches('v').split('-').next()?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBEADM: &str = include_str!("etcd.yaml");

    #[test]
    fn a_manifest_of_kubeadm_tells_settings_and_places() {
        let (pod, settings) = parse("/etc/kubernetes/manifests/etcd.yaml", KUBEADM).unwrap();
        assert_eq!(settings.get("name"), Some("master-1"));
        assert_eq!(settings.get("initial-advertise-peer-urls"), Some("https://10.0.0.11:2380"));
        assert_eq!(pod.version().as_deref(), Some("3.5.16"));
        assert_eq!(pod.on_host("/var/lib/etcd/member").as_deref(), Some("/srv/etcd/member"), "not as in the container");
        assert_eq!(pod.on_host("/etc/kubernetes/pki/etcd/ca.crt").as_deref(), Some("/etc/kubernetes/pki/etcd/ca.crt"));
        assert_eq!(pod.on_host("/var/lib/etcdx"), None);
    }

    #[test]
    fn what_runs_no_etcd_is_refused() {
        for other in
            [KUBEADM.replace("- etcd\n", "- nginx\n"), "a: 1\n".to_owned(), "spec: { containers: [] }\n".to_owned()]
        {
            assert!(parse("/x.yaml", &other).is_err(), "{other}");
        }
    }
}
