//! An inventory: hosts, groups, and how to reach them.

mod ansible;
mod keys;
mod program;
mod source;
mod ssh;
mod terraform;

pub use keys::INVENTORY;
pub use source::{LoadedInventory, is_executed, load};

use super::fields::Fields;
use super::hint::did_you_mean;
use super::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, FileId, HostName, Sources, Span};
use crate::secret::{EtcdLogin, FORMS, SecretSource};
use crate::world::{EtcdAccess, is_fixed_option};
use indexmap::IndexMap;
use keys::{DEFAULTS, ETCD, HOST};
use std::path::{Path, PathBuf};

/// The hosts that a run may touch, in the order of the file, checked as a whole.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub hosts: IndexMap<HostName, HostEntry>,
    /// Hosts of this inventory, in the group's own order, once each.
    pub groups: IndexMap<String, Vec<HostName>>,
}

/// One host, with the inventory's defaults applied.
#[derive(Clone, Debug)]
pub struct HostEntry {
    pub name: HostName,
    /// Where its name stands.
    pub span: Span,
    /// How ssh reaches it, where that is not its name.
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// A private key; absolute.
    pub identity: Option<PathBuf>,
    /// An ssh config that is used instead of the user's; absolute.
    pub ssh_config: Option<PathBuf>,
    /// Further options of ssh by their names.
    pub ssh_options: IndexMap<String, String>,
    /// The user that steps run as, by sudo; `become: true` is root.
    pub become_user: Option<String>,
    pub vars: serde_json::Map<String, serde_json::Value>,
    /// How its etcd is reached, where that is not found on the host itself.
    pub etcd: Option<EtcdAccess>,
}

impl Inventory {
    /// Hosts that are reached by their names, all of them in the group `members`.
    pub fn of_names(names: impl Iterator<Item = HostName>) -> Self {
        let entry = |name: HostName| HostEntry {
            span: Span::new(FileId(0), 0..0),
            address: None,
            user: None,
            port: None,
            identity: None,
            ssh_config: None,
            ssh_options: IndexMap::new(),
            become_user: None,
            vars: Default::default(),
            etcd: None,
            name,
        };
        let hosts: IndexMap<_, _> = names.map(|name| (name.clone(), entry(name))).collect();
        let groups = [("members".to_owned(), hosts.keys().cloned().collect())];
        Inventory { hosts, groups: groups.into_iter().collect() }
    }
}

/// Reads a native inventory; gives its warnings, too.
pub(super) fn decode(
    root: &Node,
    dir: &Path,
    sources: &Sources,
) -> Result<(Inventory, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut decoder = InventoryDecoder { dir, sources, problems: Vec::new(), warnings: Vec::new() };
    let inventory = decoder.inventory(root);
    match inventory {
        Some(inventory) if decoder.problems.is_empty() => Ok((inventory, decoder.warnings)),
        _ => Err(decoder.problems),
    }
}

/// The keys that say how a host is reached; the same in `defaults` and in a host.
#[derive(Clone, Default)]
struct Connection {
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    ssh_config: Option<PathBuf>,
    ssh_options: IndexMap<String, String>,
    become_user: Option<Option<String>>,
}

struct InventoryDecoder<'d> {
    dir: &'d Path,
    sources: &'d Sources,
    problems: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl InventoryDecoder<'_> {
    fn inventory(&mut self, root: &Node) -> Option<Inventory> {
        let mut fields = Fields::of(root, &INVENTORY, &mut self.problems)?;
        let defaults = fields.take("defaults").map(|node| self.defaults(node)).unwrap_or_default();
        let hosts = fields.take("hosts");
        let mut inventory = Inventory {
            hosts: hosts.map(|node| self.hosts(node, &defaults)).unwrap_or_default(),
            ..Default::default()
        };
        if let Some(node) = fields.take("groups") {
            self.groups(node, &mut inventory);
        }
        if let Some(node) = fields.take("etcd") {
            self.etcd(node, &mut inventory);
        }
        fields.finish(&mut self.problems);
        Some(inventory)
    }

    fn defaults(&mut self, node: &Node) -> Connection {
        let Some(mut fields) = Fields::of(node, &DEFAULTS, &mut self.problems) else { return Connection::default() };
        let reach = self.reach(&mut fields);
        fields.finish(&mut self.problems);
        reach
    }

    fn reach(&mut self, fields: &mut Fields) -> Connection {
        Connection {
            user: fields.take("user").and_then(|node| self.text(node)),
            port: fields.take("port").and_then(|node| self.port(node)),
            identity: fields.take("identity").and_then(|node| self.path(node)),
            ssh_config: fields.take("ssh_config").and_then(|node| self.path(node)),
            ssh_options: fields.take("ssh_options").map(|node| self.ssh_options(node)).unwrap_or_default(),
            become_user: fields.take("become").and_then(|node| self.become_user(node)),
        }
    }

    fn hosts(&mut self, node: &Node, defaults: &Connection) -> IndexMap<HostName, HostEntry> {
        let NodeValue::Map(entries) = &node.value else {
            let message = format!("`hosts` is a map of hosts by name, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
            return IndexMap::new();
        };
        let mut hosts = IndexMap::new();
        for (key, node) in entries {
            self.check_name(key, "host");
            if let Some(host) = self.host(key, node, defaults) {
                hosts.insert(host.name.clone(), host);
            }
        }
        hosts
    }

    fn host(&mut self, key: &NodeKey, node: &Node, defaults: &Connection) -> Option<HostEntry> {
        // `etcd-1:` alone is a host that is reached by its name.
        let empty = Node { span: node.span, value: NodeValue::Map(Vec::new()) };
        let node = if node.value == NodeValue::Null { &empty } else { node };
        let mut fields = Fields::of(node, &HOST, &mut self.problems)?;
        let address = fields.take("address").and_then(|node| self.text(node));
        let own = self.reach(&mut fields);
        let vars = fields.take("vars").and_then(|node| self.vars(node)).unwrap_or_default();
        fields.finish(&mut self.problems);
        let is_own = |name: &String| own.ssh_options.keys().any(|own| own.eq_ignore_ascii_case(name));
        let of_defaults =
            defaults.ssh_options.clone().into_iter().filter(|(name, _)| !is_own(name)).collect::<Vec<_>>();
        Some(HostEntry {
            name: HostName::from(key.text.as_str()),
            span: key.span,
            address,
            user: own.user.or_else(|| defaults.user.clone()),
            port: own.port.or(defaults.port),
            identity: own.identity.or_else(|| defaults.identity.clone()),
            ssh_config: own.ssh_config.or_else(|| defaults.ssh_config.clone()),
            ssh_options: own.ssh_options.into_iter().chain(of_defaults).collect(),
            become_user: own.become_user.or_else(|| defaults.become_user.clone()).flatten(),
            vars,
            etcd: None,
        })
    }

    fn groups(&mut self, node: &Node, inventory: &mut Inventory) {
        let NodeValue::Map(entries) = &node.value else {
            let message = format!("`groups` is a map of lists of hosts, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
            return;
        };
        for (key, members) in entries {
            self.check_name(key, "group");
            if let Some(host) = inventory.hosts.get(key.text.as_str()) {
                let message = format!("`{}` is both a host and a group: it means the group", key.text);
                self.warnings.push(Diagnostic::warning("W0704", key.span, message).label(host.span, "the host"));
            }
            let members = self.group(members, inventory);
            inventory.groups.insert(key.text.clone(), members);
        }
    }

    fn group(&mut self, node: &Node, inventory: &Inventory) -> Vec<HostName> {
        let NodeValue::Seq(items) = &node.value else {
            let message = format!("a group is a list of hosts, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
            return Vec::new();
        };
        let mut members: Vec<HostName> = Vec::new();
        for item in items {
            let Some(name) = self.text(item) else { continue };
            match inventory.hosts.get_key_value(name.as_str()) {
                None => self.problems.push(unknown_host(item.span, &name, inventory)),
                Some((host, _)) if members.contains(host) => {
                    self.problems.push(Diagnostic::error(
                        "E0702",
                        item.span,
                        format!("`{name}` is in this group twice"),
                    ));
                }
                Some((host, _)) => members.push(host.clone()),
            }
        }
        members
    }

    /// A more exact name wins: `all`, then a group, then a host.
    fn etcd(&mut self, node: &Node, inventory: &mut Inventory) {
        let NodeValue::Map(entries) = &node.value else {
            let message = format!("`etcd` is a map of hosts or groups, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
            return;
        };
        let mut access: Vec<(u8, Vec<HostName>, EtcdAccess)> = Vec::new();
        for (key, node) in entries {
            let (rank, hosts) = match key.text.as_str() {
                "all" => (0, inventory.hosts.keys().cloned().collect()),
                name if inventory.groups.contains_key(name) => (1, inventory.groups[name].clone()),
                name if inventory.hosts.contains_key(name) => (2, vec![HostName::from(name)]),
                name => {
                    let known = ["all"].into_iter().chain(inventory.groups.keys().map(String::as_str));
                    let known: Vec<&str> = known.chain(inventory.hosts.keys().map(HostName::as_str)).collect();
                    let message = format!("`{name}` is neither a host nor a group");
                    self.problems.push(helped(Diagnostic::error("E0703", key.span, message), name, &known));
                    continue;
                }
            };
            let decoded = self.etcd_access(node).unwrap_or_default();
            access.push((rank, hosts, decoded));
        }
        access.sort_by_key(|(rank, ..)| *rank);
        for (_, hosts, access) in access {
            for host in hosts {
                inventory.hosts[&host].etcd = Some(access.clone());
            }
        }
    }

    fn etcd_access(&mut self, node: &Node) -> Option<EtcdAccess> {
        let mut fields = Fields::of(node, &ETCD, &mut self.problems)?;
        let ca = fields.take("ca").and_then(|node| self.certificate(node));
        let cert_node = fields.take("cert");
        let key_node = fields.take("key");
        if cert_node.is_some() != key_node.is_some() {
            let one = cert_node.or(key_node).map_or(fields.span, |node| node.span);
            self.problems.push(Diagnostic::error("E0203", one, "`cert` and `key` are given together"));
        }
        let cert = cert_node.and_then(|node| self.certificate(node));
        let key = key_node.and_then(|node| self.certificate(node));
        let endpoint = fields.take("endpoint").and_then(|node| self.text(node));
        let (user, password) = (fields.take("user"), fields.take("password"));
        if user.is_some() != password.is_some() {
            let one = user.or(password).map_or(fields.span, |node| node.span);
            self.problems.push(Diagnostic::error("E0203", one, "`user` and `password` are given together"));
        }
        let (user, password) = (user.and_then(|node| self.text(node)), password.and_then(|node| self.source(node)));
        let login = user.zip(password).map(|(user, password)| EtcdLogin { user, password });
        fields.finish(&mut self.problems);
        Some(EtcdAccess { ca, cert, key, endpoint, login })
    }

    /// Where a secret is found; files from the inventory's folder.
    fn source(&mut self, node: &Node) -> Option<SecretSource> {
        let source = node.text(self.sources).and_then(|text| SecretSource::parse(text, self.dir));
        let source = source.filter(|source| !matches!(source, SecretSource::Generate(_)));
        if source.is_none() {
            let message = format!("a secret is never written out: say where it is found, {FORMS}");
            self.problems.push(Diagnostic::error("E0606", node.span, message).redact());
        }
        source
    }

    /// A path on the controller, from the inventory's folder, or `host:` and a path on the host.
    fn certificate(&mut self, node: &Node) -> Option<String> {
        match node.as_str() {
            Some(text) if text.starts_with("host:/") => Some(text.to_owned()),
            Some(text) if text.starts_with("host:") => {
                let message = "a path on the host is absolute: write `host:/...`";
                self.problems.push(Diagnostic::error("E0501", node.span, message));
                None
            }
            _ => self.path(node).map(|path| path.to_string_lossy().into_owned()),
        }
    }

    fn check_name(&mut self, key: &NodeKey, what: &str) {
        let reserved = key.text == HostName::CONTROLLER || key.text == "all";
        if reserved {
            let message = format!("`{}` is reserved: it cannot name a {what}", key.text);
            self.problems.push(Diagnostic::error("E0704", key.span, message));
        } else if !is_name(&key.text) {
            let message = format!("`{}` cannot name a {what}: letters, digits, `-`, `_` and `.` only", key.text);
            self.problems.push(Diagnostic::error("E0704", key.span, message));
        }
    }

    fn text(&mut self, node: &Node) -> Option<String> {
        // A leading dash would be read by ssh as an option.
        match node.text(self.sources) {
            Some(text) if !text.is_empty() && !text.starts_with('-') => Some(text.to_owned()),
            Some(_) => {
                let message = "this is empty or starts with `-`";
                self.problems.push(Diagnostic::error("E0501", node.span, message));
                None
            }
            None => {
                let message = format!("text is wanted, this is {}", node.kind());
                self.problems.push(Diagnostic::error("E0501", node.span, message));
                None
            }
        }
    }

    /// Options of ssh: a boolean is written as ssh reads it.
    fn ssh_options(&mut self, node: &Node) -> IndexMap<String, String> {
        let mut options = IndexMap::new();
        let NodeValue::Map(entries) = &node.value else {
            let message = format!("`ssh_options` is a map of ssh's options, this is {}", node.kind());
            self.problems.push(Diagnostic::error("E0202", node.span, message));
            return options;
        };
        for (key, node) in entries {
            match self.ssh_option(key, node) {
                Ok(value) => drop(options.insert(key.text.clone(), value)),
                Err(problem) => self.problems.push(problem),
            }
        }
        options
    }

    fn ssh_option(&self, key: &NodeKey, node: &Node) -> Result<String, Diagnostic> {
        if key.text.is_empty() || !key.text.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Diagnostic::error("E0501", key.span, format!("ssh has no option `{}`", key.text)));
        }
        if is_fixed_option(&key.text) {
            let message = format!("`{}` cannot be set: surefoot decides it for every host", key.text);
            return Err(Diagnostic::error("E0501", key.span, message));
        }
        let value = match &node.value {
            NodeValue::Bool(yes) => Some(if *yes { "yes" } else { "no" }),
            _ => node.text(self.sources),
        };
        let value = value.filter(|text| !text.is_empty() && !text.contains('\n'));
        let problem = || Diagnostic::error("E0501", node.span, "an option of ssh is one line of text");
        value.map(str::to_owned).ok_or_else(problem)
    }

    fn port(&mut self, node: &Node) -> Option<u16> {
        let port = match &node.value {
            NodeValue::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
            _ => None,
        };
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            self.problems.push(Diagnostic::error("E0501", node.span, "a port is a whole number from 1 to 65535"));
        }
        port
    }

    fn path(&mut self, node: &Node) -> Option<PathBuf> {
        let text = self.text(node)?;
        match text.strip_prefix("~/") {
            Some(rest) => Some(std::env::home_dir().unwrap_or_default().join(rest)),
            None => Some(self.dir.join(text)),
        }
    }

    fn become_user(&mut self, node: &Node) -> Option<Option<String>> {
        match &node.value {
            NodeValue::Bool(yes) => Some(yes.then(|| "root".to_owned())),
            _ => self.text(node).map(Some),
        }
    }

    fn vars(&mut self, node: &Node) -> Option<serde_json::Map<String, serde_json::Value>> {
        match node.to_json() {
            serde_json::Value::Object(vars) => Some(vars),
            _ => {
                let message = format!("`vars` is a map of names to values, this is {}", node.kind());
                self.problems.push(Diagnostic::error("E0202", node.span, message));
                None
            }
        }
    }
}

/// Whether a text can name a host or a group.
fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(word)
}

fn unknown_host(span: Span, name: &str, inventory: &Inventory) -> Diagnostic {
    let known: Vec<&str> = inventory.hosts.keys().map(HostName::as_str).collect();
    helped(Diagnostic::error("E0703", span, format!("no host `{name}` in this inventory")), name, &known)
}

fn helped(diagnostic: Diagnostic, name: &str, known: &[&str]) -> Diagnostic {
    match did_you_mean(name, known.iter().copied()) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
