//! All that reads files of authors and operators, on one text: what fuzzing and the tests of size call.

use std::path::Path;
use surefoot::cli::ACTIONS;
use surefoot::report;
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::{check, load};

/// Everything that reads such a file reads it.
pub fn read(folder: &Path, bytes: &[u8]) {
    let (yaml, ini) = (folder.join("book.yaml"), folder.join("hosts.ini"));
    std::fs::write(&yaml, bytes).unwrap();
    std::fs::write(&ini, bytes).unwrap();
    let mut sources = Sources::default();
    let problems = match load::runbook(&yaml, &mut sources) {
        Ok(document) => check::check(&document, None, &sources, &ACTIONS).diagnostics,
        Err(problems) => problems,
    };
    shown(&problems, &sources);
    let fixes: Vec<_> = problems.iter().filter_map(|problem| problem.fix.as_ref()).take(20).collect();
    if let Some(first) = fixes.first() {
        let file = first.span.file;
        let own: Vec<_> = fixes.iter().copied().filter(|fix| fix.span.file == file).collect();
        load::patched(&sources.get(file).text, &own);
    }
    let _ = load::formatted(&yaml, &mut Sources::default());
    for problems in [
        load::hosts(&yaml, &mut sources).map(|loaded| loaded.warnings).unwrap_or_else(|problems| problems),
        load::hosts(&ini, &mut sources).map(|loaded| loaded.warnings).unwrap_or_else(|problems| problems),
        load::inventory(&yaml, &mut sources).err().unwrap_or_default(),
        surefoot_lab::rehearse::load(&yaml, &mut sources).err().unwrap_or_default(),
        load::params(&yaml, &mut sources).err().unwrap_or_default(),
        load::argument(&String::from_utf8_lossy(bytes), &mut sources).err().unwrap_or_default(),
    ] {
        shown(&problems, &sources);
    }
}

/// A few of them, in every form.
fn shown(problems: &[Diagnostic], sources: &Sources) {
    let few = &problems[..problems.len().min(8)];
    for problem in few {
        assert!(!report::render(problem, sources).is_empty());
        report::json(problem, sources);
        report::github(problem, sources);
    }
    report::sarif(few, sources);
}
