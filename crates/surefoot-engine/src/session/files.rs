//! The files of the controller that a run sends to its hosts, kept with the run by content: whoever goes on with it, on
//! whatever machine, sends the same bytes, whatever has become of the originals.
//!
//! ```text
//! inputs/
//!   files.json        SHA-256 of each file, by its path
//!   files/SHA256      0600, each once; also once for all runs of a state folder that have it: as hard links
//! ```
//!
//! Kept is what an action reads by a path that is known before the run. What a run reads by a path that it learns, what it may have made itself before, and keys
//! and certificates by which hosts and etcd are reached, are read where they are. A plan keeps nothing.

use super::error::SessionError;
use super::plan_file::local_paths;
use crate::action::{LocalFile, checksum};
use crate::check::Step;
use crate::compile::Program;
use crate::journal::{JournalError, RunFolder, Store, copy_private};
use crate::model::{Effect, HostName};
use crate::plan::Plan;
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The name by which a run keeps which files it has.
pub const INPUT: &str = "files.json";

/// What must stay free beside the copies, in bytes: the record of the run itself.
const RESERVE: u64 = 16 << 20;

/// Files by path, as they were read before the run.
pub type Files = IndexMap<PathBuf, LocalFile>;

/// Reads every file that is to be kept, and sees to it that there is room for them. No host is touched.
pub fn look(program: &Program, folder: &Path, store: &Store) -> Result<Files, SessionError> {
    let mut files = Files::new();
    for path in named(program, folder) {
        match checksum(&path) {
            Ok(file) => drop(files.insert(path, file)),
            // The step that names it says so, unless something puts a file there before.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => {}
            Err(error) => return Err(SessionError::File { path, error }),
        }
    }
    let new = files.values().filter(|file| store.with_file(&file.sha256).is_none());
    let new: HashMap<&str, u64> = new.map(|file| (file.sha256.as_str(), file.size)).collect();
    room(store, new.values().sum())?;
    Ok(files)
}

fn room(store: &Store, needed: u64) -> Result<(), SessionError> {
    let there = store.root().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Ok(found) = rustix::fs::statvfs(there) else { return Ok(()) };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if needed == 0 || needed.saturating_add(RESERVE) <= free {
        return Ok(());
    }
    Err(SessionError::NoRoom { folder: store.root().to_owned(), needed, free })
}

/// Which files a run has, as its folder says it.
pub fn listed(files: &Files) -> Option<(String, Vec<u8>)> {
    let digests: IndexMap<&PathBuf, &String> = files.iter().map(|(path, file)| (path, &file.sha256)).collect();
    let text = serde_json::to_vec_pretty(&digests).expect("maps have text for keys");
    (!files.is_empty()).then(|| (INPUT.to_owned(), text))
}

/// Where a new run's copies are, by the paths of their originals.
pub fn copies(files: &Files, folder: &RunFolder) -> HashMap<PathBuf, PathBuf> {
    files.iter().map(|(path, file)| (path.clone(), folder.file(&file.sha256))).collect()
}

/// The files that a run has, by the record; none in one of an older version.
pub fn digests(folder: &RunFolder) -> IndexMap<PathBuf, String> {
    let text = std::fs::read(folder.inputs().join(INPUT)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The copies of a run that is gone on with, each proved; where one is gone, its original may still be the same.
pub fn proved(folder: &RunFolder) -> Result<HashMap<PathBuf, PathBuf>, SessionError> {
    let is = |path: &Path, sha256: &str| checksum(path).is_ok_and(|file| file.sha256 == sha256);
    let mut proved = HashMap::new();
    for (path, sha256) in digests(folder) {
        let copy = folder.file(&sha256);
        let place = [&copy, &path].into_iter().find(|place| is(place, &sha256));
        let Some(place) = place.cloned() else {
            return Err(SessionError::FileChanged { copy, original: path });
        };
        proved.insert(path, place);
    }
    Ok(proved)
}

/// Puts all of them into a new run's folder, each by a link where another run has it.
pub fn keep_all(store: &Store, folder: &RunFolder, files: &Files) -> Result<(), JournalError> {
    let by_content: HashMap<&str, (&PathBuf, &LocalFile)> =
        files.iter().map(|(path, file)| (file.sha256.as_str(), (path, file))).collect();
    if by_content.is_empty() {
        return Ok(());
    }
    folder.keep_files(by_content.keys().copied(), |sha256, to| {
        let (from, file) = by_content[sha256];
        let linked = store.with_file(sha256).is_some_and(|other| std::fs::hard_link(other, to).is_ok());
        if linked && checksum(to).is_ok_and(|there| there == *file) {
            return Ok(());
        }
        // What is there under this name has changed.
        let _ = std::fs::remove_file(to);
        copy_private(from, to)?;
        match checksum(to)? == *file {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} has changed while it was copied", from.display()))),
        }
    })
}

/// The files of the controller that tasks name, and what undoes them; but for what the run itself may make before.
fn named(program: &Program, folder: &Path) -> IndexSet<PathBuf> {
    let plan = Plan::offline(program);
    let (mut paths, mut made, mut locals) = (IndexSet::new(), Made::default(), Locals::default());
    for (task, (_, planned)) in program.tasks.iter().zip(plan.tasks()) {
        let step = &program.steps[task.step as usize];
        let on = &task.name.host;
        let mut own = locals.named_by(step, on, |name| planned.parameters.get(name).cloned());
        for part in step.undo.iter().chain(step.reconcile.as_deref()) {
            own.extend(locals.named_by(part, on, |name| part.args.entry(name).cloned()));
        }
        paths.extend(own.into_iter().filter(|path| path.is_absolute() && !made.may_be(path)));
        made.by(step, on, &planned.parameters, folder);
    }
    paths
}

/// What a run may have made on the controller before one of its steps.
#[derive(Default)]
struct Made {
    /// A command has run there: it may have made anything.
    anything: bool,
    paths: Vec<PathBuf>,
}

impl Made {
    fn by(&mut self, step: &Step, on: &HostName, parameters: &Json, folder: &Path) {
        self.anything |= step.effect == Effect::Opaque && on.is_controller();
        if step.effect == Effect::Idempotent {
            let texts =
                parameters.as_object().into_iter().flat_map(|entries| entries.values()).filter_map(Json::as_str);
            self.paths.extend(texts.map(|text| folder.join(text)));
        }
    }

    fn may_be(&self, path: &Path) -> bool {
        self.anything || self.paths.iter().any(|made| path.starts_with(made))
    }
}

/// The parameters of each kind of action that name a file of the controller.
#[derive(Default)]
struct Locals(HashMap<&'static str, Vec<String>>);

impl Locals {
    fn named_by(&mut self, step: &Step, on: &HostName, parameter: impl Fn(&str) -> Option<Json>) -> Vec<PathBuf> {
        let companion = step.kind.companion;
        // With `on`, it is a file of that host.
        if companion.is_some() && !on.is_controller() {
            return Vec::new();
        }
        let names = self.0.entry(step.kind.name).or_insert_with(|| local_paths(&step.kind));
        let paths = names.iter().filter_map(|name| parameter(name));
        let paths: Vec<PathBuf> = paths.filter_map(|path| path.as_str().map(PathBuf::from)).collect();
        let beside: Vec<PathBuf> = companion.iter().flat_map(|of| paths.iter().map(|path| of(path))).collect();
        paths.into_iter().chain(beside).collect()
    }
}
