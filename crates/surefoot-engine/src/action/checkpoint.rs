//! `checkpoint`: a place to roll back to.

use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::{Action, Inspection, unseen};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::Deserialize;

/// A place in the run to roll back to. All above it finishes first, nothing below it starts before.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Checkpoint(
    /// Its name, for `surefoot rollback --to`.
    String,
);

impl Action for Checkpoint {
    const NAME: &'static str = "checkpoint";
    const EXAMPLE: &'static str = "checkpoint: staged";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const TEST_MODE: TestMode = TestMode::Real;
    const BARRIER: bool = true;
    const LIMITED: bool = false;
    type Out = ();
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("checkpoint {}", self.0))
    }

    async fn apply(&self, _: &Cx<'_>, _: &()) -> Result<(), Fault> {
        Ok(())
    }
}
