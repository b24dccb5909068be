//! Paths on the controller that have something in them which a host has said: its word may be any text, `../../x` too. A run
//! refuses what leaves the folder that stands before it.

use super::checked::Step;
use super::context::CheckContext;
use super::names::StepNames;
use super::schemas::Schemas;
use super::shell_injection::is_number;
use super::vars;
use crate::model::Diagnostic;
use crate::template::{LazyVars, Ref, Template, Templated};

pub(super) fn check(reader: &mut CheckContext, names: &StepNames) {
    let mut found = Vec::new();
    for step in names.drafts.iter().filter_map(|draft| draft.step.as_ref()) {
        let outer = vars::merged(names.vars, &step.vars);
        for part in [step].into_iter().chain(&step.undo) {
            let vars = vars::merged(&outer, &part.vars);
            let targets = part.kind.local_targets.iter().filter_map(|name| part.args.late_entry(name));
            found.extend(targets.filter_map(|late| warning(names, step, &vars, late)));
        }
    }
    reader.problems.extend(found);
}

fn warning(names: &StepNames, owner: &Step, vars: &LazyVars, late: &Templated) -> Option<Diagnostic> {
    let Templated::Text(text) = late else { return None };
    let said = text.refs.iter().find(|r| r.shown && is_said(names, owner, vars, r))?;
    let what = &text.source[said.range.clone()];
    let message = format!("a host says what `{what}` is, and this is a path on the controller");
    Some(Diagnostic::warning("W0505", place(text, said), message).help(
        "name the file after `{{ host.name }}` or `{{ run.id }}`; a path that leaves its folder is refused in the run",
    ))
}

fn place(text: &Template, r: &Ref) -> crate::model::Span {
    text.place.of(&text.source, r.range.clone())
}

/// Whether a value may be any text of a host.
fn is_said(names: &StepNames, owner: &Step, vars: &LazyVars, r: &Ref) -> bool {
    match (r.name(0), r.name(1)) {
        (Some("steps"), Some(id)) => may_be_text(names, id, r),
        (Some("steps"), None) => true,
        (Some("vars"), Some(name)) => {
            let reads = vars::reads(vars, name);
            reads
                .iter()
                .any(|read| read.reference.name(0) != Some("vars") && is_said(names, owner, vars, &read.reference))
        }
        (Some("item"), _) => {
            let mut said = false;
            owner.for_each.iter().for_each(|late| {
                late.each_ref(&mut |r| said |= r.name(0) != Some("item") && is_said(names, owner, vars, r));
            });
            said
        }
        _ => false,
    }
}

fn may_be_text(names: &StepNames, id: &str, r: &Ref) -> bool {
    let at = if r.name(2) == Some("on") { 4 } else { 2 };
    let kind = names.ids.get(id).and_then(|draft| names.drafts[*draft].kind.clone());
    match (r.name(at), r.name(at + 1), kind) {
        (Some("out"), Some(name), Some(kind)) => {
            r.path.len() != at + 2 || !is_number(&Schemas::of(&kind).outputs, name)
        }
        (Some("out" | "all") | None, ..) => true,
        _ => false,
    }
}
