//! From a checked runbook, its parameters and an inventory to a program: every task, and what waits for what.
//!
//! Connects to nothing and reads no file. What depends on parameters and inventory only is rendered here.

mod order;
mod program;
mod settle;

pub use program::{Node, Program, Task};

use crate::check::{Runbook, Step};
use crate::load::Inventory;
use crate::model::{Diagnostic, HostName, StepId, TaskName};
use crate::template::{Groups, Scope};
use indexmap::{IndexMap, IndexSet};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use settle::Settler;
use std::sync::Arc;

/// Compiles a runbook. `params` is a map with the defaults filled in; `roles` binds each role to hosts.
pub fn compile(
    runbook: Runbook,
    params: Json,
    roles: IndexMap<String, Vec<HostName>>,
    inventory: &Inventory,
) -> Result<Program, Vec<Diagnostic>> {
    let hosts = host_records(inventory);
    let role_records =
        roles.iter().map(|(role, names)| (role.clone(), names.iter().map(|n| hosts[n].clone()).collect()));
    let role_records = Json::Object(role_records.collect());
    let groups = groups(&roles, inventory);
    let scope = Scope::new(runbook.vars.clone(), groups.clone())
        .with("params", Value::from(Serde(params.clone())))
        .with("hosts", Value::from(Serde(role_records.clone())));
    let mut settler = Settler::new(&runbook.vars, scope, &hosts);
    let finally = runbook.steps.len() + runbook.verify.len();
    let steps: Vec<Step> = runbook.steps.into_iter().chain(runbook.verify).chain(runbook.finally).collect();
    let mut tasks = Vec::new();
    let mut problems = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let on = match &step.on {
            None => vec![HostName::controller()],
            Some(name) => groups.get(name).cloned().unwrap_or_default(),
        };
        match settler.tasks(index as u32, step, &on) {
            Ok(made) => tasks.extend(made),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let reach = reach(&steps, &tasks, &roles, &groups);
    Ok(Program {
        graph: order::graph(&steps, &tasks, finally),
        finally,
        by_step: Arc::new(by_step(&steps, &tasks)),
        runbook: runbook.name,
        summary: runbook.summary,
        folder: runbook.folder,
        on_failure: runbook.on_failure,
        vars: runbook.vars,
        steps,
        tasks,
        params,
        roles: role_records,
        reach,
        groups,
        hosts,
    })
}

/// `{name, address, vars}` of each host, the controller included.
fn host_records(inventory: &Inventory) -> IndexMap<HostName, Json> {
    let record = |name: &HostName, address: &str, vars: Json| {
        (name.clone(), json!({ "name": name, "address": address, "vars": vars }))
    };
    let hosts = inventory.hosts.values().map(|host| {
        let address = host.address.as_deref().unwrap_or(host.name.as_str());
        record(&host.name, address, Json::Object(host.vars.clone()))
    });
    hosts.chain([record(&HostName::controller(), "localhost", json!({}))]).collect()
}

/// What a name in `on` or a list of hosts may mean: a role wins over a group, a group over a host.
fn groups(roles: &IndexMap<String, Vec<HostName>>, inventory: &Inventory) -> Groups {
    let hosts = inventory.hosts.keys().cloned().chain([HostName::controller()]);
    let mut all: IndexMap<String, Vec<HostName>> = hosts.map(|name| (name.to_string(), vec![name])).collect();
    all.extend(inventory.groups.iter().map(|(name, hosts)| (name.clone(), hosts.clone())));
    all.extend(roles.iter().map(|(name, hosts)| (name.clone(), hosts.clone())));
    Arc::new(all)
}

fn reach(
    steps: &[Step],
    tasks: &[Task],
    roles: &IndexMap<String, Vec<HostName>>,
    groups: &Groups,
) -> IndexSet<HostName> {
    let mut named = Vec::new();
    steps.iter().for_each(|step| step.args.each_host_name(&mut |name| named.push(name.to_owned())));
    let named = named.iter().filter_map(|name| groups.get(name)).flatten();
    tasks.iter().map(|task| &task.name.host).chain(roles.values().flatten()).chain(named).cloned().collect()
}

fn by_step(steps: &[Step], tasks: &[Task]) -> IndexMap<StepId, Vec<TaskName>> {
    let mut found: IndexMap<StepId, Vec<TaskName>> = steps.iter().map(|s| (s.id.clone(), Vec::new())).collect();
    for task in tasks {
        found[&task.name.step].push(task.name.clone());
    }
    found
}
