//! The Debian roots that hosts stand on: built once by mmdebstrap, then shared, read-only, by all labs.
//!
//! A root is named by what went into it, so that a changed list of packages makes a new one; roots are never changed.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::error::LabError;
use super::etcd::Etcd;
use super::progress::{LabProgress, Say};
use super::run::{run, tail};
use super::spec::LabSpec;
use super::{cache, programs};

pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

const PACKAGES: &str =
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,iproute2,sudo,procps,curl,openssl,ca-certificates";

const ETCD_PACKAGES: &str = ",etcd-server,etcd-client";

/// Manuals and translations, which nobody reads on a host that lives for a minute.
const LEFT_OUT: [&str; 4] = [
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
];

/// Runs in the finished root. Everything that must differ between hosts is removed here and given to each host when
/// it is made; what a first boot would do once (and slowly) is marked as done. Services of the packages that a lab asks
/// for wait until they are started: a host boots as fast with them, and a procedure begins where it says.
const CUSTOMISE: &str = r"set -eu
useradd --create-home --shell /bin/bash ops
install -d -m 0700 /root/.ssh
install -d -m 0700 -o ops -g ops /home/ops/.ssh
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/resolv.conf /etc/machine-id
: >/etc/machine-id
echo 'HostKey /etc/ssh/ssh_host_ed25519_key' >/etc/ssh/sshd_config.d/lab.conf
echo 'LANG=C.UTF-8' >/etc/default/locale
for unit in /etc/systemd/system/multi-user.target.wants/*.service; do
  case $unit in */ssh.service) ;; *) systemctl disable $(basename $unit) ;; esac
done
systemctl mask sshd-keygen.service console-getty.service apt-daily.timer apt-daily-upgrade.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer systemd-pstore.service
touch /etc/.updated /var/.updated
";

/// What the hosts of a lab stand on, the topmost layer first; what is not in the cache is made.
pub(super) fn layers(spec: &LabSpec, say: Say) -> Result<Vec<PathBuf>, LabError> {
    let root = cache::ensure(&id(spec), |target, lock| {
        say(LabProgress::BuildingRoot { etcd: spec.etcd, packages: spec.packages.clone() });
        build(spec, target, lock)
    })?;
    Ok(programs::ensure(spec.etcd, say)?.into_iter().chain([root]).collect())
}

/// As mmdebstrap takes them.
fn packages(spec: &LabSpec) -> String {
    let etcd = match spec.etcd {
        Etcd::None => "",
        Etcd::V3_4 | Etcd::Release(_) | Etcd::Given(_) => ETCD_PACKAGES,
    };
    let more = spec.packages.iter().flat_map(|package| [",", package.as_str()]);
    [PACKAGES, etcd].into_iter().chain(more).collect()
}

fn id(spec: &LabSpec) -> String {
    let mut hash = Sha256::new();
    hash.update(packages(spec));
    hash.update(LEFT_OUT.concat());
    hash.update(CUSTOMISE);
    let mut id = format!("{}-", spec.etcd.debian());
    for byte in &hash.finalize()[..6] {
        write!(id, "{byte:02x}").expect("a string takes all that is written");
    }
    id
}

/// The lock goes to mmdebstrap as its standard input: should we die, the root stays locked for as long as mmdebstrap
/// still works on it.
fn build(spec: &LabSpec, target: &Path, lock: &File) -> Result<(), LabError> {
    let lock = lock.try_clone().map_err(LabError::io("lock", target))?;
    let mut words = vec!["--variant=minbase".to_owned(), format!("--include={}", packages(spec))];
    words.extend(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
    words.push("--customize-hook=printf %s \"$SUREFOOT_CUSTOMISE\" | chroot \"$1\" sh".to_owned());
    mmdebstrap(spec.etcd.debian(), target, &words, Stdio::from(lock))
}

/// Fills a folder with packages of a Debian release.
fn mmdebstrap(debian: &str, target: &Path, words: &[String], stdin: Stdio) -> Result<(), LabError> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--components=main", "--format=directory"]);
    command.arg(format!("--keyring={KEYRING}")).args(words);
    command.args(apt_options()?.into_iter().map(|option| format!("--aptopt={option}")));
    command.env("SUREFOOT_CUSTOMISE", CUSTOMISE).env("LC_ALL", "C");
    command.arg(debian).arg(target).args(mirror());
    let failed = |status: String, stderr: String| LabError::Command { command: "mmdebstrap".into(), status, stderr };
    let output = command.stdin(stdin).output().map_err(|e| failed(e.to_string(), String::new()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(output.status.to_string(), tail(&String::from_utf8_lossy(&output.stderr), 20)))
}

/// The Debian mirror that this machine's own apt uses; none on Ubuntu, or before an apt update: mmdebstrap knows one.
fn mirror() -> Option<String> {
    let wanted = ["Identifier: Packages", "Origin: Debian", "Component: main"];
    let words = [["indextargets", "--format", "$(REPO_URI) $(CODENAME)"], wanted].concat();
    let targets = run("apt-get", &words).unwrap_or_default();
    let main = targets.lines().filter_map(|line| line.split_once(' ')).find(|(_, codename)| !codename.contains('-'));
    main.map(|(uri, _)| uri.to_owned())
}

/// How this machine's apt reaches its mirror: proxies, certificates, trust in old dates.
fn apt_options() -> Result<Vec<String>, LabError> {
    let kept = ["Acquire::http::", "Acquire::https::", "Acquire::Check-"];
    let all = run("apt-config", &["dump", "Acquire"])?;
    let options = all.lines().filter(|line| kept.iter().any(|prefix| line.starts_with(prefix)));
    Ok(options.filter(|line| !line.ends_with("\"\";")).map(str::to_owned).collect())
}
