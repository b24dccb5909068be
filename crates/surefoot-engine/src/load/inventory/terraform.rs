//! Hosts of a Terraform or OpenTofu state.
//!
//! Resources of the provider `ansible/ansible` say hosts and groups outright, as Ansible's collection `cloud.terraform`
//! reads them. Without any, machines of the known providers are hosts, each in the group of its resource's name.

use super::ansible::Said;
use crate::load::node::{Node, NodeKey, NodeValue};
use crate::model::{Diagnostic, Span};

/// A kind of machine, and where its name and its addresses stand in the attributes; the first that is there counts.
struct MachineKind {
    resource: &'static str,
    names: &'static [&'static str],
    addresses: &'static [&'static str],
}

const MACHINES: &[MachineKind] = &[
    MachineKind { resource: "aws_instance", names: &["tags.Name"], addresses: &["public_ip", "private_ip"] },
    MachineKind {
        resource: "google_compute_instance",
        names: &["name"],
        addresses: &["network_interface.0.access_config.0.nat_ip", "network_interface.0.network_ip"],
    },
    MachineKind {
        resource: "azurerm_linux_virtual_machine",
        names: &["name"],
        addresses: &["public_ip_address", "private_ip_address"],
    },
    MachineKind {
        resource: "digitalocean_droplet",
        names: &["name"],
        addresses: &["ipv4_address", "ipv4_address_private"],
    },
    MachineKind { resource: "hcloud_server", names: &["name"], addresses: &["ipv4_address", "ipv6_address"] },
    MachineKind { resource: "openstack_compute_instance_v2", names: &["name"], addresses: &["access_ip_v4"] },
    MachineKind { resource: "linode_instance", names: &["label"], addresses: &["ip_address", "private_ip_address"] },
    MachineKind { resource: "vultr_instance", names: &["label"], addresses: &["main_ip", "internal_ip"] },
    MachineKind { resource: "scaleway_instance_server", names: &["name"], addresses: &["public_ip", "private_ip"] },
    MachineKind { resource: "oci_core_instance", names: &["display_name"], addresses: &["public_ip", "private_ip"] },
    MachineKind { resource: "vsphere_virtual_machine", names: &["name"], addresses: &["default_ip_address"] },
    MachineKind { resource: "proxmox_vm_qemu", names: &["name"], addresses: &["default_ipv4_address", "ssh_host"] },
    MachineKind { resource: "libvirt_domain", names: &["name"], addresses: &["network_interface.0.addresses.0"] },
];

/// Whether a text is a state.
pub(super) fn is_state(root: &Node) -> bool {
    root.get("terraform_version").is_some() && root.get("resources").is_some()
}

/// Reads a state. One without a machine that is known here is an error.
pub(super) fn read(said: &mut Said, root: &Node, problems: &mut Vec<Diagnostic>) {
    let resources: Vec<Resource> = list(root.get("resources")).iter().filter_map(Resource::of).collect();
    let outright = resources.iter().any(|resource| resource.kind.starts_with("ansible_"));
    for resource in &resources {
        match resource.kind {
            "ansible_host" => resource.attributes().for_each(|(_, attributes)| said_host(said, attributes)),
            "ansible_group" => resource.attributes().for_each(|(_, attributes)| said_group(said, attributes)),
            kind if !outright => {
                if let Some(machine) = MACHINES.iter().find(|machine| machine.resource == kind) {
                    resource.machines(said, machine);
                }
            }
            _ => {}
        }
    }
    if said.is_empty() {
        let message = "this state has no host: no `ansible_host`, and no machine of a provider that is known";
        problems.push(Diagnostic::error("E0710", root.span, message));
    }
}

struct Resource<'n> {
    kind: &'n str,
    name: &'n str,
    span: Span,
    instances: &'n [Node],
}

impl<'n> Resource<'n> {
    /// Data sources are no hosts of this state.
    fn of(node: &'n Node) -> Option<Self> {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let managed = text("mode").is_none_or(|mode| mode == "managed");
        let instances = list(node.get("instances"));
        managed.then_some(Resource { kind: text("type")?, name: text("name")?, span: node.span, instances })
    }

    /// The attributes of each instance, and its key, such as `0` or `a`.
    fn attributes(&self) -> impl Iterator<Item = (Option<String>, &'n Node)> {
        let key = |node: &Node| match &node.value {
            NodeValue::String(text) => Some(text.clone()),
            NodeValue::Number(number) => Some(number.to_string()),
            _ => None,
        };
        self.instances.iter().filter_map(move |one| Some((one.get("index_key").and_then(key), one.get("attributes")?)))
    }

    fn machines(&self, said: &mut Said, machine: &MachineKind) {
        let group = NodeKey { text: self.name.to_owned(), span: self.span };
        for (index, attributes) in self.attributes() {
            let first = |paths: &[&str]| paths.iter().find_map(|path| at(attributes, path)).map(str::to_owned);
            let numbered = || index.map_or_else(|| self.name.to_owned(), |index| format!("{}-{index}", self.name));
            let name = first(machine.names).unwrap_or_else(numbered);
            let vars = said.host(&name, self.span);
            if let Some(address) = first(machine.addresses) {
                let key = NodeKey { text: "ansible_host".to_owned(), span: self.span };
                vars.insert(key.text.clone(), (key, Node { span: self.span, value: NodeValue::String(address) }));
            }
            said.group(&group).add(name);
        }
    }
}

fn said_host(said: &mut Said, attributes: &Node) {
    let Some(name) = attributes.get("name").and_then(Node::as_str) else { return };
    said.host(name, attributes.span).extend(super::ansible::vars_of_node(attributes.get("variables")));
    for group in texts(attributes.get("groups")) {
        said.group(&group).add(name.to_owned());
    }
}

fn said_group(said: &mut Said, attributes: &Node) {
    let Some(name) = attributes.get("name").and_then(Node::as_str) else { return };
    let key = NodeKey { text: name.to_owned(), span: attributes.span };
    let children = texts(attributes.get("children"));
    for child in &children {
        said.group(child);
    }
    said.group(&key).within(children, super::ansible::vars_of_node(attributes.get("variables")));
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(NodeValue::Seq(items)) => items,
        _ => &[],
    }
}

fn texts(node: Option<&Node>) -> Vec<NodeKey> {
    let key = |node: &Node| Some(NodeKey { text: node.as_str()?.to_owned(), span: node.span });
    list(node).iter().filter_map(key).collect()
}

/// The text at a path such as `network_interface.0.network_ip`; none where it is empty.
fn at<'n>(node: &'n Node, path: &str) -> Option<&'n str> {
    let step = |node: &'n Node, part: &str| match part.parse::<usize>() {
        Ok(index) => list(Some(node)).get(index),
        Err(_) => node.get(part),
    };
    path.split('.').try_fold(node, step)?.as_str().filter(|text| !text.is_empty())
}
