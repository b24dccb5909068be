//! Which other runs have written since to what a rollback of a run would write to, as the records of this controller have it.

use super::rollback_preview::RollbackPreview;
use crate::journal::{RunFolder, Store};
use crate::model::{HostName, Image, Images, RunId, RunState, TaskName, TaskRecord, path_of};
use jiff::Timestamp;

/// The writes of other runs, the last first.
pub struct LaterRuns(Vec<LaterWrite>);

/// What a task of another run has written to, and has not undone.
struct LaterWrite {
    run: RunId,
    task: TaskName,
    at: Timestamp,
    /// How it was left.
    left: Images,
}

impl LaterRuns {
    /// Records that cannot be read, and those that end before the run began, tell nothing.
    pub fn of(store: &Store, state: &RunState) -> LaterRuns {
        let others = store.runs().unwrap_or_default().into_iter().filter(|other| state.run.as_ref() != Some(other));
        let folders = others.filter_map(|other| Some((store.find(&other).ok()?, other)));
        let later = folders.filter(|(folder, _)| state.started.is_some_and(|started| ends_after(folder, started)));
        let mut writes: Vec<LaterWrite> = later.flat_map(|(folder, other)| writes(&folder, &other)).collect();
        writes.sort_by_key(|write| std::cmp::Reverse(write.at));
        LaterRuns(writes)
    }

    /// The last that has written to a thing since a task did.
    fn last(&self, host: &HostName, record: &TaskRecord, thing: &str) -> Option<&LaterWrite> {
        let is_later = |write: &&LaterWrite| {
            write.task.host == *host && write.left.contains_key(thing) && Some(write.at) > written_at(record)
        };
        self.0.iter().find(is_later)
    }

    /// Who has left a thing as it is now: a later run, or others.
    pub fn author(&self, host: &HostName, record: &TaskRecord, thing: &str, now: &Image) -> String {
        match self.last(host, record, thing) {
            Some(write) if write.left[thing].fits(now) => write.to_string(),
            Some(write) => format!("others, and before by {write}"),
            None => "others".to_owned(),
        }
    }

    /// Names beside each task of a rollback which later run has written to the same, by the records alone.
    pub fn add(&self, state: &RunState, preview: &mut RollbackPreview) {
        for step in preview.steps.iter_mut().filter(|step| step.undone) {
            let Some((record, undo)) = state.task(&step.task).and_then(|record| Some((record, record.undo.as_ref()?)))
            else {
                continue;
            };
            let later = undo.images.keys().filter_map(|thing| {
                let write = self.last(&step.task.host, record, thing)?;
                Some(format!("changed since by {write}: {}", path_of(thing).unwrap_or(thing)))
            });
            step.drift.extend(later);
        }
    }
}

impl std::fmt::Display for LaterWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {} ({})", self.run, self.task)
    }
}

fn ends_after(folder: &RunFolder, started: Timestamp) -> bool {
    let written = std::fs::metadata(folder.journal()).and_then(|meta| meta.modified()).ok();
    written.and_then(|at| Timestamp::try_from(at).ok()).is_some_and(|at| at >= started)
}

fn writes(folder: &RunFolder, run: &RunId) -> Vec<LaterWrite> {
    let Ok(replay) = folder.replay(|_, _| {}) else { return Vec::new() };
    let written = replay.state.tasks().filter(|(_, record)| record.has_changed());
    let write = |(task, record): (&TaskName, &TaskRecord)| {
        let (at, left) = (written_at(record)?, record.images.last()?.clone());
        Some(LaterWrite { run: run.clone(), task: task.clone(), at, left })
    };
    written.filter_map(write).collect()
}

/// When a task's own work had ended.
fn written_at(record: &TaskRecord) -> Option<Timestamp> {
    record.ended.or(record.since)
}
