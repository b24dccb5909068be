//! `defaults`: keys of a step that every step has which does not have them itself.

use super::shapes::{BATCH_STEP, DEFAULTS, GATE_STEP, INNER, ROLL, USE_STEP};
use crate::action::ActionRegistry;
use crate::load::{Fields, Node, NodeKey, NodeValue, Shape};
use crate::model::{Diagnostic, Effect};
use std::borrow::Cow;

/// Keys and values, as they were written: each step reads them as its own.
#[derive(Default)]
pub(super) struct StepDefaults(Vec<(NodeKey, Node)>);

impl StepDefaults {
    pub fn read(node: &Node, problems: &mut Vec<Diagnostic>) -> StepDefaults {
        let Some(mut fields) = Fields::of(node, &DEFAULTS, problems) else {
            return StepDefaults::default();
        };
        let entries = DEFAULTS.names().filter_map(|name| fields.entry(name).cloned()).collect();
        fields.finish(problems);
        StepDefaults(entries)
    }

    /// A step with the defaults that it leaves open, as far as they mean something for it.
    pub fn fill_in<'n>(&self, step: &'n Node, shape: &Shape, actions: &ActionRegistry) -> Cow<'n, Node> {
        let NodeValue::Map(own) = &step.value else { return Cow::Borrowed(step) };
        let kind = own.iter().find_map(|(key, _)| actions.find(&key.text));
        let in_roll = [BATCH_STEP.name, GATE_STEP.name].contains(&shape.name);
        let inherits = in_roll || shape.name == INNER.name;
        let of_many = [USE_STEP.name, ROLL.name].contains(&shape.name);
        let fits = |key: &str| match key {
            // The author's word about a command; what is no command knows by itself.
            "reads" => kind.is_some_and(|kind| kind.effect([], false) == Effect::Opaque),
            // A checkpoint is one place in the run, not one on each host.
            "on" => !kind.is_some_and(|kind| kind.barrier),
            // A roll has these itself, and lays them under its steps; a step its user under its `undo` and `reconcile`.
            "vars" | "when" => !in_roll,
            "become" => !inherits,
            // Of one step it means another thing than of many.
            "on_failure" => !of_many,
            _ => true,
        };
        let missing = self.0.iter().filter(|(key, _)| shape.has(&key.text) && fits(&key.text));
        let missing = missing.filter(|(key, _)| own.iter().all(|(other, _)| other.text != key.text));
        let missing: Vec<(NodeKey, Node)> = missing.cloned().collect();
        match missing.is_empty() {
            true => Cow::Borrowed(step),
            false => Cow::Owned(Node { span: step.span, value: NodeValue::Map([own.clone(), missing].concat()) }),
        }
    }
}
