//! Values that may stand still or wait for a run.

use super::environment::ENVIRONMENT;
use super::{Expr, Ref, Scope, Template};
use crate::model::{Fault, FaultKind, FileId, Span};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// A tree of values, templates and expressions: an action's parameters, a step's `env`, a `vars` entry.
#[derive(Clone, Debug)]
pub enum Late {
    Value(Json),
    Text(Template),
    /// Gives `{"source": TEXT, "holds": BOOL}`: what an action's condition is made from.
    Condition(Expr),
    /// Names hosts: a role, group, host, a list of those, or records with a `host`. Gives host names.
    Hosts(Box<Late>),
    /// A path on the controller; relative ones start from this folder.
    Path(Box<Late>, Option<Arc<Path>>),
    Seq(Vec<Late>),
    Map(Vec<(String, Late)>),
}

/// A template that could not be evaluated: an undefined name, a value of the wrong type.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateFault {
    pub message: String,
    pub span: Span,
}

impl From<TemplateFault> for Fault {
    fn from(fault: TemplateFault) -> Fault {
        Fault::new(FaultKind::Value, fault.message).at(fault.span)
    }
}

impl Late {
    /// The value in a scope, as plain JSON. A whole `{{ expression }}` keeps its type.
    pub fn render(&self, scope: &Scope) -> Result<Json, TemplateFault> {
        match self {
            Late::Value(value) => Ok(value.clone()),
            Late::Text(template) => template.render(scope),
            Late::Condition(expr) => Ok(json!({ "source": &*expr.source, "holds": expr.holds(scope)? })),
            Late::Hosts(names) => scope.resolve(&names.render(scope)?).map_err(|message| names.fault(message)),
            Late::Path(path, folder) => {
                absolute(path.render(scope)?, folder.as_deref()).map_err(|message| path.fault(message))
            }
            Late::Seq(items) => items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>().map(Json::Array),
            Late::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.render(scope)?)))
                .collect::<Result<_, _>>()
                .map(Json::Object),
        }
    }

    /// The value in a scope as text: numbers and booleans as they are written.
    pub fn text(&self, scope: &Scope) -> Result<String, TemplateFault> {
        let value = self.render(scope)?;
        text(&value).map_err(|why| self.fault(why))
    }

    /// Whether it waits for nothing but what is `known`.
    pub fn waits_only_for(&self, known: &dyn Fn(&Ref) -> bool) -> bool {
        let mut all = true;
        self.each_ref(&mut |r| all &= known(r));
        all
    }

    /// The value in a scope, for a template that reads it.
    pub(super) fn value(&self, scope: &Scope) -> Result<Value, TemplateFault> {
        match self {
            Late::Value(value) => Ok(Value::from(Serde(value))),
            Late::Text(template) => template.value(scope),
            other => other.render(scope).map(|json| Value::from(Serde(json))),
        }
    }

    /// Renders now what refers only to what is `known`; the rest stays as it is.
    pub fn settle(&self, scope: &Scope, known: &dyn Fn(&Ref) -> bool) -> Result<Late, TemplateFault> {
        Ok(match self {
            Late::Value(_) => self.clone(),
            Late::Text(_) | Late::Condition(_) | Late::Hosts(_) | Late::Path(..) => match self.waits_only_for(known) {
                true => Late::Value(self.render(scope)?),
                false => self.clone(),
            },
            Late::Seq(items) => {
                let items = items.iter().map(|item| item.settle(scope, known)).collect::<Result<Vec<_>, _>>()?;
                Late::Seq(items).folded()
            }
            Late::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.settle(scope, known)?)))
                    .collect::<Result<Vec<_>, _>>()?;
                Late::Map(entries).folded()
            }
        })
    }

    /// A tree in which nothing waits any more becomes one value.
    fn folded(self) -> Late {
        match self {
            Late::Seq(items) if items.iter().all(|item| matches!(item, Late::Value(_))) => {
                Late::Value(Json::Array(items.into_iter().filter_map(Late::into_value).collect()))
            }
            Late::Map(entries) if entries.iter().all(|(_, value)| matches!(value, Late::Value(_))) => Late::Value(
                Json::Object(entries.into_iter().filter_map(|(key, value)| Some((key, value.into_value()?))).collect()),
            ),
            other => other,
        }
    }

    fn into_value(self) -> Option<Json> {
        match self {
            Late::Value(value) => Some(value),
            _ => None,
        }
    }

    /// A fault at the first template in it.
    fn fault(&self, message: String) -> TemplateFault {
        TemplateFault { message, span: self.place().unwrap_or(Span::new(FileId(0), 0..0)) }
    }

    /// Where its first template stands.
    pub fn place(&self) -> Option<Span> {
        match self {
            Late::Value(_) => None,
            Late::Text(t) => Some(t.place.span),
            Late::Condition(e) => Some(e.place.span),
            Late::Hosts(inner) | Late::Path(inner, _) => inner.place(),
            Late::Seq(items) => items.iter().find_map(Late::place),
            Late::Map(entries) => entries.iter().find_map(|(_, value)| value.place()),
        }
    }

    /// The value, where nothing in it waits.
    pub fn as_value(&self) -> Option<&Json> {
        match self {
            Late::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an entry, where it is a map and nothing in the entry waits.
    pub fn entry(&self, name: &str) -> Option<&Json> {
        match self {
            Late::Value(map) => map.get(name),
            Late::Map(entries) => entries.iter().find(|(key, _)| key == name)?.1.as_value(),
            _ => None,
        }
    }

    /// An entry that may wait, where it is a map.
    pub fn late_entry(&self, name: &str) -> Option<&Late> {
        match self {
            Late::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Calls `see` for each reference in it.
    pub fn each_ref<'a>(&'a self, see: &mut dyn FnMut(&'a Ref)) {
        match self {
            Late::Value(_) => {}
            Late::Text(t) => t.refs.iter().for_each(see),
            Late::Condition(e) => e.refs.iter().for_each(see),
            Late::Hosts(inner) | Late::Path(inner, _) => inner.each_ref(see),
            Late::Seq(items) => items.iter().for_each(|item| item.each_ref(see)),
            Late::Map(entries) => entries.iter().for_each(|(_, value)| value.each_ref(see)),
        }
    }

    /// Calls `see` for each role, group or host that stands here by its name.
    pub fn each_host_name(&self, see: &mut dyn FnMut(&str)) {
        match self {
            Late::Hosts(inner) => match inner.as_value() {
                Some(Json::String(name)) => see(name),
                Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).for_each(see),
                _ => {}
            },
            Late::Seq(items) => items.iter().for_each(|item| item.each_host_name(see)),
            Late::Map(entries) => entries.iter().for_each(|(_, value)| value.each_host_name(see)),
            Late::Value(_) | Late::Text(_) | Late::Condition(_) | Late::Path(..) => {}
        }
    }

    /// For a plan: what is known as JSON, what waits as the template's own text.
    pub fn shown(&self) -> Json {
        match self {
            Late::Value(value) => value.clone(),
            Late::Text(t) => Json::String(t.source.to_string()),
            Late::Condition(e) => Json::String(e.source.to_string()),
            Late::Hosts(inner) | Late::Path(inner, _) => inner.shown(),
            Late::Seq(items) => Json::Array(items.iter().map(Late::shown).collect()),
            Late::Map(entries) => Json::Object(entries.iter().map(|(k, v)| (k.clone(), v.shown())).collect()),
        }
    }
}

impl Template {
    pub fn render(&self, scope: &Scope) -> Result<Json, TemplateFault> {
        let value = self.value(scope)?;
        serde_json::to_value(&value).map_err(|e| TemplateFault { message: e.to_string(), span: self.place.span })
    }

    fn value(&self, scope: &Scope) -> Result<Value, TemplateFault> {
        let Some(range) = &self.whole else {
            let text = ENVIRONMENT.render_str(&self.source, scope.root());
            return text.map(Value::from).map_err(|e| self.fault(&e, 0));
        };
        let expr = ENVIRONMENT.compile_expression(&self.source[range.clone()]);
        let value = expr.and_then(|e| e.eval(scope.root())).map_err(|e| self.fault(&e, range.start))?;
        if value.is_undefined() {
            return Err(undefined(&self.source[range.clone()], self.place.span));
        }
        Ok(value)
    }

    fn fault(&self, error: &minijinja::Error, shift: usize) -> TemplateFault {
        let range = error.range().map(|r| r.start + shift..r.end + shift);
        fault(error, range.map_or(self.place.span, |range| self.place.of(&self.source, range)))
    }
}

impl Expr {
    /// Whether it holds. Anything but a boolean is a fault.
    pub fn holds(&self, scope: &Scope) -> Result<bool, TemplateFault> {
        let span = |e: &minijinja::Error| e.range().map_or(self.place.span, |r| self.place.of(&self.source, r));
        let expr = ENVIRONMENT.compile_expression(&self.source).map_err(|e| fault(&e, span(&e)))?;
        let value = expr.eval(scope.root()).map_err(|e| fault(&e, span(&e)))?;
        if value.is_undefined() {
            return Err(undefined(&self.source, self.place.span));
        }
        bool::try_from(value.clone()).map_err(|_| TemplateFault {
            message: format!("`{}` is {value}, not true or false", self.source),
            span: self.place.span,
        })
    }
}

/// What stands for text where a key of a step needs that.
pub fn text(value: &Json) -> Result<String, String> {
    match value {
        Json::String(text) => Ok(text.clone()),
        number @ (Json::Number(_) | Json::Bool(_)) => Ok(number.to_string()),
        Json::Null => Err("expected text, got null".to_owned()),
        Json::Array(_) => Err("expected text, got a list: `| join(',')` or `| tojson` makes text of it".to_owned()),
        Json::Object(_) => Err("expected text, got a map: `| tojson` makes text of it".to_owned()),
    }
}

fn absolute(path: Json, folder: Option<&Path>) -> Result<Json, String> {
    match (path, folder) {
        (Json::String(path), Some(folder)) if !path.is_empty() => {
            Ok(Json::String(folder.join(path).to_string_lossy().into_owned()))
        }
        (Json::String(path), None) if !path.is_empty() && !path.starts_with('/') => {
            Err(format!("expected an absolute path, got `{path}`: a runbook in the program has no folder"))
        }
        (other, _) => Ok(other),
    }
}

fn undefined(source: &str, span: Span) -> TemplateFault {
    TemplateFault { message: format!("`{}` is not defined", source.trim()), span }
}

fn fault(error: &minijinja::Error, span: Span) -> TemplateFault {
    let message = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    TemplateFault { message, span }
}
