//! How a host is reached: Ansible's variables to the native keys.

use super::AnsibleVars;
use crate::load::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Severity, Sources, Span};
use std::collections::HashSet;

/// Makes hosts, and says once of each variable that it does not know.
pub(super) struct ConnectionReader<'s> {
    sources: &'s Sources,
    pub problems: Vec<Diagnostic>,
    told: HashSet<String>,
}

/// Ansible's names, the newest first, and the native key.
const KEYS: &[(&str, &[&str])] = &[
    ("address", &["ansible_host", "ansible_ssh_host"]),
    ("user", &["ansible_user", "ansible_ssh_user"]),
    ("port", &["ansible_port", "ansible_ssh_port"]),
    ("identity", &["ansible_ssh_private_key_file", "ansible_private_key_file"]),
];

const BECOME: &[&str] = &["ansible_become", "ansible_become_user", "ansible_become_method", "ansible_connection"];

const SSH_ARGS: &str = "ansible_ssh_common_args";

impl<'s> ConnectionReader<'s> {
    pub fn new(sources: &'s Sources) -> Self {
        ConnectionReader { sources, problems: Vec::new(), told: HashSet::new() }
    }

    /// A native host of its merged variables; none where ssh does not lead to it.
    pub fn host(&mut self, key: &NodeKey, mut vars: AnsibleVars) -> Option<(NodeKey, Node)> {
        if !self.by_ssh(key, &vars) {
            return None;
        }
        let mut entries = Vec::new();
        for (own, names) in KEYS {
            if let Some((key, value)) = names.iter().find_map(|name| vars.get(*name)) {
                entries.push((NodeKey { text: (*own).to_owned(), span: key.span }, value.clone()));
            }
        }
        entries.extend(vars.shift_remove(SSH_ARGS).and_then(|given| self.config(given)));
        entries.extend(self.become_user(&vars));
        vars.retain(|name, (key, value)| {
            if name.starts_with("ansible_") {
                self.ignored(name, key.span);
                return false;
            }
            self.not_filled_in(key.span, value);
            true
        });
        let vars = Node { span: key.span, value: NodeValue::Map(vars.into_values().collect()) };
        entries.push((NodeKey { text: "vars".to_owned(), span: key.span }, vars));
        Some((key.clone(), Node { span: key.span, value: NodeValue::Map(entries) }))
    }

    fn by_ssh(&mut self, host: &NodeKey, vars: &AnsibleVars) -> bool {
        let Some((_, connection)) = vars.get("ansible_connection") else { return true };
        let message = match connection.as_str() {
            None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh") => return true,
            Some("local") => format!("`{}` is this machine and is left out: it is called `controller`", host.text),
            Some(other) => format!("`{}` is not reached by ssh but by `{other}`, and is left out", host.text),
        };
        self.warn("W0702", connection.span, message);
        false
    }

    /// Of the options of ssh, another config file is the one that we take.
    fn config(&mut self, (key, value): (NodeKey, Node)) -> Option<(NodeKey, Node)> {
        let file = value.as_str().and_then(|text| text.trim().strip_prefix("-F")).map(str::trim);
        let Some(file) = file.filter(|file| !file.contains(char::is_whitespace)) else {
            self.ignored(SSH_ARGS, key.span);
            return None;
        };
        let node = Node { span: value.span, value: NodeValue::String(file.to_owned()) };
        Some((NodeKey { text: "ssh_config".to_owned(), span: key.span }, node))
    }

    fn become_user(&mut self, vars: &AnsibleVars) -> Option<(NodeKey, Node)> {
        let (key, node) = vars.get("ansible_become")?;
        let word = node.text(self.sources).unwrap_or_default().to_lowercase();
        let wanted = node.value == NodeValue::Bool(true) || matches!(word.as_str(), "true" | "yes" | "on" | "1");
        if let Some((_, method)) = vars.get("ansible_become_method").filter(|_| wanted)
            && method.as_str() != Some("sudo")
        {
            let message = "another user is become by sudo, and by nothing else";
            self.problems.push(Diagnostic::error("E0711", method.span, message));
        }
        let user = vars.get("ansible_become_user").map(|(_, user)| user.clone()).filter(|_| wanted);
        let node = user.unwrap_or(Node { span: node.span, value: NodeValue::Bool(wanted) });
        Some((NodeKey { text: "become".to_owned(), span: key.span }, node))
    }

    fn ignored(&mut self, name: &str, span: Span) {
        let known = KEYS.iter().flat_map(|(_, names)| names.iter()).chain(BECOME).any(|known| *known == name);
        if known || !self.told.insert(name.to_owned()) {
            return;
        }
        self.warn("W0701", span, format!("`{name}` is ignored"));
        let help = match name {
            SSH_ARGS => "say it in your ssh config; of ssh's options only `-F FILE` is taken",
            "ansible_ssh_extra_args" | "ansible_ssh_args" => "say it in your ssh config",
            "ansible_password" | "ansible_ssh_pass" => "log in with a key",
            "ansible_become_pass" | "ansible_become_password" => "let sudo ask for none",
            _ => return,
        };
        if let Some(problem) = self.problems.last_mut() {
            problem.help = Some(help.to_owned());
        }
    }

    /// Ansible would fill templates in where variables are read; here they are values.
    fn not_filled_in(&mut self, span: Span, value: &Node) {
        let is_template = value.as_str().is_some_and(|text| text.contains("{{"));
        if is_template && self.told.insert(format!("{span:?}")) {
            self.warn("W0701", span, "a template in a variable is not filled in: it stays as it is".to_owned());
        }
    }

    fn warn(&mut self, code: &'static str, span: Span, message: String) {
        let problem = Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}
