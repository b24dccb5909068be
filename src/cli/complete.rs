//! What a shell offers while a command is typed: names from the runbook, the inventory and the runs that the line names.
//!
//! Asked by the shell through the program itself (see `completions`). Only reads; where something cannot be read,
//! nothing is offered. An inventory that is a program is not run.

use super::actions::ACTIONS;
use super::catalog::of_environment;
use super::session;
use super::{config, inventory as given_inventory};
use crate::report::manual;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use surefoot_engine::catalog::{Catalog, Found};
use surefoot_engine::check::{CODES, Step};
use surefoot_engine::journal::{RunFolder, Store};
use surefoot_engine::load::{self, Document, Inventory};
use surefoot_engine::model::{RunId, RunState, Sources};
use surefoot_engine::session::read_for_resume;

/// The variable by which a shell asks.
pub const ASKED: &str = "SUREFOOT_COMPLETE";

type Candidates = Vec<CompletionCandidate>;

/// `NAME=` of every parameter.
pub fn params(current: &OsStr) -> Candidates {
    let Some(book) = runbook() else { return Vec::new() };
    let params = book.root.get("params").map(|node| node.entries()).unwrap_or_default();
    let candidate = |(key, node): &(load::NodeKey, load::Node)| {
        let summary = node.get("summary").and_then(|summary| summary.as_str()).map(|text| text.to_owned().into());
        CompletionCandidate::new(format!("{}=", key.text)).help(summary)
    };
    fitting(params.iter().map(candidate), current)
}

/// `ROLE=` of every role, then a group or host of the inventory.
pub fn binds(current: &OsStr) -> Candidates {
    let current_text = current.to_string_lossy();
    let names: Vec<String> = match (current_text.split_once('='), inventory()) {
        (Some((role, _)), Some(all)) => {
            let names = all.groups.keys().cloned().chain(all.hosts.keys().map(ToString::to_string));
            names.map(|name| format!("{role}={name}")).collect()
        }
        (Some(_), None) => Vec::new(),
        (None, _) => {
            let Some(book) = runbook() else { return Vec::new() };
            let roles = book.root.get("hosts").map(|node| node.entries()).unwrap_or_default();
            roles.iter().map(|(key, _)| format!("{}=", key.text)).collect()
        }
    };
    fitting(names.into_iter().map(CompletionCandidate::new), current)
}

/// Names of runbooks.
pub fn names(current: &OsStr) -> Candidates {
    let all = catalog().all();
    let candidate = |found: &Found| {
        let summary = load::found(found, &Catalog::default(), &mut Sources::default()).ok();
        let summary = summary.and_then(|book| Some(book.root.get("summary")?.as_str()?.to_owned().into()));
        Some(CompletionCandidate::new(found.source.name()?).help(summary))
    };
    let current_text = current.to_string_lossy();
    let fits = |found: &&Found| found.source.name().is_some_and(|name| name.starts_with(&*current_text));
    all.iter().filter(fits).filter_map(candidate).collect()
}

/// Names of runbooks, and files.
pub fn runbooks(current: &OsStr) -> Candidates {
    let mut all = PathCompleter::any().complete(current);
    all.extend(names(current));
    all
}

/// The ids of steps that ask, and `all`.
pub fn approvals(current: &OsStr) -> Candidates {
    let book = runbook();
    let steps = book.as_ref().and_then(|book| book.root.get("steps")).map(steps_of).unwrap_or_default();
    let asking = steps.into_iter().filter(|step| step.get("approve").is_some());
    let ids = asking.filter_map(|step| step.get("id")?.as_str().map(str::to_owned));
    fitting(ids.chain(["all".to_owned()]).map(CompletionCandidate::new), current)
}

/// Runs, the newest first, and `last`.
pub fn runs(current: &OsStr) -> Candidates {
    let known = store().and_then(|store| store.runs().ok()).unwrap_or_default();
    let newest = known.into_iter().rev().map(|run| run.to_string());
    fitting(["last".to_owned()].into_iter().chain(newest).map(CompletionCandidate::new), current)
}

/// STEP@HOST of the run that is named.
pub fn tasks(current: &OsStr) -> Candidates {
    let Some((_, state)) = run() else { return Vec::new() };
    fitting(state.tasks().map(|(task, _)| CompletionCandidate::new(task.to_string())), current)
}

/// The steps of the run that is named.
pub fn steps(current: &OsStr) -> Candidates {
    let Some((_, state)) = run() else { return Vec::new() };
    let mut steps: Vec<String> = state.tasks().map(|(task, _)| task.step.to_string()).collect();
    steps.dedup();
    fitting(steps.into_iter().map(CompletionCandidate::new), current)
}

/// The checkpoints of the run that is named.
pub fn checkpoints(current: &OsStr) -> Candidates {
    let Some((folder, state)) = run() else { return Vec::new() };
    let Ok(kept) = read_for_resume(&folder, &state, &ACTIONS) else { return Vec::new() };
    let names = kept.prepared.program.steps.iter().filter_map(Step::checkpoint);
    fitting(names.map(CompletionCandidate::new), current)
}

pub fn actions(current: &OsStr) -> Candidates {
    fitting(manual::names(&ACTIONS).map(CompletionCandidate::new), current)
}

pub fn codes(current: &OsStr) -> Candidates {
    let candidate = |(code, meaning): &(&'static str, &'static str)| {
        CompletionCandidate::new(*code).help(Some((*meaning).to_owned().into()))
    };
    fitting(CODES.iter().map(candidate), current)
}

fn fitting(all: impl Iterator<Item = CompletionCandidate>, current: &OsStr) -> Candidates {
    let current = current.to_string_lossy();
    all.filter(|candidate| candidate.get_value().to_string_lossy().starts_with(&*current)).collect()
}

fn steps_of(list: &load::Node) -> Vec<&load::Node> {
    match &list.value {
        load::NodeValue::Seq(steps) => steps.iter().collect(),
        _ => Vec::new(),
    }
}

/// The words of the line that is typed: the shell gives them after `--`.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What stands after an option.
fn after(options: &[&str]) -> Option<String> {
    let words = words();
    let place = words.iter().position(|word| options.contains(&word.as_str()))?;
    words.get(place + 1).cloned()
}

/// The runbook that the line names.
fn runbook() -> Option<Document> {
    let catalog = catalog();
    let read = |word: String| {
        let found = catalog.resolve(Path::new(&word))?.found;
        load::found(&found, &catalog, &mut Sources::default()).ok()
    };
    words().into_iter().skip(2).filter_map(read).find(|book| book.root.get("steps").is_some())
}

/// A config with mistakes names no folders here: the command itself tells of them.
fn catalog() -> Catalog {
    let named = after(&["--config"]).map(PathBuf::from).or_else(|| std::env::var_os(config::NAMED).map(PathBuf::from));
    let config = config::path(named.as_deref()).and_then(|path| load::config(&path, &mut Sources::default()).ok());
    let mut folders = of_environment();
    folders.extend(config.unwrap_or_default().runbooks);
    Catalog { folders }
}

fn inventory() -> Option<Inventory> {
    let given = given_inventory::resolve(after(&["-i", "--inventory"])?.into()).ok()?;
    load::inventory(&given, &mut Sources::default()).ok()
}

fn store() -> Option<Store> {
    let folder = after(&["--state"]).or_else(|| std::env::var("SUREFOOT_STATE").ok());
    session::store(&folder.map(PathBuf::from)).ok()
}

/// The first run that the line names.
fn run() -> Option<(RunFolder, RunState)> {
    let store = store()?;
    let state = |word: String| {
        let folder = store.find_asked(&RunId::from(word)).ok()?;
        let state = folder.replay(|_, _| {}).ok()?.state;
        Some((folder, state))
    };
    words().into_iter().skip(2).find_map(state)
}
