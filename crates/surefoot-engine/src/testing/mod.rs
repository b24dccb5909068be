//! `surefoot test`: a runbook tried without hosts.
//!
//! ```text
//! read -> fit -> play (the engine itself, in a scene) -> story -> judge
//! ```
//!
//! - `read`: a test file as its tables (`shapes`) say, to a [`Suite`].
//! - `fit`: what it says of steps and hosts, held against the compiled runbook.
//! - `play`: each case is run by [`crate::execute`], with the actions and hosts of a `scene`, which answer as the case
//!   says. The clock is paused: what waits, waits no time.
//! - `story`: what the run's events tell; `judge`: where that is not what the case expects.
//!
//! Invariant: nothing outside this process is touched, and no second engine decides what happens. Does not know how
//! results are shown.

mod action;
mod fixtures;
mod host;
mod judge;
mod read;
mod runner;
mod shapes;
mod suite;
mod trace;
mod validate;

pub use judge::Mismatch;
pub use runner::{Played, PreparedCase, play};
pub use shapes::{ANSWER, CASE, EXPECT, TEST, THEN};
pub use suite::{Suite, TestCase};

use crate::action::ActionRegistry;
use crate::catalog::{Catalog, Found, Location};
use crate::check::{self, ParamType, Runbook};
use crate::load::{self, GivenParameter};
use crate::model::{Diagnostic, Severity, Sources, Span};
use crate::secret::{LONGEST, SHORTEST, Secret};
use crate::session::{bound, checked};
use std::path::Path;
use std::sync::Arc;

/// Reads a test file and the runbook that it tests; every mistake in either, or its cases. Secrets that it makes up are
/// concealed in the sources.
pub fn prepare(
    path: &Path,
    actions: &ActionRegistry,
    sources: &mut Sources,
) -> Result<Vec<PreparedCase>, Vec<Diagnostic>> {
    prepare_at(&Location::File(path.to_owned()), &Catalog::default(), actions, sources)
}

/// The same of a text that may be in the program.
pub fn prepare_at(
    location: &Location,
    catalog: &Catalog,
    actions: &ActionRegistry,
    sources: &mut Sources,
) -> Result<Vec<PreparedCase>, Vec<Diagnostic>> {
    let suite = read::suite(location, sources)?;
    let document = load::found(&Found::at(suite.runbook.clone()), catalog, sources)?;
    let is_error = |one: &Diagnostic| one.severity == Severity::Error;
    let (runbook, _) = checked(&document, Some(&suite.inventory), actions, sources)
        .map_err(|problems| problems.into_iter().filter(is_error).collect::<Vec<_>>())?;
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    let mut concealed = Vec::new();
    for case in &suite.cases {
        match one(case, &suite, &runbook, sources, &mut concealed) {
            Ok(prepared) => cases.push(prepared),
            // What is said for all cases is told once.
            Err(more) => more.into_iter().for_each(|one| {
                if !problems.contains(&one) {
                    problems.push(one);
                }
            }),
        }
    }
    *sources = sources.redacting(&concealed);
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn one(
    case: &TestCase,
    suite: &Suite,
    runbook: &Runbook,
    sources: &mut Sources,
    concealed: &mut Vec<Span>,
) -> Result<PreparedCase, Vec<Diagnostic>> {
    let is_secret =
        |one: &&GivenParameter| runbook.params.get(&one.key.text).is_some_and(|p| p.kind == ParamType::Secret);
    let (made_up, given): (Vec<&GivenParameter>, Vec<&GivenParameter>) =
        suite.params.iter().chain(&case.params).partition(is_secret);
    concealed.extend(made_up.iter().map(|one| one.value.span));
    let given: Vec<GivenParameter> = given.into_iter().cloned().collect();
    let secrets = made_up.into_iter().map(|one| secret(one, sources)).collect::<Result<_, _>>();
    let params = check::params_literal(runbook, &given, &suite.folder, sources);
    let program = bound(runbook.clone(), &suite.inventory, params, &suite.binds, sources);
    let (secrets, program) = match (secrets, program) {
        (Ok(secrets), Ok(program)) => (secrets, program),
        (secrets, program) => {
            let problems = [secrets.err().map(|one| vec![one]), program.err()];
            return Err(problems.into_iter().flatten().flatten().collect());
        }
    };
    let problems = validate::mistakes(case, &program);
    if problems.is_empty() {
        Ok(PreparedCase { case: case.clone(), program: Arc::new(program), secrets })
    } else {
        Err(problems)
    }
}

/// A made-up secret: as long as a real one may be, so that it can be masked.
fn secret(given: &GivenParameter, sources: &Sources) -> Result<(String, Secret), Diagnostic> {
    let name = &given.key.text;
    match given.value.text(sources).filter(|text| (SHORTEST..=LONGEST).contains(&text.len())) {
        Some(text) => Ok((name.clone(), Secret::new(text))),
        None => {
            let message = format!("the secret `{name}` is made up here: a text of {SHORTEST} bytes or more");
            Err(Diagnostic::error("E0604", given.value.span, message).redact())
        }
    }
}
