//! `steps` in a template: the run's state as one task sees it.

use super::unknown_values::UnknownValues;
use crate::model::{HostName, Outputs, RunState, StepId, TaskName, TaskState};
use crate::secret::UnredactedOutputs;
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Error, ErrorKind, Value};
use std::sync::{Arc, RwLock};

/// A read-only view of the run's state from one host.
#[derive(Clone, Debug)]
pub struct Steps {
    pub state: Arc<RwLock<RunState>>,
    /// Every step's tasks, in inventory order; a run's program makes it once.
    pub tasks: Arc<IndexMap<StepId, StepTasks>>,
    /// What the ids of the steps that are seen begin with: nothing, or the id of a step that uses a runbook and a dot.
    pub prefix: String,
    /// Whose outputs `out` means.
    pub host: HostName,
    /// What the state has masked.
    pub withheld: UnredactedOutputs,
    /// What is not known yet; none in a run, which asks only for what has ended.
    pub unsettled: Option<UnknownValues>,
}

/// The tasks of one step.
#[derive(Clone, Debug, Default)]
pub struct StepTasks {
    pub names: Vec<TaskName>,
    /// Whether they are the same task again and again, as the gate of a roll is passed: then the newest counts.
    pub again: bool,
}

impl Steps {
    pub fn value(self) -> Value {
        Value::from_object(self)
    }

    /// What stands for a field of tasks that cannot be told yet.
    fn missing<'t>(&self, field: &str, tasks: impl IntoIterator<Item = &'t TaskName>) -> Option<Value> {
        self.unsettled.as_ref()?.missing(field, tasks)
    }

    /// Of each host, the task that has passed last; where none has, its first.
    fn newest(&self, tasks: &[TaskName]) -> Vec<TaskName> {
        if let Some(unsettled) = &self.unsettled {
            return self.last_come_to(tasks, unsettled);
        }
        let state = self.state.read().expect("no task panics while it holds the run's state");
        let passed =
            |name: &TaskName| state.task(name).filter(|task| task.state.has_passed()).and_then(|task| task.since);
        let mut newest: IndexMap<&HostName, &TaskName> = IndexMap::new();
        for name in tasks {
            let best = newest.entry(&name.host).or_insert(name);
            if passed(name) > passed(best) {
                *best = name;
            }
        }
        newest.into_values().cloned().collect()
    }

    /// Of each host, the last task that a plan has come to, whatever it knows of it: a plan passes them in their order.
    fn last_come_to(&self, tasks: &[TaskName], unsettled: &UnknownValues) -> Vec<TaskName> {
        let mut last: IndexMap<&HostName, &TaskName> = IndexMap::new();
        for name in tasks {
            let newest = last.entry(&name.host).or_insert(name);
            if unsettled.is_open(name) || self.state_of(name).has_passed() {
                *newest = name;
            }
        }
        last.into_values().cloned().collect()
    }

    fn state_of(&self, task: &TaskName) -> TaskState {
        let state = self.state.read().expect("no task panics while it holds the run's state");
        state.task(task).map(|record| record.state.forward().clone()).unwrap_or_default()
    }

    /// The outputs; `{}` for a task that did not run.
    fn out(&self, task: &TaskName, state: &TaskState) -> Value {
        match state {
            TaskState::Done { redacted: true, .. } => match self.withheld.get(task) {
                Some(out) => Value::from(Serde(out)),
                None => Value::from(Error::new(ErrorKind::InvalidOperation, not_on_record(task))),
            },
            TaskState::Done { out, .. } => Value::from(Serde(out)),
            _ => Value::from(Serde(Outputs::new())),
        }
    }
}

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let id = format!("{}{}", self.prefix, key.as_str()?);
        let step = self.tasks.get(id.as_str())?;
        let tasks = if step.again { self.newest(&step.names) } else { step.names.clone() };
        Some(Value::from_object(StepView { steps: self.clone(), tasks, id }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// `steps.<id>`.
#[derive(Debug)]
struct StepView {
    steps: Arc<Steps>,
    id: String,
    tasks: Vec<TaskName>,
}

impl StepView {
    /// The tasks of the runbook that the step uses.
    fn within(&self) -> impl Iterator<Item = &TaskName> {
        let inside = |step: &str| step.strip_prefix(self.id.as_str()).is_some_and(|rest| rest.starts_with('.'));
        self.steps.tasks.iter().filter(move |(step, _)| inside(step.as_str())).flat_map(|(_, tasks)| &tasks.names)
    }

    /// This host's task, else the controller's, else the only one.
    fn here(&self) -> Option<&TaskName> {
        let at = |host: &str| self.tasks.iter().find(|t| t.host.as_str() == host);
        at(self.steps.host.as_str()).or_else(|| at(HostName::CONTROLLER)).or(match self.tasks.as_slice() {
            [only] => Some(only),
            _ => None,
        })
    }

    fn any(&self, test: impl Fn(&TaskState) -> bool) -> bool {
        self.tasks.iter().any(|task| test(&self.steps.state_of(task)))
    }

    fn field(&self, name: &str, task: Option<&TaskName>) -> Option<Value> {
        let asked = task.map_or(self.tasks.as_slice(), std::slice::from_ref);
        let within = self.within().filter(|_| name == "changed");
        if let Some(missing) = self.steps.missing(name, asked.iter().chain(within)) {
            return Some(missing);
        }
        let state = task.map(|task| self.steps.state_of(task));
        let is = |test: fn(&TaskState) -> bool| {
            Value::from(match &state {
                Some(state) => test(state),
                None => self.any(test),
            })
        };
        Some(match name {
            "out" => self.steps.out(task?, &state?),
            "changed" => {
                let changed: fn(&TaskState) -> bool = |s| matches!(s, TaskState::Done { changed: true, .. });
                let within = || self.within().any(|task| changed(&self.steps.state_of(task)));
                Value::from(is(changed).is_true() || within())
            }
            "skipped" => is(|s| matches!(s, TaskState::Skipped)),
            "failed" => is(|s| matches!(s, TaskState::Failed { .. })),
            "unreachable" => is(|s| matches!(s, TaskState::Unreachable)),
            _ => return None,
        })
    }
}

impl Object for StepView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "on" => Some(Value::from_object(OnView(self.clone()))),
            "all" => Some(Value::from_iter(self.tasks.iter().map(|task| self.record(task)))),
            name => self.field(name, self.here()),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

impl StepView {
    /// `{host, item, state, out, changed}`.
    fn record(&self, task: &TaskName) -> Value {
        if let Some(missing) = self.steps.missing("all", [task]) {
            return missing;
        }
        let state = self.steps.state_of(task);
        Value::from_pairs([
            ("host", Value::from(task.host.as_str())),
            ("item", task.item.map_or(Value::from(()), Value::from)),
            ("state", Value::from(state.word())),
            ("out", self.steps.out(task, &state)),
            ("changed", Value::from(matches!(state, TaskState::Done { changed: true, .. }))),
        ])
    }
}

/// `steps.<id>.on`: by host name, or by a host as `hosts.<role>` lists it.
#[derive(Debug)]
struct OnView(Arc<StepView>);

impl Object for OnView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let listed = key.get_attr("name").ok();
        let host = key.as_str().or_else(|| listed.as_ref()?.as_str())?;
        let task = self.0.tasks.iter().find(|t| t.host.as_str() == host)?;
        Some(Value::from_object(TaskView { step: self.0.clone(), task: task.clone() }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.tasks.iter().map(|task| Value::from(task.host.as_str())).collect())
    }
}

/// `steps.<id>.on[host]`.
#[derive(Debug)]
struct TaskView {
    step: Arc<StepView>,
    task: TaskName,
}

impl Object for TaskView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.step.field(key.as_str()?, Some(&self.task))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

fn not_on_record(task: &TaskName) -> String {
    format!("the outputs of {task} are secret, so they are not on record, and its host does not have them any more")
}
