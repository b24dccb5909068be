//! The compiled form of a run.

use super::roll::Roll;
use crate::catalog::Identity;
use crate::check::{InRoll, OnFailure, ParamType, Step, fitting};
use crate::model::{Fault, HostName, Span, StepId, TaskName};
use crate::secret::{Keyring, SecretSource};
use crate::template::{Expr, Groups, LazyVars, Scope, StepTasks, Templated};
use indexmap::{IndexMap, IndexSet};
use petgraph::graph::DiGraph;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

/// Steps times hosts, and their order. Only [`super`] can make one.
#[derive(Debug)]
pub struct Program {
    /// The runbook's name.
    pub runbook: String,
    pub summary: String,
    pub identity: Identity,
    /// What follows a failure: `Stop` or `Rollback`.
    pub on_failure: OnFailure,
    /// In the order of the file; `verify` after those, `finally` last.
    pub steps: Vec<Step>,
    /// The first step of `finally`; the number of steps where there is none.
    pub finally: usize,
    /// In the order of the steps, then of the inventory, then of the items.
    pub tasks: Vec<Task>,
    /// An arrow from what must be finished to what waits for it. Acyclic. The order of a roll is known in the run only:
    /// each batch adds its own arrows. The nodes of the tasks come first, in their order.
    pub graph: DiGraph<GraphNode, ()>,
    /// By their ids; in the order of the file.
    pub rolls: IndexMap<StepId, Roll>,
    /// Tasks by step, for templates.
    pub by_step: Arc<IndexMap<StepId, StepTasks>>,
    /// The runbook's own, then one for each runbook that is used; the outer before the inner.
    pub frames: Vec<RunbookScope>,
    /// `params`, with defaults filled in. In the place of a secret stands its source.
    pub params: Json,
    /// Parameters that are secrets, and where each is found.
    pub secrets: IndexMap<String, SecretSource>,
    /// `hosts`: role to a list of `{name, address, vars}`.
    pub roles: Json,
    /// The hosts that tasks run on, that roles stand for, or that an action names: each is connected before the run.
    pub reach: IndexSet<HostName>,
    /// Those of `reach` that the run can do without: hosts of roles that say `unreachable: skip`, and of nothing else.
    pub may_be_missing: IndexSet<HostName>,
    /// `host` for each host, the controller included.
    pub hosts: IndexMap<HostName, Json>,
}

impl Program {
    /// The tasks of a step, by its index.
    pub fn tasks_of(&self, step: u32) -> &[Task] {
        let start = self.tasks.partition_point(|task| task.step < step);
        let end = self.tasks.partition_point(|task| task.step <= step);
        &self.tasks[start..end]
    }

    /// Where the runbooks are named that led to a step, the inner before the outer.
    pub fn call_sites(&self, step: &Step) -> impl Iterator<Item = Span> {
        let around = move |frame: &&RunbookScope| Some(&self.frames[frame.parent as usize]);
        std::iter::successors(self.frames.get(step.frame as usize), around).map_while(|frame| frame.used_at)
    }

    /// Whether a task runs once all others are over.
    pub fn is_finally(&self, task: &Task) -> bool {
        task.step as usize >= self.finally
    }
}

/// What names mean to the steps of one runbook: the run's own, or one that a step uses.
#[derive(Clone, Debug)]
pub struct RunbookScope {
    /// The frame of the step that uses it. The first frame has none, and is its own.
    pub parent: u32,
    /// What the ids of its steps begin with: nothing, or such as `stop.`.
    pub prefix: String,
    /// `vars`, `hosts`, and `params` as far as they are known before the run.
    pub scope: Scope,
    /// What a step gives the runbook that it uses; none in the first frame.
    pub params: Vec<Param>,
    pub roles: IndexMap<String, Vec<HostName>>,
    /// What each role, group and host name means.
    pub groups: Groups,
    /// The using step's own `vars`, for its parameters and its `when`.
    pub step_vars: LazyVars,
    /// Where it is false, all of the frame is skipped; an expression of the parent's.
    pub when: Option<Expr>,
    /// Where the step that uses it names its file.
    pub used_at: Option<Span>,
    /// What follows a failure in it: `Stop`, or `Rollback` of all that it did.
    pub on_failure: OnFailure,
}

impl RunbookScope {
    /// Whether parameters of it are known only in the run.
    pub fn is_late(&self) -> bool {
        self.params.iter().any(Param::is_late)
    }

    /// Where those of its parameters are found that are secrets with a source of their own, by their names in the whole
    /// run.
    pub(super) fn sources(&self) -> impl Iterator<Item = (String, SecretSource)> {
        let own = self.params.iter().filter(|param| param.kind == ParamType::Secret);
        own.filter_map(|param| {
            Some((self.full_name(param), SecretSource::parse(param.value.as_value()?.as_str()?, Path::new("/"))?))
        })
    }

    fn full_name(&self, param: &Param) -> String {
        format!("{}{}", self.prefix, param.name)
    }

    /// Its parameters. `outer` is what the step that uses it knows. What a secret is given is one from here on.
    pub fn fill_in(&self, outer: &Scope, secrets: &Keyring) -> Result<Json, Fault> {
        let values = self.params.iter().map(|param| {
            let value = match secrets.params.get(&self.full_name(param)) {
                Some(secret) => Ok(Json::from(secret.reveal())),
                None => param.value.render(outer).map_err(Fault::from),
            };
            if let (ParamType::Secret, Ok(Json::String(text))) = (param.kind, &value) {
                secrets.masks.learn(text);
            }
            let value = value.and_then(|value| fitting(param.kind, value).map_err(Fault::value));
            let value = value.map_err(|fault| {
                let message = format!("the parameter `{}`: {}", param.name, fault.message);
                Fault { message, at: fault.at.or(param.value.place()), ..fault }
            });
            Ok((param.name.clone(), value?))
        });
        values.collect::<Result<_, Fault>>().map(Json::Object)
    }
}

/// A parameter of a used runbook.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: String,
    pub kind: ParamType,
    pub value: Templated,
}

impl Param {
    /// Whether its value is known only in the run. A secret's always is.
    pub fn is_late(&self) -> bool {
        self.kind == ParamType::Secret || self.value.as_value().is_none()
    }

    /// Its value, where it is known already.
    pub(super) fn fitted(&self) -> Option<Json> {
        if self.is_late() {
            return None;
        }
        fitting(self.kind, self.value.as_value()?.clone()).ok()
    }
}

/// One step on one host, for one item.
#[derive(Clone, Debug)]
pub struct Task {
    pub name: TaskName,
    /// Index into the program's steps.
    pub step: u32,
    /// The action's parameters, with all that is known already filled in; shared where hosts do not differ.
    pub args: Arc<Templated>,
    /// `item`.
    pub item: Option<Json>,
}

/// A place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphNode {
    /// Index into the program's tasks.
    Task(u32),
    /// Nothing to do: the end of a step (its index) on all hosts, so that arrows do not multiply.
    Join(u32),
}

impl Program {
    /// The roll that a task belongs to, and its place there.
    pub fn roll_of(&self, task: &Task) -> Option<(&Roll, &InRoll)> {
        let place = self.steps[task.step as usize].roll.as_ref()?;
        Some((&self.rolls[&place.roll], place))
    }
}
