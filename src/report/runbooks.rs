//! Runbooks by name, as a table.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use surefoot_engine::catalog::Identity;

/// A runbook that can be named.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub name: String,
    pub summary: String,
    #[serde(flatten)]
    pub identity: Identity,
}

/// A line for each; with `long` its source and its hash, too.
pub fn table(runbooks: &[Listed], long: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if long {
        table.set_header(["name", "summary", "source", "hash"]);
    } else {
        table.set_header(["name", "summary"]);
    }
    for Listed { name, summary, identity } in runbooks {
        let mut row = vec![name.clone(), summary.clone()];
        if long {
            row.extend([identity.source.to_string(), identity.to_string()]);
        }
        table.add_row(row);
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
