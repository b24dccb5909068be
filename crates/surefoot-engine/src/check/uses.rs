//! `use`: another runbook as a step.
//!
//! The used file is checked as a runbook of its own, once for a check however often it is used; what is wrong in it
//! carries the places that led there. Its steps are then put into the user's list: each keeps its place, takes the
//! using step's id as a prefix, and a frame that says whose names it knows. It sees nothing of the outer runbook, and
//! the outer sees of it only parameters, roles and results.

use super::checked::{Gate, OnFailure, ParamSpec, Role, Runbook, Step, UsedRunbook};
use super::context::CheckContext;
use super::params;
use super::parsed_step::{ParsedStep, Used};
use super::shapes::STEP;
use super::step::keys;
use crate::action::USE;
use crate::catalog::Location;
use crate::load::{Document, Fields, Node, NodeValue, suggested};
use crate::model::{Diagnostic, Span, StepId};
use crate::template::Templated;
use indexmap::IndexMap;
use std::rc::Rc;

/// Reads a step that has `use`. The draft has its id, its place and its `needs`.
pub(super) fn read(reader: &mut CheckContext, draft: &mut ParsedStep, mut fields: Fields) {
    let file = fields.take("use");
    let title = fields.take("title").map(|node| reader.text(node, "title"));
    let when = fields.take("when").and_then(|node| reader.expression(node, "`when`"));
    let vars = fields.take("vars").map(|node| keys::vars(reader, node)).unwrap_or_default();
    let on_failure = fields.take("on_failure").map(|node| (node.span, keys::on_failure(reader, node)));
    let (with, bind) = (fields.take("with"), fields.take("bind"));
    refuse_others(reader, fields);
    if let Some((span, OnFailure::Continue)) = on_failure {
        let problem = Diagnostic::error("E0501", span, "`on_failure` of a step with `use` cannot be `continue`");
        reader.problems.push(problem.help("a step of the used runbook may say it"));
    }
    let mut step = Step {
        title,
        when,
        vars,
        ..Step::plain(draft.id.clone(), draft.span, USE.clone(), Templated::Map(Vec::new()))
    };
    step.needs = draft.needs.as_ref().map(|needs| needs.iter().map(|(need, _)| need.clone()).collect());
    if let Some((file, runbook)) = file.and_then(|file| Some((file, checked(reader, file)?))) {
        step.args = arguments(reader, with, &runbook, file.span);
        let bind = binding(reader, bind, &runbook, file.span);
        let on_failure = on_failure.map_or(runbook.on_failure, |(_, own)| own);
        // A wall within is one around all of it: what it promises must hold out here, too.
        if runbook.steps.iter().any(|inner| inner.gate == Gate::Barrier) {
            draft.gate = Gate::Barrier;
        }
        draft.used = Some(Used { runbook, span: file.span, bind, on_failure });
    }
    step.gate = draft.gate;
    draft.step = Some(step);
}

/// Keys of other steps, and keys that do not exist.
fn refuse_others(reader: &mut CheckContext, fields: Fields) {
    for (key, _) in fields.rest().filter(|(key, _)| STEP.has(&key.text) || reader.actions.find(&key.text).is_some()) {
        let message = format!("`{}` has no meaning for a step with `use`", key.text);
        let problem = Diagnostic::error("E0206", key.span, message);
        reader.problems.push(problem.help("the used runbook's own steps may have it"));
    }
    let mut problems = Vec::new();
    fields.finish(&mut problems);
    let told =
        |problem: &Diagnostic| reader.problems.iter().any(|other| other.labels[0].span == problem.labels[0].span);
    problems.retain(|problem| !told(problem));
    reader.problems.extend(problems);
}

/// The runbook of a file, checked; nothing where it has mistakes, which are told then.
fn checked(reader: &mut CheckContext, file: &Node) -> Option<Rc<Runbook>> {
    let text = reader.literal(file, "`use`")?;
    let shelf = reader.shelf.clone();
    let Some(place) = shelf.library.place(&reader.document.location, &text) else {
        reader.error("E0206", file.span, "a runbook cannot be used here");
        return None;
    };
    if let Some(problem) = circle(reader, &place, file.span) {
        reader.problems.push(problem);
        return None;
    }
    if let Some(known) = shelf.checked.borrow().get(&place) {
        return known.clone();
    }
    let found = match shelf.library.documents.get(&place) {
        Some(Ok(document)) => within(reader, document, file.span).map(Rc::new),
        Some(Err(problems)) => {
            let problems = problems.iter().cloned().map(|problem| with_use_site(problem, file.span));
            reader.problems.extend(problems);
            None
        }
        None => {
            reader.error("E0206", file.span, "a runbook cannot be used here");
            None
        }
    };
    shelf.checked.borrow_mut().insert(place, found.clone());
    found
}

/// Checks a used file.
fn within<'a>(reader: &mut CheckContext<'a>, document: &'a Document, span: Span) -> Option<Runbook> {
    let mut inner = CheckContext::new(reader.sources, reader.actions, document, reader.inventory, reader.shelf.clone());
    inner.chain = reader.chain.clone();
    inner.chain.push((document.location.clone(), span));
    let runbook = (reader.shelf.check)(&mut inner, &document.root).filter(|_| !inner.has_errors());
    reader.problems.extend(inner.problems.into_iter().map(|problem| with_use_site(problem, span)));
    runbook
}

fn with_use_site(problem: Diagnostic, span: Span) -> Diagnostic {
    match problem.labels[0].span == span {
        true => problem,
        false => problem.label(span, "used here"),
    }
}

/// Refuses a file that is one of those that led here.
fn circle(reader: &CheckContext, place: &Location, span: Span) -> Option<Diagnostic> {
    let start = reader.chain.iter().position(|(other, _)| other == place)?;
    let problem = Diagnostic::error("E0405", span, "this runbook uses itself");
    let between = reader.chain[start + 1..].iter();
    Some(between.fold(problem, |problem, (_, place)| problem.label(*place, "through this")))
}

/// The values of `with`, and the defaults of what it leaves out.
fn arguments(reader: &mut CheckContext, node: Option<&Node>, runbook: &Runbook, span: Span) -> Templated {
    let mut values: IndexMap<String, Templated> = IndexMap::new();
    let given = entries(reader, node, "`with`");
    for (key, value) in given {
        match runbook.params.get(&key.text) {
            Some(spec) => drop(values.insert(key.text.clone(), params::argument(reader, &key.text, value, spec))),
            None => {
                let known = not_among(given, runbook.params.keys());
                let problem =
                    Diagnostic::error("E0602", key.span, format!("the used runbook has no parameter `{}`", key.text));
                reader.problems.push(suggested(problem, Some(key.span), &key.text, known));
            }
        }
    }
    let all = runbook.params.iter().filter_map(|(name, spec)| {
        let default = || spec.default.clone().map(Templated::Value);
        let value = values.swap_remove(name).or_else(default);
        if value.is_none() {
            reader.problems.push(not_given(name, spec, span, !given.is_empty()));
        }
        Some((name.clone(), value?))
    });
    Templated::Map(all.collect())
}

/// Those of these names that no entry has: what else can have been meant by another.
fn not_among<'n>(entries: &[(crate::load::NodeKey, Node)], names: impl Iterator<Item = &'n String>) -> Vec<&'n str> {
    names.map(String::as_str).filter(|name| entries.iter().all(|(key, _)| key.text != *name)).collect()
}

fn not_given(name: &str, spec: &ParamSpec, span: Span, others: bool) -> Diagnostic {
    Diagnostic::error("E0603", span, format!("the parameter `{name}` is not given"))
        .label(spec.span, format!("{} is wanted", spec.kind.said()))
        .help(match others {
            true => format!("add `{name}: ...` to `with`"),
            false => format!("add `with: {{ {name}: ... }}`"),
        })
}

/// The hosts of `bind`. Roles that it leaves out are bound to what has their name out here.
fn binding(
    reader: &mut CheckContext,
    node: Option<&Node>,
    runbook: &Runbook,
    span: Span,
) -> IndexMap<String, Templated> {
    let mut bind = IndexMap::new();
    let given = entries(reader, node, "`bind`");
    for (key, value) in given {
        if !runbook.roles.contains_key(&key.text) {
            let problem = Diagnostic::error("E0707", key.span, format!("the used runbook has no role `{}`", key.text));
            let known = not_among(given, runbook.roles.keys());
            let problem = if runbook.roles.is_empty() { problem.help("it has no roles at all") } else { problem };
            reader.problems.push(suggested(problem, Some(key.span), &key.text, known));
            continue;
        }
        bind.insert(key.text.clone(), reader.hosts(value, &format!("the role `{}`", key.text)));
    }
    for (name, role) in runbook.roles.iter().filter(|(name, role)| role.min > 0 && !bind.contains_key(*name)) {
        let group = reader.inventory.is_some_and(|all| all.groups.contains_key(name));
        if !reader.roles.contains_key(name) && !group {
            reader.problems.push(not_bound(name, role, span, !given.is_empty()));
        }
    }
    bind
}

fn not_bound(name: &str, role: &Role, span: Span, others: bool) -> Diagnostic {
    Diagnostic::error("E0708", span, format!("the role `{name}` of the used runbook is not bound"))
        .label(role.span, "this role")
        .help(match others {
            true => format!("add `{name}: ROLE` to `bind`"),
            false => format!("add `bind: {{ {name}: ROLE }}`"),
        })
}

fn entries<'n>(reader: &mut CheckContext, node: Option<&'n Node>, what: &str) -> &'n [(crate::load::NodeKey, Node)] {
    match node {
        None => &[],
        Some(Node { value: NodeValue::Map(entries), .. }) => entries,
        Some(node) => {
            reader.error("E0202", node.span, format!("{what} is a map, this is {}", node.kind()));
            &[]
        }
    }
}

/// The steps of drafts in one list, with those of used runbooks in the place of the steps that use them.
/// Their `finally` steps are put into a list of their own.
pub(super) fn flat(drafts: Vec<ParsedStep>, uses: &mut Vec<UsedRunbook>, finally: &mut Vec<Step>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(drafts.len());
    for draft in drafts {
        match (draft.step, draft.used) {
            (Some(step), Some(used)) => put_in(step, used, (&mut steps, finally), uses),
            (Some(step), None) => steps.push(step),
            (None, _) => {}
        }
    }
    steps
}

fn put_in(step: Step, used: Used, (steps, finally): (&mut Vec<Step>, &mut Vec<Step>), uses: &mut Vec<UsedRunbook>) {
    let runbook = &*used.runbook;
    let with = match step.args {
        Templated::Map(entries) => entries.into_iter().collect(),
        _ => IndexMap::new(),
    };
    let own = UsedRunbook {
        id: step.id.clone(),
        parent: 0,
        span: used.span,
        params: runbook.params.clone(),
        with,
        roles: runbook.roles.clone(),
        bind: used.bind,
        vars: runbook.vars.clone(),
        step_vars: step.vars,
        when: step.when,
        on_failure: used.on_failure,
    };
    let first = uses.len() as u32 + 1;
    let inside = runbook.steps.iter().chain(&runbook.verify);
    steps.extend(inside.map(|inner| renamed(inner.clone(), &own, first)));
    finally.extend(runbook.finally.iter().map(|inner| renamed(inner.clone(), &own, first)));
    let id = |inner: &StepId| own.full_id(inner);
    let inner = runbook.uses.iter().map(|inner| UsedRunbook {
        id: id(&inner.id),
        parent: inner.parent + first,
        ..inner.clone()
    });
    let inner: Vec<UsedRunbook> = inner.collect();
    let out = runbook.out.as_ref().map_or(Templated::Map(Vec::new()), |out| out.args.clone());
    let end = Step::plain(step.id, step.span, USE.clone(), out);
    steps.push(Step { title: step.title, needs: step.needs, gate: step.gate, closes: Some(first), ..end });
    uses.push(own);
    uses.extend(inner);
}

/// A step of a used runbook, as the whole run knows it.
fn renamed(mut step: Step, own: &UsedRunbook, first: u32) -> Step {
    step.id = own.full_id(&step.id);
    step.frame += first;
    step.closes = step.closes.map(|frame| frame + first);
    for need in step.needs.iter_mut().flatten() {
        need.step = own.full_id(&need.step);
    }
    if let Some(place) = &mut step.roll {
        place.roll = own.full_id(&place.roll);
    }
    step.undo = step.undo.into_iter().map(|undo| renamed(undo, own, first)).collect();
    step.reconcile = step.reconcile.map(|probe| Box::new(renamed(*probe, own, first)));
    step
}
