//! What an operator does after a fault: goes on, or back; looks and settles where an outcome is unknown; and holds the
//! program to each word that it says on the way.

use super::Error;
use super::engine::{Ended, Engine};
use super::scene::{Scene, Subject, Work};
use crate::lab::Name;
use crate::model::{Outcome, RunId, RunState, TaskName, TaskState};
use std::fmt::Write;

/// How often a command is tried again before the operator gives up on it.
const TRIES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    On,
    Back,
}

pub struct Recovery<'a> {
    pub subject: &'a Subject,
    pub scene: &'a Scene,
    pub work: &'a Work,
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
    /// Walked back; what nothing can take back was kept, by its name.
    Kept,
    /// Walked back, and something could not be taken back.
    Stuck,
    /// Nobody can say what became of a step.
    Unknown,
    /// Neither on nor back.
    Nowhere,
}

impl Recovery<'_> {
    /// From the end of the first engine on.
    pub fn bring(&mut self, first: Ended, way: Way) -> Result<End, Error> {
        self.hear("run", first)?;
        if first == Ended::Code(0) {
            return Ok(End::Completed);
        }
        if way == Way::On {
            match self.go("resume", first)? {
                End::Nowhere => {}
                end => return Ok(end),
            }
        }
        self.go("rollback", first)
    }

    /// Calls it until it has brought the run somewhere.
    fn go(&mut self, verb: &str, mut last: Ended) -> Result<End, Error> {
        for _ in 0..TRIES {
            if last == Ended::Code(5) && !self.settle()? {
                return Ok(End::Unknown);
            }
            last = self.call(verb)?;
            match (verb, last) {
                ("resume", Ended::Code(0)) => return Ok(End::Completed),
                (_, Ended::Code(0)) => return Ok(End::RolledBack),
                (_, Ended::Code(4)) => return self.kept_or_stuck(),
                (_, Ended::Hung) => return Ok(End::Nowhere),
                _ => {}
            }
        }
        Ok(End::Nowhere)
    }

    fn kept_or_stuck(&self) -> Result<End, Error> {
        let (_, state) = self.work.record(self.run)?;
        let stuck = state.tasks().any(|(_, task)| matches!(task.state, TaskState::Stuck { .. }));
        Ok(if stuck { End::Stuck } else { End::Kept })
    }

    fn call(&mut self, verb: &str) -> Result<Ended, Error> {
        let mut engine: Engine = self.work.go_on(self.subject, verb, self.run)?;
        let ended = engine.end();
        self.hear(verb, ended)?;
        Ok(ended)
    }

    /// Notes an exit code, and whether the record says the same.
    fn hear(&mut self, verb: &str, ended: Ended) -> Result<(), Error> {
        let comma = if self.trail.is_empty() { "" } else { ", " };
        write!(self.trail, "{comma}{verb} {ended}").expect("a string takes all");
        let (_, state) = self.work.record(self.run)?;
        let lie = differs(verb, ended, &state);
        self.lie = self.lie.take().or(lie);
        Ok(())
    }

    /// Looks on the hosts, and says what is there; false where nobody told how to look.
    fn settle(&mut self) -> Result<bool, Error> {
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

    fn look(&self, task: &TaskName) -> Result<Option<bool>, Error> {
        let Some(script) = self.subject.settle.get(&task.step) else { return Ok(None) };
        let host: Name = task.host.as_str().parse()?;
        let mut looking = self.scene.lab.enter(&host, &["sh", "-c", script, "sh", self.run.as_str()])?;
        let status = looking.status().map_err(Error::io(format!("look at {task}")))?;
        Ok(Some(status.success()))
    }
}

/// What the exit code says and the record does not.
fn differs(verb: &str, ended: Ended, state: &RunState) -> Option<String> {
    let Ended::Code(code) = ended else {
        return (ended == Ended::Hung).then(|| format!("`{verb}` did not end"));
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
