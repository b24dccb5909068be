//! What an operator does after a fault: goes on, or back; looks and settles where an outcome is unknown; and holds the
//! program to each word that it says on the way.

use super::engine::{EngineExit, EngineProcess};
use super::error::RehearsalError;
use super::prepared_lab::{CaseFolder, PreparedLab, RehearsedProgram};
use crate::lab::LabName;
use std::fmt::Write;
use surefoot_engine::model::{Outcome, RunId, RunState, TaskName, TaskState};

/// How often a command is tried again before the operator gives up on it.
const TRIES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    On,
    Back,
}

pub struct Recovery<'a> {
    pub subject: &'a RehearsedProgram,
    pub scene: &'a PreparedLab,
    pub work: &'a CaseFolder,
    pub run: &'a RunId,
    /// Each command and its exit code.
    pub trail: String,
    /// The operator had to settle something.
    pub settled: bool,
    /// The first word of the program that was not true.
    pub lie: Option<String>,
}

/// Where a run was brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    RolledBack,
    /// Rolled back; what nothing can undo was kept, by its name.
    Kept,
    /// Rolled back, and something could not be undone.
    Stuck,
    /// Nobody can say what became of a step.
    Unknown,
    /// Neither on nor back.
    Nowhere,
}

impl Recovery<'_> {
    /// From the end of the first engine on.
    pub fn bring(&mut self, first: EngineExit, way: Direction) -> Result<End, RehearsalError> {
        self.hear("run", first)?;
        if first == EngineExit::Code(0) {
            return Ok(End::Completed);
        }
        if way == Direction::On {
            match self.go("resume", first)? {
                End::Nowhere => {}
                end => return Ok(end),
            }
        }
        self.go("rollback", first)
    }

    /// Calls it until it has brought the run somewhere.
    fn go(&mut self, verb: &str, mut last: EngineExit) -> Result<End, RehearsalError> {
        for _ in 0..TRIES {
            if last == EngineExit::Code(5) && !self.resolve()? {
                return Ok(End::Unknown);
            }
            last = self.call(verb)?;
            match (verb, last) {
                ("resume", EngineExit::Code(0)) => return Ok(End::Completed),
                (_, EngineExit::Code(0)) => return Ok(End::RolledBack),
                (_, EngineExit::Code(4)) => return self.not_reverted_or_stuck(),
                (_, EngineExit::Hung) => return Ok(End::Nowhere),
                _ => {}
            }
        }
        Ok(End::Nowhere)
    }

    fn not_reverted_or_stuck(&self) -> Result<End, RehearsalError> {
        let (_, state) = self.work.record(self.run)?;
        let stuck = state.tasks().any(|(_, task)| matches!(task.state, TaskState::Stuck { .. }));
        Ok(if stuck { End::Stuck } else { End::Kept })
    }

    fn call(&mut self, verb: &str) -> Result<EngineExit, RehearsalError> {
        let mut engine: EngineProcess = self.work.go_on(self.subject, verb, self.run)?;
        let ended = engine.end();
        self.hear(verb, ended)?;
        Ok(ended)
    }

    /// Notes an exit code, and whether the record says the same.
    fn hear(&mut self, verb: &str, ended: EngineExit) -> Result<(), RehearsalError> {
        let comma = if self.trail.is_empty() { "" } else { ", " };
        write!(self.trail, "{comma}{verb} {ended}").expect("a string takes all");
        let (_, state) = self.work.record(self.run)?;
        let lie = differs(verb, ended, &state);
        self.lie = self.lie.take().or(lie);
        Ok(())
    }

    /// Looks on the hosts, and says what is there; false where nobody told how to look.
    fn resolve(&mut self) -> Result<bool, RehearsalError> {
        let (_, state) = self.work.record(self.run)?;
        let unknown = |state: &TaskState| matches!(state, TaskState::Unknown { .. } | TaskState::Stuck { .. });
        let open: Vec<TaskName> =
            state.tasks().filter(|(_, task)| unknown(&task.state)).map(|(name, _)| name.clone()).collect();
        for task in open {
            let Some(took_effect) = self.look(&task)? else { continue };
            let verdict = if took_effect { "done" } else { "undone" };
            let words = ["settle", self.run.as_str(), &task.to_string(), verdict];
            let ended = self.work.say(self.subject, &words)?;
            write!(self.trail, ", settle {task} {verdict} {ended}").expect("a string takes all");
            self.settled = true;
        }
        let (_, state) = self.work.record(self.run)?;
        let opaque = |name: &TaskName| self.subject.opaque.contains(&name.step);
        Ok(!state.tasks().any(|(name, task)| unknown(&task.state) && opaque(name)))
    }

    fn look(&self, task: &TaskName) -> Result<Option<bool>, RehearsalError> {
        let Some(script) = self.subject.settle.get(&task.step) else { return Ok(None) };
        let host: LabName = task.host.as_str().parse()?;
        let mut looking = self.scene.lab.enter(&host, &["sh", "-c", script, "sh", self.run.as_str()])?;
        let status = looking.status().map_err(RehearsalError::io(format!("look at {task}")))?;
        Ok(Some(status.success()))
    }
}

/// What the exit code says and the record does not.
fn differs(verb: &str, ended: EngineExit, state: &RunState) -> Option<String> {
    let EngineExit::Code(code) = ended else {
        return (ended == EngineExit::Hung).then(|| format!("`{verb}` did not end"));
    };
    let wanted = match code {
        0 if verb == "rollback" => Some(Outcome::RolledBack),
        0 => Some(Outcome::Done),
        3 => Some(Outcome::RolledBack),
        4 => Some(Outcome::Stuck),
        _ => None,
    };
    let unknown =
        state.tasks().any(|(_, task)| matches!(task.state, TaskState::Unknown { .. } | TaskState::Stuck { .. }));
    match wanted {
        Some(wanted) if state.outcome != Some(wanted) => {
            Some(format!("`{verb}` ended with {code}, and the record says {:?}", state.outcome))
        }
        None if code == 5 && !unknown => Some(format!("`{verb}` ended with 5, and nothing is unknown")),
        None if code == 1 && state.outcome == Some(Outcome::Done) => {
            Some(format!("`{verb}` ended with 1, and the record says that all is done"))
        }
        _ => None,
    }
}
