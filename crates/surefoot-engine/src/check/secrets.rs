//! Where secrets may stand: in `env`, in `stdin`, in conditions, in `vars` (which leads on), and where an action's
//! schema says `x-secret` of a parameter. Everywhere else they would be seen: in an argument, a path, a title.
//!
//! What is secret follows from names, through `vars` and whatever filters: parameters of that type, and the outputs
//! of steps with `secret: true`.

use super::checked::{InRoll, ParamType, RollPart, Step};
use super::context::CheckContext;
use super::names::StepNames;
use super::parsed_step::Used;
use super::schemas::Schemas;
use super::templates::{self, TemplateSite, When};
use super::vars;
use crate::model::{Diagnostic, Span};
use crate::template::{LazyVars, Ref, Templated};
use serde_json::Value as Json;

/// Refuses secrets where they may not stand.
pub(super) fn check(reader: &mut CheckContext, names: &StepNames) {
    for draft in names.drafts {
        let Some(step) = &draft.step else { continue };
        let vars = vars::merged(names.vars, &step.vars);
        let mut closed = match &draft.used {
            Some(used) => given(step, used),
            None => in_step(reader, step),
        };
        closed.extend([&step.title, &step.user, &step.cwd, &step.for_each].into_iter().flatten());
        if let Some(InRoll { part: RollPart::Choice(choice), .. }) = &step.roll {
            closed.push(&choice.batch);
        }
        refuse(reader, names, step, &vars, &closed);
        for part in step.undo.iter().chain(step.reconcile.as_deref()) {
            let mut closed = in_step(reader, part);
            closed.extend([&part.title, &part.user, &part.cwd].into_iter().flatten());
            refuse(reader, names, part, &vars::merged(&vars, &part.vars), &closed);
        }
    }
}

/// What a used runbook is given, but for what it knows to be secret.
fn given<'s>(step: &'s Step, used: &'s Used) -> Vec<&'s Templated> {
    let Templated::Map(with) = &step.args else { return Vec::new() };
    let open = |name: &str| used.runbook.params.get(name).is_some_and(|spec| spec.kind == ParamType::Secret);
    with.iter().filter(|(name, _)| !open(name)).map(|(_, late)| late).chain(used.bind.values()).collect()
}

fn in_step<'s>(reader: &mut CheckContext, step: &'s Step) -> Vec<&'s Templated> {
    let schemas = reader.schemas(&step.kind);
    let mut closed = Vec::new();
    in_arguments(&step.args, &[&schemas.parameters], &schemas.parameters, &mut closed);
    closed
}

fn refuse(reader: &mut CheckContext, names: &StepNames, step: &Step, vars: &LazyVars, closed: &[&Templated]) {
    let mut sites = Vec::new();
    closed.iter().for_each(|late| templates::of_late(late, When::Start, &mut sites));
    for site in sites {
        for r in site.refs {
            if let Some(secret) = secret(reader, names, r, vars) {
                let problem = problem(step, &secret, &site, r);
                reader.problems.push(problem);
            }
        }
    }
}

/// What of an action's parameters must hold no secret.
fn in_arguments<'l>(late: &'l Templated, schemas: &[&Json], root: &Json, closed: &mut Vec<&'l Templated>) {
    let mut schemas: Vec<&Json> = schemas.iter().map(|schema| Schemas::at(root, schema)).collect();
    if schemas.iter().any(|schema| schema.get("x-secret") == Some(&Json::Bool(true))) {
        return;
    }
    let inner: Vec<&Json> =
        schemas.iter().flat_map(|schema| Schemas::alternatives(schema).unwrap_or_default()).collect();
    schemas.extend(inner.into_iter().map(|schema| Schemas::at(root, schema)));
    let below = |key: &str| -> Vec<&Json> { schemas.iter().filter_map(|schema| schema.get(key)).collect() };
    match late {
        Templated::Value(_) | Templated::Condition(_) => {}
        Templated::Text(_) | Templated::Hosts(_) | Templated::Path(..) => closed.push(late),
        Templated::Seq(items) => items.iter().for_each(|item| in_arguments(item, &below("items"), root, closed)),
        Templated::Map(entries) => {
            for (key, value) in entries {
                let named: Vec<&Json> = below("properties").into_iter().filter_map(|all| all.get(key)).collect();
                let others = below("additionalProperties");
                in_arguments(value, if named.is_empty() { &others } else { &named }, root, closed);
            }
        }
    }
}

/// Something secret that a template reads.
struct SecretRead {
    /// `the parameter X`, `what X gives`.
    what: String,
    /// Where an entry of `vars` reads it.
    through: Option<Span>,
}

fn secret(reader: &CheckContext, names: &StepNames, r: &Ref, vars: &LazyVars) -> Option<SecretRead> {
    if r.name(0) != Some("vars") {
        return direct(reader, names, r).map(|what| SecretRead { what, through: None });
    }
    let entries: Vec<&str> = match r.name(1) {
        Some(name) => vec![name],
        None => vars.keys().map(String::as_str).collect(),
    };
    let reads = entries.into_iter().flat_map(|name| vars::reads(vars, name));
    reads.into_iter().find_map(|read| {
        direct(reader, names, &read.reference).map(|what| SecretRead { what, through: Some(read.span) })
    })
}

fn direct(reader: &CheckContext, names: &StepNames, r: &Ref) -> Option<String> {
    let is_secret = |name: &str| reader.params.get(name).is_some_and(|spec| spec.kind == ParamType::Secret);
    let step = |id: &str| names.drafts[*names.ids.get(id)?].step.as_ref().filter(|step| step.secret);
    match (r.name(0)?, r.name(1)) {
        ("params", Some(name)) => is_secret(name).then(|| format!("the parameter `{name}`")),
        // All of them, or one whose name is known only later.
        ("params", None) => {
            reader.params.keys().find(|name| is_secret(name)).map(|name| format!("the parameter `{name}`"))
        }
        ("steps", Some(id)) => step(id).filter(|_| reads_outputs(r)).map(|step| format!("what `{}` gives", step.id)),
        ("steps", None) => names.ids.keys().find_map(|id| step(id)).map(|step| format!("what `{}` gives", step.id)),
        _ => None,
    }
}

/// Rather than whether the step has changed something, or failed.
fn reads_outputs(r: &Ref) -> bool {
    let field = if r.name(2) == Some("on") { r.name(4) } else { r.name(2) };
    matches!(field, None | Some("out" | "all"))
}

fn problem(step: &Step, secret: &SecretRead, site: &TemplateSite, r: &Ref) -> Diagnostic {
    let message = format!("{} is a secret, and would be seen here", secret.what);
    let problem = Diagnostic::error("E0511", site.span(r.range.clone()), message);
    let problem = match secret.through {
        Some(place) => problem.label(place, "it is read here"),
        None => problem,
    };
    problem.help(match step.kind.name {
        "sh" => "put it in the step's `env`, as `env: { NAME: \"{{ ... }}\" }`, and write `\"$NAME\"` here",
        "exec" => "every user of a host can see arguments: put it in the step's `env` or `stdin`",
        _ => "a secret may stand in `env`, in `stdin`, and where `surefoot actions NAME` says so",
    })
}
