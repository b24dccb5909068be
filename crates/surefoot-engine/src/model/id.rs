//! Names of things. Cheap to clone, compared by text.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                $type(text.into())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                $type(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A run: `YYYYmmdd-HHMMSS-xxxx`, in UTC, with four random letters. Sorts by time.
    RunId
);
name!(
    /// A step of a runbook: its `id`, or its action and place (`copy-3`) where it has none.
    StepId
);
name!(
    /// A host of the inventory, or `controller`.
    HostName
);

impl StepId {
    /// Where the runbook of a run gives its `out`. No author can write it: names have no dashes.
    pub const RESULT: &str = "runbook-out";
}

impl HostName {
    pub const CONTROLLER: &str = "controller";

    pub fn controller() -> Self {
        HostName::from(Self::CONTROLLER)
    }

    pub fn is_controller(&self) -> bool {
        self.as_str() == Self::CONTROLLER
    }
}

/// One step on one host (and for one item): `push@etcd-1`, `push@etcd-1[2]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskName {
    pub step: StepId,
    pub host: HostName,
    /// The place in `for_each`, from 0.
    pub item: Option<u32>,
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.step, self.host)?;
        self.item.map_or(Ok(()), |item| write!(f, "[{item}]"))
    }
}

impl std::str::FromStr for TaskName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a task: write STEP@HOST or STEP@HOST[ITEM]");
        let (step, rest) = text.split_once('@').ok_or_else(bad)?;
        let (host, item) = match rest.strip_suffix(']') {
            Some(rest) => {
                let (host, item) = rest.rsplit_once('[').ok_or_else(bad)?;
                (host, Some(item.parse().map_err(|_| bad())?))
            }
            None => (rest, None),
        };
        if step.is_empty() || host.is_empty() {
            return Err(bad());
        }
        Ok(TaskName { step: step.into(), host: host.into(), item })
    }
}

impl Serialize for TaskName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
