//! Values that may stand still or wait for a run.

use super::environment::ENVIRONMENT;
use super::parse::{Expr, Template};
use super::refs::Ref;
use super::scope::Scope;
use crate::model::{Fault, FaultKind, FileId, Span};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// A tree of values, templates and expressions: an action's parameters, a step's `env`, a `vars` entry.
#[derive(Clone, Debug)]
pub enum Templated {
    Value(Json),
    Text(Template),
    /// Gives `{"source": TEXT, "holds": BOOL}`: what an action's condition is made from.
    Condition(Expr),
    /// Names hosts: a role, group, host, a list of those, or records with a `host`. Gives host names.
    Hosts(Box<Templated>),
    /// A path on the controller; relative ones start from this folder.
    Path(Box<Templated>, Option<Arc<Path>>),
    Seq(Vec<Templated>),
    Map(Vec<(String, Templated)>),
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

impl Templated {
    /// The value in a scope, as plain JSON. A whole `{{ expression }}` keeps its type.
    pub fn render(&self, scope: &Scope) -> Result<Json, TemplateFault> {
        match self {
            Templated::Value(value) => Ok(value.clone()),
            Templated::Text(template) => template.render(scope),
            Templated::Condition(expr) => Ok(json!({ "source": &*expr.source, "holds": expr.holds(scope)? })),
            Templated::Hosts(names) => scope.resolve(&names.render(scope)?).map_err(|message| names.fault(message)),
            Templated::Path(path, folder) => {
                absolute(path.render(scope)?, folder.as_deref()).map_err(|message| path.fault(message))
            }
            Templated::Seq(items) => {
                items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>().map(Json::Array)
            }
            Templated::Map(entries) => entries
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
            Templated::Value(value) => Ok(Value::from(Serde(value))),
            Templated::Text(template) => template.value(scope),
            other => other.render(scope).map(|json| Value::from(Serde(json))),
        }
    }

    /// Renders now what refers only to what is `known`; the rest stays as it is.
    pub fn simplify(&self, scope: &Scope, known: &dyn Fn(&Ref) -> bool) -> Result<Templated, TemplateFault> {
        Ok(match self {
            Templated::Value(_) => self.clone(),
            Templated::Text(_) | Templated::Condition(_) | Templated::Hosts(_) | Templated::Path(..) => {
                match self.waits_only_for(known) {
                    true => Templated::Value(self.render(scope)?),
                    false => self.clone(),
                }
            }
            Templated::Seq(items) => {
                let items = items.iter().map(|item| item.simplify(scope, known)).collect::<Result<Vec<_>, _>>()?;
                Templated::Seq(items).folded()
            }
            Templated::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.simplify(scope, known)?)))
                    .collect::<Result<Vec<_>, _>>()?;
                Templated::Map(entries).folded()
            }
        })
    }

    /// A tree in which nothing waits any more becomes one value.
    fn folded(self) -> Templated {
        match self {
            Templated::Seq(items) if items.iter().all(|item| matches!(item, Templated::Value(_))) => {
                Templated::Value(Json::Array(items.into_iter().filter_map(Templated::into_value).collect()))
            }
            Templated::Map(entries) if entries.iter().all(|(_, value)| matches!(value, Templated::Value(_))) => {
                Templated::Value(Json::Object(
                    entries.into_iter().filter_map(|(key, value)| Some((key, value.into_value()?))).collect(),
                ))
            }
            other => other,
        }
    }

    fn into_value(self) -> Option<Json> {
        match self {
            Templated::Value(value) => Some(value),
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
            Templated::Value(_) => None,
            Templated::Text(t) => Some(t.place.span),
            Templated::Condition(e) => Some(e.place.span),
            Templated::Hosts(inner) | Templated::Path(inner, _) => inner.place(),
            Templated::Seq(items) => items.iter().find_map(Templated::place),
            Templated::Map(entries) => entries.iter().find_map(|(_, value)| value.place()),
        }
    }

    /// The value, where nothing in it waits.
    pub fn as_value(&self) -> Option<&Json> {
        match self {
            Templated::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an entry, where it is a map and nothing in the entry waits.
    pub fn entry(&self, name: &str) -> Option<&Json> {
        match self {
            Templated::Value(map) => map.get(name),
            Templated::Map(entries) => entries.iter().find(|(key, _)| key == name)?.1.as_value(),
            _ => None,
        }
    }

    /// An entry that may wait, where it is a map.
    pub fn late_entry(&self, name: &str) -> Option<&Templated> {
        match self {
            Templated::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Calls `see` for each reference in it.
    pub fn each_ref<'a>(&'a self, see: &mut dyn FnMut(&'a Ref)) {
        match self {
            Templated::Value(_) => {}
            Templated::Text(t) => t.refs.iter().for_each(see),
            Templated::Condition(e) => e.refs.iter().for_each(see),
            Templated::Hosts(inner) | Templated::Path(inner, _) => inner.each_ref(see),
            Templated::Seq(items) => items.iter().for_each(|item| item.each_ref(see)),
            Templated::Map(entries) => entries.iter().for_each(|(_, value)| value.each_ref(see)),
        }
    }

    /// Calls `see` for each role, group or host that stands here by its name.
    pub fn each_host_name(&self, see: &mut dyn FnMut(&str)) {
        match self {
            Templated::Hosts(inner) => match inner.as_value() {
                Some(Json::String(name)) => see(name),
                Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).for_each(see),
                _ => {}
            },
            Templated::Seq(items) => items.iter().for_each(|item| item.each_host_name(see)),
            Templated::Map(entries) => entries.iter().for_each(|(_, value)| value.each_host_name(see)),
            Templated::Value(_) | Templated::Text(_) | Templated::Condition(_) | Templated::Path(..) => {}
        }
    }

    /// For a plan: what is known as JSON, what waits as the template's own text.
    pub fn shown(&self) -> Json {
        match self {
            Templated::Value(value) => value.clone(),
            Templated::Text(t) => Json::String(t.source.to_string()),
            Templated::Condition(e) => Json::String(e.source.to_string()),
            Templated::Hosts(inner) | Templated::Path(inner, _) => inner.shown(),
            Templated::Seq(items) => Json::Array(items.iter().map(Templated::shown).collect()),
            Templated::Map(entries) => Json::Object(entries.iter().map(|(k, v)| (k.clone(), v.shown())).collect()),
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
