//! Templates in the variables that say how a host is reached: `ansible_host: "{{ ip }}"`.

use super::said::{AnsibleVars, Said};
use crate::load::node::{Node, NodeValue};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

/// A variable may name another that is a template, too.
const DEEPEST: usize = 8;

/// Enough for any honest template; an endless loop stops here.
const FUEL: u64 = 100_000;

/// Fills in one host's templates as Ansible does, with its own variables and those of all hosts.
pub(super) struct Evaluator<'s> {
    env: Environment<'static>,
    said: &'s Said,
    /// The merged variables of each host.
    hosts: &'s [(String, AnsibleVars)],
}

impl<'s> Evaluator<'s> {
    pub fn new(said: &'s Said, hosts: &'s [(String, AnsibleVars)]) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_fuel(Some(FUEL));
        Evaluator { env, said, hosts }
    }

    /// What a value of the host says once its templates are filled in; why they cannot be.
    pub fn text(&self, host: &str, vars: &AnsibleVars, value: &Node) -> Result<Node, String> {
        let NodeValue::String(text) = &value.value else { return Ok(value.clone()) };
        let mut text = text.clone();
        for _ in 0..DEEPEST {
            if !text.contains("{{") && !text.contains("{%") {
                return Ok(Node { span: value.span, value: NodeValue::String(text) });
            }
            let context = self.context(host, vars, &text);
            text = self.env.render_str(&text, context).map_err(|error| error.to_string())?;
        }
        Err("it leads from one template to the next without an end".to_owned())
    }

    /// What a template may name. Of the other hosts only what it asks for is put together.
    fn context(&self, host: &str, vars: &AnsibleVars, text: &str) -> Value {
        let mut names = json(vars);
        names.insert("inventory_hostname".to_owned(), host.into());
        names.insert("inventory_hostname_short".to_owned(), host.split('.').next().unwrap_or(host).into());
        let own = self.said.groups_of(host).into_iter().map(|group| group.key.text.as_str());
        names.insert("group_names".to_owned(), own.filter(|name| *name != "all").collect::<Vec<_>>().into());
        if text.contains("hostvars") {
            let all: Map<String, Json> =
                self.hosts.iter().map(|(name, vars)| (name.clone(), json(vars).into())).collect();
            names.insert("hostvars".to_owned(), all.into());
        }
        if text.contains("groups") {
            names.insert("groups".to_owned(), self.groups().into());
        }
        Value::from(Serde(names))
    }

    fn groups(&self) -> Map<String, Json> {
        let members = |name: &str| self.said.members(name).into_iter().map(|key| key.text.as_str()).collect::<Vec<_>>();
        let mut all: Map<String, Json> =
            self.said.groups.keys().map(|name| (name.clone(), members(name).into())).collect();
        all.insert("all".to_owned(), self.said.hosts.keys().cloned().collect::<Vec<_>>().into());
        all
    }
}

fn json(vars: &AnsibleVars) -> Map<String, Json> {
    vars.iter().map(|(name, (_, value))| (name.clone(), value.to_json())).collect()
}
