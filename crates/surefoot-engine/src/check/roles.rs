//! Declared roles, and the hosts that one run binds to them.

use super::checked::{Role, Runbook, Step};
use super::context::CheckContext;
use super::shapes::ROLE;
use super::step::keys::check_name;
use crate::load::{Fields, Inventory, Node, NodeKey, NodeValue, did_you_mean};
use crate::model::{Diagnostic, FileId, HostName, Sources, Span};
use indexmap::IndexMap;

/// Reads `hosts`.
pub(super) fn declared(reader: &mut CheckContext, node: &Node) {
    let NodeValue::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`hosts` is a map of roles, this is {}", node.kind()));
        return;
    };
    for (key, node) in entries {
        check_name(reader, &key.text, key.span, "a role");
        let role = role(reader, key, node);
        reader.roles.insert(key.text.clone(), role);
    }
}

fn role(reader: &mut CheckContext, key: &NodeKey, node: &Node) -> Role {
    let mut role = Role { min: 1, max: None, shared: false, may_be_missing: false, summary: None, span: key.span };
    if node.value == NodeValue::Null {
        return role;
    }
    let Some(mut fields) = Fields::of(node, &ROLE, &mut reader.problems) else { return role };
    if let Some(least) = fields.take("min").and_then(|node| reader.whole_number(node, "`min`", 0)) {
        role.min = least as usize;
    }
    let max = fields.take("max");
    role.max = max.and_then(|node| reader.whole_number(node, "`max`", 1)).map(|most| most as usize);
    if let (Some(node), Some(most)) = (max, role.max)
        && most < role.min
    {
        reader.error("E0501", node.span, format!("`max` is below `min`, which is {}", role.min));
    }
    role.shared = fields.take("shared").and_then(|node| reader.boolean(node, "`shared`")).unwrap_or(false);
    role.summary = fields.take("summary").and_then(|node| reader.literal(node, "`summary`"));
    role.may_be_missing = fields.take("unreachable").is_some_and(|node| unreachable(reader, node));
    fields.finish(&mut reader.problems);
    role
}

/// `unreachable: skip`.
fn unreachable(reader: &mut CheckContext, node: &Node) -> bool {
    let word = reader.literal(node, "`unreachable`");
    if let Some(other) = word.as_deref().filter(|word| *word != "skip") {
        let message = format!("`unreachable` can be `skip`, not `{other}`: without it every host must be reachable");
        reader.unknown("E0501", node.span, message, other, ["skip"]);
    }
    word.is_some()
}

/// A group's hosts in inventory order.
fn members(group: &str, inventory: &Inventory) -> Option<Vec<HostName>> {
    inventory.groups.get(group).map(|hosts| in_order(hosts, inventory))
}

/// Hosts once each, in inventory order.
pub fn in_order(hosts: &[HostName], inventory: &Inventory) -> Vec<HostName> {
    inventory.hosts.keys().filter(|host| hosts.contains(host)).cloned().collect()
}

/// The hosts of each role, in inventory order: the group of its name, or what a `role=group-or-host,...` of `binds`
/// says. Checks the number of hosts, that no host is in two roles that do not share, and every `on` that is no role.
pub fn bind(
    runbook: &Runbook,
    inventory: &Inventory,
    binds: &[String],
    sources: &mut Sources,
) -> Result<IndexMap<String, Vec<HostName>>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut bound: IndexMap<String, (Vec<HostName>, Span)> = IndexMap::new();
    for text in binds {
        let file = sources.add("--bind", text.as_str());
        if let Some((role, hosts)) = one_bind(text, file, runbook, inventory, &mut problems) {
            bound.insert(role, (hosts, Span::new(file, 0..text.len())));
        }
    }
    let mut roles = IndexMap::new();
    let mut places = IndexMap::new();
    for (name, role) in &runbook.roles {
        let group = || (members(name, inventory).unwrap_or_default(), role.span);
        let (hosts, span) = bound.swap_remove(name).unwrap_or_else(group);
        roles.insert(name.clone(), hosts);
        places.insert(name.as_str(), span);
    }
    problems.extend(misfits(&runbook.roles, &roles, |name| places[name], inventory));
    let steps = runbook.body().chain(&runbook.finally).filter(|step| step.frame == 0);
    problems.extend(steps.filter_map(|step| no_hosts(step, &roles, inventory)));
    if problems.is_empty() { Ok(roles) } else { Err(problems) }
}

/// Roles with too few or too many hosts, and hosts in two roles that do not share. `place` is where a role is bound.
pub fn misfits(
    declared: &IndexMap<String, Role>,
    bound: &IndexMap<String, Vec<HostName>>,
    place: impl Fn(&str) -> Span,
    inventory: &Inventory,
) -> Vec<Diagnostic> {
    let counts = declared.iter().filter_map(|(name, role)| count(name, role, &bound[name], place(name), inventory));
    counts.chain(shared(declared, bound)).collect()
}

/// Reads one `role=group-or-host,...`. Nothing after the `=` gives the role no hosts.
fn one_bind(
    text: &str,
    file: FileId,
    runbook: &Runbook,
    inventory: &Inventory,
    problems: &mut Vec<Diagnostic>,
) -> Option<(String, Vec<HostName>)> {
    let place = |range| Span::new(file, range);
    let Some((role, names)) = text.split_once('=') else {
        let message = "a binding is written `ROLE=GROUP-OR-HOST,...`";
        problems.push(Diagnostic::error("E0707", place(0..text.len()), message));
        return None;
    };
    if !runbook.roles.contains_key(role) {
        let problem = Diagnostic::error("E0707", place(0..role.len()), format!("this runbook has no role `{role}`"));
        let help = did_you_mean(role, runbook.roles.keys().map(String::as_str));
        problems.push(problem.help(help.unwrap_or_else(|| "it has no roles at all".to_owned())));
        return None;
    }
    let mut hosts = Vec::new();
    let mut at = role.len() + 1;
    for name in names.split(',').filter(|_| !names.is_empty()) {
        let span = place(at..at + name.len());
        at += name.len() + 1;
        match (inventory.groups.get(name), inventory.hosts.get_key_value(name)) {
            (Some(group), _) => hosts.extend(group.iter().cloned()),
            (None, Some((host, _))) => hosts.push(host.clone()),
            (None, None) => {
                let problem = Diagnostic::error("E0703", span, format!("`{name}` is neither a group nor a host"));
                problems.push(helped(problem, name, inventory));
            }
        }
    }
    Some((role.to_owned(), in_order(&hosts, inventory)))
}

fn helped(problem: Diagnostic, name: &str, inventory: &Inventory) -> Diagnostic {
    let known: Vec<&str> =
        inventory.groups.keys().map(String::as_str).chain(inventory.hosts.keys().map(HostName::as_str)).collect();
    match did_you_mean(name, known.iter().copied()) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

fn count(name: &str, role: &Role, hosts: &[HostName], span: Span, inventory: &Inventory) -> Option<Diagnostic> {
    let few = hosts.len() < role.min;
    let many = role.max.is_some_and(|most| hosts.len() > most);
    if !few && !many {
        return None;
    }
    let wanted = match role.max {
        Some(most) if most == role.min => format!("{most}"),
        Some(most) => format!("{} to {most}", role.min),
        None => format!("at least {}", role.min),
    };
    let message = format!("the role `{name}` needs {wanted} hosts, it has {}", hosts.len());
    let problem = Diagnostic::error("E0705", span, message);
    let unbound = hosts.is_empty() && !inventory.groups.contains_key(name);
    Some(match unbound {
        true => problem.help(format!("make a group `{name}` in the inventory, or `--bind {name}=GROUP-OR-HOST,...`")),
        false => problem,
    })
}

/// A host may be in two roles only where one of them says so.
fn shared(declared: &IndexMap<String, Role>, roles: &IndexMap<String, Vec<HostName>>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: IndexMap<&HostName, &str> = IndexMap::new();
    for (name, hosts) in roles.iter().filter(|(name, _)| !declared[*name].shared) {
        for host in hosts {
            let Some(other) = seen.insert(host, name) else { continue };
            let message = format!("`{host}` is in the roles `{other}` and `{name}`");
            problems.push(
                Diagnostic::error("E0706", declared[name].span, message)
                    .label(declared[other].span, "the other role")
                    .help("give each its own hosts, or one of the roles `shared: true`"),
            );
        }
    }
    problems
}

fn no_hosts(step: &Step, roles: &IndexMap<String, Vec<HostName>>, inventory: &Inventory) -> Option<Diagnostic> {
    let name = step.on.as_deref()?;
    let in_inventory = inventory.groups.contains_key(name) || inventory.hosts.contains_key(name);
    if roles.contains_key(name) || in_inventory {
        return None;
    }
    let problem = Diagnostic::error("E0304", step.span, format!("`{name}` is no role, group or host"));
    Some(helped(problem, name, inventory))
}
