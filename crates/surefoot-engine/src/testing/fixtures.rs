//! What the hosts of a case are: what steps are answered, what stands there, and what they were told.

use super::suite::{Answers, Reply, StubbedAnswer};
use crate::model::{Fault, FaultKind, HostName, TaskName};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

/// Shared by all actions of a case.
#[derive(Default)]
pub(super) struct Fixtures(Mutex<FixtureState>);

#[derive(Default)]
struct FixtureState {
    /// The newest first.
    answers: Vec<Answers>,
    /// The attempt of each task that the first of its answers is for.
    first: HashMap<TaskName, u32>,
    /// Tasks whose work is there: another look finds nothing to do.
    stands: HashSet<TaskName>,
    commands: HashMap<TaskName, String>,
    parameters: HashMap<TaskName, Json>,
}

impl Fixtures {
    fn state(&self) -> MutexGuard<'_, FixtureState> {
        self.0.lock().expect("nobody panics while they hold it")
    }

    /// These answers win over those before, and are counted anew.
    pub fn add(&self, answers: &Answers) {
        let mut state = self.state();
        state.answers.insert(0, answers.clone());
        state.first.clear();
    }

    /// What a task is answered in an attempt.
    pub fn answer(&self, task: &TaskName, attempt: u32) -> StubbedAnswer {
        let mut state = self.state();
        let first = *state.first.entry(task.clone()).or_insert(attempt);
        let of = |answers: &Answers| {
            let own = answers.iter().filter(|(name, _)| name.covers(task));
            own.max_by_key(|(name, _)| name.exactness()).map(|(_, all)| all.clone())
        };
        let all = state.answers.iter().find_map(of).unwrap_or_default();
        let at = attempt.saturating_sub(first) as usize;
        all.get(at).or(all.last()).cloned().unwrap_or_default()
    }

    /// Whether the operator says yes.
    pub fn approves(&self, task: &TaskName) -> bool {
        self.answer(task, 1).reply != Reply::No
    }

    pub fn stands(&self, task: &TaskName) -> bool {
        self.state().stands.contains(task)
    }

    pub fn set_standing(&self, task: &TaskName, stands: bool) {
        let mut state = self.state();
        if stands {
            state.stands.insert(task.clone())
        } else {
            state.stands.remove(task)
        };
    }

    pub fn record_parameters(&self, task: &TaskName, parameters: Json) {
        self.state().parameters.insert(task.clone(), parameters);
    }

    pub fn sent(&self, task: &TaskName, command: String) {
        self.state().commands.insert(task.clone(), command);
    }

    /// The command that a task has sent, the last time.
    pub fn command(&self, task: &TaskName) -> Option<String> {
        self.state().commands.get(task).cloned()
    }

    pub fn parameters(&self, task: &TaskName) -> Option<Json> {
        self.state().parameters.get(task).cloned()
    }
}

/// The fault of an answer that is one.
pub(super) fn fault(reply: &Reply, host: &HostName) -> Option<Fault> {
    match reply {
        Reply::Fails(why) => Some(Fault::new(FaultKind::Exit, why.as_str())),
        Reply::Refuses(why) => Some(Fault::refused(why.as_str())),
        Reply::Unknown(why) => Some(Fault::new(FaultKind::Lost, format!("{host}: {why}"))),
        Reply::Done | Reply::Clean | Reply::Yes | Reply::No => None,
    }
}
