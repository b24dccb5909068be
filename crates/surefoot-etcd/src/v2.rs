//! `etcd.v2`: what is left of etcd's old store.

use super::client::{self, says};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind};

/// Whether the etcd on the step's own host still serves the API of version 2 (`enable-v2`), and how many keys it has.
///
/// They are not in the store that all else here is about: no snapshot has them, and etcd 3.6 does not start with them.
/// `etcd` where it does not answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct V2 {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct V2Out {
    /// Whether it serves that API. Where it does not, what it may hold is not seen.
    pub enabled: bool,
    /// Hidden ones, whose names begin with `_`, are not counted.
    pub keys: u64,
}

impl Action for V2 {
    const NAME: &'static str = "etcd.v2";
    const EXAMPLE: &'static str = "on: members\netcd.v2: {}";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = V2Out;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("ask etcd for the keys of its old store")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<V2Out, Fault> {
        let page = match client::page(cx, cx.host, "/v2/keys/?recursive=true").await {
            Err(fault) if says(&fault, "it answers 404") => return Ok(V2Out { enabled: false, keys: 0 }),
            page => page?,
        };
        let all: Json = serde_json::from_str(&page).map_err(|error| {
            let message = format!("etcd on {}: what it says of its old store is no JSON", cx.host.name());
            Fault::new(FaultKind::Etcd, message).detail(error.to_string())
        })?;
        Ok(V2Out { enabled: true, keys: keys(&all["node"]) })
    }
}

/// Of a node and all below it; a directory is none itself.
fn keys(node: &Json) -> u64 {
    let below = node["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    u64::from(node["dir"] != true) + below.iter().map(keys).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn directories_are_no_keys() {
        let node = json!({ "dir": true, "nodes": [
            { "key": "/a", "value": "1" },
            { "key": "/d", "dir": true, "nodes": [{ "key": "/d/b", "value": "2" }, { "key": "/d/e", "dir": true }] },
        ] });
        assert_eq!((keys(&node), keys(&json!({ "dir": true }))), (2, 0));
    }
}
