//! The programs of a release of etcd that no Debian release has, as a layer over a root with Debian's own: built from
//! etcd's Go modules by a `go.mod` of ours.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::etcd::{Etcd, EtcdSource, GivenPrograms, Release};
use super::go::Go;
use super::handle::Lab;
use super::progress::{LabProgress, Say};
use super::run::run;
use super::{cache, store};

/// Each with its Go module, whose root is the program.
const PROGRAMS: [(&str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
    ("etcdutl", "go.etcd.io/etcd/etcdutl/v3"),
];

/// What etcd 3.4 does not have.
const UTILITY: &str = "etcdutl";

/// `go.mod` and `go.sum` of the newest patch of each minor.
const PINNED: [(Release, &str, &str); 3] = [
    (Release::NEWEST[0], include_str!("../../etcd/3.5/go.mod"), include_str!("../../etcd/3.5/go.sum")),
    (Release::NEWEST[1], include_str!("../../etcd/3.6/go.mod"), include_str!("../../etcd/3.6/go.sum")),
    (Release::NEWEST[2], include_str!("../../etcd/3.7/go.mod"), include_str!("../../etcd/3.7/go.sum")),
];

/// The layer with the programs; none where the Debian root has them.
pub(super) fn ensure(etcd: Etcd, say: Say) -> Result<Option<PathBuf>, LabError> {
    match etcd {
        Etcd::V3_4 | Etcd::None => Ok(None),
        Etcd::Release(release) => {
            cache::ensure(&format!("etcd-{release}"), |target, lock| build(release, target, lock, say)).map(Some)
        }
        Etcd::Given(programs) => {
            let id = format!("etcd-{programs}");
            let gone = || LabError::BadSpec(format!("{programs} is not in the cache any more: give the folder again"));
            cache::ensure(&id, |_, _| Err(gone())).map(Some)
        }
    }
}

impl Lab {
    /// A folder on this machine with `etcd`, `etcdctl` and `etcdutl` of a release, for hosts of a lab. What is not in the
    /// cache is built.
    pub fn programs(release: Release, say: Say) -> Result<PathBuf, LabError> {
        folder(release, say)
    }
}

/// The folder on this machine with the three programs of a release.
pub(super) fn folder(release: Release, say: Say) -> Result<PathBuf, LabError> {
    let layer = ensure(Etcd::Release(release), say)?;
    Ok(layer.unwrap_or_default().join("usr/bin"))
}

fn build(release: Release, target: &Path, lock: &File, say: Say) -> Result<(), LabError> {
    let go = Go::find(say)?;
    let work = target.join(".work");
    store::make_private(&work)?;
    let resolved = write_module(&go, release, &work, lock)?;
    for (program, module) in PROGRAMS {
        say(LabProgress::BuildingEtcd { release, program });
        let made = text(&work.join(program));
        let flags = ["-trimpath", "-modcacherw", "-buildvcs=false", "-ldflags=-s -w", resolved.flag()];
        go.run(&work, &[&["build", "-o", &made][..], &flags, &[module]].concat(), lock)?;
        install(&made, program, target)?;
    }
    store::remove(&work)
}

/// Who says which versions of which modules a build takes.
enum Resolved {
    /// Our `go.sum`: whatever is not in it is refused.
    Pinned,
    /// The module proxy and its checksum database, now.
    Now,
}

impl Resolved {
    fn flag(&self) -> &'static str {
        match self {
            Resolved::Pinned => "-mod=readonly",
            Resolved::Now => "-mod=mod",
        }
    }
}

fn write_module(go: &Go, release: Release, work: &Path, lock: &File) -> Result<Resolved, LabError> {
    let write = |name: &str, text: &str| store::write_private(&work.join(name), text.as_bytes());
    if let Some((_, module, sums)) = PINNED.iter().find(|(pinned, ..)| *pinned == release) {
        write("go.mod", module)?;
        write("go.sum", sums)?;
        return Ok(Resolved::Pinned);
    }
    write("go.mod", "module surefoot.invalid/etcd\n\ngo 1.21\n")?;
    let modules = PROGRAMS.map(|(_, module)| format!("{module}@v{release}"));
    let words: Vec<&str> = ["get", "-modcacherw"].into_iter().chain(modules.iter().map(String::as_str)).collect();
    go.run(work, &words, lock)?;
    Ok(Resolved::Now)
}

fn install(from: &str, program: &str, target: &Path) -> Result<(), LabError> {
    run("install", &["-D", "--mode=0755", from, &text(&target.join("usr/bin").join(program))]).map(drop)
}

impl EtcdSource {
    /// Brings the programs of a folder into the cache.
    pub fn resolve(&self) -> Result<Etcd, LabError> {
        match self {
            EtcdSource::Known(etcd) => Ok(*etcd),
            EtcdSource::Folder(folder) => given(folder),
        }
    }
}

fn given(folder: &Path) -> Result<Etcd, LabError> {
    let mut contents = Vec::new();
    for (program, _) in PROGRAMS {
        let path = folder.join(program);
        match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound && program == UTILITY => contents.push(Vec::new()),
            content => contents.push(content.map_err(LabError::io("read", &path))?),
        }
    }
    let programs = GivenPrograms::of(&contents);
    cache::ensure(&format!("etcd-{programs}"), |target, _| {
        for ((program, _), content) in PROGRAMS.into_iter().zip(&contents) {
            let copied = target.join(".work").join(program);
            store::make_private(&target.join(".work"))?;
            store::write_private(&copied, content)?;
            match content.is_empty() {
                true => hide(program, target)?,
                false => install(&text(&copied), program, target)?,
            }
        }
        store::remove(&target.join(".work"))
    })?;
    Ok(Etcd::Given(programs))
}

/// Hides what the root below has (a whiteout, as overlayfs takes it).
fn hide(program: &str, target: &Path) -> Result<(), LabError> {
    run("mknod", &[&text(&target.join("usr/bin").join(program)), "c", "0", "0"]).map(drop)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pinned_module_requires_its_own_release() {
        for (release, module, sums) in PINNED {
            for (_, path) in PROGRAMS {
                assert!(module.contains(&format!("\t{path} v{release}")), "{path} of {release}");
                assert!(sums.contains(&format!("{path} v{release} h1:")), "{path} of {release}");
            }
        }
    }
}
