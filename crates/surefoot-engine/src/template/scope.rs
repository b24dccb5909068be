//! What the names in a template mean for one task.

use super::parse::Template;
use super::refs::Ref;
use super::templated::{TemplateFault, Templated};
use crate::model::HostName;
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A runbook's `vars` with a step's own over them: evaluated when they are read.
pub type LazyVars = Arc<IndexMap<String, Templated>>;

/// Names to values. Cheap to clone; `with` gives a new scope and leaves this one as it is.
#[derive(Clone, Debug, Default)]
pub struct Scope(Arc<ScopeData>);

#[derive(Clone, Debug, Default)]
struct ScopeData {
    values: BTreeMap<&'static str, Value>,
    vars: LazyVars,
    groups: Groups,
}

/// Every role, group and host by its name, to host names.
pub type Groups = Arc<IndexMap<String, Vec<HostName>>>;

impl Scope {
    pub fn new(vars: LazyVars, groups: Groups) -> Self {
        Scope(Arc::new(ScopeData { values: BTreeMap::new(), vars, groups }))
    }

    /// Host names, once each, from a name, a list of names, or records that have a `host` or a `name`.
    pub(super) fn resolve(&self, value: &Json) -> Result<Json, String> {
        let mut found: Vec<Json> = Vec::new();
        for item in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            let name = item.as_str().or_else(|| item.get("host")?.as_str()).or_else(|| item.get("name")?.as_str());
            let name = name.ok_or_else(|| format!("{item} names no host"))?;
            let hosts =
                self.0.groups.get(name).ok_or_else(|| format!("`{name}` is no role, group or host of this run"))?;
            for host in hosts {
                let host = Json::from(host.as_str());
                if !found.contains(&host) {
                    found.push(host);
                }
            }
        }
        Ok(Json::Array(found))
    }

    /// Gives `name` (such as `params`, `host`, `run`, `steps`) a meaning.
    pub fn with(&self, name: &'static str, value: Value) -> Self {
        let mut names = ScopeData::clone(&self.0);
        names.values.insert(name, value);
        Scope(Arc::new(names))
    }

    /// Lays a step's own `vars` over those of the runbook.
    pub fn with_vars(&self, own: &LazyVars) -> Self {
        if own.is_empty() {
            return self.clone();
        }
        let mut names = ScopeData::clone(&self.0);
        let mut vars = IndexMap::clone(&names.vars);
        vars.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        names.vars = Arc::new(vars);
        Scope(Arc::new(names))
    }

    /// What a template gives before the first place where it tells what a task gave; none where it tells nothing of that.
    /// `is_late`: of a parameter.
    pub fn before_said(
        &self,
        template: &Template,
        is_late: &dyn Fn(&str) -> bool,
    ) -> Result<Option<String>, TemplateFault> {
        let said = template.refs.iter().filter(|r| r.shown && self.is_said(r, is_late));
        let Some(first) = said.map(|r| r.range.start).min() else { return Ok(None) };
        let opening = ["{{", "{%"].iter().filter_map(|open| template.source[..first].rfind(open)).max().unwrap_or(0);
        let prefix = Template { source: template.source[..opening].into(), whole: None, ..template.clone() };
        Ok(Some(prefix.render(self)?.as_str().unwrap_or_default().to_owned()))
    }

    fn is_said(&self, r: &Ref, is_late: &dyn Fn(&str) -> bool) -> bool {
        match (r.name(0), r.name(1)) {
            (Some("steps" | "item"), _) => true,
            (Some("params"), name) => name.is_none_or(is_late),
            // The check has refused cycles.
            (Some("vars"), Some(name)) => self.0.vars.get(name).is_some_and(|late| {
                let mut said = false;
                late.each_ref(&mut |r| said |= self.is_said(r, is_late));
                said
            }),
            (Some("vars"), None) => true,
            _ => false,
        }
    }

    pub(super) fn root(&self) -> Value {
        Value::from_dyn_object(self.0.clone())
    }
}

impl Object for ScopeData {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "vars" => Some(Value::from_object(VarsView(Scope(self.clone())))),
            name => self.values.get(name).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// `vars`: each is evaluated in the scope that reads it. The check has refused cycles.
#[derive(Debug)]
struct VarsView(Scope);

impl Object for VarsView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let late = self.0.0.vars.get(key.as_str()?)?;
        Some(late.value(&self.0).unwrap_or_else(|fault| Value::from(invalid(key, fault))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.0.vars.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

fn invalid(name: &Value, fault: TemplateFault) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("vars.{name}: {}", fault.message))
}
