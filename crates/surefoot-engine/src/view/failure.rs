//! What did not do its work, and why: the same failure of several hosts is one.

use crate::model::{Fault, RunState, StepId, TaskName, TaskOutcome, TaskRecord};
use indexmap::IndexMap;

/// Tasks of one step that ended alike, for the same reason.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    /// `Failed`, `Unknown`, `Stuck` or `NotReverted`; what was undone afterwards is in the state that it has now.
    pub outcome: TaskOutcome,
    pub fault: Fault,
    /// In the order of the file; at least one.
    pub tasks: Vec<TaskName>,
}

/// Every failure of a run, in the order of the file, those that stand before those that were undone.
pub fn failures(state: &RunState) -> Vec<FailureGroup> {
    let mut groups: IndexMap<(&StepId, TaskOutcome, String), FailureGroup> = IndexMap::new();
    for (name, record) in state.tasks() {
        let Some(fault) = cause(record) else { continue };
        let outcome = record.state.outcome();
        let new = || FailureGroup { outcome, fault: fault.clone(), tasks: Vec::new() };
        groups.entry((&name.step, outcome, alike(name, fault))).or_insert_with(new).tasks.push(name.clone());
    }
    let mut groups: Vec<FailureGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| group.outcome == TaskOutcome::Undone);
    groups
}

/// So many earlier failures of a step are compared with a new one.
const COMPARED: usize = 64;

/// A task that failed before this one, in the same way: what is to be said of it has been said.
pub fn failed_alike<'s>(state: &'s RunState, name: &TaskName) -> Option<&'s TaskName> {
    let record = state.task(name)?;
    let own = alike(name, cause(record)?);
    let others = state.of_step(name.step.as_str()).filter(|(other, theirs)| {
        *other != name && theirs.state.outcome() == record.state.outcome() && theirs.since <= record.since
    });
    let same =
        |(other, theirs): &(&TaskName, &TaskRecord)| cause(theirs).is_some_and(|fault| alike(other, fault) == own);
    let same = others.take(COMPARED).filter(same).min_by_key(|(_, theirs)| theirs.since);
    same.map(|(other, _)| other)
}

/// What went wrong in the end: between two attempts nothing has yet.
fn cause(record: &TaskRecord) -> Option<&Fault> {
    record.state.fault().filter(|_| record.state.outcome() != TaskOutcome::Waiting)
}

/// What failures of one step have in common, whatever host they are of.
fn alike(name: &TaskName, fault: &Fault) -> String {
    let text = |text: &Option<String>| without_host(text.as_deref().unwrap_or_default(), name.host.as_str());
    let message = without_host(&fault.message, name.host.as_str());
    format!("{:?}\0{message}\0{}\0{}\0{:?}", fault.kind, text(&fault.detail), text(&fault.hint), fault.code)
}

/// With a mark in the place of a host's name, where it stands as a word of its own.
fn without_host(text: &str, host: &str) -> String {
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find(host).filter(|_| !host.is_empty()) {
        let (before, from) = rest.split_at(at);
        let after = &from[host.len()..];
        let last = before.chars().next_back().or_else(|| out.chars().next_back());
        let is_word = !last.is_some_and(in_name) && !after.chars().next().is_some_and(in_name);
        out += before;
        out += if is_word { "{host}" } else { host };
        rest = after;
    }
    out + rest
}
