//! Where a step stands, and in what.

use crate::check::shapes::{BATCH_STEP, FINALLY, GATE_STEP, INNER, STEP, VERIFY};
use crate::load::Shape;
use crate::model::StepId;
use crate::template::Templated;

/// Where a step stands, which decides what it may be.
#[derive(Clone, Copy)]
pub(in crate::check) enum StepContext<'s> {
    Steps,
    Verify,
    Finally,
    /// The gate of a roll.
    Gate(&'s EnclosingStep),
    /// What a roll does to each batch.
    Batch(&'s EnclosingStep),
    Undo(&'s EnclosingStep),
    Reconcile(&'s EnclosingStep),
}

impl StepContext<'_> {
    pub fn shape(self) -> &'static Shape {
        match self {
            StepContext::Steps => &STEP,
            StepContext::Verify => &VERIFY,
            StepContext::Finally => &FINALLY,
            StepContext::Gate(_) => &GATE_STEP,
            StepContext::Batch(_) => &BATCH_STEP,
            StepContext::Undo(_) | StepContext::Reconcile(_) => &INNER,
        }
    }
}

impl<'s> StepContext<'s> {
    /// The user of the step or roll around it.
    pub fn user(self) -> Option<&'s Templated> {
        match self {
            StepContext::Gate(owner)
            | StepContext::Batch(owner)
            | StepContext::Undo(owner)
            | StepContext::Reconcile(owner) => owner.user.as_ref(),
            StepContext::Steps | StepContext::Verify | StepContext::Finally => None,
        }
    }
}

/// The step that an undo or a probe belongs to, or the roll of a step.
pub(in crate::check) struct EnclosingStep {
    pub id: StepId,
    pub on: Option<String>,
    pub user: Option<Templated>,
}
