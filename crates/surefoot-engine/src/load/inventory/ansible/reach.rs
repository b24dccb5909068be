//! How a host is reached: Ansible's variables to the native keys.

use super::evaluate::Evaluator;
use super::said::{AnsibleVars, Said};
use super::ssh_args;
use crate::load::inventory::is_name;
use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, HostName, Sources, Span};
use crate::world::is_fixed_option;
use indexmap::IndexMap;
use std::collections::HashSet;

/// Makes hosts, and says once of each variable that it does not know.
pub(super) struct ConnectionReader<'s> {
    sources: &'s Sources,
    evaluator: Evaluator<'s>,
    pub problems: Vec<Diagnostic>,
    told: HashSet<String>,
}

/// The native key, and Ansible's names; the first counts.
const KEYS: &[(&str, &[&str])] = &[
    ("address", &["ansible_ssh_host", "ansible_host"]),
    ("user", &["ansible_ssh_user", "ansible_user"]),
    ("port", &["ansible_ssh_port", "ansible_port"]),
    ("identity", &["ansible_ssh_private_key_file", "ansible_private_key_file"]),
];

const OTHERS: &[&str] =
    &["ansible_become", "ansible_sudo", "ansible_become_user", "ansible_become_method", "ansible_connection"];

/// In the order in which Ansible gives them to ssh.
const SSH_ARGS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];

/// What only matters to Ansible itself.
const IRRELEVANT: &[&str] = &[
    "ansible_python_interpreter",
    "ansible_shell_executable",
    "ansible_shell_type",
    "ansible_remote_tmp",
    "ansible_pipelining",
    "ansible_ssh_pipelining",
    "ansible_ssh_retries",
    "ansible_ssh_transfer_method",
    "ansible_ssh_use_tty",
    "ansible_ssh_executable",
    "ansible_scp_if_ssh",
    "ansible_scp_extra_args",
    "ansible_sftp_extra_args",
    "ansible_timeout",
    "ansible_ssh_timeout",
    "ansible_connect_timeout",
    "ansible_facts_modules",
    "ansible_check_mode",
    "ansible_diff_mode",
    "ansible_winrm_server_cert_validation",
];

impl<'s> ConnectionReader<'s> {
    pub fn new(sources: &'s Sources, said: &'s Said, hosts: &'s [(String, AnsibleVars)]) -> Self {
        let evaluator = Evaluator::new(said, hosts);
        ConnectionReader { sources, evaluator, problems: Vec::new(), told: HashSet::new() }
    }

    /// Whether a host or a group can have its name here; one that cannot is left out.
    pub fn named(&mut self, key: &NodeKey) -> bool {
        let name = &key.text;
        let why = match is_name(name) {
            true if name != HostName::CONTROLLER => return true,
            true => "is what this machine is called here",
            false => "cannot name a host or a group here",
        };
        self.warn("W0702", key.span, format!("`{name}` {why}, and is left out"));
        false
    }

    /// A native host of its merged variables; none where ssh does not lead to it.
    pub fn host(&mut self, key: &NodeKey, vars: &AnsibleVars) -> Option<(NodeKey, Node)> {
        let mut vars = vars.clone();
        self.leave_out_encrypted(&mut vars);
        self.fill_in(key, &mut vars);
        if !self.by_ssh(key, &vars) {
            return None;
        }
        let mut entries = Vec::new();
        for (own, names) in KEYS {
            if let Some((key, value)) = names.iter().find_map(|name| vars.get(*name)) {
                entries.push((NodeKey { text: (*own).to_owned(), span: key.span }, number_of_text(own, value)));
            }
        }
        entries.extend(self.ssh_args(&vars));
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

    /// What `!vault` marks, where only Ansible has the password.
    fn leave_out_encrypted(&mut self, vars: &mut AnsibleVars) {
        vars.retain(|name, (key, value)| {
            let encrypted = is_encrypted(value);
            if encrypted && self.told.insert(format!("{:?}", key.span)) {
                self.warn("W0702", key.span, format!("`{name}` is encrypted, and is left out"));
            }
            !encrypted
        });
    }

    /// The variables that say how the host is reached, with their templates filled in.
    fn fill_in(&mut self, host: &NodeKey, vars: &mut AnsibleVars) {
        let all = vars.clone();
        for (name, (_, value)) in vars.iter_mut().filter(|(name, _)| is_taken(name)) {
            match self.evaluator.text(&host.text, &all, value) {
                Ok(filled) => *value = filled,
                Err(why) => {
                    let message = format!("`{name}` of {} cannot be filled in: {why}", host.text);
                    self.problems.push(Diagnostic::error("E0711", value.span, message).help(
                        "variables of the inventory are known here, lookups and Ansible's own filters are not: write the value",
                    ));
                    *value = Node { span: value.span, value: NodeValue::Null };
                }
            }
        }
        vars.retain(|name, (_, value)| value.value != NodeValue::Null || !is_taken(name));
    }

    fn by_ssh(&mut self, host: &NodeKey, vars: &AnsibleVars) -> bool {
        let Some((_, connection)) = vars.get("ansible_connection") else { return true };
        let message = match connection.as_str().map(|name| name.rsplit('.').next().unwrap_or(name)) {
            None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh") => return true,
            Some("local") => format!("`{}` is this machine and is left out: it is called `controller`", host.text),
            Some(other) => format!("`{}` is not reached by ssh but by `{other}`, and is left out", host.text),
        };
        self.warn("W0702", connection.span, message);
        false
    }

    /// The config file and the options that arguments of ssh give.
    fn ssh_args(&mut self, vars: &AnsibleVars) -> Vec<(NodeKey, Node)> {
        let mut config = None;
        let mut options: IndexMap<String, (NodeKey, Node)> = IndexMap::new();
        for (name, (key, value)) in SSH_ARGS.iter().filter_map(|name| Some((name, vars.get(*name)?))) {
            let Some(args) = value.as_str().and_then(ssh_args::read) else {
                let message = format!("`{name}` cannot be read: it is no text, or a quote in it is open");
                self.problems.push(Diagnostic::error("E0710", value.span, message));
                continue;
            };
            args.unknown.iter().for_each(|word| {
                self.warn("W0701", key.span, format!("`{word}` in `{name}` is ignored"));
            });
            let node = |text: String| Node { span: value.span, value: NodeValue::String(text) };
            let named = |text: &str| NodeKey { text: text.to_owned(), span: key.span };
            config = config.or(args.config.map(|file| (named("ssh_config"), node(file))));
            for (option, text) in args.options {
                if self.takes(name, &option, &text, key.span) {
                    options.entry(option.to_lowercase()).or_insert((named(&option), node(text)));
                }
            }
        }
        let options: Vec<(NodeKey, Node)> = options.into_values().collect();
        let options = options.first().map(|(first, _)| first.span).map(|span| {
            let key = NodeKey { text: "ssh_options".to_owned(), span };
            (key, Node { span, value: NodeValue::Map(options.clone()) })
        });
        config.into_iter().chain(options).collect()
    }

    /// Whether an option is ours to take. That host keys go unchecked is not, and is said; how connections are shared
    /// and kept is Ansible's own affair.
    fn takes(&mut self, name: &str, option: &str, value: &str, span: Span) -> bool {
        let lower = option.to_lowercase();
        let unchecked = lower == "stricthostkeychecking" && !matches!(value, "yes" | "ask");
        if unchecked || lower.ends_with("knownhostsfile") && value == "/dev/null" {
            let message = format!("`{option}={value}` in `{name}` is ignored: host keys are always checked");
            self.warn("W0701", span, message);
            return false;
        }
        let plain = option.chars().all(|c| c.is_ascii_alphabetic()) && !value.is_empty();
        if !plain {
            self.warn("W0701", span, format!("`{option}` in `{name}` is ignored"));
        }
        plain && !is_fixed_option(option)
    }

    fn become_user(&mut self, vars: &AnsibleVars) -> Option<(NodeKey, Node)> {
        let (key, node) = vars.get("ansible_become").or_else(|| vars.get("ansible_sudo"))?;
        let word = match &node.value {
            NodeValue::String(text) => text.to_lowercase(),
            _ => node.text(self.sources).unwrap_or_default().to_lowercase(),
        };
        let wanted =
            node.value == NodeValue::Bool(true) || matches!(word.as_str(), "true" | "yes" | "on" | "1" | "y" | "t");
        let method = vars.get("ansible_become_method").filter(|_| wanted);
        let name = method.and_then(|(_, method)| Some(method.as_str()?.rsplit('.').next()?.to_owned()));
        if let Some((_, method)) = method
            && name.as_deref() != Some("sudo")
        {
            let message = "another user is become by sudo, and by nothing else";
            self.problems.push(Diagnostic::error("E0711", method.span, message));
        }
        let user = vars.get("ansible_become_user").map(|(_, user)| user.clone()).filter(|_| wanted);
        let node = user.unwrap_or(Node { span: node.span, value: NodeValue::Bool(wanted) });
        Some((NodeKey { text: "become".to_owned(), span: key.span }, node))
    }

    fn ignored(&mut self, name: &str, span: Span) {
        let quiet = is_taken(name) || IRRELEVANT.contains(&name) || name.ends_with("_interpreter");
        if quiet || !self.told.insert(name.to_owned()) {
            return;
        }
        self.warn("W0701", span, format!("`{name}` is ignored"));
        let help = match name {
            "ansible_password" | "ansible_ssh_pass" | "ansible_ssh_password" => "log in with a key",
            "ansible_become_pass" | "ansible_become_password" | "ansible_sudo_pass" => "let sudo ask for none",
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
        let problem = Diagnostic::warning(code, span, message);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Whether a variable says how a host is reached here. What the others say, templates among it, is of no account.
fn is_taken(name: &str) -> bool {
    KEYS.iter().flat_map(|(_, names)| names.iter()).chain(OTHERS).chain(SSH_ARGS).any(|known| *known == name)
}

/// A port may be written as text, or come from a template.
fn number_of_text(own: &str, value: &Node) -> Node {
    let number = value.as_str().filter(|_| own == "port").and_then(|text| text.trim().parse::<u16>().ok());
    number.map_or_else(|| value.clone(), |number| Node { span: value.span, value: NodeValue::Number(number.into()) })
}

/// Whether Ansible's vault has encrypted a value, or a part of it.
fn is_encrypted(value: &Node) -> bool {
    match &value.value {
        NodeValue::String(text) => text.trim_start().starts_with("$ANSIBLE_VAULT;"),
        NodeValue::Seq(items) => items.iter().any(is_encrypted),
        NodeValue::Map(entries) => entries.iter().any(|(_, value)| is_encrypted(value)),
        _ => false,
    }
}
