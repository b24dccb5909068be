//! `surefoot rollback`.

use super::args::Rollback as Args;
use super::detach;
use super::drifted;
use super::engine::EngineOutcome;
use super::exit::Exit;
use super::operator::confirm;
use super::reopened_run::Taken;
use super::run::in_runtime;
use crate::report;
use crate::report::run::{Back, BackStep};
use indexmap::IndexSet;
use std::path::PathBuf;
use surefoot_engine::check::Step;
use surefoot_engine::compile::Program;
use surefoot_engine::execute::Goal;
use surefoot_engine::execute::rollback::{self, RollbackPlan, RollbackTarget, UndoDecision};
use surefoot_engine::model::{Outcome, Rollback, RunState, StepId};

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    if let Some(exit) = detach::start(&args.manner) {
        return exit;
    }
    let taken = match Taken::open(state, &args.run) {
        Ok(taken) => taken,
        Err(exit) => return exit,
    };
    taken.note_changes();
    let program = &taken.kept.prepared.program;
    let goal = match goal(program, &taken.state, args) {
        Ok(goal) => goal,
        Err(exit) => return exit,
    };
    let way = match &goal {
        Goal::Back { to, force, .. } => rollback::plan(program, &taken.state, to, *force),
        _ => rollback::under_way(program, &taken.state),
    };
    let mut shown = back(program, &taken.state, &way);
    if args.plan {
        return in_runtime(async {
            let looked = drifted::add(&taken, &mut shown).await;
            crate::cli::out::tell!("{}", report::run::back(&shown));
            looked.map_or_else(|exit| exit, |()| Exit::Done)
        });
    }
    crate::cli::out::tell!("{}", report::run::back(&shown));
    if let (Goal::Back { .. }, Some(wall)) = (&goal, &way.wall) {
        return Exit::Failed.because(format!(
            "the point of no return {wall} lies in between: name a checkpoint after it with `--to`, or cross it with `--force`"
        ));
    }
    if !args.yes
        && let Err(exit) = confirm("Roll back?")
    {
        return exit;
    }
    in_runtime(async {
        match taken.engage(goal, &args.manner, &args.accept_changed, args.yes).await {
            Ok(EngineOutcome { outcome: Outcome::RolledBack, finally_failed: true }) => {
                Exit::Failed.because("the run was rolled back, but a step of `finally` failed after it")
            }
            // It is what was asked for.
            Ok(EngineOutcome { outcome: Outcome::RolledBack, .. }) => Exit::Done,
            Ok(ended) => ended.outcome.into(),
            Err(exit) => exit,
        }
    })
}

fn goal(program: &Program, state: &RunState, args: &Args) -> Result<Goal, Exit> {
    let to = match &args.to {
        None if goes_on(state) && !args.set_aside => return Ok(Goal::Resume { drifted: true }),
        None if goes_on(state) => under_way(state),
        None => RollbackTarget::Start,
        Some(name) => RollbackTarget::Checkpoint(checkpoint(program, state, name)?),
    };
    Ok(Goal::Back { to, force: args.force, set_aside: args.set_aside })
}

/// Where the walk that was cut off leads.
fn under_way(state: &RunState) -> RollbackTarget {
    let to = state.back.as_ref().and_then(|walk| walk.to.clone());
    to.map_or(RollbackTarget::Start, RollbackTarget::Checkpoint)
}

/// Whether a rollback without a checkpoint goes on with the walk that was cut off: not where that was only to undo
/// what failed.
pub fn goes_on(state: &RunState) -> bool {
    let of_all = |walk: &Rollback| walk.to.is_some() || state.spared().next().is_none();
    rollback::is_rolling_back(state) && state.back.as_ref().is_some_and(of_all)
}

/// The step of a checkpoint that the run has passed, by its name or the step's id.
fn checkpoint(program: &Program, state: &RunState, name: &str) -> Result<StepId, Exit> {
    let named: Vec<_> = program.steps.iter().filter_map(|step| Some((step.checkpoint()?, &step.id))).collect();
    let Some((_, step)) = named.iter().find(|(own, id)| own == name || id.as_str() == name) else {
        let known: Vec<&str> = named.iter().map(|(own, _)| own.as_str()).collect();
        return Err(Exit::WrongInput.because(format!("no checkpoint `{name}`; there are: {}", known.join(", "))));
    };
    match rollback::has_passed(state, step) {
        true => Ok((*step).clone()),
        false => Err(Exit::WrongInput.because(format!("the run has not come to the checkpoint `{name}`"))),
    }
}

/// What a walk would do, the last first.
pub fn back(program: &Program, state: &RunState, way: &RollbackPlan) -> Back {
    let steps = rollback::in_order(program, state, way).into_iter().filter_map(|task| {
        let record = state.task(&task.name)?;
        let (undone, what) = match rollback::undo_decision(program, task, record) {
            UndoDecision::Nothing => return None,
            UndoDecision::Undo(what) => (true, what.into_owned()),
            UndoDecision::Keep(why) => (false, why.to_owned()),
        };
        Some(BackStep { task: task.name.clone(), undone, what, drift: Vec::new() })
    });
    let to = program.steps.iter().find(|step| Some(&step.id) == way.to.as_ref()).and_then(Step::checkpoint);
    let gates: IndexSet<StepId> = way.gates.iter().map(|task| task.step.clone()).collect();
    let gates = gates.into_iter().collect();
    Back { to, wall: way.wall.clone(), unknown: way.unknown.clone(), gates, steps: steps.collect() }
}
