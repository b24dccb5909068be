//! The names in templates: whether each exists, and whether what it reads is certainly there by then.

use super::checked::{InRoll, RollPart};
use super::context::CheckContext;
use super::order::{Ids, WaitGraph};
use super::parsed_step::ParsedStep;
use super::templates::{self, TemplateSite, When};
use super::vars;
use crate::load::closest;
use crate::model::{Diagnostic, Span};
use crate::template::{
    Call, CallKind, LazyVars, Ref, Seg, Templated, has_filter, has_function, has_test, known_filters, known_tests,
};
use serde_json::Value as Json;

const ROOTS: &[&str] = &["params", "host", "hosts", "vars", "steps", "run", "item", "batch"];
const STEP_FIELDS: &[&str] = &["out", "on", "all", "changed", "skipped", "failed", "unreachable"];
const TASK_FIELDS: &[&str] = &["out", "changed", "skipped", "failed", "unreachable"];
const HOST_FIELDS: &[&str] = &["name", "address", "vars"];
const BATCH_FIELDS: &[&str] = &["index", "hosts", "done"];
const BETWEEN_BATCHES: &[&str] = &["index", "done"];
const RUN_FIELDS: &[&str] = &["id", "started", "dir"];

/// The steps and their order, for what refers to them.
pub(super) struct StepNames<'d> {
    pub drafts: &'d [ParsedStep],
    pub ids: &'d Ids<'d>,
    pub order: &'d WaitGraph<'d>,
    pub vars: &'d LazyVars,
}

/// What the site belongs to.
#[derive(Clone, Copy)]
struct SiteOwner<'o> {
    /// The step, where it is one's.
    step: Option<usize>,
    vars: &'o LazyVars,
    item: bool,
}

/// Checks the runbook's `vars` and every step.
pub(super) fn check(reader: &mut CheckContext, names: &StepNames) {
    let mut in_vars = Vec::new();
    names.vars.values().for_each(|late| templates::of_late(late, When::Start, &mut in_vars));
    let owner = SiteOwner { step: None, vars: names.vars, item: false };
    in_vars.iter().for_each(|site| names.site(reader, site, owner));
    vars::refuse_cycles(reader, names.vars, names.vars.keys());
    for (index, draft) in names.drafts.iter().enumerate() {
        let Some(step) = &draft.step else { continue };
        let merged = vars::merged(names.vars, &step.vars);
        vars::refuse_cycles(reader, &merged, step.vars.keys());
        let owner = SiteOwner { step: Some(index), vars: &merged, item: step.for_each.is_some() };
        let mut all = templates::of_step(step);
        let bound = draft.used.iter().flat_map(|used| used.bind.values());
        bound.for_each(|late| templates::of_late(late, When::Compile, &mut all));
        all.iter().for_each(|site| names.site(reader, site, owner));
    }
}

impl StepNames<'_> {
    fn site(&self, reader: &mut CheckContext, site: &TemplateSite, owner: SiteOwner) {
        site.calls.iter().for_each(|call| check_call(reader, call, site));
        site.refs.iter().for_each(|r| self.reference(reader, r, site, owner));
    }

    fn reference(&self, reader: &mut CheckContext, r: &Ref, site: &TemplateSite, owner: SiteOwner) {
        let span = site.span(r.range.clone());
        let root = r.name(0).expect("a reference starts with a name");
        if site.when == When::Compile && !["params", "hosts", "vars"].contains(&root) && ROOTS.contains(&root) {
            let message = format!("`{root}` is not known before the run, and this must be");
            return reader.error("E0502", span, message);
        }
        if let Some(problem) = self.of_no_host(r, span, owner) {
            return reader.problems.push(problem);
        }
        match root {
            "params" => self.param(reader, r, site),
            "vars" => self.var(reader, r, site, owner),
            "steps" => self.step(reader, r, site, owner),
            "hosts" => role(reader, r, site),
            "host" => field(reader, r, 1, HOST_FIELDS, "a host", site),
            "run" => field(reader, r, 1, RUN_FIELDS, "`run`", site),
            "item" if owner.item => {}
            "item" => {
                let problem = Diagnostic::error("E0308", span, "there is no `item`: this step has no `for_each`");
                reader.problems.push(problem);
            }
            "batch" => match owner.step.and_then(|step| self.drafts[step].roll.as_ref()) {
                Some(InRoll { part: RollPart::Batch, .. }) => field(reader, r, 1, BATCH_FIELDS, "`batch`", site),
                Some(_) => field(reader, r, 1, BETWEEN_BATCHES, "`batch` of a gate", site),
                None => reader.error("E0308", span, "there is no `batch`: this step is in no roll"),
            },
            "out" if site.when == When::Attempt => self.own_out(reader, r, site, owner),
            _ => self.unknown_root(reader, root, site.part(r, 0)),
        }
    }

    /// A step that uses a runbook runs on no host: what it passes on is the same for all hosts within.
    fn of_no_host(&self, r: &Ref, span: Span, owner: SiteOwner) -> Option<Diagnostic> {
        self.drafts[owner.step?].used.as_ref()?;
        let own = |r: &Ref| r.name(0) == Some("host") || (r.name(0), r.name(1)) == (Some("run"), Some("dir"));
        let found = match r.name(0) {
            Some("vars") => vars::reads(owner.vars, r.name(1)?).into_iter().find(|read| own(&read.reference))?.span,
            _ => Some(span).filter(|_| own(r))?,
        };
        let problem = Diagnostic::error("E0308", span, "a step with `use` runs on no host, so none is known here");
        let problem = if found == span { problem } else { problem.label(found, "it is read here") };
        Some(problem.help("the used runbook's own steps know `host` and `run.dir`"))
    }

    fn unknown_root(&self, reader: &mut CheckContext, root: &str, span: Span) {
        let message = format!("templates have no name `{root}`");
        let elsewhere = [
            ("params", reader.params.contains_key(root)),
            ("vars", self.vars.contains_key(root)),
            ("steps", self.ids.contains_key(root)),
            ("hosts", reader.roles.contains_key(root)),
        ];
        let full = elsewhere.into_iter().find(|(_, has)| *has).map(|(space, _)| format!("{space}.{root}"));
        match full {
            Some(full) => {
                let problem = Diagnostic::error("E0308", span, message).help(format!("did you mean `{full}`?"));
                let as_it_is = reader.sources.text(span) == root;
                reader.problems.push(if as_it_is { problem.fix(span, full) } else { problem });
            }
            None => reader.unknown("E0308", span, message, root, ROOTS.iter().copied()),
        }
    }

    fn param(&self, reader: &mut CheckContext, r: &Ref, site: &TemplateSite) {
        match r.path.get(1) {
            Some(Seg::Name(name)) if reader.params.contains_key(name) => drop(reader.used.insert(name.clone())),
            Some(Seg::Name(name)) => {
                let known: Vec<String> = reader.params.keys().cloned().collect();
                let message = format!("this runbook has no parameter `{name}`");
                reader.unknown("E0307", site.part(r, 1), message, name, known.iter().map(String::as_str));
            }
            // All of them, or one that is known only later.
            _ => reader.used.extend(reader.params.keys().cloned()),
        }
    }

    fn var(&self, reader: &mut CheckContext, r: &Ref, site: &TemplateSite, owner: SiteOwner) {
        let span = site.span(r.range.clone());
        let Some(name) = r.name(1) else { return };
        if !owner.vars.contains_key(name) {
            let message = format!("`vars` has no entry `{name}`");
            return reader.unknown("E0309", site.part(r, 1), message, name, owner.vars.keys().map(String::as_str));
        }
        if owner.step.is_none() {
            // What it reads matters where a step reads it.
            return;
        }
        for read in vars::reads(owner.vars, name) {
            if site.when == When::Compile && !matches!(read.reference.name(0), Some("params" | "hosts" | "vars")) {
                let message = format!("`vars.{name}` is not known before the run, and this must be");
                let problem = Diagnostic::error("E0502", span, message);
                return reader.problems.push(problem.label(read.span, "because of this"));
            }
            if read.reference.name(0) == Some("steps") {
                self.finished(reader, &read.reference, span, Some(read.span), site, owner);
            }
        }
    }

    fn step(&self, reader: &mut CheckContext, r: &Ref, site: &TemplateSite, owner: SiteOwner) {
        let span = site.span(r.range.clone());
        let Some(id) = r.name(1) else { return };
        let Some(&target) = self.ids.get(id) else {
            let message = format!("no step has the id `{id}`");
            return reader.unknown("E0303", site.part(r, 1), message, id, self.ids.keys().copied());
        };
        match (r.name(2), r.path.get(3)) {
            (Some("on"), Some(host)) => {
                if let (Seg::Name(host), Some(_)) = (host, reader.inventory) {
                    reader.check_hosts(host, site.part(r, 3));
                }
                field(reader, r, 4, TASK_FIELDS, "a step on a host", site);
                if r.name(4) == Some("out") {
                    self.output(reader, r, 5, target, site);
                }
            }
            (Some("out"), _) => self.output(reader, r, 3, target, site),
            _ => field(reader, r, 2, STEP_FIELDS, "a step", site),
        }
        self.finished(reader, r, span, None, site, owner);
    }

    /// `out` of the attempt that has just ended.
    fn own_out(&self, reader: &mut CheckContext, r: &Ref, site: &TemplateSite, owner: SiteOwner) {
        if let Some(step) = owner.step {
            self.output(reader, r, 1, step, site);
        }
    }

    /// The names after `out` against what the action says that it gives.
    fn output(&self, reader: &mut CheckContext, r: &Ref, at: usize, target: usize, site: &TemplateSite) {
        if let Some(used) = &self.drafts[target].used {
            let out = match used.runbook.out.as_ref().map(|step| &step.args) {
                Some(Templated::Map(out)) => out.as_slice(),
                _ => &[],
            };
            let known: Vec<&str> = out.iter().map(|(name, _)| name.as_str()).collect();
            let Some(name) = r.name(at).filter(|name| !known.contains(name)) else { return };
            let message = format!("the `out` of the used runbook has no `{name}`");
            return reader.unknown("E0305", site.part(r, at), message, name, known);
        }
        let Some(kind) = &self.drafts[target].kind else { return };
        let schemas = reader.schemas(kind);
        let Err((wrong, known)) = lookup(&schemas.outputs, &r.path[at.min(r.path.len())..]) else { return };
        let span = site.part(r, at + wrong);
        let wrong = r.name(at + wrong).unwrap_or_default();
        let message = match known.is_empty() {
            true => format!("`{}` gives no `{wrong}`: it gives nothing", kind.name),
            false => format!("`{}` gives no `{wrong}`", kind.name),
        };
        reader.unknown("E0305", span, message, wrong, known.iter().map(String::as_str));
    }

    /// Whether the step that is read is certainly finished. `through` is the place in `vars` that reads it.
    fn finished(
        &self,
        reader: &mut CheckContext,
        r: &Ref,
        span: Span,
        through: Option<Span>,
        site: &TemplateSite,
        owner: SiteOwner,
    ) {
        let (Some(step), Some(id)) = (owner.step, r.name(1)) else { return };
        let Some(&target) = self.ids.get(id) else { return };
        if target == step && site.when == When::Undo {
            return;
        }
        let label = |problem: Diagnostic| match through {
            Some(place) => problem.label(place, "it reads it here"),
            None => problem,
        };
        let (here, there) = (&self.drafts[step], &self.drafts[target]);
        let one_host = r.name(2) != Some("all") && r.name(2) != Some("on");
        let every_host = !(one_host && here.on == there.on);
        // The other hosts of a roll may come later.
        let elsewhere = every_host && there.is_of_batch() && here.roll_id() == there.roll_id();
        if elsewhere || !self.order.is_finished(step, target, every_host) {
            if !reader.too_early.insert((step, target)) {
                return;
            }
            let message = match target == step {
                true => format!("`{id}` reads its own result, which is not there yet"),
                false => format!("`{id}` is not certainly finished when this is read"),
            };
            let problem = Diagnostic::error("E0402", span, message);
            return reader.problems.push(match target == step {
                true => label(problem),
                false => label(problem.label(there.span, "this step")).help(self.order_help(
                    here,
                    there,
                    target > step,
                    every_host,
                )),
            });
        }
        if r.name(2) == Some("out") && self.is_ambiguous(reader, here, there) {
            let message = format!("`{id}` has outputs on several hosts: which of them is meant?");
            let help = match there.step.as_ref().is_some_and(|step| step.for_each.is_some()) {
                true => format!("go over `steps.{id}.all`: there is one for each item"),
                false => format!("write `steps.{id}.on[HOST].out`, or go over `steps.{id}.all`"),
            };
            let problem = Diagnostic::error("E0306", span, message).label(there.span, "this step");
            reader.problems.push(label(problem).help(help));
        }
    }

    fn order_help(&self, here: &ParsedStep, there: &ParsedStep, below: bool, every_host: bool) -> String {
        let same = here.needs.iter().flatten().any(|(need, _)| need.step == there.id && need.same_host);
        let one_roll = here.roll.is_some() && here.roll_id() == there.roll_id();
        match (below, same && every_host) {
            (false, _) if one_roll => "within the roll, it is finished on the hosts of this batch only".to_owned(),
            (true, _) => format!("it stands below: move `{}` up", there.id),
            (_, true) => {
                format!("`host: same` waits on this host only; the value is of all: add `{}` to `needs`", there.id)
            }
            _ => format!("add `{}` to `needs`", there.id),
        }
    }

    /// Whether `out` of `there` may mean more than one host's, seen from `here`.
    fn is_ambiguous(&self, reader: &CheckContext, here: &ParsedStep, there: &ParsedStep) -> bool {
        if there.step.as_ref().is_some_and(|step| step.for_each.is_some()) {
            return true;
        }
        let Some(role) = there.on.as_ref().and_then(|on| reader.roles.get(on)) else { return false };
        let shared =
            here.on.as_ref().and_then(|on| reader.roles.get(on)).is_some_and(|role| role.shared) || role.shared;
        let a_role = here.on.as_ref().is_none_or(|on| reader.roles.contains_key(on));
        here.on != there.on && role.max != Some(1) && a_role && !(shared && here.on.is_some())
    }
}

fn role(reader: &mut CheckContext, r: &Ref, site: &TemplateSite) {
    let Some(name) = r.name(1) else { return };
    if !reader.roles.contains_key(name) {
        let known: Vec<String> = reader.roles.keys().cloned().collect();
        let message = format!("this runbook has no role `{name}`");
        reader.unknown("E0304", site.part(r, 1), message, name, known.iter().map(String::as_str));
    }
}

fn field(reader: &mut CheckContext, r: &Ref, at: usize, known: &[&'static str], what: &str, site: &TemplateSite) {
    let Some(name) = r.name(at).filter(|name| !known.contains(name)) else { return };
    reader.unknown("E0310", site.part(r, at), format!("{what} has no `{name}`"), name, known.iter().copied());
}

fn check_call(reader: &mut CheckContext, call: &Call, site: &TemplateSite) {
    let (known, what, candidates): (_, _, &[&str]) = match call.kind {
        CallKind::Filter => (has_filter(&call.name), "filter", known_filters()),
        CallKind::Test => (has_test(&call.name), "test", known_tests()),
        CallKind::Function => (has_function(&call.name), "function", &["range", "dict", "namespace"]),
    };
    if known {
        return;
    }
    let within = &site.source[call.range.clone()];
    let start = call.range.start + within.find(&call.name).unwrap_or(0);
    let span = site.span(start..(start + call.name.len()).min(site.source.len()));
    let message = format!("there is no {what} `{}`", call.name);
    if call.kind == CallKind::Function && has_filter(&call.name) {
        let help = format!("it is a filter: write `VALUE | {}`", call.name);
        reader.problems.push(Diagnostic::error("E0504", span, message).help(help));
    } else if closest(&call.name, candidates.iter().copied()).is_some() {
        reader.unknown("E0504", span, message, &call.name, candidates.iter().copied());
    } else {
        reader.error("E0504", span, message);
    }
}

/// Follows a path of names into a schema: the place in the path of the first name that it certainly does not have,
/// and those it has there.
fn lookup(root: &Json, path: &[Seg]) -> Result<(), (usize, Vec<String>)> {
    let mut at = root;
    for (place, part) in path.iter().enumerate() {
        let Seg::Name(name) = part else { return Ok(()) };
        let properties = at.get("properties").and_then(Json::as_object);
        let nothing = at.get("type").and_then(Json::as_str) == Some("null");
        let open = at.get("additionalProperties").is_some_and(|others| *others != Json::Bool(false));
        match (properties.and_then(|all| all.get(name)), properties) {
            (Some(next), _) => at = next,
            (None, Some(all)) if !open => return Err((place, all.keys().cloned().collect())),
            (None, None) if nothing => return Err((place, Vec::new())),
            _ => return Ok(()),
        }
    }
    Ok(())
}
