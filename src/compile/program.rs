//! The compiled form of a run.

use crate::check::{OnFailure, Step};
use crate::model::{HostName, StepId, TaskName};
use crate::template::{Groups, Late, Vars};
use indexmap::{IndexMap, IndexSet};
use petgraph::graph::DiGraph;
use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::Arc;

/// Steps times hosts, and their order. Only [`super`] can make one.
#[derive(Debug)]
pub struct Program {
    /// The runbook's name.
    pub runbook: String,
    pub summary: String,
    /// The runbook's folder.
    pub folder: PathBuf,
    /// What follows a failure: `Stop` or `Rollback`.
    pub on_failure: OnFailure,
    /// In the order of the file; `verify` after those, `finally` last.
    pub steps: Vec<Step>,
    /// The first step of `finally`; the number of steps where there is none.
    pub finally: usize,
    /// In the order of the steps, then of the inventory, then of the items.
    pub tasks: Vec<Task>,
    /// An arrow from what must be finished to what waits for it. Acyclic.
    pub graph: DiGraph<Node, ()>,
    /// Tasks by step, for templates.
    pub by_step: Arc<IndexMap<StepId, Vec<TaskName>>>,
    pub vars: Vars,
    /// `params`, with defaults filled in.
    pub params: Json,
    /// `hosts`: role to a list of `{name, address, vars}`.
    pub roles: Json,
    /// The hosts that tasks run on, that roles stand for, or that an action names: each is connected before the run.
    pub reach: IndexSet<HostName>,
    /// What each role, group and host name means.
    pub groups: Groups,
    /// `host` for each host, the controller included.
    pub hosts: IndexMap<HostName, Json>,
}

impl Program {
    /// Whether a task runs once all others are over.
    pub fn is_finally(&self, task: &Task) -> bool {
        task.step as usize >= self.finally
    }
}

/// One step on one host, for one item.
#[derive(Clone, Debug)]
pub struct Task {
    pub name: TaskName,
    /// Index into the program's steps.
    pub step: u32,
    /// The action's parameters, with all that is known already filled in; shared where hosts do not differ.
    pub args: Arc<Late>,
    /// `item`.
    pub item: Option<Json>,
}

/// A place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// Index into the program's tasks.
    Task(u32),
    /// Nothing to do: the end of a step (its index) on all hosts, so that arrows do not multiply.
    Join(u32),
}
