//! Actions of the stage: one for each way that an action can be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::sync::LazyLock;
use surefoot_engine::action::{Action, ActionKind, Change, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::*;
use surefoot_engine::world::{Output, Script};

#[derive(Serialize, JsonSchema)]
pub struct Said {
    code: i32,
    stdout: String,
}

fn said(output: Output) -> Result<Said, Fault> {
    let output = output.ok("the words")?;
    Ok(Said { code: output.code, stdout: output.text().into_owned() })
}

/// Reads: what it says is what the machine says.
#[derive(Deserialize, JsonSchema)]
pub struct Look {
    run: String,
}

impl Action for Look {
    const NAME: &'static str = "look";
    const EXAMPLE: &'static str = "look: { run: say hello }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it reads");
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("look")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.probe(Script::new(self.run.clone())).await?)
    }
}

/// Reads, and takes no slot.
#[derive(Deserialize, JsonSchema)]
pub struct Await {
    run: String,
}

impl Action for Await {
    const NAME: &'static str = "await";
    const EXAMPLE: &'static str = "await: { run: sleep 100 }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it reads");
    const LIMITED: bool = false;
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("await")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.probe(Script::new(self.run.clone())).await?)
    }
}

/// Opaque.
#[derive(Deserialize, JsonSchema)]
pub struct Act {
    run: String,
}

impl Action for Act {
    const NAME: &'static str = "act";
    const EXAMPLE: &'static str = "act: { run: print hello }";
    const EFFECT: Effect = Effect::Opaque;
    const UNDO: UndoSupport = UndoSupport::Unsupported("nobody knows what it does");
    type Out = Said;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("act {}", self.run))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Said, Fault> {
        said(cx.act(Script::new(self.run.clone())).await?)
    }
}

/// Converges: clean where `look` ends with 0; what it saw before is `look`'s output.
#[derive(Deserialize, JsonSchema)]
pub struct Set {
    look: String,
    run: String,
}

impl Action for Set {
    const NAME: &'static str = "set";
    const EXAMPLE: &'static str = "set: { look: exit 1, run: print hello }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("set it back");
    type Out = Said;
    type Before = String;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let seen = cx.probe(Script::new(self.look.clone())).await?;
        let before = seen.text().into_owned();
        Ok(match seen.code {
            0 => Inspection::Unchanged(said(seen)?),
            _ => Inspection::Change(Change { summary: "set it".into(), diff: None, before }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &String) -> Result<Said, Fault> {
        said(cx.act(Script::new(self.run.clone())).await?)
    }
}

/// Asks.
#[derive(Deserialize, JsonSchema)]
pub struct Ask {
    run: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Answer {
    by: String,
}

impl Action for Ask {
    const NAME: &'static str = "ask";
    const EXAMPLE: &'static str = "ask: { run: Go on? }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it asks");
    const LIMITED: bool = false;
    type Out = Answer;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("ask")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<Answer, Fault> {
        Ok(Answer { by: cx.ask(&self.run).await? })
    }
}

/// Gives lists in lists.
#[derive(Deserialize, JsonSchema)]
pub struct Deep {
    levels: usize,
}

impl Action for Deep {
    const NAME: &'static str = "deep";
    const EXAMPLE: &'static str = "deep: { levels: 5 }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it reads");
    type Out = serde_json::Value;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("deep")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<serde_json::Value, Fault> {
        Ok(json!({ "lists": (1..self.levels).fold(json!([]), |inner, _| json!([inner])) }))
    }
}

pub static LOOK: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Look>()));
pub static AWAIT: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Await>()));
pub static ACT: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Act>()));
pub static SET: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Set>()));
pub static ASK: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Ask>()));
pub static DEEP: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Deep>()));
