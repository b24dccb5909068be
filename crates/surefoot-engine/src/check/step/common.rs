//! The keys of a step beside its action.

use super::enclosing::StepContext;
use super::keys::{become_user, env, for_each, on_failure, reason, vars};
use crate::check::checked::OnFailure;
use crate::check::context::CheckContext;
use crate::load::{Fields, Node, NodeKey, NodeValue};
use crate::template::{LazyVars, Templated};
use std::time::Duration;

/// What the keys say, as far as it can be read without knowing the action.
pub(super) struct Common<'n> {
    pub title: Option<Templated>,
    pub when: Option<&'n Node>,
    pub for_each: Option<Templated>,
    pub vars: LazyVars,
    pub user: Option<Templated>,
    pub env: Vec<(String, Templated)>,
    pub stdin: Option<Templated>,
    pub cwd: Option<Templated>,
    pub timeout: Option<Duration>,
    pub retry: Option<(&'n NodeKey, &'n Node)>,
    pub reads: Option<(&'n NodeKey, bool)>,
    pub undo: Option<(&'n NodeKey, &'n Node)>,
    pub irreversible: Option<String>,
    pub secret: bool,
    pub reconcile: Option<(&'n NodeKey, &'n Node)>,
    pub on_failure: OnFailure,
}

impl<'n> Common<'n> {
    /// Takes the keys that a step may have in this place; others are left over.
    pub fn read(reader: &mut CheckContext, fields: &mut Fields<'n>, within: StepContext) -> Self {
        let text = |reader: &mut CheckContext, fields: &mut Fields<'n>, name| {
            fields.take(name).map(|node| reader.setting(node, &format!("`{name}`")))
        };
        let main = matches!(within, StepContext::Steps | StepContext::Batch(_));
        let runs_by_itself = main || matches!(within, StepContext::Finally);
        let listed = runs_by_itself || matches!(within, StepContext::Verify);
        let given = |(_, node): &&(NodeKey, Node)| node.value != NodeValue::Null;
        let entry = |fields: &mut Fields<'n>, name| fields.entry(name).filter(given).map(|(key, node)| (key, node));
        Common {
            title: text(reader, fields, "title"),
            when: fields.take("when"),
            for_each: listed.then(|| fields.take("for_each")).flatten().map(|node| for_each(reader, node)),
            vars: fields.take("vars").map(|node| vars(reader, node)).unwrap_or_default(),
            user: fields.take("become").map(|node| become_user(reader, node)).or_else(|| within.user().cloned()),
            env: fields.take("env").map(|node| env(reader, node)).unwrap_or_default(),
            stdin: text(reader, fields, "stdin"),
            cwd: text(reader, fields, "cwd"),
            timeout: fields.take("timeout").and_then(|node| reader.duration(node, "`timeout`")),
            retry: entry(fields, "retry"),
            reads: entry(fields, "reads").and_then(|(key, node)| Some((key, reader.boolean(node, "`reads`")?))),
            undo: if main { entry(fields, "undo") } else { None },
            irreversible: match main {
                true => fields.take("irreversible").and_then(|node| reason(reader, node)),
                false => None,
            },
            secret: fields.take("secret").and_then(|node| reader.boolean(node, "`secret`")).unwrap_or(false),
            reconcile: if runs_by_itself { entry(fields, "reconcile") } else { None },
            on_failure: match main {
                true => fields.take("on_failure").map(|node| on_failure(reader, node)).unwrap_or_default(),
                false => OnFailure::Stop,
            },
        }
    }
}
