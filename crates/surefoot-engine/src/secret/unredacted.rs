//! Outputs that the record has masked, as they are.

use crate::model::{Outputs, TaskName};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Held in memory only, by the engine that ran the tasks. Clones share it.
#[derive(Clone, Default)]
pub struct UnredactedOutputs(Arc<RwLock<HashMap<TaskName, Arc<Outputs>>>>);

impl UnredactedOutputs {
    pub fn keep(&self, task: TaskName, out: Arc<Outputs>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(task, out);
    }

    /// Of how many tasks.
    pub fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn get(&self, task: &TaskName) -> Option<Arc<Outputs>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(task).cloned()
    }
}

impl fmt::Debug for UnredactedOutputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Withheld")
    }
}
