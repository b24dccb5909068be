//! `runbooks/etcd/restore-cluster.yaml`, by the program itself, on real hosts: what it brings back, and what stops it.
//!
//! What every landing runs is a sample of the forward cases by a seed that is printed (`SUREFOOT_SEED` repeats it), and
//! every guard; `SUREFOOT_FULL=1` runs all cases and writes `docs/restore-cases.md`.

mod back;
mod cases;
mod checks;
mod files;
mod forward;
mod guards;
mod layouts;
mod middle;
mod report;
mod revisions;
mod scene;
mod traps;
mod undone;
mod versions;

use crate::support::program::Ran;
use crate::support::site::Site;
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_lab::lab::LabName;

const RESTORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/etcd/restore-cluster.yaml");

impl Site {
    /// The shipped runbook, every question answered with yes.
    pub fn restore(&self, words: &[&str]) -> Ran {
        self.run(Path::new(RESTORE), &[words, &["--approve", "all"]].concat())
    }

    /// The shipped runbook with one place of it replaced, as a file.
    pub fn altered(&self, place: &str, by: &str) -> PathBuf {
        let text = std::fs::read_to_string(RESTORE).unwrap();
        assert_eq!(text.matches(place).count(), 1, "{place}");
        self.program.write("altered.yaml", &text.replace(place, by))
    }

    /// The shipped runbook with one more step, a script on one host, before a step of its own: what may happen there
    /// at that very moment. `FILE` is the snapshot on the host, `DATA` its data directory.
    pub fn struck(&self, before: &str, host: &LabName, script: &str) -> PathBuf {
        let place = format!("  - id: {before}\n");
        // JSON is YAML.
        let step = json!({
            "id": "strike", "on": host.as_str(), "sh": script, "irreversible": "a disposable host",
            "env": { "FILE": "{{ vars.staged }}", "DATA": self.layout.data_dir(), "RUN": "{{ run.id }}" },
        });
        self.altered(&place, &format!("  - {step}\n{place}"))
    }
}
