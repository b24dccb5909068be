//! `surefoot check`: every mistake, without touching a host.

use super::args::{CheckArgs, Findings};
use super::catalog::{catalog, resolve};
use super::diagnostics;
use super::exit::{CommandResult, Exit};
use super::fix;
use super::out::{say, tell};
use crate::cli::actions::ACTIONS;
use crate::report;
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::catalog::{self, Catalog, Location};
use surefoot_engine::check::{add_action, check};
use surefoot_engine::load::{self, Inventory};
use surefoot_engine::model::{Diagnostic, Sources};
use surefoot_engine::testing;

pub fn main(args: &CheckArgs) -> CommandResult {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let catalog = catalog(None)?;
    let inventory = match args.inventory.as_ref().map(|given| load::hosts_unrun(given, &mut sources)).transpose() {
        Ok(loaded) => loaded.and_then(|loaded| {
            problems = loaded.warnings;
            (!loaded.unknown).then_some(loaded.inventory)
        }),
        Err(more) => {
            problems = more;
            None
        }
    };
    for word in &args.runbooks {
        let location = match resolve(word, &catalog, &mut sources) {
            Ok(found) => found.location,
            Err(more) => {
                problems.extend(more);
                continue;
            }
        };
        if args.fix
            && let Err(why) = fix::text(&location, inventory.as_ref(), &catalog)
        {
            return Err(Exit::Failed.because(format!("{location}: {why}")));
        }
        problems.extend(found(&location, inventory.as_ref(), &catalog, &mut sources));
    }
    print_findings(&problems, &sources, args.format);
    Ok(match diagnostics::exit(&problems) {
        Exit::Done if args.deny_warnings && !problems.is_empty() => Exit::WrongInput,
        // Warnings have their own summary.
        Exit::Done if args.format == Findings::Text && problems.is_empty() => {
            say!("{}: no mistakes found\n", count(args.runbooks.len()));
            Exit::Done
        }
        exit => exit,
    })
}

fn print_findings(problems: &[Diagnostic], sources: &Sources, format: Findings) {
    let (redacted, shown) = diagnostics::redacted(problems, sources);
    match format {
        Findings::Text => tell!("{}", diagnostics::text(problems, sources)),
        Findings::Json => diagnostics::list(problems, sources),
        Findings::Sarif => say!("{:#}\n", report::sarif(&redacted, &shown)),
        Findings::Github => redacted.iter().for_each(|problem| say!("{}\n", report::github(problem, &shown))),
    }
}

/// What is wrong with a runbook, a rehearsal, a test or an action.
pub fn found(
    location: &Location,
    inventory: Option<&Inventory>,
    catalog: &Catalog,
    sources: &mut Sources,
) -> Vec<Diagnostic> {
    let found = match location.path().to_string_lossy() {
        name if name.ends_with(".rehearse.yaml") => rehearsal(location, catalog, sources),
        name if name.ends_with(".test.yaml") => {
            testing::prepare_at(location, catalog, &ACTIONS, sources).map(|_| Vec::new())
        }
        _ if is_action(location) => action(location, sources),
        _ => runbook(location, inventory, catalog, sources),
    };
    found.unwrap_or_else(|problems| problems)
}

type CheckResult = Result<Vec<Diagnostic>, Vec<Diagnostic>>;

fn runbook(
    location: &Location,
    inventory: Option<&Inventory>,
    catalog: &Catalog,
    sources: &mut Sources,
) -> CheckResult {
    let document = load::found(&catalog::Found::at(location.clone()), catalog, sources)?;
    Ok(check(&document, inventory, sources, &ACTIONS).diagnostics)
}

/// An action that is written in YAML is in a folder of that name.
fn is_action(location: &Location) -> bool {
    let folder = location.absolute().path().parent().and_then(|folder| folder.file_name().map(ToOwned::to_owned));
    matches!(location, Location::File(_)) && folder.is_some_and(|name| name == load::ACTIONS)
}

fn action(location: &Location, sources: &mut Sources) -> CheckResult {
    let document = load::action(location.path(), sources)?;
    Ok(add_action(&mut ActionRegistry::clone(&ACTIONS), &document, sources))
}

/// The steps around a rehearsal, on the hosts that its lab will have.
fn rehearsal(location: &Location, catalog: &Catalog, sources: &mut Sources) -> CheckResult {
    let rehearsal = surefoot_lab::rehearse::load_at(location, catalog, sources)?;
    let inventory = Inventory::of_names(rehearsal.lab.hosts.iter().map(|name| name.as_str().into()));
    let stages = [&rehearsal.setup, &rehearsal.damage, &rehearsal.proof].into_iter().flatten();
    Ok(stages.flat_map(|stage| check(stage, Some(&inventory), sources, &ACTIONS).diagnostics).collect())
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}
