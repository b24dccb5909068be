//! Diagnostics as people and programs read them.

use super::exit::Exit;
use super::out::{say, tell};
use crate::report;
use surefoot_engine::model::{Diagnostic, FileId, Severity, Sources};

/// More mistakes than anybody reads at once.
const MOST_SHOWN: usize = 100;

/// For people.
pub fn text(problems: &[Diagnostic], sources: &Sources) -> String {
    let (redacted, shown) = redacted(problems, sources);
    let mut text: String =
        redacted.iter().take(MOST_SHOWN).map(|problem| report::render(problem, &shown) + "\n").collect();
    if let Some(more) = redacted.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        text += &format!("and {more} more; `surefoot check --format json` lists them all\n\n");
    }
    if let Some(summary) = report::summary(&redacted) {
        text += &format!("{summary}\n");
    }
    text
}

/// Writes warnings to standard error.
pub fn warn(warnings: &[Diagnostic], sources: &Sources) {
    if !warnings.is_empty() {
        tell!("{}", text(warnings, sources));
    }
}

/// Writes diagnostics for programs, a JSON object on each line of standard output.
pub fn list(problems: &[Diagnostic], sources: &Sources) {
    let (redacted, shown) = redacted(problems, sources);
    redacted.iter().for_each(|problem| say!("{}\n", report::json(problem, &shown)));
}

/// Diagnostics as they may be shown, and the texts without the secrets that they are about. Of a file that is none of ours
/// only the first is told: the others would quote it.
pub fn redacted(problems: &[Diagnostic], sources: &Sources) -> (Vec<Diagnostic>, Sources) {
    let secrets = problems.iter().filter(|problem| problem.concealed).map(|problem| problem.labels[0].span);
    let shown = sources.redacting(&secrets.collect::<Vec<_>>());
    let mut known: Vec<FileId> = Vec::new();
    let problems = problems.iter().filter_map(|problem| {
        let span = problem.labels[0].span;
        if !sources.is_hidden(span.file) {
            return Some(problem.clone());
        }
        let first = !known.contains(&span.file);
        known.push(span.file);
        let message = format!("`{}` is not such a file: nothing of it is shown", sources.path(span.file).display());
        first.then(|| Diagnostic { severity: problem.severity, ..Diagnostic::error(problem.code, span, message) })
    });
    (problems.collect(), shown)
}

/// The exit that diagnostics mean.
pub fn exit(problems: &[Diagnostic]) -> Exit {
    let wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    if wrong { Exit::WrongInput } else { Exit::Done }
}
