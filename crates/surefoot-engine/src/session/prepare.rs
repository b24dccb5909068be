//! Load, check, bind, compile: from files to a program, for everyone who needs one.

use super::Session;
use super::error::{Mistakes, SessionError};
use super::files::Files;
use super::inputs::{self, InputFiles, StartedWith};
use crate::action::ActionRegistry;
use crate::catalog::Found;
use crate::check::{self, Runbook};
use crate::compile::{Program, compile};
use crate::load::{self, Document, GivenParameter, Inventory, LoadedInventory};
use crate::model::{Diagnostic, FileId, Sources};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run is made from, as its operator gives it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Request {
    /// A file, or a name in the catalog.
    pub runbook: PathBuf,
    /// A file of hosts, `ssh:`, or `ssh:FILE`. Without one only the controller is there.
    pub inventory: Option<PathBuf>,
    /// `NAME=VALUE` each; they count before those of the file.
    pub params: Vec<String>,
    pub params_file: Option<PathBuf>,
    /// `ROLE=HOST,...` each.
    pub binds: Vec<String>,
    /// The absolute folder that relative paths among the parameters start from.
    pub folder: PathBuf,
}

/// A program, and what it was made from.
pub struct PreparedRun {
    pub program: Arc<Program>,
    pub inventory: Inventory,
    /// What a new run keeps of its inputs.
    pub inputs: InputFiles,
    /// The files of the controller that a new run sends, once they were read.
    pub(super) files: Files,
    /// The texts that the program was made from, for what goes wrong in the run.
    pub sources: Sources,
    /// What is not wrong, and likely not meant.
    pub warnings: Vec<Diagnostic>,
}

impl Session {
    /// Makes a program of a runbook that [`Session::resolve`] has found. Every mistake on the way is told at once.
    pub fn prepare(&self, found: &Found, request: &Request) -> Result<PreparedRun, SessionError> {
        let mut sources = Sources::default();
        let document = load::found(found, &self.catalog, &mut sources);
        let made = from_files(document, request, &self.actions, &mut sources);
        made.map_err(|problems| Mistakes::new(problems, sources).into())
    }
}

fn from_files(
    document: Result<Document, Vec<Diagnostic>>,
    request: &Request,
    actions: &ActionRegistry,
    sources: &mut Sources,
) -> Result<PreparedRun, Vec<Diagnostic>> {
    let inventory = match &request.inventory {
        Some(given) => load::hosts(given, sources),
        None => Ok(LoadedInventory::default()),
    };
    let given = given(request, sources);
    let (inventory, document, given) = match (inventory, document, given) {
        (Ok(inventory), Ok(document), Ok(given)) => (inventory, document, given),
        (inventory, document, given) => {
            let problems = [inventory.err(), document.err(), given.err()];
            return Err(problems.into_iter().flatten().flatten().collect());
        }
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let call = StartedWith {
        inventory: request.inventory.as_deref().map(absolute),
        translated: false,
        folder: request.folder.clone(),
        binds: request.binds.clone(),
    };
    prepared(&document, &inventory, &given, &call, actions, sources)
}

/// From loaded files to a program, and what a run keeps of them.
pub fn prepared(
    document: &Document,
    hosts: &LoadedInventory,
    given: &[GivenParameter],
    call: &StartedWith,
    actions: &ActionRegistry,
    sources: &mut Sources,
) -> Result<PreparedRun, Vec<Diagnostic>> {
    let inventory = &hosts.inventory;
    let (runbook, more) = checked(document, Some(inventory), actions, sources)?;
    hide_strange(&runbook, given, sources);
    let params = check::params(&runbook, given, &call.folder, sources);
    let program = bound(runbook, inventory, params, &call.binds, sources)?;
    let call = StartedWith { translated: hosts.translated, ..call.clone() };
    let inputs = inputs::of_new(&program, document, hosts, call, sources);
    let warnings = hosts.warnings.iter().cloned().chain(more).collect();
    let (inventory, sources) = (inventory.clone(), sources.clone());
    Ok(PreparedRun { program: Arc::new(program), inventory, inputs, files: Files::new(), sources, warnings })
}

/// The parameters of the file, then those of the command line.
fn given(request: &Request, sources: &mut Sources) -> Result<Vec<GivenParameter>, Vec<Diagnostic>> {
    let file = request.params_file.as_ref().map_or(Ok(Vec::new()), |path| load::params(path, sources));
    let arguments: Vec<_> = request.params.iter().map(|text| load::argument(text, sources)).collect();
    let (arguments, wrong): (Vec<_>, Vec<_>) = arguments.into_iter().partition(Result::is_ok);
    match file {
        Ok(file) if wrong.is_empty() => Ok(file.into_iter().chain(arguments.into_iter().flatten()).collect()),
        file => Err(file.err().into_iter().chain(wrong.into_iter().filter_map(Result::err)).flatten().collect()),
    }
}

/// A file of which no line names a parameter is not one of parameters: nothing of it is shown.
fn hide_strange(runbook: &Runbook, given: &[GivenParameter], sources: &mut Sources) {
    let is_known = |given: &GivenParameter| runbook.params.contains_key(&given.key.text);
    let known: Vec<FileId> = given.iter().filter(|given| is_known(given)).map(|given| given.key.span.file).collect();
    let files = given.iter().map(|given| given.key.span.file).filter(|file| !known.contains(file));
    // What stands on the command line is seen anyway.
    let files: Vec<FileId> = files.filter(|file| sources.path(*file) != Path::new("-p")).collect();
    files.into_iter().for_each(|file| sources.hide(file));
}

/// A runbook without mistakes, and its warnings.
pub fn checked(
    document: &Document,
    inventory: Option<&Inventory>,
    actions: &ActionRegistry,
    sources: &Sources,
) -> Result<(Runbook, Vec<Diagnostic>), Vec<Diagnostic>> {
    let report = check::check(document, inventory, sources, actions);
    match report.runbook {
        Some(runbook) => Ok((runbook, report.diagnostics)),
        None => Err(report.diagnostics),
    }
}

/// From a checked runbook and its parameters to a program.
pub fn bound(
    runbook: Runbook,
    inventory: &Inventory,
    params: Result<Json, Vec<Diagnostic>>,
    binds: &[String],
    sources: &mut Sources,
) -> Result<Program, Vec<Diagnostic>> {
    let binding = check::bind(&runbook, inventory, binds, sources);
    match (binding, params) {
        (Ok(binding), Ok(params)) => compile(runbook, params, binding, inventory),
        (binding, params) => Err(binding.err().into_iter().chain(params.err()).flatten().collect()),
    }
}
