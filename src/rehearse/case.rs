//! One fault at one moment: the run, the fault, what the operator does then, and the judgement.

use super::Error;
use super::fault::Fault;
use super::hands::Hands;
use super::judge;
use super::point::{Moment, Passage, Point};
use super::recovery::{End, Recovery, Way};
use super::rivals;
use super::scene::{Scene, Subject, Work};
use crate::lab::Name;
use crate::model::StepId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    pub fault: Fault,
    pub point: Point,
    /// The host that the fault strikes: its place among the lab's hosts.
    pub host: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    RolledBack,
    /// Unknown; settled by the operator, and then completed or rolled back.
    Settled,
    /// Rolled back, but for what nothing can take back: that is named.
    Kept,
    /// Something could not be taken back.
    Stuck,
    /// Unknown, and nobody can tell.
    Unknown,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub fault: String,
    pub step: StepId,
    pub moment: String,
    pub host: String,
    /// None where it could not be brought anywhere.
    pub outcome: Option<Outcome>,
    /// Each command and its exit code.
    pub trail: String,
    /// What was lost or untrue; none where the case passed.
    pub wrong: Option<String>,
    pub seconds: f64,
}

impl Case {
    /// Carries it out in `folder`, which is kept where something is wrong.
    pub fn carry_out(&self, subject: &Subject, scene: &Scene, passage: &Passage, folder: &Path) -> Verdict {
        let start = Instant::now();
        let host = &scene.hosts()[self.host];
        let found = self.find_out(subject, scene, passage, folder, host);
        let found = found.unwrap_or_else(|error| Found { wrong: Some(error.to_string()), ..Found::default() });
        Verdict {
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
        subject: &Subject,
        scene: &Scene,
        passage: &Passage,
        folder: &Path,
        host: &Name,
    ) -> Result<Found, Error> {
        let mut work = scene.begin(subject, folder, self.fault == Fault::RecordDiskFull)?;
        let found = self.strike_and_recover(subject, scene, &mut work, (passage, host));
        match &found {
            Ok(Found { wrong: None, .. }) => work.discard()?,
            _ => work.keep()?,
        }
        found
    }

    fn strike_and_recover(
        &self,
        subject: &Subject,
        scene: &Scene,
        work: &mut Work,
        (passage, host): (&Passage, &Name),
    ) -> Result<Found, Error> {
        let mut engine = work.run(subject, work.state(), rivals::lease(self.fault))?;
        let hands = Hands { scene, work, passage, host };
        if !hands.bring_to(&mut engine, self.point.moment)? {
            return Ok(Found::wrong("the run did not come to this moment"));
        }
        let ran = hands.strike(self.fault, &mut engine)?;
        let run = &engine.run.clone().ok_or_else(|| Error::Other("the run has no name".into()))?;
        let rival = rivals::meet(self.fault, subject, work, run, &mut engine)?;
        let first = engine.end();
        Hands { scene, work, passage, host }.mend(self.fault, &ran)?;
        let mut recovery = Recovery { subject, scene, work, run, trail: rival.trail, settled: false, lie: rival.lie };
        let end = match rival.first {
            // Its word was heard, and it is another engine's run now.
            Some(ended) => recovery.bring(ended, Way::On)?,
            None => recovery.bring(first, self.way())?,
        };
        let wrong = match recovery.lie.take() {
            Some(lie) => Some(lie),
            None => judge::wrong(subject, scene, work, run, end)?,
        };
        Ok(Found { outcome: outcome(end, recovery.settled), trail: recovery.trail, wrong })
    }

    fn way(&self) -> Way {
        if matches!(self.fault, Fault::StepFails | Fault::Stopped) { Way::Back } else { Way::On }
    }
}

#[derive(Default)]
struct Found {
    outcome: Option<Outcome>,
    trail: String,
    wrong: Option<String>,
}

fn outcome(end: End, settled: bool) -> Option<Outcome> {
    Some(match end {
        End::Completed | End::RolledBack if settled => Outcome::Settled,
        End::Completed => Outcome::Completed,
        End::RolledBack => Outcome::RolledBack,
        End::Kept => Outcome::Kept,
        End::Stuck => Outcome::Stuck,
        End::Unknown => Outcome::Unknown,
        End::Nowhere => return None,
    })
}

impl Verdict {
    pub fn is_of(&self, case: &Case) -> bool {
        self.fault == case.fault.to_string()
            && self.step == case.point.step
            && self.moment == case.point.moment.to_string()
    }

    pub fn passed(&self) -> bool {
        self.wrong.is_none()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Completed => "completed",
            Outcome::RolledBack => "rolled back",
            Outcome::Settled => "unknown, settled",
            Outcome::Kept => "rolled back, kept",
            Outcome::Stuck => "stuck",
            Outcome::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { fault, step, moment, host, trail, seconds, .. } = self;
        let outcome = self.outcome.map_or_else(|| "nowhere".to_owned(), |outcome| outcome.to_string());
        write!(f, "{fault:<17} {step:<22} {moment:<7} {host:<8} {outcome:<17} {seconds:>6.1} s  ({trail})")?;
        self.wrong.as_ref().map_or(Ok(()), |wrong| write!(f, "\n    WRONG: {wrong}"))
    }
}

impl Found {
    fn wrong(why: &str) -> Found {
        Found { wrong: Some(why.to_owned()), ..Found::default() }
    }
}

/// All that one step offers to one fault.
pub fn cases_of(fault: Fault, place: usize, passage: &Passage, hosts: usize) -> impl Iterator<Item = Case> {
    let moments = passage.moments().iter().filter(move |moment| fault.moments().contains(moment));
    let step = passage.step.clone();
    moments.map(move |moment: &Moment| Case {
        fault,
        point: Point { step: step.clone(), moment: *moment },
        // Each host in its turn.
        host: (place + fault as usize + *moment as usize) % hosts,
    })
}
