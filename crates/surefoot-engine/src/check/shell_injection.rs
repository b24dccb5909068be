//! Values that a template puts into the text of a command: its shell reads them as code, and no quotes around them help
//! against a value that has quotes itself. `env` and `"$NAME"` do.
//!
//! Warned of are values that may be any text: parameters of type string, file, list and map, variables of the inventory,
//! outputs that are no numbers; also through `vars`. A text that is one template as a whole is meant to be code.

use super::checked::{ParamType, Step};
use super::context::CheckContext;
use super::names::StepNames;
use super::schemas::Schemas;
use super::vars;
use crate::model::{Diagnostic, Span};
use crate::template::{LazyVars, Ref, Template, Templated};
use serde_json::Value as Json;

/// Entries of `vars` that are one another as a whole, at most: cycles are told elsewhere.
const DEEPEST: usize = 20;

pub(super) fn check(reader: &mut CheckContext, names: &StepNames) {
    let mut found = Vec::new();
    for step in names.drafts.iter().filter_map(|draft| draft.step.as_ref()) {
        let vars = vars::merged(names.vars, &step.vars);
        ShellTexts { reader, names, owner: step, vars: &vars }.of_step(step, &mut found);
        for part in step.undo.iter().chain(step.reconcile.as_deref()) {
            let vars = vars::merged(&vars, &part.vars);
            ShellTexts { reader, names, owner: step, vars: &vars }.of_step(part, &mut found);
        }
    }
    reader.problems.extend(found);
}

/// A schema and its alternatives.
fn forms(schema: &Json) -> impl Iterator<Item = &Json> {
    std::iter::once(schema).chain(schema["anyOf"].as_array().into_iter().flatten())
}

/// Whether an action's schema calls a value shell text.
fn is_shell_text(schema: &Json) -> bool {
    matches!(schema["x-command"].as_str(), Some("shell" | "condition"))
}

/// The shell texts of a step and its parts, and what the names in them mean.
struct ShellTexts<'t> {
    reader: &'t CheckContext<'t>,
    names: &'t StepNames<'t>,
    /// Whose `for_each` makes `item`.
    owner: &'t Step,
    vars: &'t LazyVars,
}

impl ShellTexts<'_> {
    fn of_step(&self, step: &Step, found: &mut Vec<Diagnostic>) {
        let schema = (step.kind.schema)().to_value();
        match &step.args {
            Templated::Text(text) if forms(&schema).any(is_shell_text) => self.text(text, 0, found),
            Templated::Map(entries) => {
                let is_shell = |name: &str| forms(&schema).any(|form| is_shell_text(&form["properties"][name]));
                for (_, late) in entries.iter().filter(|(name, _)| is_shell(name)) {
                    if let Templated::Text(text) = late {
                        self.text(text, 0, found);
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&self, text: &Template, depth: usize, found: &mut Vec<Diagnostic>) {
        for r in text.refs.iter().filter(|r| r.shown) {
            if text.whole.is_none() {
                found.extend(self.read_as_code(r).map(|through| warning(text, r, through)));
            } else if r.name(0) == Some("vars")
                && depth < DEEPEST
                && let Some(Templated::Text(script)) = r.name(1).and_then(|name| self.vars.get(name))
            {
                self.text(script, depth + 1, found);
            }
        }
    }

    /// Whether a value may have something in it that a shell reads in a way of its own; with the place where an entry of
    /// `vars` reads that.
    fn read_as_code(&self, r: &Ref) -> Option<Option<Span>> {
        match (r.name(0), r.name(1)) {
            (Some("vars"), Some(name)) => {
                let reads = vars::reads(self.vars, name).into_iter();
                let mut reads = reads.filter(|read| read.reference.shown && read.reference.name(0) != Some("vars"));
                reads.find(|read| !self.is_plain(&read.reference)).map(|read| Some(read.span))
            }
            _ => (!self.is_plain(r)).then_some(None),
        }
    }

    fn is_plain(&self, r: &Ref) -> bool {
        match (r.name(0), r.name(1)) {
            (Some("params"), Some(name)) => self.reader.params.get(name).is_none_or(|spec| is_plain_type(spec.kind)),
            (Some("host"), field) => field.is_some_and(|field| field != "vars"),
            (Some("steps"), Some(id)) => self.is_plain_output(id, r),
            (Some("params" | "steps"), None) => false,
            (Some("item"), _) => {
                let mut plain = true;
                let list = self.owner.for_each.iter();
                list.for_each(|late| late.each_ref(&mut |r| plain &= self.read_as_code(r).is_none()));
                plain
            }
            _ => true,
        }
    }

    /// Of a step: whether it has changed something and the like; and numbers that its action gives.
    fn is_plain_output(&self, id: &str, r: &Ref) -> bool {
        let at = if r.name(2) == Some("on") { 4 } else { 2 };
        let draft = self.names.ids.get(id).map(|draft| &self.names.drafts[*draft]);
        match (r.name(at), r.name(at + 1)) {
            (Some("out"), Some(name)) => {
                let kind = draft.and_then(|draft| draft.kind.as_ref()).filter(|_| r.path.len() == at + 2);
                kind.is_some_and(|kind| is_number(&Schemas::of(kind).outputs, name))
            }
            (Some("out" | "all") | None, _) => false,
            _ => true,
        }
    }
}

fn is_plain_type(kind: ParamType) -> bool {
    use ParamType::*;
    match kind {
        String | File | List | Map => false,
        // A secret is refused there.
        Int | Float | Bool | Duration | Secret => true,
    }
}

pub(super) fn is_number(outputs: &Json, name: &str) -> bool {
    let Some(schema) = outputs.pointer(&format!("/properties/{name}")) else { return false };
    let plain = |kind: &Json| ["integer", "number", "boolean", "null"].iter().any(|plain| kind == plain);
    match Schemas::at(outputs, schema).get("type") {
        Some(Json::Array(all)) => all.iter().all(plain),
        Some(one) => plain(one),
        None => false,
    }
}

/// Variables that mean something to the shell or to what it calls.
const TAKEN: &[&str] = &[
    "CDPATH", "EDITOR", "ENV", "EUID", "HOME", "HOSTNAME", "IFS", "LANG", "LANGUAGE", "LOGNAME", "MAIL", "OLDPWD",
    "OPTARG", "OPTERR", "OPTIND", "PAGER", "PATH", "PPID", "PWD", "RANDOM", "SECONDS", "SHELL", "SHLVL", "TERM",
    "TMPDIR", "TZ", "UID", "USER",
];

/// A name for what a reference holds: its path without the root, so that two of them have two names.
fn variable(what: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let parts: Vec<&str> = what.split(|c| !word(c)).filter(|part| !part.is_empty()).collect();
    let own = if parts.len() > 1 { &parts[1..] } else { &parts[..] };
    let name = own.join("_").to_uppercase();
    match name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || TAKEN.contains(&name.as_str()) {
        true => format!("VALUE_{name}"),
        false => name,
    }
}

fn warning(text: &Template, r: &Ref, through: Option<Span>) -> Diagnostic {
    let what = &text.source[r.range.clone()];
    let name = variable(what);
    let message = format!("the shell reads what `{what}` holds as code, whatever quotes stand around it");
    let problem = Diagnostic::warning("W0503", text.place.of(&text.source, r.range.clone()), message).help(format!(
        "put it in the step's `env`, as `env: {{ {name}: \"{{{{ {what} }}}}\" }}`, and write `\"${name}\"` here"
    ));
    match through {
        Some(place) => problem.label(place, "it is read here"),
        None => problem,
    }
}
