//! What every part of the check needs: the source texts, the names that exist, and a place for what is wrong.

use super::cache::RunbookCache;
use super::checked::{ParamSpec, ParamType, Role};
use super::defaults::StepDefaults;
use super::schemas::Schemas;
use crate::action::{ActionKind, ActionRegistry};
use crate::catalog::Location;
use crate::load::{Document, Inventory, Node, suggested};
use crate::model::{Diagnostic, Severity, Sources, Span};
use crate::template::{
    Call, CallKind, Expr, Ref, Scope, SyntaxFault, Template, Templated, has_filter, has_function, has_test, text,
};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Reads nodes into checked values and collects what is wrong with them.
pub(super) struct CheckContext<'a> {
    pub sources: &'a Sources,
    /// The actions that steps may name.
    pub actions: &'a ActionRegistry,
    /// What is read.
    pub document: &'a Document,
    pub inventory: Option<&'a Inventory>,
    pub problems: Vec<Diagnostic>,
    pub params: IndexMap<String, ParamSpec>,
    pub roles: IndexMap<String, Role>,
    /// Parameters that something refers to.
    pub used: HashSet<String>,
    /// Steps that have been told that another is not finished by then: once is enough.
    pub too_early: HashSet<(usize, usize)>,
    pub defaults: StepDefaults,
    /// The runbooks that steps may use.
    pub shelf: Rc<RunbookCache<'a>>,
    /// The files that led here, the outermost first, with the place in each where it names the next.
    pub chain: Vec<(Location, Span)>,
    schemas: HashMap<&'static str, Rc<Schemas>>,
}

impl<'a> CheckContext<'a> {
    pub fn new(
        sources: &'a Sources,
        actions: &'a ActionRegistry,
        document: &'a Document,
        inventory: Option<&'a Inventory>,
        shelf: Rc<RunbookCache<'a>>,
    ) -> Self {
        CheckContext {
            sources,
            actions,
            document,
            inventory,
            problems: Vec::new(),
            params: IndexMap::new(),
            roles: IndexMap::new(),
            used: HashSet::new(),
            too_early: HashSet::new(),
            defaults: StepDefaults::default(),
            shelf,
            chain: Vec::new(),
            schemas: HashMap::new(),
        }
    }

    /// Where relative paths start; nowhere in a text that is in the program.
    pub fn folder(&self) -> Option<Arc<Path>> {
        self.document.location.folder().map(Arc::from)
    }

    /// A relative file in a text that has no folder.
    pub fn no_folder(&mut self, span: Span) {
        let message = "expected an absolute path: a runbook in the program has no folder";
        let problem = Diagnostic::error("E0510", span, message);
        self.problems
            .push(problem.help("make it a parameter with `type: file`, or write the content into the runbook"));
    }

    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.problems.push(Diagnostic::error(code, span, message));
    }

    /// An error about a name, with the one that may have been meant.
    pub fn unknown<'n>(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) {
        let place = Some(span).filter(|span| self.sources.text(*span) == name);
        self.problems.push(suggested(Diagnostic::error(code, span, message), place, name, known));
    }

    pub fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: &str) {
        self.problems.push(Diagnostic::warning(code, span, message).help(help));
    }

    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The parameters' and outputs' schemas of a kind.
    pub fn schemas(&mut self, kind: &ActionKind) -> Rc<Schemas> {
        self.schemas.entry(kind.name).or_insert_with(|| Rc::new(Schemas::of(kind))).clone()
    }

    /// Whether hosts of that name exist. Without an inventory, only roles are known.
    pub fn check_hosts(&mut self, name: &str, span: Span) {
        let in_inventory =
            self.inventory.is_some_and(|all| all.groups.contains_key(name) || all.hosts.contains_key(name));
        if self.roles.contains_key(name) || in_inventory {
            return;
        }
        let mut known: Vec<String> = self.roles.keys().cloned().collect();
        if let Some(inventory) = self.inventory {
            known.extend(inventory.groups.keys().cloned());
            known.extend(inventory.hosts.keys().map(ToString::to_string));
        }
        let message = match self.inventory {
            Some(_) => format!("`{name}` is no role, group or host"),
            None => format!("`{name}` is no role of this runbook"),
        };
        match known.is_empty() {
            true => self.problems.push(Diagnostic::error("E0304", span, message).help("declare it under `hosts`")),
            false => self.unknown("E0304", span, message, name, known.iter().map(String::as_str)),
        }
    }

    /// A literal text: no template may stand here.
    pub fn literal(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = match node.text(self.sources) {
            Some(text) => text.to_owned(),
            None => {
                self.error("E0501", node.span, format!("{what} is text, this is {}", node.kind()));
                return None;
            }
        };
        if node.as_str().is_some() && Template::is_in(&text) {
            self.error("E0502", node.span, format!("{what} cannot be a template: it must be known before the run"));
            return None;
        }
        Some(text)
    }

    pub fn duration(&mut self, node: &Node, what: &str) -> Option<std::time::Duration> {
        let text = self.literal(node, what)?;
        match text.parse::<crate::action::Period>() {
            Ok(period) => Some(period.0),
            Err(why) => {
                self.error("E0510", node.span, why);
                None
            }
        }
    }

    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            crate::load::NodeValue::Bool(yes) => Some(yes),
            _ => {
                let message = format!("{what} is `true` or `false`, this is {}", node.kind());
                let problem = Diagnostic::error("E0501", node.span, message);
                self.problems.push(match node.as_str() {
                    Some("yes" | "on") => problem.fix(node.span, "true"),
                    Some("no" | "off") => problem.fix(node.span, "false"),
                    _ => problem,
                });
                None
            }
        }
    }

    pub fn whole_number(&mut self, node: &Node, what: &str, least: u64) -> Option<u64> {
        let number = match &node.value {
            crate::load::NodeValue::Number(number) => number.as_u64().filter(|n| *n >= least),
            _ => None,
        };
        if number.is_none() {
            self.error("E0501", node.span, format!("{what} is a whole number from {least} on"));
        }
        number
    }

    /// Text that may hold templates.
    pub fn text(&mut self, node: &Node, what: &str) -> Templated {
        match node.text(self.sources) {
            Some(text) => self.text_or_template(node, text),
            None => {
                self.error("E0501", node.span, format!("{what} is text, this is {}", node.kind()));
                Templated::Value(Json::Null)
            }
        }
    }

    pub fn text_or_template(&mut self, node: &Node, text: &str) -> Templated {
        match self.template(node) {
            Some(template) => Templated::Text(template),
            None => Templated::Value(text.into()),
        }
    }

    /// The value of a step's key that is text, in which templates may stand.
    pub fn setting(&mut self, node: &Node, what: &str) -> Templated {
        let late = self.text(node, what);
        let Templated::Text(template) = &late else { return late };
        let given = match self.declared(template) {
            Some((_, kind)) if !kind.is_text() => Err(format!("expected text, got {}", kind.said())),
            _ => self.constant(template).map_or(Ok(()), |value| text(&value).map(drop)),
        };
        if let Err(why) = given {
            self.error("E0501", node.span, format!("{what}: {why}"));
        }
        late
    }

    /// What a template gives that reads nothing. One that fails is told.
    pub fn constant(&mut self, template: &Template) -> Option<Json> {
        if !template.refs.is_empty() || !template.calls.iter().all(is_known) {
            return None;
        }
        match template.render(&Scope::default()) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.error("E0507", fault.span, fault.message);
                None
            }
        }
    }

    /// The parameter that a template is as a whole, `{{ params.x }}`, with its declared type and its place.
    pub fn declared(&self, template: &Template) -> Option<(Ref, ParamType)> {
        let [only] = template.refs.as_slice() else { return None };
        let (Some("params"), Some(name), 2) = (only.name(0), only.name(1), only.path.len()) else { return None };
        let inner = template.source.get(template.whole.clone()?)?.trim();
        let is_whole = inner == &template.source[only.range.clone()];
        is_whole.then(|| Some((only.clone(), self.params.get(name)?.kind))).flatten()
    }

    /// The template that a node is, if it is one that can be read.
    pub fn template(&mut self, node: &Node) -> Option<Template> {
        let text = node.as_str().filter(|text| Template::is_in(text))?;
        match Template::parse(text, node.place(self.sources)) {
            Ok(template) => {
                self.constant(&template);
                Some(template)
            }
            Err(fault) => {
                self.syntax(node, fault);
                None
            }
        }
    }

    /// A bare expression that must be true or false.
    pub fn expression(&mut self, node: &Node, what: &str) -> Option<Expr> {
        let Some(text) = node.text(self.sources) else {
            self.error("E0501", node.span, format!("{what} is an expression, this is {}", node.kind()));
            return None;
        };
        if text.contains("{{") {
            let problem = Diagnostic::error("E0505", node.span, format!("{what} is an expression by itself"));
            let inner = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).filter(|t| !t.contains("{{"));
            // `{{- x -}}` only strips blanks around it.
            let inner = inner.map(|inner| inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']));
            self.problems.push(match inner {
                Some(inner) => problem.help("write it without `{{ }}`").fix(node.span, quoted_if_needed(inner.trim())),
                None => problem.help("write names without `{{ }}`, texts in quotes, `~` between them"),
            });
            return None;
        }
        match Expr::parse(text, node.place(self.sources)) {
            Ok(expr) if expr.may_be_bool && self.can_hold(&expr) => Some(expr),
            Ok(_) => {
                self.error("E0506", node.span, format!("{what} must be true or false, this never is"));
                None
            }
            Err(fault) => {
                self.syntax(node, fault);
                None
            }
        }
    }

    /// Whether an expression may be true or false, by what is known of it: the type of a parameter, or its value.
    fn can_hold(&self, expr: &Expr) -> bool {
        match expr.refs.as_slice() {
            [] if expr.calls.iter().all(is_known) => expr.holds(&Scope::default()).is_ok(),
            [only] if expr.source.trim() == &expr.source[only.range.clone()] && only.name(0) == Some("params") => {
                let declared = only.name(1).and_then(|name| self.params.get(name)).filter(|_| only.path.len() == 2);
                declared.is_none_or(|spec| spec.kind == ParamType::Bool)
            }
            _ => true,
        }
    }

    fn syntax(&mut self, node: &Node, fault: SyntaxFault) {
        let text = node.text(self.sources).unwrap_or("");
        let span = node.place(self.sources).of(text, fault.range);
        self.error("E0503", span, format!("this template cannot be read: {}", fault.message));
    }

    /// Where anything may stand, a number is a number: `0600` is 600 and `1.10` is 1.1.
    pub fn check_digits(&mut self, node: &Node) {
        let crate::load::NodeValue::Number(number) = &node.value else { return };
        let written = self.sources.text(node.span);
        if number.to_string() == written {
            return;
        }
        let problem = Diagnostic::warning("W0501", node.span, format!("`{written}` is the number {number} here"));
        self.problems.push(problem.help("quote it if it is text").guess(node.span, format!("\"{written}\"")));
    }

    /// A role, group or host, or a list of them. A template may name them, too.
    pub fn hosts(&mut self, node: &Node, what: &str) -> Templated {
        let items = match &node.value {
            crate::load::NodeValue::Seq(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            let late = self.text(item, what);
            if let Templated::Value(Json::String(name)) = &late {
                self.check_hosts(name, item.span);
            }
            names.push(late);
        }
        let names = match &node.value {
            crate::load::NodeValue::Seq(_) => folded(Templated::Seq(names)),
            _ => names.remove(0),
        };
        Templated::Hosts(Box::new(names))
    }

    /// A tree of any values, with templates in its texts.
    pub fn any(&mut self, node: &Node) -> Templated {
        use crate::load::NodeValue;
        let late = match &node.value {
            NodeValue::String(text) => return self.text_or_template(node, text),
            NodeValue::Seq(items) => Templated::Seq(items.iter().map(|item| self.any(item)).collect()),
            NodeValue::Map(entries) => {
                Templated::Map(entries.iter().map(|(key, node)| (key.text.clone(), self.any(node))).collect())
            }
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(_) => {
                self.check_digits(node);
                return Templated::Value(node.to_json());
            }
        };
        folded(late)
    }
}

fn is_known(call: &Call) -> bool {
    match call.kind {
        CallKind::Filter => has_filter(&call.name),
        CallKind::Test => has_test(&call.name),
        CallKind::Function => has_function(&call.name),
    }
}

/// A tree in which nothing waits is one value.
pub(super) fn folded(late: Templated) -> Templated {
    fn value(late: &Templated) -> Option<Json> {
        late.as_value().cloned()
    }
    let whole = match &late {
        Templated::Seq(items) => items.iter().map(value).collect::<Option<Vec<_>>>().map(Json::Array),
        Templated::Map(entries) => {
            let entries = entries.iter().map(|(key, late)| Some((key.clone(), value(late)?)));
            entries.collect::<Option<serde_json::Map<_, _>>>().map(Json::Object)
        }
        _ => None,
    };
    whole.map_or(late, Templated::Value)
}

/// An expression as a YAML scalar.
fn quoted_if_needed(text: &str) -> String {
    // Within `{ }` and `[ ]` some signs would end it.
    let plain =
        !text.contains([':', '#', ',', '[', ']', '{', '}', '\n']) && text.starts_with(|c: char| c.is_alphanumeric());
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}
