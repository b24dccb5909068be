//! What a run keeps on its hosts: by its record, and as it was found there.

use super::labels;
use indexmap::IndexSet;
use std::fmt::Write;
use surefoot_engine::tidy::{Keeping, RunLeftovers};

/// What may be there, without a look at the hosts.
pub fn rules(keeping: &Keeping) -> String {
    if keeping.places.is_empty() {
        return String::new();
    }
    let bold = labels::BOLD;
    let mut out = format!("\n{bold}kept on hosts{bold:#}, as far as it is there: `surefoot tidy` removes it\n");
    for place in &keeping.places {
        let _ = writeln!(out, "  {}: {}", place.host, place.folder);
        place.ours.iter().for_each(|path| out += &format!("  {}: {path}\n", place.host));
    }
    for (host, path) in keeping.theirs.iter().flat_map(|(host, paths)| paths.iter().map(move |path| (host, path))) {
        let _ = writeln!(out, "  {host}: {path}, left to you");
    }
    out + &unknown(keeping)
}

/// What is there.
pub fn found(found: &[RunLeftovers], keeping: &Keeping) -> String {
    let mut out = String::new();
    // Each user of a host that can see it has found it.
    let mut left = IndexSet::new();
    for RunLeftovers { host, ours, theirs, .. } in found {
        for (path, size) in ours {
            let _ = writeln!(out, "  removes {host}: {path} ({})", labels::size(*size));
        }
        left.extend(theirs.iter().map(|path| format!("  leaves  {host}: {path}, which is yours\n")));
    }
    left.iter().for_each(|line| out += line);
    out + &unknown(keeping)
}

fn unknown(keeping: &Keeping) -> String {
    let line = |step| format!("  the folder of whom {step} ran as is not known here: look for it yourself\n");
    keeping.unknown.iter().map(line).collect()
}
