//! Hosts as a table.

use super::safe::clean;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// What a look at one host of the inventory gave.
#[derive(Debug, Serialize)]
pub struct HostReport {
    pub name: String,
    pub address: String,
    #[serde(flatten)]
    pub facts: Option<HostFacts>,
    /// Why it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct HostFacts {
    /// Who we are there.
    pub login: String,
    /// Whether that is root, or may become it by sudo without a password.
    pub root: bool,
    pub os: String,
    /// Its version; empty where systemd does not run.
    pub systemd: String,
    /// Bytes free below /var/lib.
    pub free: Option<u64>,
    /// Its version; empty where there is none.
    pub etcd: String,
}

/// A line for each host, those that cannot be reached with the reason.
pub fn table(hosts: &[HostReport]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["host", "address", "reached as", "root", "system", "systemd", "free", "etcd"]);
    for host in hosts {
        let row = host.facts.as_ref().map_or_else(
            || vec![host.name.clone(), host.address.clone(), format!("no: {}", host.fault.as_deref().unwrap_or("?"))],
            |facts| row(host, facts),
        );
        table.add_row(row.iter().map(|cell| clean(cell)));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

fn row(host: &HostReport, facts: &HostFacts) -> Vec<String> {
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    vec![
        host.name.clone(),
        host.address.clone(),
        facts.login.clone(),
        if facts.root { "yes" } else { "no" }.to_owned(),
        facts.os.clone(),
        or_none(&facts.systemd),
        facts.free.map_or("?".to_owned(), gibibytes),
        or_none(&facts.etcd),
    ]
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
