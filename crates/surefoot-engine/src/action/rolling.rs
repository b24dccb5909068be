//! `rolling`: which hosts come next in a roll.
//!
//! The key that makes a roll of a list of steps; what runs as a task of its own is the choice of each batch, so that
//! the order is on record, and what was chosen once is not chosen again when the run is taken up.

use super::context::Cx;
use super::kind::{ActionKind, TestMode, UndoSupport};
use super::{Action, Inspection, unseen};
use crate::model::{Effect, Fault, HostName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

/// What a roll does before each batch. No step names it as its action: `rolling` makes a roll of a list of steps.
pub static ROLLING: LazyLock<Arc<ActionKind>> = LazyLock::new(|| Arc::new(ActionKind::of::<Rolling>()));

/// Chooses the next batch of a roll, over the hosts that are not done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    /// Every host of the roll, in inventory order.
    hosts: Vec<String>,
    /// How many hosts a batch has at most.
    size: usize,
    /// The hosts of the batches before.
    done: Vec<String>,
    first: Option<HostNameList>,
    last: Option<HostNameList>,
}

/// A host's name, or several; an empty one names none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum HostNameList {
    One(String),
    Several(Vec<String>),
}

/// The batch.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BatchOutputs {
    /// Its hosts.
    hosts: Vec<String>,
}

impl Action for Rolling {
    const NAME: &'static str = "rolling";
    const EXAMPLE: &'static str = "rolling: { batch: 1, last: etcd-1 }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it only chooses");
    const TEST_MODE: TestMode = TestMode::Real;
    const LIMITED: bool = false;
    type Out = BatchOutputs;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("choose a batch")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<BatchOutputs, Fault> {
        // A host that is not in this roll may be named: a leader elsewhere. One that nobody knows is a mistake.
        let unknown = |name: &&String| cx.world.host(&HostName::from(name.as_str())).is_none();
        if let Some(name) = self.first().chain(self.last()).find(unknown) {
            return Err(Fault::value(format!("{name} is no host of this run")));
        }
        Ok(BatchOutputs { hosts: self.next() })
    }
}

impl Rolling {
    fn first(&self) -> impl Iterator<Item = &String> {
        names(self.first.as_ref())
    }

    fn last(&self) -> impl Iterator<Item = &String> {
        names(self.last.as_ref())
    }

    /// Those named first in the order in which they are named, then the others in inventory order, those named last
    /// at the end.
    fn next(&self) -> Vec<String> {
        let first: Vec<&String> = self.first().collect();
        let last: Vec<&String> = self.last().collect();
        let rank = |host: &&String| match (place(&last, host), place(&first, host)) {
            (Some(at), _) => (2, at),
            (None, Some(at)) => (0, at),
            (None, None) => (1, 0),
        };
        let mut left: Vec<&String> = self.hosts.iter().filter(|host| !self.done.contains(host)).collect();
        left.sort_by_key(rank);
        left.into_iter().take(self.size).cloned().collect()
    }
}

fn names(names: Option<&HostNameList>) -> impl Iterator<Item = &String> {
    let names = match names {
        None => &[],
        Some(HostNameList::One(name)) => std::slice::from_ref(name),
        Some(HostNameList::Several(names)) => names.as_slice(),
    };
    names.iter().filter(|name| !name.is_empty())
}

fn place(names: &[&String], host: &String) -> Option<usize> {
    names.iter().position(|name| *name == host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn next(size: usize, done: &[&str], first: serde_json::Value, last: serde_json::Value) -> Vec<String> {
        let rolling =
            json!({ "hosts": ["a", "b", "c", "d"], "size": size, "done": done, "first": first, "last": last });
        let rolling: Rolling = serde_json::from_value(rolling).unwrap();
        rolling.next()
    }

    #[test]
    fn hosts_go_in_inventory_order_where_nothing_else_is_said() {
        assert_eq!(next(2, &[], json!(null), json!(null)), ["a", "b"]);
        assert_eq!(next(3, &["a", "c"], json!(null), json!("")), ["b", "d"]);
    }

    #[test]
    fn those_named_first_go_first_and_those_named_last_at_the_end() {
        assert_eq!(next(4, &[], json!(["d", "c"]), json!("a")), ["d", "c", "b", "a"]);
        assert_eq!(next(1, &["b", "c", "d"], json!("b"), json!("a")), ["a"], "who is last comes in the end");
        assert_eq!(next(1, &[], json!("a"), json!(["a"])), ["b"], "last wins");
    }
}
