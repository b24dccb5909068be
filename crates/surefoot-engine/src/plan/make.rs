//! From a program, and what looking tells, to a plan.

use super::verdict::TaskPreview;
use super::{Past, Plan, PlannedPart, PlannedRoll, PlannedStep, PlannedTask, PlannedUndo, UndoStep};
use crate::action::UndoSupport;
use crate::check::{InRoll, RollPart, Step};
use crate::compile::{GraphNode, Program, Task};
use crate::model::{Effect, Fault, HostName};
use crate::world::{LeaseInfo, Outlook};
use indexmap::{IndexMap, IndexSet};
use petgraph::Direction;

impl Plan {
    /// A plan without looking at any host.
    pub fn offline(program: &Program) -> Plan {
        let steps = program.steps.iter().zip(0..);
        let mut steps: Vec<PlannedStep> =
            steps.map(|(step, index)| planned_step(step, program.tasks_of(index))).collect();
        for (step, after) in steps.iter_mut().zip(direct_predecessors(program)) {
            step.after = after.into_iter().map(|index| program.steps[index].id.clone()).collect();
        }
        for step in &mut steps[program.finally..] {
            step.finally = true;
            if step.effect != Effect::ReadOnly {
                step.undo = PlannedUndo::None("what `finally` does stays".to_owned());
            }
        }
        for task in &program.tasks {
            steps[task.step as usize].tasks.push(planned_task(program, task));
        }
        Plan {
            runbook: program.runbook.clone(),
            identity: Some(program.identity.clone()),
            summary: program.summary.clone(),
            params: program.params.clone(),
            roles: program.roles.clone(),
            looked: false,
            excluded: IndexMap::new(),
            held: IndexMap::new(),
            leased_by_login: Vec::new(),
            point_of_no_return: program.steps.iter().find(|s| s.irreversible.is_some()).map(|s| s.id.clone()),
            steps,
            last_seconds: None,
        }
    }

    /// A plan with what looking at the hosts tells: of each task, in the order of the program.
    pub fn looked(program: &Program, foreseen: Vec<TaskPreview>, excluded: &IndexMap<HostName, Fault>) -> Plan {
        let mut plan = Plan::offline(program);
        plan.looked = true;
        plan.excluded = excluded.iter().map(|(host, fault)| (host.clone(), fault.to_string())).collect();
        let tasks = plan.steps.iter_mut().flat_map(|step| &mut step.tasks);
        for (task, TaskPreview { verdict, parameters, command }) in tasks.zip(foreseen) {
            task.verdict = Some(verdict);
            task.parameters = parameters.unwrap_or(std::mem::take(&mut task.parameters));
            task.command = command.or(task.command.take());
        }
        plan
    }

    /// The same with who has its hosts now, and whom a lease there keeps away.
    pub fn with_leases(self, outlooks: &IndexMap<HostName, Outlook>) -> Plan {
        let held = |outlook: &Outlook| outlook.held.as_ref().map(LeaseInfo::shown);
        let held = outlooks.iter().filter_map(|(host, outlook)| Some((host.clone(), held(outlook)?))).collect();
        let by_login = outlooks.iter().filter(|(_, outlook)| !outlook.of_host);
        Plan { held, leased_by_login: by_login.map(|(host, _)| host.clone()).collect(), ..self }
    }

    /// The same with how long things took before.
    pub fn with_past(mut self, program: &Program, past: &Past) -> Plan {
        self.last_seconds = past.run;
        let tasks = self.steps.iter_mut().flat_map(|step| &mut step.tasks);
        for (planned, task) in tasks.zip(&program.tasks) {
            planned.last_seconds = past.tasks.get(&task.name).copied();
        }
        self
    }
}

fn planned_step(step: &Step, tasks: &[Task]) -> PlannedStep {
    PlannedStep {
        id: step.id.clone(),
        title: step.title.as_ref().and_then(|title| title.shown().as_str().map(str::to_owned)),
        action: step.kind.name.to_owned(),
        effect: step.effect,
        undo: undo_of(step, tasks),
        roll: step.roll.as_ref().map(planned_roll),
        finally: false,
        on: step.on.clone(),
        when: step.when.as_ref().map(|expr| expr.source.to_string()),
        after: Vec::new(),
        tasks: Vec::new(),
    }
}

fn planned_roll(place: &InRoll) -> PlannedRoll {
    let part = match place.part {
        RollPart::Gate => PlannedPart::Gate,
        RollPart::Choice(_) => PlannedPart::Choice,
        RollPart::Batch => PlannedPart::Batch,
    };
    PlannedRoll { id: place.roll.clone(), part }
}

/// How any task of a step would be undone, or why one of them cannot be.
fn undo_of(step: &Step, tasks: &[Task]) -> PlannedUndo {
    if let Some(reason) = &step.irreversible {
        return PlannedUndo::Irreversible(reason.clone());
    }
    if step.effect == Effect::ReadOnly {
        return PlannedUndo::NotNeeded;
    }
    if !step.undo.is_empty() {
        let part = |step: &Step| UndoStep {
            id: step.id.clone(),
            action: step.kind.name.to_owned(),
            parameters: step.args.shown(),
        };
        return PlannedUndo::Steps(step.undo.iter().map(part).collect());
    }
    let mut ways = tasks.iter().map(|task| step.kind.undoing(|name| task.args.entry(name)));
    match ways
        .find(|way| matches!(way, UndoSupport::Unsupported(_)))
        .unwrap_or(step.kind.undoing(|name| step.args.entry(name)))
    {
        UndoSupport::Supported(how) | UndoSupport::NotNeeded(how) => PlannedUndo::Known(how.to_owned()),
        UndoSupport::Unsupported(why) => PlannedUndo::None(why.to_owned()),
    }
}

fn planned_task(program: &Program, task: &Task) -> PlannedTask {
    let kind = &program.steps[task.step as usize].kind;
    let action = task.args.as_value().and_then(|value| (kind.decode)(value.clone()).ok());
    PlannedTask {
        host: task.name.host.clone(),
        item: task.item.clone(),
        parameters: task.args.shown(),
        command: action.and_then(|action| action.command()),
        verdict: None,
        last_seconds: None,
    }
}

/// For each step, the steps whose tasks or joins have an arrow to one of its tasks. Each task of a step is reached
/// by the same arrows, but for `host: same`: so the first task tells.
fn direct_predecessors(program: &Program) -> Vec<IndexSet<usize>> {
    let mut found = vec![IndexSet::new(); program.steps.len()];
    for node in program.graph.node_indices() {
        let step = step_of(program, program.graph[node]);
        if found[step].is_empty() {
            let before = program.graph.neighbors_directed(node, Direction::Incoming);
            found[step] = before.map(|n| step_of(program, program.graph[n])).filter(|s| *s != step).collect();
        }
    }
    found.iter_mut().for_each(|set| set.sort_unstable());
    found
}

fn step_of(program: &Program, node: GraphNode) -> usize {
    match node {
        GraphNode::Task(task) => program.tasks[task as usize].step as usize,
        GraphNode::Join(step) => step as usize,
    }
}
