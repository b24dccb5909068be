//! From a document to a runbook that can be compiled, or every mistake in it.
//!
//! Each part reads its nodes into checked values and collects what is wrong ([`check`]); then the steps are put in
//! order and every name in every template is looked up. What is particular to one run comes after: [`bind`] gives
//! roles their hosts, [`params`] gives parameters their values. Connects to nothing.

mod args;
mod cache;
mod checked;
mod codes;
mod command;
mod context;
mod defaults;
mod explain;
mod local_targets;
mod names;
mod order;
mod overlaps;
mod params;
mod parsed_step;
mod retry;
mod roles;
mod schemas;
mod scripted;
mod secrets;
mod shapes;
mod shell;
mod shell_injection;
mod step;
mod templates;
mod uses;
mod vars;

pub(crate) use args::fit_so_far;
pub use checked::{
    BatchChoice, Gate, InRoll, Need, OnFailure, ParamSpec, ParamType, Retry, Role, RollPart, Runbook, Step, UsedRunbook,
};
pub use codes::CODES;
pub use explain::explanation;
pub use params::{fitting, missing_params, params, params_ahead, params_literal};
pub use roles::{bind, in_order, misfits};
pub(crate) use schemas::Schemas;
pub use scripted::{add_action, with_actions};
pub use shapes::{ACTION, PARAM, RETRY, ROLE, ROLL, ROLLING, RUNBOOK, STEP, USE_STEP};

use crate::action::{ActionRegistry, USE};
use crate::load::{Document, Fields, Inventory, Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Sources, StepId};
use crate::template::Templated;
use cache::RunbookCache;
use context::CheckContext;
use defaults::StepDefaults;
use names::StepNames;
use order::WaitGraph;
use parsed_step::{ParsedStep, StepSection};
use step::StepContext;
use step::keys;

/// What the check says of a document.
#[derive(Debug)]
pub struct CheckReport {
    /// `None` where any diagnostic is an error.
    pub runbook: Option<Runbook>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a runbook. With an inventory, steps may name its hosts and groups beside the runbook's roles.
pub fn check(
    document: &Document,
    inventory: Option<&Inventory>,
    sources: &Sources,
    actions: &ActionRegistry,
) -> CheckReport {
    let (actions, problems) = with_actions(actions, document, sources);
    let mut reader = CheckContext::new(sources, &actions, document, inventory, RunbookCache::of(document, runbook));
    reader.problems = problems;
    reader.chain.push((document.location.clone(), document.root.span));
    let runbook = runbook(&mut reader, &document.root);
    let runbook = runbook.filter(|_| !reader.has_errors());
    let mut diagnostics = reader.problems;
    diagnostics.sort_by_key(|problem| (problem.labels[0].span.file, problem.labels[0].span.start));
    diagnostics.dedup();
    CheckReport { runbook, diagnostics }
}

fn runbook(reader: &mut CheckContext, root: &Node) -> Option<Runbook> {
    let mut fields = Fields::of(root, &RUNBOOK, &mut reader.problems)?;
    let name = fields.take("runbook").and_then(|node| runbook_name(reader, node));
    let summary = fields.take("summary").and_then(|node| reader.literal(node, "`summary`"));
    fields.take("requires").into_iter().for_each(|node| requires(reader, node));
    fields.take("params").into_iter().for_each(|node| params::declared(reader, node));
    fields.take("hosts").into_iter().for_each(|node| roles::declared(reader, node));
    reader.defaults =
        fields.take("defaults").map(|node| StepDefaults::read(node, &mut reader.problems)).unwrap_or_default();
    let vars = fields.take("vars").map(|node| keys::vars(reader, node)).unwrap_or_default();
    let steps = fields.take("steps");
    let mut drafts: Vec<ParsedStep> =
        steps.map(|node| step::list(reader, node, StepContext::Steps)).unwrap_or_default();
    if let Some(node) = steps.filter(|_| drafts.is_empty() && !reader.has_errors()) {
        reader.error("E0203", node.span, "a runbook needs at least one step");
    }
    let verify = fields.take("verify").map(|node| step::list(reader, node, StepContext::Verify)).unwrap_or_default();
    drafts.extend(verify);
    let finally = fields.take("finally").map(|node| step::list(reader, node, StepContext::Finally)).unwrap_or_default();
    drafts.extend(finally);
    // What it gives is read as by a last step.
    let out = fields.entry("out").map(|(key, node)| out(reader, key, node));
    let gives = out.is_some();
    drafts.extend(out);
    let on_failure = fields.take("on_failure").map(|node| on_failure(reader, node)).unwrap_or_default();
    fields.finish(&mut reader.problems);

    step::name_checkpoints(&mut drafts);
    let ids = order::ids(reader, &drafts);
    let order = WaitGraph::of(reader, &drafts, &ids);
    let names = StepNames { drafts: &drafts, ids: &ids, order: &order, vars: &vars };
    names::check(reader, &names);
    secrets::check(reader, &names);
    overlaps::check(reader, &names);
    if !reader.has_errors() {
        shell_injection::check(reader, &names);
        local_targets::check(reader, &names);
        // A name that could not be read may have been the use.
        params::unused(reader);
    }

    let out = drafts.pop_if(|_| gives).and_then(|draft| draft.step);
    let mut uses = Vec::new();
    let mut part = |part| drafts.extract_if(.., |draft| draft.part == part).collect::<Vec<_>>();
    let (steps, verify, own) = (part(StepSection::Steps), part(StepSection::Verify), part(StepSection::Finally));
    let mut finally = Vec::new();
    let steps = uses::flat(steps, &mut uses, &mut finally);
    finally.extend(own.into_iter().filter_map(|draft| draft.step));
    Some(Runbook {
        name: name?,
        summary: summary.unwrap_or_default(),
        identity: reader.document.identity(reader.sources),
        params: std::mem::take(&mut reader.params),
        roles: std::mem::take(&mut reader.roles),
        vars,
        steps,
        on_failure,
        verify: verify.into_iter().filter_map(|draft| draft.step).collect(),
        finally,
        out,
        uses,
        _proof: checked::Proof,
    })
}

/// `out`, in the form of a step that comes after all others.
fn out(reader: &mut CheckContext, key: &NodeKey, node: &Node) -> ParsedStep {
    let mut values = Vec::new();
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, node) in entries {
                keys::check_name(reader, &key.text, key.span, "an entry of `out`");
                values.push((key.text.clone(), reader.any(node)));
            }
        }
        _ => reader.error("E0202", node.span, format!("`out` is a map of names to values, this is {}", node.kind())),
    }
    ParsedStep::made(Step::plain(StepId::from(StepId::RESULT), key.span, USE.clone(), Templated::Map(values)))
}

/// Such as `etcd/restore-cluster`.
fn runbook_name(reader: &mut CheckContext, node: &Node) -> Option<String> {
    let name = reader.literal(node, "`runbook`")?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.') || !part.chars().all(word)) {
        let message = format!("`{name}` cannot name a runbook: letters, digits, `-`, `_` and `.`, with `/` between");
        reader.error("E0301", node.span, message);
    }
    Some(name)
}

/// `requires: ">=0.1"`.
fn requires(reader: &mut CheckContext, node: &Node) {
    let Some(text) = reader.literal(node, "`requires`") else { return };
    let numbers = |text: &str| text.trim().split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>();
    let own = env!("CARGO_PKG_VERSION");
    match text.trim().strip_prefix(">=").and_then(numbers) {
        None => reader.error("E0510", node.span, "a version is required as `\">=0.1\"`"),
        Some(wanted) if numbers(own).is_some_and(|own| own < wanted) => {
            reader.error("E0212", node.span, format!("this runbook requires surefoot {text}, this is {own}"));
        }
        Some(_) => {}
    }
}

/// `on_failure` of a runbook.
fn on_failure(reader: &mut CheckContext, node: &Node) -> OnFailure {
    match reader.literal(node, "`on_failure`").as_deref() {
        Some("stop") | None => OnFailure::Stop,
        Some("rollback") => OnFailure::Rollback,
        Some(other) => {
            let message = format!("`on_failure` of a runbook cannot be `{other}`");
            reader.unknown("E0501", node.span, message, other, ["stop", "rollback"]);
            OnFailure::Stop
        }
    }
}
