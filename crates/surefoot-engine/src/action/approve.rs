//! `approve`: a question to the operator.

use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::{Action, Change, Inspection};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks the operator whether to go on; a no stops the run. `--approve STEP` answers ahead.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Approve(
    /// The question, with what the operator must know to answer it.
    String,
);

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Approved {
    /// Who allowed it, and how.
    by: String,
}

impl Action for Approve {
    const NAME: &'static str = "approve";
    const EXAMPLE: &'static str = "approve: Every member is down. Restore from {{ params.snapshot }}?";
    // Not a read: a plan makes the reads that it can, and must not ask.
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::NotNeeded("nothing to roll back: it only asked");
    const TEST_MODE: TestMode = TestMode::Answered;
    const LIMITED: bool = false;
    type Out = Approved;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        Ok(Inspection::Change(Change { summary: format!("ask: {}", self.0), diff: None, before: () }))
    }

    async fn apply(&self, cx: &Cx<'_>, _: &()) -> Result<Approved, Fault> {
        Ok(Approved { by: cx.ask(&self.0).await? })
    }
}
