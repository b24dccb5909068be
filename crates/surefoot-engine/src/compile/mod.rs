//! From a checked runbook, its parameters and an inventory to a program: every task, and what waits for what.
//!
//! Connects to nothing and reads no file. What depends on parameters and inventory only is rendered here.

mod order;
mod partial_eval;
mod program;
mod roll;
mod scopes;

pub use program::{GraphNode, Param, Program, RunbookScope, Task};
pub use roll::Roll;

use crate::check::{InRoll, OnFailure, ParamType, Role, RollPart, Runbook, Step, UsedRunbook};
use crate::load::Inventory;
use crate::model::{Diagnostic, HostName, StepId};
use crate::secret::SecretSource;
use crate::template::{Groups, StepTasks};
use indexmap::{IndexMap, IndexSet};
use partial_eval::PartialEvaluator;
use scopes::ScopeContext;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// Compiles a runbook. `params` is a map with the defaults filled in; `roles` binds each role to hosts.
pub fn compile(
    runbook: Runbook,
    params: Json,
    roles: IndexMap<String, Vec<HostName>>,
    inventory: &Inventory,
) -> Result<Program, Vec<Diagnostic>> {
    let hosts = host_records(inventory);
    let site = ScopeContext { inventory, hosts: &hosts };
    let role_records = roles.iter().map(|(role, all)| (role.clone(), all.iter().map(|n| hosts[n].clone()).collect()));
    let role_records = Json::Object(role_records.collect());
    let mut secrets = secrets(&runbook, &params);
    let own = secrets.clone();
    let mut frames = vec![site.outermost(&runbook, &params, roles)];
    let mut settlers = vec![PartialEvaluator::new(&runbook.vars, &frames[0], own.keys(), &hosts, None)];
    for used in &runbook.uses {
        let outer = &settlers[used.parent as usize];
        let frame = site.inner(used, &frames[used.parent as usize], outer);
        let frame = frame.map_err(|problems| with_call_site(problems, &runbook.uses, used.parent))?;
        settlers.push(PartialEvaluator::new(&used.vars, &frame, std::iter::empty(), &hosts, Some(outer)));
        secrets.extend(frame.sources());
        frames.push(frame);
    }
    let finally = runbook.body().count();
    let steps: Vec<Step> =
        runbook.steps.into_iter().chain(runbook.verify).chain(runbook.out).chain(runbook.finally).collect();
    let mut rolls = rolls(&steps, &settlers, &frames, &runbook.uses)?;
    let mut tasks = Vec::new();
    let mut problems = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let on = match &step.on {
            None => vec![HostName::controller()],
            Some(name) => frames[step.scope() as usize].groups.get(name).cloned().unwrap_or_default(),
        };
        let roll = step.roll.as_ref().map(|place| &rolls[&place.roll]);
        match settlers[step.scope() as usize].tasks(index as u32, step, &on, roll) {
            Ok(made) => tasks.extend(made),
            Err(more) => problems.extend(with_call_site(more, &runbook.uses, step.scope())),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let reach = reach(&steps, &tasks, &frames);
    let may_be_missing = may_be_missing(&runbook.roles, &runbook.uses, &frames, &steps, &tasks);
    Ok(Program {
        graph: order::graph(&steps, &tasks, finally, &mut rolls),
        rolls,
        finally,
        by_step: Arc::new(by_step(&steps, &tasks)),
        runbook: runbook.name,
        summary: runbook.summary,
        identity: runbook.identity,
        on_failure: runbook.on_failure,
        frames,
        steps,
        tasks,
        params,
        secrets,
        roles: role_records,
        reach,
        may_be_missing,
        hosts,
    })
}

/// The rolls, without their tasks.
fn rolls(
    steps: &[Step],
    settlers: &[PartialEvaluator],
    frames: &[RunbookScope],
    uses: &[UsedRunbook],
) -> Result<IndexMap<StepId, Roll>, Vec<Diagnostic>> {
    let mut rolls = IndexMap::new();
    let mut problems = Vec::new();
    for step in steps {
        let Some(InRoll { part: RollPart::Choice(choice), .. }) = &step.roll else { continue };
        let frame = step.scope() as usize;
        let hosts = frames[frame].groups.get(&choice.on).cloned().unwrap_or_default();
        match settlers[frame].batch(step, choice, hosts.len()) {
            Ok(size) => drop(rolls.insert(step.id.clone(), Roll::new(hosts, size, choice.on_failure))),
            Err(problem) => problems.extend(with_call_site(vec![problem], uses, step.scope())),
        }
    }
    if problems.is_empty() { Ok(rolls) } else { Err(problems) }
}

/// Mistakes within a frame, with the places that led there.
fn with_call_site(problems: Vec<Diagnostic>, uses: &[UsedRunbook], frame: u32) -> Vec<Diagnostic> {
    let around = |frame: &u32| frame.checked_sub(1).map(|used| uses[used as usize].parent);
    let chain: Vec<u32> = std::iter::successors(Some(frame), around).filter(|frame| *frame > 0).collect();
    let led = |problem: Diagnostic| {
        chain.iter().fold(problem, |problem, frame| problem.label(uses[*frame as usize - 1].span, "used here"))
    };
    problems.into_iter().map(led).collect()
}

/// What waits for what, whatever the hosts: places of steps (then `verify`, `out`, `finally`), and whether each host goes
/// on by itself.
pub fn step_order(runbook: &Runbook) -> Vec<(usize, usize, bool)> {
    let finally = runbook.body().count();
    let steps: Vec<Step> = runbook.body().chain(&runbook.finally).cloned().collect();
    let roll = |at: usize| steps.get(at).and_then(|step| step.roll.as_ref()).map(|place| &place.roll);
    let follows = |at: &usize| *at > 0 && roll(*at).is_some() && roll(*at) == roll(*at - 1);
    let rolls = (0..steps.len()).filter_map(|at| Some((roll(at)?.clone(), Roll::new(Vec::new(), 1, OnFailure::Stop))));
    let graph = order::graph(&steps, &[], finally, &mut rolls.collect());
    let step = |node| match graph[node] {
        GraphNode::Task(step) | GraphNode::Join(step) => step as usize,
    };
    // A roll stands in the graph as its first step; in the list, as its steps one after the other.
    let last = |at: usize| (at + 1..steps.len()).take_while(&follows).last().unwrap_or(at);
    let all = graph.edge_indices().filter_map(|edge| graph.edge_endpoints(edge));
    let all = all.map(|(from, to)| (last(step(from)), step(to), false));
    let all = all.chain((1..steps.len()).filter(&follows).map(|at| (at - 1, at, false)));
    let place = |id: &StepId| steps.iter().position(|step| step.id == *id);
    let same_host = steps.iter().enumerate().flat_map(|(to, step)| {
        let needs = step.needs.iter().flatten().filter(|need| need.same_host);
        needs.filter_map(move |need| Some((place(&need.step)?, to, true)))
    });
    let mut order: Vec<_> = all.chain(same_host).collect();
    order.sort_unstable();
    order
}

/// Where each parameter is found that is a secret.
fn secrets(runbook: &Runbook, params: &Json) -> IndexMap<String, SecretSource> {
    let secret = runbook.params.iter().filter(|(_, spec)| spec.kind == ParamType::Secret);
    // Files were made absolute as they were given.
    let source = |name: &str| SecretSource::parse(params[name].as_str()?, Path::new("/"));
    secret.map(|(name, _)| (name.clone(), source(name).unwrap_or(SecretSource::Ask))).collect()
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

fn reach(steps: &[Step], tasks: &[Task], frames: &[RunbookScope]) -> IndexSet<HostName> {
    let mut named = Vec::new();
    for step in steps {
        let groups = &frames[step.scope() as usize].groups;
        step.args.each_host_name(&mut |name| named.extend(groups.get(name).into_iter().flatten().cloned()));
    }
    let roles = frames.iter().flat_map(|frame| frame.roles.values().flatten());
    tasks.iter().map(|task| &task.name.host).chain(roles).cloned().chain(named).collect()
}

/// The hosts of roles that may be missing, unless another role or a step by another name needs them. What a used
/// runbook is given as a role that it cannot do without is needed.
fn may_be_missing(
    own: &IndexMap<String, Role>,
    uses: &[UsedRunbook],
    frames: &[RunbookScope],
    steps: &[Step],
    tasks: &[Task],
) -> IndexSet<HostName> {
    let declared: Vec<_> = [own].into_iter().chain(uses.iter().map(|used| &used.roles)).collect();
    let skips = |frame: usize, role: &str| declared[frame].get(role).is_some_and(|role| role.may_be_missing);
    let by_name = tasks.iter().filter(|task| {
        let step = &steps[task.step as usize];
        !step.on.as_deref().is_some_and(|on| skips(step.scope() as usize, on))
    });
    let roles = frames
        .iter()
        .enumerate()
        .flat_map(|(frame, known)| known.roles.iter().map(move |(role, hosts)| (skips(frame, role), hosts)));
    let (free, needed): (Vec<_>, Vec<_>) = roles.partition(|(skips, _)| *skips);
    let needed = needed.into_iter().flat_map(|(_, hosts)| hosts);
    let needed: IndexSet<&HostName> = by_name.map(|task| &task.name.host).chain(needed).collect();
    free.into_iter().flat_map(|(_, hosts)| hosts).filter(|host| !needed.contains(host)).cloned().collect()
}

fn by_step(steps: &[Step], tasks: &[Task]) -> IndexMap<StepId, StepTasks> {
    let again = |step: &Step| step.roll.as_ref().is_some_and(|place| !matches!(place.part, RollPart::Batch));
    let none = |step: &Step| (step.id.clone(), StepTasks { names: Vec::new(), again: again(step) });
    let mut found: IndexMap<StepId, StepTasks> = steps.iter().map(none).collect();
    for task in tasks {
        found[&task.name.step].names.push(task.name.clone());
    }
    found
}
