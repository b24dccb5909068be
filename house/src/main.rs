//! Measures the source code: how many types share their name with another, how many raw indices are cast, which files
//! import each other in a circle, and whether a crate uses one above it.
//!
//! `surefoot-house` prints a table. With `--check` it fails where a target that was met is missed.

mod imports;
mod names;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Our crates, each above those that it may use.
const CRATES: [(&str, &str); 4] = [
    ("surefoot", "src"),
    ("surefoot_lab", "crates/surefoot-lab/src"),
    ("surefoot_etcd", "crates/surefoot-etcd/src"),
    ("surefoot_engine", "crates/surefoot-engine/src"),
];

/// A source file without its tests.
pub struct Source {
    /// Of [`CRATES`].
    pub krate: &'static str,
    /// Below the crate's folder, such as `check/step.rs`.
    pub path: PathBuf,
    pub syntax: syn::File,
}

/// A row of the table.
struct Measure {
    what: &'static str,
    value: String,
    target: &'static str,
    met: bool,
    /// Whether it was met before: it must stay so.
    holds: bool,
}

fn main() -> ExitCode {
    let sources: Vec<Source> = CRATES.iter().flat_map(|(krate, folder)| read(krate, Path::new(folder))).collect();
    let measures = measures(&sources);
    println!("| measure | value | target | met |\n| --- | --- | --- | --- |");
    for row in &measures {
        println!("| {} | {} | {} | {} |", row.what, row.value, row.target, if row.met { "yes" } else { "not yet" });
    }
    let check = std::env::args().any(|word| word == "--check");
    let missed = check && measures.iter().any(|row| row.holds && !row.met);
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Files that may import one another.
const MOST_IN_A_CYCLE: usize = 3;

fn measures(sources: &[Source]) -> Vec<Measure> {
    let names::Shared { types, shared } = names::shared(sources);
    let share = 100.0 * shared as f64 / types.max(1) as f64;
    let casts = names::casts(sources);
    let cycles = imports::cycles(sources, MOST_IN_A_CYCLE);
    let shown = cycles.iter().map(|cycle| format!("; {}: {}", cycle.len(), cycle.join(", ")));
    let upward = imports::upward(sources);
    vec![
        Measure {
            what: "types whose name is shared with another type",
            value: format!("{share:.1} % ({shared} of {types})"),
            target: "under 5 %",
            met: share < 5.0,
            holds: true,
        },
        Measure {
            what: "crates that use a crate above them",
            value: upward.len().to_string(),
            target: "0",
            met: upward.is_empty(),
            holds: true,
        },
        Measure {
            what: "import cycles of more than 3 files",
            value: format!("{}{}", cycles.len(), shown.collect::<String>()),
            target: "0",
            met: cycles.is_empty(),
            holds: false,
        },
        Measure { what: "`as usize`", value: casts.to_string(), target: "0", met: casts == 0, holds: false },
    ]
}

/// The files of a crate, but for those of tests.
fn read(krate: &'static str, folder: &Path) -> Vec<Source> {
    let (mut open, mut sources) = (vec![folder.to_owned()], Vec::new());
    while let Some(inner) = open.pop() {
        for entry in std::fs::read_dir(&inner).expect("it runs in the project's folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                sources.push(source(krate, folder, &path));
            }
        }
    }
    sources
}

fn source(krate: &'static str, folder: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("a source file is text");
    let mut syntax = syn::parse_file(&text).expect("it compiles");
    syntax.items.retain(|item| !matches!(item, syn::Item::Mod(inner) if inner.ident == "tests"));
    Source { krate, path: path.strip_prefix(folder).expect("it is below").to_owned(), syntax }
}
