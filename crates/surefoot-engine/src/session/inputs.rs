//! What a run's folder keeps of its inputs, so that the run can be taken up and reviewed without the originals.
//!
//! ```text
//! inputs/
//!   runbook.yaml      as it was given; a corrected one is runbook-2.yaml, and so on
//!   use-*.yaml        the runbooks that it uses, each named by its content
//!   action-*.yaml     its actions that are written in YAML
//!   inventory.yaml    as it was given; one of another form, or what a program printed, as a native one
//!   files.json        which files it sends to hosts; they lie in files/ (`files.rs`)
//!   params.json       every parameter as the run has it, defaults filled in, files absolute
//!   fingerprints.json of each secret, by a key that is not in the folder
//!   origin.json       where those came from: relative paths in them start there
//! ```
//!
//! The journal pins them by their SHA-256; what does not match is refused.

use super::error::Mistakes;
use super::files::Files;
use super::prepare::PreparedRun;
use super::prepare::{bound, checked};
use super::{Session, files};
use crate::action::ActionRegistry;
use crate::catalog::{Found, Location, Source};
use crate::check;
use crate::compile::Program;
use crate::journal::{JournalError, RunFolder};
use crate::load::{self, Copies, Document, Inventory, LoadedInventory};
use crate::model::{Diagnostic, RunState, Sources};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a run's inputs came from. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputOrigin {
    pub runbook: Location,
    /// None in records of earlier versions, whose runbooks were named by their paths.
    #[serde(default)]
    pub source: Option<Source>,
    #[serde(flatten)]
    pub call: StartedWith,
    /// The runbooks that are used, and the copy of each.
    #[serde(default)]
    pub used: IndexMap<Location, String>,
    /// What the names stood for that `use` says.
    #[serde(default)]
    pub names: IndexMap<String, Location>,
    /// The actions that are written in YAML, and the copy of each.
    #[serde(default)]
    pub actions: IndexMap<Location, String>,
}

/// What a run was started with, beside its runbook. All paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartedWith {
    pub inventory: Option<PathBuf>,
    /// Whether the copy of the inventory was made from another form.
    #[serde(default)]
    pub translated: bool,
    /// The operator's current folder.
    pub folder: PathBuf,
    /// `--bind`.
    pub binds: Vec<String>,
}

impl InputOrigin {
    /// Of a runbook that was read now.
    pub fn of(document: &Document, sources: &Sources, call: StartedWith) -> InputOrigin {
        let used = used(document, sources).map(|(location, name, _)| (location.clone(), name)).collect();
        let actions = actions(document, sources).map(|(location, name, _)| (location.clone(), name)).collect();
        let (runbook, source) = (document.location.clone(), Some(document.source.clone()));
        InputOrigin { runbook, source, call, used, names: document.used.names.clone(), actions }
    }

    /// What the runbook was found as.
    fn found(&self) -> Found {
        let source = self.source.clone().unwrap_or_else(|| Source::of(&self.runbook));
        Found { location: self.runbook.clone(), source }
    }

    /// Where the copies of runbooks are.
    fn copies(&self, folder: &RunFolder, runbook: &str) -> Copies {
        let copy = |name: &str| folder.inputs().join(name);
        let used = self.used.iter().chain(&self.actions).map(|(location, name)| (location.clone(), copy(name)));
        let files = [(self.runbook.clone(), copy(runbook))].into_iter().chain(used).collect();
        Copies { files, names: self.names.clone(), actions: self.actions.keys().cloned().collect() }
    }
}

/// Each used runbook with its place, its name as a copy, and its text.
fn used<'a>(document: &'a Document, sources: &'a Sources) -> impl Iterator<Item = (&'a Location, String, &'a [u8])> {
    copies(&document.used.documents, "use", sources)
}

/// The same of its actions that are written in YAML.
fn actions<'a>(document: &'a Document, sources: &'a Sources) -> impl Iterator<Item = (&'a Location, String, &'a [u8])> {
    copies(&document.used.actions, "action", sources)
}

fn copies<'a, E>(
    documents: &'a IndexMap<Location, Result<Document, E>>,
    kind: &str,
    sources: &'a Sources,
) -> impl Iterator<Item = (&'a Location, String, &'a [u8])> {
    documents.iter().filter_map(move |(location, document)| {
        let text = sources.get(document.as_ref().ok()?.file).text.as_bytes();
        Some((location, format!("{kind}-{}.yaml", &digest(text)[..16]), text))
    })
}

/// The copies to keep of a runbook, of what it uses, and of its actions.
fn runbooks(document: &Document, name: &str, sources: &Sources) -> InputFiles {
    let own = (name.to_owned(), sources.get(document.file).text.as_bytes().to_vec());
    let mut all = vec![own];
    for (_, name, text) in used(document, sources).chain(actions(document, sources)) {
        if all.iter().all(|(other, _)| *other != name) {
            all.push((name, text.to_vec()));
        }
    }
    all
}

/// Files of a run's folder, by name.
pub type InputFiles = Vec<(String, Vec<u8>)>;

/// What is kept of a new run's inputs.
pub fn of_new(
    program: &Program,
    document: &Document,
    hosts: &LoadedInventory,
    call: StartedWith,
    sources: &Sources,
) -> InputFiles {
    let origin = InputOrigin::of(document, sources, call);
    let mut inputs = runbooks(document, RUNBOOK, sources);
    inputs.extend([("params.json".to_owned(), json(&program.params)), (ORIGIN.to_owned(), json(&origin))]);
    inputs.extend(hosts.native.iter().map(|text| (INVENTORY.to_owned(), text.clone().into_bytes())));
    inputs
}

const RUNBOOK: &str = "runbook.yaml";
const INVENTORY: &str = "inventory.yaml";
const ORIGIN: &str = "origin.json";

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("maps have text for keys")
}

/// SHA-256 of each input, in hex.
pub fn digests(inputs: &[(String, Vec<u8>)]) -> IndexMap<String, String> {
    inputs.iter().map(|(name, text)| (name.clone(), digest(text))).collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A run's inputs as its folder has them.
pub struct RunInputs {
    pub prepared: PreparedRun,
    pub origin: InputOrigin,
    /// SHA-256 of each file, by name.
    pub digests: IndexMap<String, String>,
    /// What parameters name, is not there any more, and was not kept. Only who goes forward needs it.
    pub missing: Vec<Diagnostic>,
}

impl RunInputs {
    /// Keeps one more file, pinned from the next event on that names all of them.
    pub fn keep(&mut self, folder: &RunFolder, name: &str, content: &[u8]) -> Result<(), JournalError> {
        folder.replace_input(name, content)?;
        self.digests.insert(name.to_owned(), digest(content));
        Ok(())
    }
}

/// Why a run's inputs cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum InputsRefusal {
    /// They are not what the journal pins.
    #[error("{0}")]
    Record(String),
    /// They do not make a program.
    #[error("this version of surefoot does not take what the run was started with: {}", first(_0))]
    Mistakes(Box<Mistakes>),
}

fn first(mistakes: &Mistakes) -> &str {
    mistakes.diagnostics.first().map_or("", |problem| &problem.message)
}

impl From<InputsRefusal> for super::SessionError {
    fn from(refusal: InputsRefusal) -> Self {
        match refusal {
            InputsRefusal::Record(why) => super::SessionError::Record(why),
            InputsRefusal::Mistakes(mistakes) => mistakes.into(),
        }
    }
}

/// Takes a run's inputs up from its folder. Reads nothing else: the files that they name may be gone.
pub fn read_for_resume(
    folder: &RunFolder,
    state: &RunState,
    actions: &ActionRegistry,
) -> Result<RunInputs, InputsRefusal> {
    let path = |name: &str| folder.inputs().join(name);
    for (name, pinned) in &state.inputs {
        let found =
            std::fs::read(path(name)).map_err(|e| InputsRefusal::Record(format!("{}: {e}", path(name).display())))?;
        if digest(&found) != *pinned {
            return Err(InputsRefusal::Record(format!(
                "{} is not what the run was started with",
                path(name).display()
            )));
        }
    }
    let newest = |start: &str| state.inputs.keys().rfind(|name| name.starts_with(start)).cloned();
    let (Some(runbook), Some(origin)) = (newest("runbook"), newest("origin")) else {
        return Err(InputsRefusal::Record("this run has not kept what it was started with".into()));
    };
    let read = std::fs::read(path(&origin)).ok().and_then(|text| serde_json::from_slice::<InputOrigin>(&text).ok());
    let origin = read.ok_or_else(|| InputsRefusal::Record(format!("{} cannot be read", path(&origin).display())))?;
    let mut sources = Sources::default();
    let copies = origin.copies(folder, &runbook);
    let document = load::read_copy(&origin.found(), &copies, &mut sources);
    let prepared = document.and_then(|document| prepared(folder, &document, &origin, actions, &mut sources));
    let (prepared, missing) = prepared.map_err(|problems| InputsRefusal::Mistakes(Mistakes::new(problems, sources)))?;
    Ok(RunInputs { prepared, origin, digests: state.inputs.clone(), missing })
}

/// The same with another runbook, which is kept beside the first.
pub fn corrected(
    folder: &RunFolder,
    kept: &RunInputs,
    found: &Found,
    session: &Session,
) -> Result<(RunInputs, InputFiles), InputsRefusal> {
    let number = kept.digests.keys().filter(|name| name.starts_with("runbook")).count() + 1;
    let mut sources = Sources::default();
    let document = match load::found(found, &session.catalog, &mut sources) {
        Ok(document) => document,
        Err(problems) => return Err(InputsRefusal::Mistakes(Mistakes::new(problems, sources))),
    };
    let origin = InputOrigin::of(&document, &sources, kept.origin.call.clone());
    let mut new = runbooks(&document, &format!("runbook-{number}.yaml"), &sources);
    new.retain(|(name, _)| !kept.digests.contains_key(name));
    new.push((format!("origin-{number}.json"), json(&origin)));
    let prepared = prepared(folder, &document, &origin, &session.actions, &mut sources);
    let (prepared, missing) = prepared.map_err(|problems| InputsRefusal::Mistakes(Mistakes::new(problems, sources)))?;
    let mut digests = kept.digests.clone();
    digests.extend(self::digests(&new));
    Ok((RunInputs { prepared, origin, digests, missing }, new))
}

/// A program, made of nothing but the record; and the files that its parameters name and that are gone since.
fn prepared(
    folder: &RunFolder,
    document: &Document,
    origin: &InputOrigin,
    actions: &ActionRegistry,
    sources: &mut Sources,
) -> Result<(PreparedRun, Vec<Diagnostic>), Vec<Diagnostic>> {
    let inventory = match &origin.call.inventory {
        Some(original) => {
            let original = original.parent().unwrap_or(Path::new("/"));
            load::inventory_from(&folder.inputs().join(INVENTORY), original, sources)?
        }
        None => Inventory::default(),
    };
    let given = load::params(&folder.inputs().join("params.json"), sources)?;
    let (runbook, warnings) = checked(document, Some(&inventory), actions, sources)?;
    let params = check::params_literal(&runbook, &given, &origin.call.folder, sources)?;
    let files = files::digests(folder);
    let missing =
        check::missing_params(&runbook, &given, &origin.call.folder, sources, |path| files.contains_key(path));
    let program = Arc::new(bound(runbook, &inventory, Ok(params), &origin.call.binds, sources)?);
    let (inputs, files, sources) = (Vec::new(), Files::new(), sources.clone());
    Ok((PreparedRun { program, inventory, inputs, files, sources, warnings }, missing))
}

/// A file that the run was started with, and that is not now what it was then.
#[derive(Clone, Debug)]
pub struct ChangedInput {
    pub original: Location,
    /// Or it has changed.
    pub is_gone: bool,
}

impl RunInputs {
    /// Which of the files that the run was started with are not what they were. The run goes on with its own copies.
    pub fn changed(&self) -> Vec<ChangedInput> {
        let newest = self.digests.keys().rfind(|name| name.starts_with("runbook"));
        let pairs = newest.map(|name| (name.as_str(), self.origin.runbook.clone())).into_iter();
        let inventory = self.origin.call.inventory.as_ref().filter(|_| !self.origin.call.translated);
        let pairs = pairs.chain(inventory.map(|path| (INVENTORY, Location::File(path.clone()))));
        let used = self.origin.used.iter().chain(&self.origin.actions);
        let pairs = pairs.chain(used.map(|(location, name)| (name.as_str(), location.clone())));
        let changed = |(name, original): (&str, Location)| match original.read(u64::MAX) {
            Ok(text) if self.digests.get(name) == Some(&digest(&text)) => None,
            read => Some(ChangedInput { original, is_gone: read.is_err() }),
        };
        pairs.filter_map(changed).collect()
    }
}
