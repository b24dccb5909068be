//! A lab's network: a bridge, and a network namespace for each host.
//!
//! The bridge lives in a namespace of its own, so that the machine's firewall and forwarding do not touch what the
//! hosts say to one another; one link leads out to the machine, which is .1. Nothing is forwarded or masqueraded:
//! hosts reach one another and the machine, and nothing else.

use std::fs;

use super::error::LabError;
use super::ids;
use super::name::LabName;
use super::run::run;
use super::store::LabRecord;

/// Where `ip netns` keeps its names.
const NAMESPACES: &str = "/run/netns";

/// The machine's end of the link to the lab.
fn link_of(network: u8) -> String {
    format!("surefoot{network}")
}

/// The bridge's port for the host with this index.
fn port_of(index: usize) -> String {
    format!("host{index}")
}

/// Makes the bridge, and a namespace with a link and an address for each host.
pub(super) fn up(record: &LabRecord) -> Result<(), LabError> {
    let bridge = ids::of_lab(&record.spec.name);
    let link = link_of(record.network);
    ip(&["netns", "add", &bridge])?;
    ip(&["-n", &bridge, "link", "add", "lab", "type", "bridge"])?;
    ip(&["-n", &bridge, "link", "set", "lab", "up"])?;
    ip(&["link", "add", &link, "type", "veth", "peer", "name", "machine", "netns", &bridge])?;
    ip(&["-n", &bridge, "link", "set", "machine", "master", "lab", "up"])?;
    ip(&["addr", "add", &format!("{}/24", gateway(record)), "dev", &link])?;
    stop_forwarding(&link)?;
    ip(&["link", "set", &link, "up"])?;
    for index in 0..record.spec.hosts.len() {
        connect_host(record, index)?;
    }
    Ok(())
}

/// Where the machine forwards for others (containers, say), it still does not for us.
fn stop_forwarding(link: &str) -> Result<(), LabError> {
    let path = format!("/proc/sys/net/ipv4/conf/{link}/forwarding");
    let value = fs::read_to_string(&path).map_err(LabError::io("read", &path))?;
    // The file may be read-only: in a container, say.
    if value.trim() == "0" { Ok(()) } else { fs::write(&path, "0").map_err(LabError::io("write", path)) }
}

fn connect_host(record: &LabRecord, index: usize) -> Result<(), LabError> {
    let lab = &record.spec.name;
    let (bridge, port) = (ids::of_lab(lab), port_of(index));
    let host = ids::of_host(lab, &record.spec.hosts[index].name);
    ip(&["netns", "add", &host])?;
    ip(&["-n", &bridge, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &host])?;
    ip(&["-n", &bridge, "link", "set", &port, "master", "lab", "up"])?;
    ip(&["-n", &host, "link", "set", "lo", "up"])?;
    ip(&["-n", &host, "addr", "add", &format!("{}/24", record.address(index)?), "dev", "eth0"])?;
    ip(&["-n", &host, "link", "set", "eth0", "up"])?;
    ip(&["-n", &host, "route", "add", "default", "via", &gateway(record)])
}

fn gateway(record: &LabRecord) -> String {
    format!("10.77.{}.1", record.network)
}

/// Pulls or plugs the host's cable: at the bridge's side, so that the host cannot fix it.
pub(super) fn set_link(lab: &LabName, index: usize, up: bool) -> Result<(), LabError> {
    let state = if up { "up" } else { "down" };
    ip(&["-n", &ids::of_lab(lab), "link", "set", &port_of(index), state])
}

/// Removes all namespaces of the lab, and with them its links. No process of the lab may be left in them.
pub(super) fn down(lab: &LabName) -> Result<(), LabError> {
    let bridge = ids::of_lab(lab);
    for path in ids::entries(NAMESPACES, lab)? {
        let namespace = path.file_name().unwrap_or_default().to_string_lossy();
        if namespace == bridge {
            // A namespace goes away in the background; its links, at once. There is none if `up` broke off early.
            let _ = ip(&["-n", &bridge, "link", "del", "machine"]);
        }
        ip(&["netns", "del", &namespace])?;
    }
    Ok(())
}

/// The networks 10.77.N that the machine has an address or a route in already.
pub(super) fn in_use() -> Result<Vec<u8>, LabError> {
    let addresses = run("ip", &["-4", "-oneline", "addr", "show"])?;
    let routes = run("ip", &["-4", "route", "show", "table", "all"])?;
    let words = addresses.split_whitespace().chain(routes.split_whitespace());
    Ok(words.filter_map(|word| word.strip_prefix("10.77.")?.split('.').next()?.parse().ok()).collect())
}

fn ip(words: &[&str]) -> Result<(), LabError> {
    run("ip", words).map(drop)
}
