//! From a document to a runbook that can be compiled, or every mistake in it.
//!
//! Each part reads its nodes into checked values and collects what is wrong ([`check`]); then the steps are put in
//! order and every name in every template is looked up. What is particular to one run comes after: [`bind`] gives
//! roles their hosts, [`params`] gives parameters their values. Connects to nothing.

mod args;
mod checked;
mod codes;
mod names;
mod order;
mod params;
mod reader;
mod retry;
mod roles;
mod shapes;
mod sites;
mod step;
mod vars;

pub use checked::{Gate, Need, OnFailure, ParamSpec, ParamType, Retry, Role, Runbook, Step};
pub use codes::CODES;
pub use params::params;
pub use roles::bind;
pub use shapes::RUNBOOK;

use crate::load::{Document, Fields, Inventory, Node};
use crate::model::{Diagnostic, Sources};
use names::Names;
use order::Order;
use reader::Reader;
use step::{Draft, Part, Within};

/// What the check says of a document.
#[derive(Debug)]
pub struct Verdict {
    /// `None` where any diagnostic is an error.
    pub runbook: Option<Runbook>,
    /// Errors and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a runbook. With an inventory, steps may name its hosts and groups beside the runbook's roles.
pub fn check(document: &Document, inventory: Option<&Inventory>, sources: &Sources) -> Verdict {
    let mut reader = Reader::new(sources, &document.dir, inventory);
    let runbook = runbook(&mut reader, &document.root);
    let runbook = runbook.filter(|_| !reader.has_errors());
    let mut diagnostics = reader.problems;
    diagnostics.sort_by_key(|problem| (problem.labels[0].span.file, problem.labels[0].span.start));
    diagnostics.dedup();
    Verdict { runbook, diagnostics }
}

fn runbook(reader: &mut Reader, root: &Node) -> Option<Runbook> {
    let mut fields = Fields::of(root, &RUNBOOK, &mut reader.problems)?;
    let name = fields.take("runbook").and_then(|node| runbook_name(reader, node));
    let summary = fields.take("summary").and_then(|node| reader.literal(node, "`summary`"));
    fields.take("requires").into_iter().for_each(|node| requires(reader, node));
    fields.take("params").into_iter().for_each(|node| params::declared(reader, node));
    fields.take("hosts").into_iter().for_each(|node| roles::declared(reader, node));
    let vars = fields.take("vars").map(|node| step::vars(reader, node)).unwrap_or_default();
    let steps = fields.take("steps");
    let mut drafts: Vec<Draft> = steps.map(|node| step::list(reader, node, Within::Steps)).unwrap_or_default();
    if let Some(node) = steps.filter(|_| drafts.is_empty() && !reader.has_errors()) {
        reader.error("E0203", node.span, "a runbook needs at least one step");
    }
    let verify = fields.take("verify").map(|node| step::list(reader, node, Within::Verify)).unwrap_or_default();
    drafts.extend(verify);
    let finally = fields.take("finally").map(|node| step::list(reader, node, Within::Finally)).unwrap_or_default();
    drafts.extend(finally);
    let on_failure = fields.take("on_failure").map(|node| on_failure(reader, node)).unwrap_or_default();
    not_yet(reader, &mut fields);
    fields.finish(&mut reader.problems);

    let ids = order::ids(reader, &drafts);
    let order = Order::of(reader, &drafts, &ids);
    names::check(reader, &Names { drafts: &drafts, ids: &ids, order: &order, vars: &vars });
    if !reader.has_errors() {
        // A name that could not be read may have been the use.
        params::unused(reader);
    }

    let mut part = |part| drafts.extract_if(.., |draft| draft.part == part).filter_map(|draft| draft.step).collect();
    Some(Runbook {
        name: name?,
        summary: summary.unwrap_or_default(),
        folder: reader.folder.to_path_buf(),
        params: std::mem::take(&mut reader.params),
        roles: std::mem::take(&mut reader.roles),
        vars,
        steps: part(Part::Steps),
        on_failure,
        verify: part(Part::Verify),
        finally: part(Part::Finally),
        _proof: checked::Proof,
    })
}

/// Such as `etcd/restore-cluster`.
fn runbook_name(reader: &mut Reader, node: &Node) -> Option<String> {
    let name = reader.literal(node, "`runbook`")?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.') || !part.chars().all(word)) {
        let message = format!("`{name}` cannot name a runbook: letters, digits, `-`, `_` and `.`, with `/` between");
        reader.error("E0301", node.span, message);
    }
    Some(name)
}

/// `requires: ">=0.1"`.
fn requires(reader: &mut Reader, node: &Node) {
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

/// Keys of a runbook whose features come later. They are refused, never ignored.
fn not_yet(reader: &mut Reader, fields: &mut Fields) {
    for name in ["defaults", "out"] {
        if let Some((key, _)) = fields.entry(name) {
            reader.not_yet(key.span, &format!("`{name}`"));
        }
    }
}

/// `on_failure` of a runbook.
fn on_failure(reader: &mut Reader, node: &Node) -> OnFailure {
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
