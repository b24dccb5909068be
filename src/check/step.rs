//! One step: its keys, its action, and what may stand together. Names in templates come later, in `names`.

use super::checked::{Gate, Need, OnFailure, Step};
use super::reader::{Reader, kind_names};
use super::{args, retry};
use crate::action::{self, Kind};
use crate::load::{Fields, Key, Node, Value, closest, unknown_key};
use crate::model::{Diagnostic, Effect, HostName, Span, StepId};
use crate::template::{Late, Vars};
use indexmap::IndexMap;
use std::sync::Arc;

/// Where a step stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within<'s> {
    Steps,
    Verify,
    Undo(&'s Owner),
    Reconcile(&'s Owner),
}

/// The step that an undo or a probe belongs to.
#[derive(PartialEq, Eq)]
pub(super) struct Owner {
    id: StepId,
    on: Option<String>,
}

/// A step as far as it could be read, so that what refers to it can be checked even so.
pub(super) struct Draft {
    pub id: StepId,
    /// Where its own id stands; `None` where one was made.
    pub named: Option<Span>,
    pub span: Span,
    pub kind: Option<&'static Kind>,
    pub on: Option<String>,
    pub needs: Option<Vec<(Need, Span)>>,
    pub gate: Gate,
    pub verify: bool,
    pub step: Option<Step>,
}

/// Reads a list of steps.
pub(super) fn list(reader: &mut Reader, node: &Node, within: Within) -> Vec<Draft> {
    let Value::Seq(items) = &node.value else {
        reader.error("E0202", node.span, format!("steps are a list, this is {}", node.kind()));
        return Vec::new();
    };
    items.iter().enumerate().filter_map(|(index, item)| read(reader, item, index + 1, within)).collect()
}

/// Reads one step, the `ordinal`th of its list.
fn read(reader: &mut Reader, node: &Node, ordinal: usize, within: Within) -> Option<Draft> {
    let mut fields = Fields::of(node, "a step", &mut reader.problems)?;
    let named = fields.take("id").and_then(|node| Some((own_id(reader, node)?, node.span)));
    let on = match within {
        Within::Undo(owner) | Within::Reconcile(owner) => owner.on.clone(),
        Within::Steps | Within::Verify => fields.take("on").and_then(|node| on(reader, node)),
    };
    let mut draft = Draft {
        id: named.as_ref().map_or_else(|| StepId::from(format!("step-{ordinal}")), |(id, _)| id.clone()),
        named: named.as_ref().map(|(_, span)| *span),
        span: named.as_ref().map_or(node.span, |(_, span)| *span),
        kind: None,
        on,
        needs: None,
        gate: Gate::Open,
        verify: within == Within::Verify,
        step: None,
    };
    if within == Within::Steps {
        draft.needs = fields.take("needs").map(|node| needs(reader, node));
    }
    let common = Common::read(reader, &mut fields, within);
    let unsupported = not_yet(reader, &mut fields);
    let action = the_action(reader, &fields, unsupported);
    let Some((key, parameters)) = action else { return Some(draft) };
    let kind = action::find(&key.text)?;
    draft.kind = Some(kind);
    if draft.named.is_none() {
        draft.id = made_id(kind, ordinal, within);
        draft.span = key.span;
    }
    draft.gate = if kind.barrier || common.irreversible.is_some() { Gate::Barrier } else { Gate::Open };
    draft.step = Some(common.finish(reader, &fields, &draft, kind, (key, parameters), within));
    Some(draft)
}

/// The keys beside the action.
struct Common<'n> {
    title: Option<Late>,
    when: Option<&'n Node>,
    for_each: Option<Late>,
    vars: Vars,
    user: Option<Late>,
    env: Vec<(String, Late)>,
    stdin: Option<Late>,
    cwd: Option<Late>,
    timeout: Option<std::time::Duration>,
    retry: Option<(&'n Key, &'n Node)>,
    reads: Option<(&'n Key, bool)>,
    undo: Option<(&'n Key, &'n Node)>,
    irreversible: Option<String>,
    reconcile: Option<(&'n Key, &'n Node)>,
    on_failure: OnFailure,
}

impl<'n> Common<'n> {
    fn read(reader: &mut Reader, fields: &mut Fields<'n>, within: Within) -> Self {
        let text =
            |reader: &mut Reader, fields: &mut Fields<'n>, name| fields.take(name).map(|node| reader.text(node, name));
        let main = within == Within::Steps;
        let entry = |fields: &mut Fields<'n>, name| fields.entry(name).map(|(key, node)| (key, node));
        Common {
            title: text(reader, fields, "title"),
            when: fields.take("when"),
            for_each: if main { fields.take("for_each").map(|node| for_each(reader, node)) } else { None },
            vars: fields.take("vars").map(|node| vars(reader, node)).unwrap_or_default(),
            user: fields.take("become").map(|node| become_user(reader, node)),
            env: fields.take("env").map(|node| env(reader, node)).unwrap_or_default(),
            stdin: text(reader, fields, "stdin"),
            cwd: text(reader, fields, "cwd"),
            timeout: fields.take("timeout").and_then(|node| reader.duration(node, "`timeout`")),
            retry: entry(fields, "retry"),
            reads: entry(fields, "reads").and_then(|(key, node)| Some((key, reader.boolean(node, "`reads`")?))),
            undo: if main { entry(fields, "undo") } else { None },
            irreversible: match main {
                true => fields.take("irreversible").and_then(|node| reader.literal(node, "`irreversible`")),
                false => None,
            },
            reconcile: if main { entry(fields, "reconcile") } else { None },
            on_failure: match main {
                true => fields.take("on_failure").map(|node| on_failure(reader, node)).unwrap_or_default(),
                false => OnFailure::Stop,
            },
        }
    }

    fn finish(
        self,
        reader: &mut Reader,
        fields: &Fields,
        draft: &Draft,
        kind: &'static Kind,
        (key, parameters): (&Key, &Node),
        within: Within,
    ) -> Step {
        let args = args::parameters(reader, parameters, kind);
        let names = parameters.entries().iter().map(|(key, _)| key.text.as_str());
        let reads = self.reads.is_some_and(|(_, reads)| reads) || matches!(within, Within::Reconcile(_));
        let opaque_kind = kind.effect([], false) == Effect::Opaque;
        let effect = kind.effect(names, reads && opaque_kind);
        if let Some((key, true)) = self.reads
            && !opaque_kind
        {
            let problem =
                Diagnostic::error("E0209", key.span, format!("`{}` knows by itself what it changes", kind.name));
            reader.problems.push(problem.help("`reads` is your word about a command; remove it here"));
        }
        self.check_effect(reader, fields, draft, kind, key, effect, within);
        let owner = Owner { id: draft.id.clone(), on: draft.on.clone() };
        let undo = self.undo.map(|(_, node)| several(reader, node, Within::Undo(&owner))).unwrap_or_default();
        let reconcile = self.reconcile.and_then(|(_, node)| read(reader, node, 1, Within::Reconcile(&owner))?.step);
        Step {
            id: draft.id.clone(),
            title: self.title,
            span: draft.span,
            kind,
            args,
            effect,
            on: draft.on.clone(),
            needs: draft.needs.as_ref().map(|needs| needs.iter().map(|(need, _)| need.clone()).collect()),
            when: self.when.and_then(|node| reader.expression(node, "`when`")),
            for_each: self.for_each,
            vars: self.vars,
            user: self.user,
            env: self.env,
            stdin: self.stdin,
            cwd: self.cwd,
            timeout: self.timeout,
            retry: self.retry.and_then(|(_, node)| retry::read(reader, node)),
            on_failure: self.on_failure,
            undo,
            irreversible: self.irreversible,
            reconcile: reconcile.map(Box::new),
            gate: draft.gate,
        }
    }

    /// What the step's effect demands of it.
    #[expect(clippy::too_many_arguments, reason = "each is another fact about one step")]
    fn check_effect(
        &self,
        reader: &mut Reader,
        fields: &Fields,
        draft: &Draft,
        kind: &Kind,
        key: &Key,
        effect: Effect,
        within: Within,
    ) {
        match within {
            Within::Verify | Within::Reconcile(_) if effect != Effect::Reads => {
                let problem =
                    Diagnostic::error("E0211", key.span, "only looking is allowed here, this may change something");
                let opaque = kind.effect([], false) == Effect::Opaque;
                let help = "say `reads: true` if the command changes nothing";
                reader.problems.push(if opaque && within == Within::Verify { problem.help(help) } else { problem });
                return;
            }
            Within::Steps => {}
            _ => return,
        }
        if draft.named.is_none() && (effect == Effect::Opaque || self.undo.is_some()) {
            let problem = Diagnostic::error("E0207", fields.span, "this step needs an `id`").here("add `id: NAME`");
            let why = "a command that changes things, or has an `undo`, is named in the journal and in `settle`";
            reader.problems.push(problem.help(if effect == Effect::Opaque {
                "a command that only looks says `reads: true`"
            } else {
                why
            }));
        }
        if effect != Effect::Opaque {
            return;
        }
        if let Some((retry, _)) = self.retry
            && self.reconcile.is_none()
        {
            let problem =
                Diagnostic::error("E0208", retry.span, "repeating this command blindly may do its work twice");
            reader
                .problems
                .push(problem.help("add `reconcile`, a probe that tells whether it took effect, or `reads: true`"));
        }
        if self.undo.is_none() && self.irreversible.is_none() {
            let message = "this command says neither how to take it back nor that nothing can";
            reader.warn("W0201", key.span, message, "add `undo`, `irreversible: REASON`, or `reads: true`");
        }
    }
}

/// Keys whose features come later. They are refused, never ignored.
fn not_yet(reader: &mut Reader, fields: &mut Fields) -> bool {
    let mut found = false;
    for name in ["use", "rolling", "steps", "with", "bind", "secret"] {
        if let Some((key, _)) = fields.entry(name) {
            // `with` and `bind` belong to `use`, `steps` to `rolling`: said once.
            if !found || name == "secret" {
                reader.not_yet(key.span, &format!("`{name}`"));
            }
            found |= name != "secret";
        }
    }
    found
}

const KEYS: &[&str] = &[
    "id",
    "title",
    "on",
    "needs",
    "when",
    "for_each",
    "vars",
    "become",
    "env",
    "stdin",
    "cwd",
    "timeout",
    "retry",
    "reads",
    "undo",
    "irreversible",
    "reconcile",
    "on_failure",
];

/// The one key that names an action.
fn the_action<'n>(reader: &mut Reader, fields: &Fields<'n>, unsupported: bool) -> Option<(&'n Key, &'n Node)> {
    let (actions, others): (Vec<_>, Vec<_>) = fields.rest().partition(|(key, _)| action::find(&key.text).is_some());
    let mut mistaken = false;
    for (key, _) in &others {
        if KEYS.contains(&key.text.as_str()) {
            let message = format!("`{}` has no meaning for a step here", key.text);
            reader.error("E0206", key.span, message);
            continue;
        }
        mistaken = true;
        let known: Vec<&str> = KEYS.iter().copied().chain(kind_names()).collect();
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
            if !mistaken && !unsupported {
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

fn several(reader: &mut Reader, node: &Node, within: Within) -> Vec<Step> {
    let drafts = match &node.value {
        Value::Map(_) => read(reader, node, 1, within).into_iter().collect(),
        _ => list(reader, node, within),
    };
    drafts.into_iter().filter_map(|draft| draft.step).collect()
}

fn made_id(kind: &Kind, ordinal: usize, within: Within) -> StepId {
    StepId::from(match within {
        Within::Steps => format!("{}-{ordinal}", kind.name),
        Within::Verify => format!("verify-{}-{ordinal}", kind.name),
        Within::Undo(owner) => format!("{}-undo-{ordinal}", owner.id),
        Within::Reconcile(owner) => format!("{}-reconcile", owner.id),
    })
}

fn own_id(reader: &mut Reader, node: &Node) -> Option<StepId> {
    let id = reader.literal(node, "`id`")?;
    check_name(reader, &id, node.span, "a step");
    Some(StepId::from(id))
}

/// Names that templates can spell: `steps.NAME`, `params.NAME`.
pub(super) fn check_name(reader: &mut Reader, name: &str, span: Span, what: &str) {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(word) && name.len() <= 64 {
        return;
    }
    let message = format!("`{name}` cannot name {what}: a to z, digits and `_` only, a letter first");
    let problem = Diagnostic::error("E0301", span, message);
    let mended: String = name.to_lowercase().chars().map(|c| if word(c) { c } else { '_' }).collect();
    let usable = mended.starts_with(|c: char| c.is_ascii_lowercase()) && mended.len() <= 64;
    reader.problems.push(if usable { problem.fix(span, mended) } else { problem });
}

fn on(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = reader.literal(node, "`on`")?;
    if name == HostName::CONTROLLER {
        return None;
    }
    reader.check_hosts(&name, node.span);
    Some(name)
}

fn needs(reader: &mut Reader, node: &Node) -> Vec<(Need, Span)> {
    let items = match &node.value {
        Value::Seq(items) => items.as_slice(),
        _ => {
            let problem =
                Diagnostic::error("E0202", node.span, format!("`needs` is a list of steps, this is {}", node.kind()));
            let text = node.text(reader.sources).map(|text| format!("[{text}]"));
            reader.problems.push(match text {
                Some(text) => problem.fix(node.span, text),
                None => problem,
            });
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| need(reader, item)).collect()
}

fn need(reader: &mut Reader, node: &Node) -> Option<(Need, Span)> {
    if !matches!(node.value, Value::Map(_)) {
        let step = reader.literal(node, "a step in `needs`")?;
        return Some((Need { step: step.into(), same_host: false }, node.span));
    }
    let mut fields = Fields::of(node, "an entry of `needs`", &mut reader.problems)?;
    let step = fields.require("step", &mut reader.problems);
    let host = fields.take("host");
    fields.finish(&mut reader.problems);
    if let Some(node) = host
        && reader.literal(node, "`host`").is_some_and(|host| host != "same")
    {
        reader.problems.push(Diagnostic::error("E0501", node.span, "`host` can be `same` only").fix(node.span, "same"));
    }
    let step = step?;
    let name = reader.literal(step, "`step`")?;
    Some((Need { step: name.into(), same_host: host.is_some() }, step.span))
}

fn for_each(reader: &mut Reader, node: &Node) -> Late {
    let late = reader.any(node);
    let list = match &late {
        Late::Text(template) => template.whole.is_some(),
        _ => matches!(node.value, Value::Seq(_)),
    };
    if !list {
        reader.error(
            "E0501",
            node.span,
            format!("`for_each` is a list or one `{{{{ expression }}}}`, this is {}", node.kind()),
        );
    }
    late
}

/// Reads `vars`, of a step or of the runbook.
pub(super) fn vars(reader: &mut Reader, node: &Node) -> Vars {
    let Value::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`vars` is a map of names to values, this is {}", node.kind()));
        return Vars::default();
    };
    let mut vars = IndexMap::new();
    for (key, node) in entries {
        check_name(reader, &key.text, key.span, "an entry of `vars`");
        vars.insert(key.text.clone(), reader.any(node));
    }
    Arc::new(vars)
}

fn env(reader: &mut Reader, node: &Node) -> Vec<(String, Late)> {
    let Value::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`env` is a map of names to texts, this is {}", node.kind()));
        return Vec::new();
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut env = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if !key.text.chars().all(word) || key.text.starts_with(|c: char| c.is_ascii_digit()) {
            reader.error("E0301", key.span, format!("`{}` cannot name an environment variable", key.text));
        }
        env.push((key.text.clone(), reader.text(node, &key.text)));
    }
    env
}

/// `become: true` is root.
fn become_user(reader: &mut Reader, node: &Node) -> Late {
    match node.value {
        Value::Bool(true) => Late::Value("root".into()),
        Value::Bool(false) => {
            let problem = Diagnostic::error("E0501", node.span, "`become` names the user to run as");
            reader.problems.push(problem.help("leave it away to run as the login user"));
            Late::Value(serde_json::Value::Null)
        }
        _ => reader.text(node, "become"),
    }
}

fn on_failure(reader: &mut Reader, node: &Node) -> OnFailure {
    match reader.literal(node, "`on_failure`").as_deref() {
        Some("stop") | None => OnFailure::Stop,
        Some("continue") => OnFailure::Continue,
        Some("rollback") => {
            reader.not_yet(node.span, "`on_failure: rollback`");
            OnFailure::Stop
        }
        Some(other) => {
            let known = ["stop", "continue", "rollback"];
            reader.unknown("E0501", node.span, format!("`on_failure` cannot be `{other}`"), other, known);
            OnFailure::Stop
        }
    }
}
