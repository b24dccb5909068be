//! What a run may keep, by its record alone.

use crate::action::Leftover;
use crate::check::Step;
use crate::compile::{Program, Task};
use crate::load::Inventory;
use crate::model::{Event, HostName, RunState, StepId, TaskEvent, TaskName, TaskState};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;
use std::collections::HashMap;

/// What each change of a run saw before it, whatever became of it since.
pub type Announced = Vec<(TaskName, Json)>;

/// Where one user's scripts may have left something on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptPlace {
    pub host: HostName,
    /// By sudo; the one that steps run as by default where `None`.
    pub user: Option<String>,
    /// The run's folder there, for people.
    pub folder: String,
    /// Outside the folder: what the run set aside or had not finished, if it is there at all.
    pub ours: IndexSet<String>,
}

/// What a run may keep on its hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    pub places: Vec<ScriptPlace>,
    /// What the operator had put there under the run's name, what others had changed and an undo has kept, or what may not
    /// be the run's: never removed.
    pub theirs: IndexMap<HostName, IndexSet<String>>,
    /// Steps whose user was known only as they ran: that user's folder has to be looked for by hand.
    pub unknown: IndexSet<StepId>,
}

/// What an event adds to what the run's changes saw.
pub fn announced(event: &Event) -> Option<(TaskName, Json)> {
    match event {
        Event::Task { task, what: TaskEvent::Changing { undo: Some(undo), .. } } => {
            Some((task.clone(), undo.data.clone()))
        }
        _ => None,
    }
}

impl Keeping {
    /// Of every host of the run but those that were tidied.
    pub fn of(program: &Program, inventory: &Inventory, state: &RunState, announced: &Announced) -> Keeping {
        let run = state.run.as_ref().map(ToString::to_string).unwrap_or_default();
        let clean = |host: &HostName| state.tidy.as_ref().is_some_and(|tidy| tidy.clean.contains(host));
        let mut keeping = Keeping::default();
        for task in &program.tasks {
            let begun = state.task(&task.name).is_some_and(|record| record.attempt > 0);
            if begun && !clean(&task.name.host) {
                keeping.folders(&program.steps[task.step as usize], &task.name.host, inventory, &run);
            }
        }
        let tasks: HashMap<&TaskName, &Task> = program.tasks.iter().map(|task| (&task.name, task)).collect();
        for (name, before) in announced.iter().filter(|(name, _)| !clean(&name.host)) {
            // What a corrected runbook leaves out has been undone.
            let Some(step) = tasks.get(name).map(|task| &program.steps[task.step as usize]) else { continue };
            let is_done = |record: &crate::model::TaskRecord| matches!(record.state.forward(), TaskState::Done { .. });
            for leftover in (step.kind.leaves)(before, state.task(name).is_some_and(is_done)) {
                keeping.add(leftover, step, &name.host, &run);
            }
        }
        for (name, record) in state.tasks().filter(|(name, _)| !clean(&name.host)) {
            for kept in record.aside.iter().filter_map(|one| one.kept.clone()) {
                keeping.theirs.entry(name.host.clone()).or_default().insert(kept);
            }
        }
        keeping
    }

    /// The hosts that may have something of the run.
    pub fn hosts(&self) -> IndexSet<HostName> {
        self.places.iter().map(|place| place.host.clone()).collect()
    }

    /// Each user that a step may have run as has a folder of the run.
    fn folders(&mut self, step: &Step, host: &HostName, inventory: &Inventory, run: &str) {
        for step in std::iter::once(step).chain(&step.undo) {
            let Some(user) = user(step) else {
                self.unknown.insert(step.id.clone());
                continue;
            };
            if !self.places.iter().any(|place| place.host == *host && place.user.as_deref() == user) {
                let folder = folder(host, user, inventory, run);
                let user = user.map(str::to_owned);
                self.places.push(ScriptPlace { host: host.clone(), user, folder, ours: IndexSet::new() });
            }
        }
    }

    fn add(&mut self, leftover: Leftover, step: &Step, host: &HostName, run: &str) {
        let named = |path: &str| path.rsplit('/').next().is_some_and(|name| !run.is_empty() && name.contains(run));
        let own = user(step)
            .and_then(|user| self.places.iter_mut().find(|place| place.host == *host && place.user.as_deref() == user));
        match (leftover, own) {
            (Leftover::Ours(path), Some(place)) if named(&path) => drop(place.ours.insert(path)),
            (Leftover::Theirs(path), _) if !named(&path) => {}
            (Leftover::Ours(path) | Leftover::Theirs(path), _) => {
                self.theirs.entry(host.clone()).or_default().insert(path);
            }
        }
    }
}

/// Whom a step runs as; none where that is known only in the run.
fn user(step: &Step) -> Option<Option<&str>> {
    step.user.as_ref().map_or(Some(None), |user| user.as_value().map(Json::as_str))
}

/// By the rule of `host.sh`, as far as it can be told from here.
fn folder(host: &HostName, user: Option<&str>, inventory: &Inventory, run: &str) -> String {
    let entry = inventory.hosts.get(host);
    let becomes = user.or(entry.and_then(|entry| entry.become_user.as_deref()));
    match (becomes, entry.map(|entry| entry.user.as_deref())) {
        (Some("root"), _) | (None, Some(Some("root"))) => format!("/var/lib/surefoot/{run}"),
        (Some(other), _) => format!("/var/tmp/surefoot-UID/{run}, with the UID of {other}"),
        (None, None) => "the folder `controller` beside the record".to_owned(),
        (None, Some(Some(_))) => format!("~/.local/state/surefoot/{run}"),
        (None, Some(None)) => format!("/var/lib/surefoot/{run}, or ~/.local/state/surefoot/{run} of another login"),
    }
}
