//! One step: its keys, its action, and what may stand together. Names in templates come later, in `names`.

mod common;
mod effect;
mod enclosing;
pub(super) mod keys;
mod roll;

pub(super) use enclosing::StepContext;

use super::checked::{Gate, Step};
use super::context::CheckContext;
use super::parsed_step::{ParsedStep, StepSection};
use super::shapes::{STEP, USE_STEP};
use super::uses;
use super::{args, retry};
use crate::action::{ActionKind, ROLLING, USE};
use crate::load::{Fields, Node, NodeKey, NodeValue, closest, unknown_key};
use crate::model::{Diagnostic, Effect, Span, StepId};
use crate::template::Templated;
use common::Common;
use effect::{Acting, is_opaque};
use enclosing::EnclosingStep;
use std::collections::HashSet;
use std::sync::Arc;

/// Reads a list of steps.
pub(super) fn list(reader: &mut CheckContext, node: &Node, within: StepContext) -> Vec<ParsedStep> {
    let NodeValue::Seq(items) = &node.value else {
        reader.error("E0202", node.span, format!("steps are a list, this is {}", node.kind()));
        return Vec::new();
    };
    let is_roll = |item: &&Node| {
        matches!(within, StepContext::Steps) && item.entries().iter().any(|(key, _)| key.text == "rolling")
    };
    let mut drafts = Vec::with_capacity(items.len());
    for (item, ordinal) in items.iter().zip(1..) {
        match is_roll(&item) {
            true => drafts.extend(roll::read(reader, item, ordinal)),
            false => drafts.extend(read(reader, item, ordinal, within)),
        }
    }
    drafts
}

/// Calls each checkpoint without an id by its name, where that can name a task and no other step has it.
pub(super) fn name_checkpoints(drafts: &mut [ParsedStep]) {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut taken: HashSet<StepId> = drafts.iter().map(|draft| draft.id.clone()).collect();
    for draft in drafts.iter_mut().filter(|draft| draft.named.is_none()) {
        let Some(step) = &mut draft.step else { continue };
        let name = step.checkpoint().filter(|name| !name.is_empty() && name.chars().all(word)).map(StepId::from);
        if let Some(name) = name.filter(|name| taken.insert(name.clone())) {
            step.id = name.clone();
            (draft.id, draft.named) = (name, Some(draft.span));
        }
    }
}

/// Reads one step, the `ordinal`th of its list.
fn read(reader: &mut CheckContext, node: &Node, ordinal: usize, within: StepContext) -> Option<ParsedStep> {
    let uses = matches!(within, StepContext::Steps) && node.get("use").is_some();
    let shape = if uses { &USE_STEP } else { within.shape() };
    let node = &*reader.defaults.fill_in(node, shape, reader.actions);
    let mut fields = Fields::of(node, shape, &mut reader.problems)?;
    let named = fields.take("id").and_then(|node| Some((keys::own_id(reader, node)?, node.span)));
    let on = match within {
        StepContext::Undo(owner) | StepContext::Reconcile(owner) | StepContext::Batch(owner) => owner.on.clone(),
        StepContext::Steps if uses => None,
        StepContext::Steps | StepContext::Verify | StepContext::Finally | StepContext::Gate(_) => {
            fields.take("on").and_then(|node| keys::on(reader, node))
        }
    };
    let mut draft = ParsedStep {
        id: named.as_ref().map_or_else(|| StepId::from(format!("step-{ordinal}")), |(id, _)| id.clone()),
        named: named.as_ref().map(|(_, span)| *span),
        span: named.as_ref().map_or(node.span, |(_, span)| *span),
        kind: None,
        on,
        needs: None,
        gate: Gate::Open,
        part: match within {
            StepContext::Verify => StepSection::Verify,
            StepContext::Finally => StepSection::Finally,
            _ => StepSection::Steps,
        },
        roll: None,
        step: None,
        used: None,
    };
    if matches!(within, StepContext::Steps) {
        draft.needs = fields.take("needs").map(|node| keys::needs(reader, node));
    }
    if uses {
        draft.id = if draft.named.is_some() { draft.id } else { made_id(&USE, ordinal, within) };
        uses::read(reader, &mut draft, fields);
        return Some(draft);
    }
    let common = Common::read(reader, &mut fields, within);
    let action = the_action(reader, &fields);
    let Some((key, parameters)) = action else { return Some(draft) };
    let kind = reader.actions.find(&key.text)?.clone();
    if kind.barrier && matches!(within, StepContext::Finally) {
        reader.error(
            "E0206",
            key.span,
            format!("`{}` has no meaning in `finally`: nothing is rolled back to it", kind.name),
        );
    }
    draft.kind = Some(kind.clone());
    if kind.barrier && matches!(within, StepContext::Gate(_) | StepContext::Batch(_)) {
        let problem = Diagnostic::error("E0220", key.span, "a roll has no checkpoint inside");
        reader.problems.push(problem.help("put it before or after the roll"));
    }
    if draft.named.is_none() {
        draft.span = key.span;
        draft.id = made_id(&kind, ordinal, within);
    }
    draft.gate = if kind.barrier || common.irreversible.is_some() { Gate::Barrier } else { Gate::Open };
    let given = parameters.entries().iter().map(|(key, node)| (key.text.as_str(), node.as_str()));
    let reads = common.reads.is_some_and(|(_, reads)| reads) || matches!(within, StepContext::Reconcile(_));
    let effect = kind.effect(given, reads && is_opaque(&kind));
    let known = parameters.to_json();
    let undoing = kind.undoing(|name| known.get(name));
    let (action, step, named) = (key.span, node.span, draft.named.is_some());
    let acting = Acting { common: &common, kind: &kind, effect, undoing, action, step, named };
    acting.check(reader, within);
    endless_wait(reader, &common, &kind, key.span, parameters);
    let args = args::parameters(reader, parameters, &kind);
    draft.step = Some(finish(reader, &draft, common, kind, effect, args));
    Some(draft)
}

/// A `wait` is bounded by its author, who knows how long it may last. One for a time ends by itself.
fn endless_wait(reader: &mut CheckContext, common: &Common, kind: &ActionKind, span: Span, parameters: &Node) {
    let Some(bound) = kind.waits_unless else { return };
    let waits = parameters.entries().iter().any(|(key, _)| key.text != bound);
    let bounded = common.timeout.is_some() || common.retry.is_some_and(|(_, retry)| retry.get("for").is_some());
    if waits && !bounded {
        let message = format!("this `{}` does not say when to give up: it does after 10 minutes", kind.name);
        reader.warn("W0504", span, message, "add `timeout: DURATION` to the step, such as `timeout: 2m`");
    }
}

fn finish(
    reader: &mut CheckContext,
    draft: &ParsedStep,
    common: Common,
    kind: Arc<ActionKind>,
    effect: Effect,
    args: Templated,
) -> Step {
    let owner = EnclosingStep { id: draft.id.clone(), on: draft.on.clone(), user: common.user.clone() };
    if let Some((_, node)) = common.undo
        && matches!(&node.value, NodeValue::Seq(steps) if steps.is_empty())
    {
        let problem = Diagnostic::error("E0501", node.span, "`undo` has no step: it would take nothing back");
        reader.problems.push(problem.help("`irreversible: REASON` says that nothing can, or need be, undone"));
    }
    let undo = common.undo.map(|(_, node)| several(reader, node, StepContext::Undo(&owner))).unwrap_or_default();
    let reconcile = common.reconcile.and_then(|(_, node)| read(reader, node, 1, StepContext::Reconcile(&owner))?.step);
    Step {
        id: draft.id.clone(),
        title: common.title,
        span: draft.span,
        kind,
        args,
        effect,
        on: draft.on.clone(),
        needs: draft.needs.as_ref().map(|needs| needs.iter().map(|(need, _)| need.clone()).collect()),
        when: common.when.and_then(|node| reader.expression(node, "`when`")),
        for_each: common.for_each,
        vars: common.vars,
        user: common.user,
        env: common.env,
        stdin: common.stdin,
        cwd: common.cwd,
        timeout: common.timeout,
        retry: common.retry.and_then(|(_, node)| retry::read(reader, node)),
        on_failure: common.on_failure,
        undo,
        irreversible: common.irreversible,
        secret: common.secret,
        reconcile: reconcile.map(Box::new),
        gate: draft.gate,
        frame: 0,
        closes: None,
        roll: None,
    }
}

/// The one key that names an action.
fn the_action<'n>(reader: &mut CheckContext, fields: &Fields<'n>) -> Option<(&'n NodeKey, &'n Node)> {
    fields.missing(&mut reader.problems);
    let (actions, others): (Vec<_>, Vec<_>) =
        fields.rest().partition(|(key, _)| reader.actions.find(&key.text).is_some());
    let mut mistaken = false;
    for (key, _) in &others {
        if key.text == ROLLING.name {
            let problem = Diagnostic::error("E0220", key.span, "a roll cannot stand here");
            reader.problems.push(problem.help("rolls stand in the list of the runbook's own `steps`"));
            return None;
        }
        if key.text == "steps" {
            let problem = Diagnostic::error("E0206", key.span, "a step has no steps: only a roll has");
            reader.problems.push(problem.help("put them into this list, add `rolling`, or `use` a runbook of them"));
            return None;
        }
        if STEP.has(&key.text) || USE_STEP.has(&key.text) {
            let message = format!("`{}` has no meaning for a step here", key.text);
            reader.error("E0206", key.span, message);
            mistaken |= key.text == "use";
            continue;
        }
        mistaken = true;
        let mut known = fields.free(STEP.names());
        if actions.is_empty() {
            known.extend(reader.actions.names().chain([USE.name, ROLLING.name]));
        }
        let known = if closest(&key.text, known.iter().copied()).is_some() { known } else { Vec::new() };
        let mut problem = unknown_key(key, "a step", &known);
        if actions.is_empty() {
            problem.message = format!("there is no action `{}`, and no such key", key.text);
        }
        reader.problems.push(problem);
    }
    match actions.as_slice() {
        [(key, node)] => Some((key, node)),
        [] => {
            if !mistaken {
                let problem = Diagnostic::error("E0204", fields.span, "this step has no action");
                reader.problems.push(problem.help("give it one, such as `sh: COMMAND`; `surefoot actions` lists them"));
            }
            None
        }
        [(first, node), more @ ..] => {
            for (key, _) in more {
                let message = format!("a step has one action, this has `{}` and `{}`", first.text, key.text);
                let problem = Diagnostic::error("E0205", key.span, message).here("another action");
                reader.problems.push(problem.label(first.span, "the first").help("make two steps of it"));
            }
            Some((first, node))
        }
    }
}

fn several(reader: &mut CheckContext, node: &Node, within: StepContext) -> Vec<Step> {
    let drafts = match &node.value {
        NodeValue::Map(_) => read(reader, node, 1, within).into_iter().collect(),
        _ => list(reader, node, within),
    };
    drafts.into_iter().filter_map(|draft| draft.step).collect()
}

fn made_id(kind: &ActionKind, ordinal: usize, within: StepContext) -> StepId {
    StepId::from(match within {
        StepContext::Steps => format!("{}-{ordinal}", kind.name),
        StepContext::Verify => format!("verify-{}-{ordinal}", kind.name),
        StepContext::Finally => format!("finally-{}-{ordinal}", kind.name),
        StepContext::Gate(roll) => format!("{}-gate-{}-{ordinal}", roll.id, kind.name),
        StepContext::Batch(roll) => format!("{}-{}-{ordinal}", roll.id, kind.name),
        StepContext::Undo(owner) => format!("{}-undo-{ordinal}", owner.id),
        StepContext::Reconcile(owner) => format!("{}-reconcile", owner.id),
    })
}
