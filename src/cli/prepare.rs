//! Load, check, bind, compile: what every command that takes a runbook does first.

use super::args::InputArgs;
use super::catalog::resolve;
use super::exit::Exit;
use super::out::say;
use super::run_inputs::{self, Call, InputOrigin};
use crate::cli::actions::ACTIONS;
use crate::report;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;
use surefoot_engine::catalog::{Catalog, Found};
use surefoot_engine::check::{self, Runbook};
use surefoot_engine::compile::{Program, compile};
use surefoot_engine::load::{self, Document, GivenParameter, Inventory, LoadedInventory};
use surefoot_engine::model::{Diagnostic, FileId, Severity, Sources};

/// A program, and the texts that it was made from.
pub struct PreparedRun {
    pub program: Arc<Program>,
    pub inventory: Inventory,
    /// What a new run keeps of them.
    pub inputs: run_inputs::InputFiles,
    /// The texts that the program was made from, for what goes wrong in the run.
    pub sources: Sources,
}

/// Makes a program, or shows every mistake on the way. Files that parameters name start from `folder`.
pub fn prepare(inputs: &InputArgs, catalog: &Catalog, folder: &Path) -> Result<PreparedRun, Exit> {
    let mut sources = Sources::default();
    let found = resolve(&inputs.runbook, catalog, &mut sources).map_err(|problems| show(&problems, &sources))?;
    prepare_found(&found, inputs, catalog, folder)
}

/// The same of a runbook that was found already, whatever `inputs` calls it.
pub fn prepare_found(found: &Found, inputs: &InputArgs, catalog: &Catalog, folder: &Path) -> Result<PreparedRun, Exit> {
    let mut sources = Sources::default();
    let document = load::found(found, catalog, &mut sources);
    from_files(document, inputs, folder, &mut sources).map_err(|problems| show(&problems, &sources))
}

fn from_files(
    document: Result<Document, Vec<Diagnostic>>,
    inputs: &InputArgs,
    folder: &Path,
    sources: &mut Sources,
) -> Result<PreparedRun, Vec<Diagnostic>> {
    let inventory = match &inputs.inventory {
        Some(given) => load::hosts(given, sources),
        None => Ok(LoadedInventory::default()),
    };
    let given = given(inputs, sources);
    let (inventory, document, given) = match (inventory, document, given) {
        (Ok(inventory), Ok(document), Ok(given)) => (inventory, document, given),
        (inventory, document, given) => {
            let problems = [inventory.err(), document.err(), given.err()];
            return Err(problems.into_iter().flatten().flatten().collect());
        }
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let call = Call {
        inventory: inputs.inventory.as_deref().map(absolute),
        translated: false,
        folder: folder.to_owned(),
        binds: inputs.bind.clone(),
    };
    show(&inventory.warnings, sources);
    prepared(&document, &inventory, &given, &call, sources)
}

/// From loaded files to a program, and what a run keeps of them.
pub fn prepared(
    document: &Document,
    hosts: &LoadedInventory,
    given: &[GivenParameter],
    call: &Call,
    sources: &mut Sources,
) -> Result<PreparedRun, Vec<Diagnostic>> {
    let program = program(document, &hosts.inventory, given, &call.binds, &call.folder, sources)?;
    let call = Call { translated: hosts.translated, ..call.clone() };
    let origin = InputOrigin::of(document, sources, call);
    let inputs = run_inputs::inputs(&program, document, hosts, &origin, sources);
    Ok(PreparedRun { program: Arc::new(program), inventory: hosts.inventory.clone(), inputs, sources: sources.clone() })
}

/// The parameters of the file, then those of the command line.
fn given(inputs: &InputArgs, sources: &mut Sources) -> Result<Vec<GivenParameter>, Vec<Diagnostic>> {
    let file = inputs.params_file.as_ref().map_or(Ok(Vec::new()), |path| load::params(path, sources));
    let arguments: Vec<_> = inputs.params.iter().map(|text| load::argument(text, sources)).collect();
    let (arguments, wrong): (Vec<_>, Vec<_>) = arguments.into_iter().partition(Result::is_ok);
    match file {
        Ok(file) if wrong.is_empty() => Ok(file.into_iter().chain(arguments.into_iter().flatten()).collect()),
        file => Err(file.err().into_iter().chain(wrong.into_iter().filter_map(Result::err)).flatten().collect()),
    }
}

/// From a loaded document to a program. Relative files that were given start from `current`. Warnings are shown,
/// not returned.
pub fn program(
    document: &Document,
    inventory: &Inventory,
    given: &[GivenParameter],
    binds: &[String],
    current: &Path,
    sources: &mut Sources,
) -> Result<Program, Vec<Diagnostic>> {
    let runbook = checked(document, Some(inventory), sources)?;
    hide_strange(&runbook, given, sources);
    let params = check::params(&runbook, given, current, sources);
    bound(runbook, inventory, params, binds, sources)
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

/// A runbook without mistakes; its warnings are shown.
pub fn checked(
    document: &Document,
    inventory: Option<&Inventory>,
    sources: &Sources,
) -> Result<Runbook, Vec<Diagnostic>> {
    let verdict = check::check(document, inventory, sources, &ACTIONS);
    match verdict.runbook {
        Some(runbook) => {
            show(&verdict.diagnostics, sources);
            Ok(runbook)
        }
        None => Err(verdict.diagnostics),
    }
}

/// More mistakes than anybody reads at once.
const MOST_SHOWN: usize = 100;

/// Writes diagnostics for people, to standard error. Gives the exit that they mean.
pub fn show(problems: &[Diagnostic], sources: &Sources) -> Exit {
    let (told, shown) = redacted(problems, sources);
    for problem in told.iter().take(MOST_SHOWN) {
        crate::cli::out::tell_line!("{}", report::render(problem, &shown));
    }
    if let Some(more) = told.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        crate::cli::out::tell_line!("and {more} more; `surefoot check --format json` lists them all\n");
    }
    if let Some(summary) = report::summary(&told) {
        crate::cli::out::tell_line!("{summary}");
    }
    verdict(problems)
}

/// Writes diagnostics for programs, a JSON object on each line of standard output.
pub fn list(problems: &[Diagnostic], sources: &Sources) -> Exit {
    let (told, shown) = redacted(problems, sources);
    told.iter().for_each(|problem| say!("{}\n", report::json(problem, &shown)));
    verdict(problems)
}

/// Diagnostics as they may be shown, and the texts without the secrets that they are about. Of a file that is none of ours
/// only the first is told: the others would quote it.
pub fn redacted(problems: &[Diagnostic], sources: &Sources) -> (Vec<Diagnostic>, Sources) {
    let secrets = problems.iter().filter(|problem| problem.concealed).map(|problem| problem.labels[0].span);
    let shown = sources.redacting(&secrets.collect::<Vec<_>>());
    let mut told: Vec<FileId> = Vec::new();
    let problems = problems.iter().filter_map(|problem| {
        let span = problem.labels[0].span;
        if !sources.is_hidden(span.file) {
            return Some(problem.clone());
        }
        let first = !told.contains(&span.file);
        told.push(span.file);
        let message = format!("`{}` is not such a file: nothing of it is shown", sources.path(span.file).display());
        first.then(|| Diagnostic { severity: problem.severity, ..Diagnostic::error(problem.code, span, message) })
    });
    (problems.collect(), shown)
}

pub fn verdict(problems: &[Diagnostic]) -> Exit {
    let wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    if wrong { Exit::WrongInput } else { Exit::Done }
}
