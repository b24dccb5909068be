//! Whose names a step knows: the runbook's own, or those of the used runbook that it stands in.

use super::groups;
use super::partial_eval::PartialEvaluator;
use super::program::{Param, RunbookScope};
use crate::check::{OnFailure, Runbook, UsedRunbook, fitting, in_order, misfits};
use crate::load::Inventory;
use crate::model::{Diagnostic, HostName};
use crate::template::{LazyVars, Scope};
use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Map, Value as Json};

/// `host` for each host, the controller included.
pub(super) type HostValues = IndexMap<HostName, Json>;

/// What is the same in all frames.
pub(super) struct ScopeContext<'a> {
    pub inventory: &'a Inventory,
    pub hosts: &'a HostValues,
}

impl ScopeContext<'_> {
    /// The frame of the runbook itself.
    pub fn outermost(&self, runbook: &Runbook, params: &Json, roles: IndexMap<String, Vec<HostName>>) -> RunbookScope {
        let known = Value::from(Serde(params));
        self.frame(
            &runbook.vars,
            known,
            roles,
            RunbookScope { on_failure: runbook.on_failure, ..RunbookScope::default() },
        )
    }

    /// The frame of a used runbook. `outer` has settled what the frame around it knows.
    pub fn inner(
        &self,
        used: &UsedRunbook,
        around: &RunbookScope,
        outer: &PartialEvaluator,
    ) -> Result<RunbookScope, Vec<Diagnostic>> {
        let scope = around.scope.with_vars(&used.step_vars);
        let mut problems = Vec::new();
        let mut params = Vec::with_capacity(used.with.len());
        for (name, given) in &used.with {
            let value = outer.known(given, &scope, &used.step_vars).unwrap_or_else(|problem| {
                problems.push(problem);
                given.clone()
            });
            let kind = used.params[name].kind;
            if let Some(Err(why)) = value.as_value().map(|value| fitting(kind, value.clone())) {
                let problem = Diagnostic::error("E0604", used.span, format!("the parameter `{name}`: {why}"));
                problems.push(problem.label(used.params[name].span, "declared here"));
            }
            params.push(Param { name: name.clone(), kind, value });
        }
        let roles = self.roles(used, around, outer, &scope, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let known = params.iter().filter_map(|param| Some((param.name.clone(), param.fitted()?)));
        let known = Value::from(Serde(Json::Object(known.collect::<Map<_, _>>())));
        let frame = RunbookScope {
            parent: used.parent,
            prefix: format!("{}.", used.id),
            params,
            step_vars: used.step_vars.clone(),
            when: used.when.clone(),
            used_at: Some(used.span),
            on_failure: used.on_failure,
            ..RunbookScope::default()
        };
        Ok(self.frame(&used.vars, known, roles, frame))
    }

    fn frame(
        &self,
        vars: &LazyVars,
        params: Value,
        roles: IndexMap<String, Vec<HostName>>,
        rest: RunbookScope,
    ) -> RunbookScope {
        let groups = groups(&roles, self.inventory);
        let record = |name: &HostName| self.hosts[name].clone();
        let records = roles.iter().map(|(role, names)| (role.clone(), names.iter().map(record).collect()));
        let scope = Scope::new(vars.clone(), groups.clone())
            .with("params", params)
            .with("hosts", Value::from(Serde(Json::Object(records.collect()))));
        RunbookScope { scope, groups, roles, ..rest }
    }

    /// What `bind` says of a role, else what has its name around the step.
    fn roles(
        &self,
        used: &UsedRunbook,
        around: &RunbookScope,
        outer: &PartialEvaluator,
        scope: &Scope,
        problems: &mut Vec<Diagnostic>,
    ) -> IndexMap<String, Vec<HostName>> {
        let mut roles = IndexMap::new();
        for name in used.roles.keys() {
            let hosts = match used.bind.get(name).map(|late| outer.known(late, scope, &used.step_vars)) {
                None => around.groups.get(name).cloned().unwrap_or_default(),
                Some(Ok(late)) => names(late.as_value()),
                Some(Err(problem)) => {
                    problems.push(problem);
                    return roles;
                }
            };
            roles.insert(name.clone(), in_order(&hosts, self.inventory));
        }
        problems.extend(misfits(&used.roles, &roles, |_| used.span, self.inventory));
        roles
    }
}

fn names(list: Option<&Json>) -> Vec<HostName> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).map(HostName::from).collect()
}

impl Default for RunbookScope {
    fn default() -> Self {
        RunbookScope {
            parent: 0,
            prefix: String::new(),
            scope: Scope::default(),
            params: Vec::new(),
            roles: IndexMap::new(),
            groups: Default::default(),
            step_vars: LazyVars::default(),
            when: None,
            used_at: None,
            on_failure: OnFailure::Stop,
        }
    }
}
