//! A roll: steps that run on some hosts at a time, with a gate between.
//!
//! It becomes steps in a row, each of which knows its place in the roll: the gate, the choice of a batch, and what is
//! done to the batch. What the roll says for all of its steps is laid under what they say themselves.

use super::enclosing::{EnclosingStep, StepContext};
use super::keys::{become_user, needs, on, on_failure, own_id, vars};
use super::list;
use crate::action::ROLLING;
use crate::check::checked::{BatchChoice, Gate, InRoll, Need, OnFailure, RollPart, Step};
use crate::check::context::CheckContext;
use crate::check::parsed_step::ParsedStep;
use crate::check::shapes;
use crate::check::vars::merged;
use crate::load::{Fields, Node, NodeValue, unknown_key};
use crate::model::{Diagnostic, HostName, Span, StepId};
use crate::template::{Expr, LazyVars, Templated};

/// What a roll says for all of its steps.
struct RollDefaults {
    roll: StepId,
    when: Option<Expr>,
    vars: LazyVars,
    user: Option<Templated>,
}

/// Reads a roll, the `ordinal`th of its list.
pub(super) fn read(reader: &mut CheckContext, node: &Node, ordinal: usize) -> Vec<ParsedStep> {
    let node = &*reader.defaults.fill_in(node, &shapes::ROLL, reader.actions);
    let Some(mut fields) = Fields::of(node, &shapes::ROLL, &mut reader.problems) else { return Vec::new() };
    let named = fields.take("id").and_then(|node| Some((own_id(reader, node)?, node.span)));
    let rolling = node.entries().iter().find(|(key, _)| key.text == "rolling");
    let (key, rolling) = rolling.expect("a roll is known by this key");
    fields.take("rolling");
    let roll = named.as_ref().map_or_else(|| StepId::from(format!("{}-{ordinal}", ROLLING.name)), |(id, _)| id.clone());
    let shared = RollDefaults {
        when: fields.take("when").and_then(|node| reader.expression(node, "`when`")),
        vars: fields.take("vars").map(|node| vars(reader, node)).unwrap_or_default(),
        user: fields.take("become").map(|node| become_user(reader, node)),
        roll: roll.clone(),
    };
    let hosts = fields.take("on").and_then(|node| the_hosts(reader, node));
    let needs = fields.take("needs").map(|node| needs(reader, node));
    let policy = fields.take("on_failure").map(|node| policy(reader, node)).unwrap_or_default();
    let title = fields.take("title").map(|node| reader.text(node, "title"));
    let (choice, gate) = rules(reader, rolling, hosts.clone().unwrap_or_default(), policy);
    let owner = EnclosingStep { id: roll.clone(), on: hosts, user: shared.user.clone() };
    let mut drafts = gate.map(|node| list(reader, node, StepContext::Gate(&owner))).unwrap_or_default();
    drafts.iter_mut().for_each(|draft| shared.enter(draft, RollPart::Gate));
    let span = named.as_ref().map_or(key.span, |(_, span)| *span);
    drafts.push(shared.choice(span, named.map(|(_, span)| span), title, choice));
    drafts.extend(fields.take("steps").map(|node| batch(reader, node, &owner, &shared)).into_iter().flatten());
    leftover(reader, &fields);
    together(&mut drafts, needs);
    drafts
}

/// `on` of a roll: the controller is not rolled.
fn the_hosts(reader: &mut CheckContext, node: &Node) -> Option<String> {
    let hosts = on(reader, node);
    if node.as_str() == Some(HostName::CONTROLLER) {
        reader.error("E0304", node.span, "a roll needs the hosts of a role, a group or a host");
    }
    hosts
}

fn policy(reader: &mut CheckContext, node: &Node) -> OnFailure {
    let policy = on_failure(reader, node);
    if policy == OnFailure::Continue {
        let problem = Diagnostic::error("E0501", node.span, "`on_failure` of a roll cannot be `continue`");
        reader.problems.push(problem.help("it stops at the first host that fails; a step of it may `continue`"));
    }
    policy
}

/// Reads the map of `rolling`: what the choice goes by, with its parameters, and the list of the gate.
fn rules<'n>(
    reader: &mut CheckContext,
    node: &'n Node,
    on: String,
    on_failure: OnFailure,
) -> ((BatchChoice, Templated), Option<&'n Node>) {
    let nothing = || BatchChoice { on: String::new(), batch: Templated::Value(1.into()), on_failure };
    let Some(mut fields) = Fields::of(node, &shapes::ROLLING, &mut reader.problems) else {
        return ((nothing(), Templated::Map(Vec::new())), None);
    };
    let batch = fields.take("batch").map_or(Templated::Value(1.into()), |node| size(reader, node));
    let mut named = Vec::new();
    for name in ["first", "last"] {
        named.extend(fields.take(name).map(|node| (name.to_owned(), hosts(reader, node, name))));
    }
    let gate = fields.take("gate");
    fields.finish(&mut reader.problems);
    ((BatchChoice { on, batch, on_failure }, Templated::Map(named)), gate)
}

/// `batch`: a number from 1 on, a percentage, or a template of what is known before the run.
fn size(reader: &mut CheckContext, node: &Node) -> Templated {
    let late = match node.as_str() {
        Some(_) => reader.text(node, "`batch`"),
        None => Templated::Value(node.to_json()),
    };
    if let Some(value) = late.as_value()
        && let Err(why) = BatchChoice::size_of(value, 1)
    {
        reader.error("E0501", node.span, why);
    }
    late
}

/// `first` and `last`: a host's name or a list of names, in which templates may stand.
fn hosts(reader: &mut CheckContext, node: &Node, what: &str) -> Templated {
    let NodeValue::Seq(items) = &node.value else { return host(reader, node, what) };
    Templated::Seq(items.iter().map(|item| host(reader, item, what)).collect())
}

fn host(reader: &mut CheckContext, node: &Node, what: &str) -> Templated {
    let late = reader.text(node, &format!("`{what}`"));
    if let Some(name) = late.as_value().and_then(|value| value.as_str())
        && let Some(inventory) = reader.inventory
        && !inventory.hosts.contains_key(name)
    {
        let known: Vec<&str> = inventory.hosts.keys().map(|host| host.as_str()).collect();
        reader.unknown("E0304", node.span, format!("`{name}` is no host"), name, known);
    }
    late
}

/// Reads the steps that are run on each batch.
fn batch(reader: &mut CheckContext, node: &Node, owner: &EnclosingStep, shared: &RollDefaults) -> Vec<ParsedStep> {
    let mut drafts = list(reader, node, StepContext::Batch(owner));
    if drafts.is_empty() && matches!(&node.value, NodeValue::Seq(items) if items.is_empty()) {
        reader.error("E0203", node.span, "a roll needs at least one step");
    }
    drafts.iter_mut().for_each(|draft| shared.enter(draft, RollPart::Batch));
    drafts
}

/// Keys of a step that say nothing about a roll.
fn leftover(reader: &mut CheckContext, fields: &Fields) {
    fields.missing(&mut reader.problems);
    for (key, _) in fields.rest() {
        if shapes::STEP.has(&key.text) {
            let message = format!("`{}` has no meaning for a roll", key.text);
            reader
                .problems
                .push(Diagnostic::error("E0206", key.span, message).help("give it to the steps of the roll"));
        } else {
            let known = fields.free(shapes::ROLL.names());
            reader.problems.push(unknown_key(key, "a roll", &known));
        }
    }
}

/// The steps wait as one: for what the roll needs, and for one another. Where one of them is a wall, all are.
fn together(drafts: &mut [ParsedStep], needs: Option<Vec<(Need, Span)>>) {
    let wall = drafts.iter().any(|draft| draft.gate == Gate::Barrier);
    for (place, draft) in drafts.iter_mut().enumerate() {
        draft.needs = needs.as_ref().map(|needs| if place == 0 { needs.clone() } else { Vec::new() });
        draft.gate = if wall { Gate::Barrier } else { Gate::Open };
        if let Some(step) = &mut draft.step {
            step.needs = draft.needs.as_ref().map(|needs| needs.iter().map(|(need, _)| need.clone()).collect());
            step.gate = draft.gate;
        }
    }
}

impl RollDefaults {
    /// Makes a step one of the roll.
    fn enter(&self, draft: &mut ParsedStep, part: RollPart) {
        let place = InRoll { roll: self.roll.clone(), when: self.when.clone(), part };
        draft.roll = Some(place.clone());
        if let Some(step) = &mut draft.step {
            step.vars = merged(&self.vars, &step.vars);
            step.roll = Some(place);
        }
    }

    /// The step that chooses the batches.
    fn choice(
        &self,
        span: Span,
        named: Option<Span>,
        title: Option<Templated>,
        (choice, args): (BatchChoice, Templated),
    ) -> ParsedStep {
        let step = Step { title, ..Step::plain(self.roll.clone(), span, ROLLING.clone(), args) };
        let mut draft = ParsedStep { named, kind: Some(ROLLING.clone()), ..ParsedStep::made(step) };
        self.enter(&mut draft, RollPart::Choice(Box::new(choice)));
        draft
    }
}
