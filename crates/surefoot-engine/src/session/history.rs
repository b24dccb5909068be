//! How long things took in earlier runs of a runbook.

use crate::journal::Store;
use crate::model::{Outcome, RunState, TaskState};
use crate::plan::Past;

/// So many of the newest runs are read at most: a state folder may hold thousands.
const READ: usize = 20;

/// What the newest runs of a runbook tell. A run that cannot be read tells nothing.
pub fn past_of(store: &Store, runbook: &str) -> Past {
    let mut past = Past::default();
    let runs = store.runs().unwrap_or_default();
    let states = runs.iter().rev().take(READ).filter_map(|run| store.find(run).ok()?.replay(|_, _| {}).ok());
    for state in states.map(|replay| replay.state).filter(|state| state.runbook == runbook) {
        add(&mut past, &state);
    }
    past
}

/// The newest comes first, and counts.
fn add(past: &mut Past, state: &RunState) {
    if state.outcome == Some(Outcome::Done) {
        past.run.get_or_insert(state.elapsed().as_secs_f64());
    }
    for (name, task) in state.tasks() {
        if matches!(task.state, TaskState::Done { .. }) {
            past.tasks.entry(name.clone()).or_insert(task.took().unwrap_or_default().as_secs_f64());
        }
    }
}
