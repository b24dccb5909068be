//! Tasks whose end nobody knows yet: a plan fills templates in without having run anything, and must not take what it
//! does not know for what it knows.

use crate::model::TaskName;
use indexmap::IndexSet;
use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a plan cannot tell of some tasks. What a template asks of them in vain is kept in mind. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct UnknownValues(Arc<Mutex<Tasks>>);

#[derive(Debug, Default)]
struct Tasks {
    open: HashMap<TaskName, Openness>,
    missed: IndexSet<TaskName>,
}

/// How much of a task's end is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// It will change something: that it is done and has changed something is known, what it gives is not.
    Result,
    /// All of it.
    All,
}

impl UnknownValues {
    pub fn add(&self, task: TaskName, open: Openness) {
        self.tasks().open.insert(task, open);
    }

    pub fn is_open(&self, task: &TaskName) -> bool {
        self.tasks().open.contains_key(task)
    }

    /// What stands for a field of these tasks, where one of them cannot tell it.
    pub(super) fn missing<'t>(&self, field: &str, tasks: impl IntoIterator<Item = &'t TaskName>) -> Option<Value> {
        let mut all = self.tasks();
        let told =
            |open: &Openness| *open == Openness::Result && matches!(field, "changed" | "skipped" | "unreachable");
        let missed = tasks.into_iter().find(|task| all.open.get(*task).is_some_and(|open| !told(open)))?;
        all.missed.insert(missed.clone());
        Some(Value::from(Error::new(ErrorKind::InvalidOperation, format!("{missed} has not run yet"))))
    }

    /// What stands for all that an open task decides.
    pub fn decided_by(&self, task: TaskName) -> Value {
        Value::from_object(Undecided { task, all: self.clone() })
    }

    /// The tasks that were asked in vain since this was called last.
    pub fn missed(&self) -> IndexSet<TaskName> {
        std::mem::take(&mut self.tasks().missed)
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().expect("no panic while it is held")
    }
}

#[derive(Debug)]
struct Undecided {
    task: TaskName,
    all: UnknownValues,
}

impl Object for Undecided {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        self.all.missing("out", [&self.task])
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
