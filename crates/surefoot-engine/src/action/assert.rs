//! `assert`: guards.

use super::context::Cx;
use super::kind::{TestMode, UndoSupport};
use super::value::Condition;
use super::{Action, Inspection, unseen};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::Deserialize;

/// Stops the run unless what it says is true. One claim, or a list: every one that does not hold is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Assert {
    One(Assertion),
    All(Vec<Assertion>),
}

/// What must be true.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// An expression over parameters, hosts and the steps before.
    that: Condition,
    /// What to tell the operator where it is false. Without it, the expression itself.
    r#else: Option<String>,
}

impl Assertion {
    fn complaint(&self) -> String {
        self.r#else.clone().unwrap_or_else(|| format!("`{}` is false", self.that.source.trim()))
    }
}

impl Assert {
    fn claims(&self) -> &[Assertion] {
        match self {
            Assert::One(claim) => std::slice::from_ref(claim),
            Assert::All(claims) => claims,
        }
    }
}

impl Action for Assert {
    const NAME: &'static str = "assert";
    const EXAMPLE: &'static str =
        "assert: { that: \"hosts.members | length is odd\", else: An even number of members adds no tolerance }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const TEST_MODE: TestMode = TestMode::Real;
    const LIMITED: bool = false;
    const GUARD: bool = true;
    type Out = ();
    type Before = ();

    /// What it claims: what it would say of a claim that does not hold is for when it does not.
    fn command(&self) -> Option<String> {
        Some(self.claims().iter().map(|claim| claim.that.source.trim()).collect::<Vec<_>>().join("\n"))
    }

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("check claims")
    }

    async fn apply(&self, _: &Cx<'_>, _: &()) -> Result<(), Fault> {
        let (said, sources): (Vec<_>, Vec<_>) =
            self.claims().iter().filter(|c| !c.that.holds).map(|c| (c.complaint(), c.that.source.trim())).unzip();
        if said.is_empty() {
            return Ok(());
        }
        Err(Fault::refused(said.join("; ")).detail(sources.join("\n")))
    }
}
