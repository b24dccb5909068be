//! Parameters and roles, as a file of ours gives them.

use super::node::{Node, NodeKey, NodeValue};
use crate::model::Diagnostic;

/// Parameters as they were given for one run; later ones win over earlier ones.
#[derive(Clone, Debug)]
pub struct GivenParameter {
    pub key: NodeKey,
    pub value: Node,
}

/// A map of parameters, as they are given.
pub fn given(node: &Node) -> Vec<GivenParameter> {
    node.entries().iter().cloned().map(|(key, value)| GivenParameter { key, value }).collect()
}

/// A map of roles to hosts, each as `--bind` takes it.
pub fn binds(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let names = |node: &Node| match &node.value {
        NodeValue::String(name) => Some(name.clone()),
        NodeValue::Seq(items) => {
            items.iter().map(Node::as_str).collect::<Option<Vec<_>>>().map(|names| names.join(","))
        }
        _ => None,
    };
    let mut binds = Vec::new();
    for (role, hosts) in node.entries() {
        match names(hosts) {
            Some(hosts) => binds.push(format!("{}={hosts}", role.text)),
            None => {
                problems.push(Diagnostic::error("E0501", hosts.span, "a role is bound to a host or a list of hosts"))
            }
        }
    }
    binds
}
