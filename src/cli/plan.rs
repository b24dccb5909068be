//! `surefoot plan`.

use super::args::{Format, PlanArgs as Args};
use super::catalog::catalog;
use super::exit::Exit;
use super::out::{say, to_file};
use super::prepare::prepare;
use super::prepare_hosts::{Consent, closed};
use super::run::{Ready, current, in_runtime};
use super::{plan_file, runs};
use crate::report::plan::{Fold, html, text};
use std::io::IsTerminal;
use std::path::PathBuf;
use surefoot_engine::load;
use surefoot_engine::plan::Plan;

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    if let Some(program) = args.inputs.inventory.as_deref().filter(|given| args.offline && load::is_executed(given)) {
        let program = program.display();
        return Exit::WrongInput.because(format!(
            "{program} is a program, and `--offline` runs none: `{program} --list > inventory.json`, and give that with `-i`"
        ));
    }
    let made = current().and_then(|folder| Ok((prepare(&args.inputs, &catalog(None)?, &folder)?, folder)));
    let (prepared, folder) = match made {
        Ok(made) => made,
        Err(exit) => return exit,
    };
    if args.offline {
        return shown(&Plan::offline(&prepared.program), args);
    }
    let store = match runs::store(state) {
        Ok(store) => store,
        Err(error) => return Exit::Failed.because(error),
    };
    in_runtime(async {
        // Hosts that may be missing are left out of a plan, and named in it: nobody needs to be asked.
        let ready =
            match Ready::connect(&store, prepared, Consent { exclude: true, sudo_log: args.allow_sudo_log }).await {
                Ok(ready) => ready,
                Err(exit) => return exit,
            };
        let plan = ready.look(&store, &folder).await;
        let saved = args.out.as_ref().map_or(Ok(()), |path| {
            let made = plan_file::made(&args.inputs, &folder, &ready, &store, &plan);
            let saved = made.and_then(|made| to_file(path, &made));
            saved.map_err(|error| Exit::Failed.because(format!("{}: {error}", path.display())))?;
            crate::cli::out::tell_line!("saved: `surefoot run {}` runs exactly this", path.display());
            Ok(())
        });
        let exit = saved.map_or_else(|exit| exit, |()| shown(&plan, args));
        closed(&ready.world, exit).await
    })
}

fn shown(plan: &Plan, args: &Args) -> Exit {
    let fold = if std::io::stdout().is_terminal() { Fold::Folded } else { Fold::Open };
    match args.format {
        Format::Text => say!("{}", text(plan, fold)),
        Format::Json => match serde_json::to_string_pretty(plan) {
            Ok(json) => say!("{json}\n"),
            Err(error) => return Exit::Failed.because(error),
        },
    }
    if let Some(path) = &args.html
        && let Err(error) = to_file(path, html(plan).as_bytes())
    {
        return Exit::Failed.because(format!("{}: {error}", path.display()));
    }
    match plan {
        plan if plan.would_fail() => Exit::Failed,
        plan if args.detailed_exitcode && plan.has_changes() => Exit::Changes,
        _ => Exit::Done,
    }
}
