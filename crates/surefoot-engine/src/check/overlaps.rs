//! Steps that touch the same thing of the same host, where nothing says which of them comes first.
//!
//! Knows only what is written: of a template, that the same text means the same. Whether two roles share a host is
//! known when they are bound, so steps on different roles are not compared.

use super::checked::Step;
use super::context::CheckContext;
use super::names::StepNames;
use super::parsed_step::ParsedStep;
use super::templates::{self, When};
use crate::model::{Diagnostic, Effect};
use std::collections::HashMap;

/// Of more steps, which a program must have written, none are compared.
const MOST: usize = 1000;

/// Warns of each step that meets an earlier one.
pub(super) fn check(reader: &mut CheckContext, names: &StepNames) {
    if names.drafts.len() > MOST {
        return;
    }
    let mut touching: HashMap<(Option<&str>, String), Vec<usize>> = HashMap::new();
    for (index, draft) in names.drafts.iter().enumerate() {
        let Some(step) = draft.step.as_ref().filter(|step| step.effect != Effect::ReadOnly) else { continue };
        for thing in touched(step) {
            let on = draft.on.as_deref().filter(|_| !thing.starts_with("controller:"));
            let others = touching.entry((on, thing.clone())).or_default();
            if let Some(other) = others.iter().find(|other| unordered(names, **other, index)) {
                let ParsedStep { id, span, .. } = &names.drafts[*other];
                let message = format!("`{}` and `{id}` both touch {thing}, and may run at the same time", draft.id);
                let help = format!("add `{id}` to the `needs` of `{}`, or the other way round", draft.id);
                let problem = Diagnostic::warning("W0401", draft.span, message).label(*span, "the other one");
                reader.problems.push(problem.help(help));
            }
            others.push(index);
        }
    }
}

/// Whether neither waits for the other. Steps with conditions may exclude each other.
fn unordered(names: &StepNames, first: usize, second: usize) -> bool {
    let conditional = |index: usize| names.drafts[index].step.as_ref().is_some_and(|step| step.when.is_some());
    let ordered = |a, b| names.order.is_finished(a, b, false) || names.order.is_finished(b, a, false);
    let exclusive = conditional(first) && conditional(second);
    first != second && !exclusive && !ordered(first, second)
}

/// The paths and units that a step touches, as far as they are written out or follow from names that mean the same
/// in every step.
fn touched(step: &Step) -> Vec<String> {
    let mut found = Vec::new();
    templates::of_late(&step.args, When::Start, &mut found);
    let own = |site: &templates::TemplateSite| {
        site.refs.iter().any(|r| match r.name(0) {
            Some("item" | "batch") => true,
            Some("vars") => !step.vars.is_empty(),
            _ => false,
        })
    };
    if found.iter().any(own) {
        return Vec::new();
    }
    (step.kind.decode)(step.args.shown()).map(|action| action.resources()).unwrap_or_default()
}
