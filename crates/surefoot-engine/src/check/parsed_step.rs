//! A step as far as it could be read.

use super::checked::{Gate, InRoll, Need, OnFailure, RollPart, Runbook, Step};
use crate::action::ActionKind;
use crate::model::{Span, StepId};
use crate::template::Templated;
use indexmap::IndexMap;
use std::rc::Rc;
use std::sync::Arc;

/// The list of the runbook that a step is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StepSection {
    Steps,
    Verify,
    Finally,
}

/// A step as far as it could be read, so that what refers to it can be checked even so.
pub(super) struct ParsedStep {
    pub id: StepId,
    /// Where its own id stands, or the name of a checkpoint; `None` where one was made.
    pub named: Option<Span>,
    pub span: Span,
    pub kind: Option<Arc<ActionKind>>,
    pub on: Option<String>,
    pub needs: Option<Vec<(Need, Span)>>,
    pub gate: Gate,
    pub part: StepSection,
    pub roll: Option<InRoll>,
    pub step: Option<Step>,
    /// The runbook that it uses.
    pub used: Option<Used>,
}

impl ParsedStep {
    /// One that no text of the author's makes by itself: what is read after all steps, or a roll's choice.
    pub fn made(step: Step) -> Self {
        ParsedStep {
            id: step.id.clone(),
            named: None,
            span: step.span,
            kind: None,
            on: None,
            needs: None,
            gate: Gate::Open,
            part: StepSection::Steps,
            roll: None,
            step: Some(step),
            used: None,
        }
    }

    /// The roll that it belongs to.
    pub fn roll_id(&self) -> Option<&StepId> {
        self.roll.as_ref().map(|place| &place.roll)
    }

    /// Whether it is what a roll does to each batch.
    pub fn is_of_batch(&self) -> bool {
        self.roll.as_ref().is_some_and(|place| matches!(place.part, RollPart::Batch))
    }
}

/// What a `use` step says beside the keys of every step.
pub(super) struct Used {
    pub runbook: Rc<Runbook>,
    /// Where the file is named.
    pub span: Span,
    pub bind: IndexMap<String, Templated>,
    pub on_failure: OnFailure,
}
