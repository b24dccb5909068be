//! `etcd.get`: one key.

use super::client;
use etcd_client::GetOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Reads one key: what a majority agrees on now (linearizable), or at a revision. A key that is not there is an answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    pub key: String,
    /// The first of them that answers is asked; without it, the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// As of this revision; without it, the newest.
    #[serde(default)]
    pub revision: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GetOut {
    pub found: bool,
    /// None where the key is not there, or its value is no UTF-8 text.
    pub value: Option<String>,
    /// Of the value, in bytes.
    pub size: u64,
    /// At which the key was last written; 0 where it is not there.
    pub mod_revision: i64,
    /// Of the store when it was read.
    pub revision: i64,
}

impl Action for Get {
    const NAME: &'static str = "etcd.get";
    const EXAMPLE: &'static str = "etcd.get: { members: members, key: /config/version }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = GetOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(format!("read {}", self.key))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<GetOut, Fault> {
        let member = client::any(cx, self.members.as_ref()).await?;
        let options = GetOptions::new().with_revision(self.revision.unwrap_or(0));
        let answer = member.get("read", self.key.clone().into_bytes(), options).await?;
        let pair = answer.kvs().first();
        Ok(GetOut {
            found: pair.is_some(),
            value: pair.and_then(|pair| pair.value_str().ok()).map(str::to_owned),
            size: pair.map_or(0, |pair| pair.value().len() as u64),
            mod_revision: pair.map_or(0, etcd_client::KeyValue::mod_revision),
            revision: answer.header().map_or(0, etcd_client::ResponseHeader::revision),
        })
    }
}
