//! `use`: the end of a used runbook. No row of the table of kinds: the key `use` names a file, not parameters.

use super::context::Cx;
use super::kind::{ActionKind, TestMode, UndoSupport};
use super::{Action, Inspection, unseen};
use crate::model::{Effect, Fault, Outputs};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::{Arc, LazyLock};

/// The kind of a step that uses a runbook.
pub static USE: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Use>()));

/// What the used runbook gives: its `out`, filled in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Use(Outputs);

impl Action for Use {
    const NAME: &'static str = "use";
    const EXAMPLE: &'static str = "use: ../lib/stop-unit.yaml";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("its own steps are rolled back");
    const TEST_MODE: TestMode = TestMode::Real;
    const LIMITED: bool = false;
    type Out = Outputs;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("end the used runbook")
    }

    async fn apply(&self, _: &Cx<'_>, _: &()) -> Result<Outputs, Fault> {
        Ok(self.0.clone())
    }
}
