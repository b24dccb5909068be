//! What a person wants to know of a task first: whether it was checked, changes something, or cannot be told yet.

use super::{Plan, PlanVerdict, PlannedStep, PlannedTask, PlannedUndo};
use crate::model::Effect;
use serde::Serialize;

/// What becomes of one task, in the words of a plan; what a person must know first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The run would stop here, as things are.
    Fails,
    /// It asks the operator.
    Asks,
    /// It changes something.
    Changes,
    /// It runs after earlier steps have changed what it looks at; with what is known.
    Runs,
    /// What it would be given is not known yet.
    NotKnown,
    /// It only looks, at what earlier steps change, or for longer than a plan waits.
    ChecksLater,
    /// It only looks, and succeeded just now.
    Checked,
    /// It is as it should be.
    NothingToDo,
    /// Its `when` is false, or its host is left out.
    Skipped,
}

impl PlannedTask {
    /// None in an offline plan, which has looked at nothing.
    pub fn expectation(&self, effect: Effect) -> Option<Expectation> {
        let reads = effect == Effect::ReadOnly;
        Some(match self.verdict.as_ref()? {
            PlanVerdict::ReadOnly { .. } => Expectation::Checked,
            PlanVerdict::Fails { .. } => Expectation::Fails,
            PlanVerdict::Changes { .. } => Expectation::Changes,
            PlanVerdict::NothingToDo => Expectation::NothingToDo,
            PlanVerdict::Asks { .. } => Expectation::Asks,
            PlanVerdict::Skipped | PlanVerdict::LeftOut { .. } => Expectation::Skipped,
            PlanVerdict::NotKnown { .. } if reads => Expectation::ChecksLater,
            PlanVerdict::NotKnown { now, .. } => match now.as_deref() {
                Some(PlanVerdict::Changes { .. }) => Expectation::Changes,
                Some(_) => Expectation::Runs,
                None => Expectation::NotKnown,
            },
        })
    }

    /// Whether it is told from how things are now, and an earlier step may make it otherwise.
    pub fn is_expected(&self) -> bool {
        matches!(&self.verdict, Some(PlanVerdict::NotKnown { now: Some(now), .. }) if matches!(**now, PlanVerdict::Changes { .. }))
    }
}

/// How many tasks a plan says what of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanTally {
    pub checked: usize,
    pub changes: usize,
    pub checks_later: usize,
    pub nothing_to_do: usize,
    pub not_known: usize,
    pub fails: usize,
    pub asks: usize,
    /// Skipped, or left out.
    pub skipped: usize,
}

impl Plan {
    pub fn tally(&self) -> PlanTally {
        let mut tally = PlanTally::default();
        let tasks = self.tasks().filter(|(step, _)| step.checkpoint().is_none());
        for expectation in tasks.filter_map(|(step, task)| task.expectation(step.effect)) {
            let slot = match expectation {
                Expectation::Checked => &mut tally.checked,
                Expectation::Changes | Expectation::Runs => &mut tally.changes,
                Expectation::ChecksLater => &mut tally.checks_later,
                Expectation::NothingToDo => &mut tally.nothing_to_do,
                Expectation::NotKnown => &mut tally.not_known,
                Expectation::Fails => &mut tally.fails,
                Expectation::Asks => &mut tally.asks,
                Expectation::Skipped => &mut tally.skipped,
            };
            *slot += 1;
        }
        tally
    }

    /// The first step that nothing can undo and that the run comes to, as far as is known.
    pub fn reached_point_of_no_return(&self) -> Option<&PlannedStep> {
        let is_reached = |step: &PlannedStep| {
            step.tasks.iter().any(|task| task.expectation(step.effect) != Some(Expectation::Skipped))
        };
        self.steps.iter().find(|step| matches!(step.undo, PlannedUndo::Irreversible(_)) && is_reached(step))
    }
}
