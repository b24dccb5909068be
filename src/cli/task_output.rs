//! Where it lies what a task and the steps of its undo printed.

use std::path::PathBuf;
use surefoot_engine::execute::{file_name, undo_part};
use surefoot_engine::journal::RunFolder;
use surefoot_engine::model::{RunState, StepId, Stream, TaskName};
use surefoot_engine::session::RunInputs;

/// One stream of one attempt, of which there is something.
pub struct Printout {
    pub path: PathBuf,
    /// The step of the task's undo that printed it; none is the task itself.
    pub part: Option<StepId>,
    pub attempt: u32,
    pub stream: Stream,
}

/// Those of a task, then those of each step of its undo, in their order.
pub fn of(folder: &RunFolder, state: &RunState, kept: Option<&RunInputs>, task: &TaskName) -> Vec<Printout> {
    let attempts = state.task(task).map_or(0, |record| record.attempt);
    let parts = (1..).zip(undo(kept, task)).map(|(place, part)| {
        let name = TaskName { step: undo_part(&task.step, place), ..task.clone() };
        (name, Some(part.clone()))
    });
    let mut all = Vec::new();
    for (name, part) in [(task.clone(), None)].into_iter().chain(parts) {
        for attempt in 1..=attempts {
            for stream in [Stream::Out, Stream::Err] {
                let path = folder.outputs().join(file_name(&name, attempt, stream));
                if path.is_file() {
                    all.push(Printout { path, part: part.clone(), attempt, stream });
                }
            }
        }
    }
    all
}

fn undo<'k>(kept: Option<&'k RunInputs>, task: &TaskName) -> impl Iterator<Item = &'k StepId> {
    let mut steps = kept.into_iter().flat_map(|kept| &kept.prepared.program.steps);
    let own = steps.find(|step| step.id == task.step);
    own.into_iter().flat_map(|step| &step.undo).map(|part| &part.id)
}
