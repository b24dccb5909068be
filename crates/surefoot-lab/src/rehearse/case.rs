//! One fault at one moment: the run, the fault, what the operator does then, and the judgement.

use super::error::RehearsalError;
use super::fault::InjectedFault;
use super::fault_injector::FaultInjector;
use super::judge;
use super::point::{FaultMoment, Point, StepTrace};
use super::prepared_lab::{CaseFolder, PreparedLab, RehearsedProgram};
use super::recovery::{Direction, End, Recovery};
use super::second_engine;
use crate::lab::LabName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::Instant;
use surefoot_engine::model::StepId;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultCase {
    pub fault: InjectedFault,
    pub point: Point,
    /// The host that the fault strikes: its place among the lab's hosts.
    pub host: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOutcome {
    Completed,
    RolledBack,
    /// Unknown; settled by the operator, and then completed or rolled back.
    Resolved,
    /// Rolled back, but for what nothing can undo: that is named.
    Kept,
    /// Something could not be undone.
    Stuck,
    /// Unknown, and nobody can tell.
    Unknown,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    pub fault: String,
    pub step: StepId,
    pub moment: String,
    pub host: String,
    /// None where it could not be brought anywhere.
    pub outcome: Option<CaseOutcome>,
    /// Each command and its exit code.
    pub trail: String,
    /// What was lost or untrue; none where the case passed.
    pub wrong: Option<String>,
    pub seconds: f64,
}

impl FaultCase {
    /// Carries it out in `folder`, which is kept where something is wrong.
    pub fn carry_out(
        &self,
        subject: &RehearsedProgram,
        scene: &PreparedLab,
        passage: &StepTrace,
        folder: &Path,
    ) -> CaseResult {
        let start = Instant::now();
        let host = &scene.hosts()[self.host];
        let found = self.find_out(subject, scene, passage, folder, host);
        let found = found
            .unwrap_or_else(|error| CaseObservation { wrong: Some(error.to_string()), ..CaseObservation::default() });
        CaseResult {
            fault: self.fault.to_string(),
            step: self.point.step.clone(),
            moment: self.point.moment.to_string(),
            host: host.to_string(),
            outcome: found.outcome,
            trail: found.trail,
            wrong: found.wrong,
            seconds: (start.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        }
    }

    fn find_out(
        &self,
        subject: &RehearsedProgram,
        scene: &PreparedLab,
        passage: &StepTrace,
        folder: &Path,
        host: &LabName,
    ) -> Result<CaseObservation, RehearsalError> {
        let mut work = scene.begin(subject, folder, self.fault == InjectedFault::RecordDiskFull)?;
        let found = self.strike_and_recover(subject, scene, &mut work, (passage, host));
        match &found {
            Ok(CaseObservation { wrong: None, .. }) => work.discard()?,
            _ => work.keep()?,
        }
        found
    }

    fn strike_and_recover(
        &self,
        subject: &RehearsedProgram,
        scene: &PreparedLab,
        work: &mut CaseFolder,
        (passage, host): (&StepTrace, &LabName),
    ) -> Result<CaseObservation, RehearsalError> {
        let mut engine = work.run(subject, work.state(), second_engine::lease(self.fault))?;
        let hands = FaultInjector { scene, work, passage, host };
        if !hands.bring_to(&mut engine, self.point.moment)? {
            return Ok(CaseObservation::wrong("the run did not come to this moment"));
        }
        let ran = hands.inject(self.fault, &mut engine)?;
        let run = &engine.run.clone().ok_or_else(|| RehearsalError::Other("the run has no name".into()))?;
        let rival = second_engine::start_second(self.fault, subject, work, run, &mut engine)?;
        let first = engine.end();
        FaultInjector { scene, work, passage, host }.repair(self.fault, &ran)?;
        let mut recovery = Recovery { subject, scene, work, run, trail: rival.trail, settled: false, lie: rival.lie };
        let end = match rival.first {
            // Its word was heard, and it is another engine's run now.
            Some(ended) => recovery.bring(ended, Direction::On)?,
            None => recovery.bring(first, self.direction())?,
        };
        let wrong = match recovery.lie.take() {
            Some(lie) => Some(lie),
            None => judge::wrong(subject, scene, work, run, end)?,
        };
        Ok(CaseObservation { outcome: outcome(end, recovery.settled), trail: recovery.trail, wrong })
    }

    fn direction(&self) -> Direction {
        if matches!(self.fault, InjectedFault::StepFails | InjectedFault::Stopped) {
            Direction::Back
        } else {
            Direction::On
        }
    }
}

#[derive(Default)]
struct CaseObservation {
    outcome: Option<CaseOutcome>,
    trail: String,
    wrong: Option<String>,
}

fn outcome(end: End, settled: bool) -> Option<CaseOutcome> {
    Some(match end {
        End::Completed | End::RolledBack if settled => CaseOutcome::Resolved,
        End::Completed => CaseOutcome::Completed,
        End::RolledBack => CaseOutcome::RolledBack,
        End::Kept => CaseOutcome::Kept,
        End::Stuck => CaseOutcome::Stuck,
        End::Unknown => CaseOutcome::Unknown,
        End::Nowhere => return None,
    })
}

impl CaseResult {
    pub fn is_of(&self, case: &FaultCase) -> bool {
        self.fault == case.fault.to_string()
            && self.step == case.point.step
            && self.moment == case.point.moment.to_string()
    }

    pub fn passed(&self) -> bool {
        self.wrong.is_none()
    }
}

impl fmt::Display for CaseOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CaseOutcome::Completed => "completed",
            CaseOutcome::RolledBack => "rolled back",
            CaseOutcome::Resolved => "unknown, settled",
            CaseOutcome::Kept => "rolled back, kept",
            CaseOutcome::Stuck => "stuck",
            CaseOutcome::Unknown => "unknown",
        })
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CaseResult { fault, step, moment, host, trail, seconds, .. } = self;
        let outcome = self.outcome.map_or_else(|| "nowhere".to_owned(), |outcome| outcome.to_string());
        write!(f, "{fault:<17} {step:<22} {moment:<7} {host:<8} {outcome:<17} {seconds:>6.1} s  ({trail})")?;
        self.wrong.as_ref().map_or(Ok(()), |wrong| write!(f, "\n    WRONG: {wrong}"))
    }
}

impl CaseObservation {
    fn wrong(why: &str) -> CaseObservation {
        CaseObservation { wrong: Some(why.to_owned()), ..CaseObservation::default() }
    }
}

/// All that one step offers to one fault.
pub fn cases_of(
    fault: InjectedFault,
    place: usize,
    passage: &StepTrace,
    hosts: usize,
) -> impl Iterator<Item = FaultCase> {
    let moments = passage.moments().iter().filter(move |moment| fault.moments().contains(moment));
    let step = passage.step.clone();
    moments.map(move |moment: &FaultMoment| FaultCase {
        fault,
        point: Point { step: step.clone(), moment: *moment },
        // Each host in its turn.
        host: (place + fault as usize + *moment as usize) % hosts,
    })
}
