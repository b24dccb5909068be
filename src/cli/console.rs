//! Joins the console to its run: what it must know beforehand, and what becomes of what a person wants there.

use super::engine_log;
use super::operator::{PendingQuestions, operator_name};
use crate::report::Places;
use crate::report::console::{Console, ConsoleGate, ConsoleRequest, ConsoleRun, OpenTerminal};
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use surefoot_engine::action::TestMode;
use surefoot_engine::check::{RollPart, Step};
use surefoot_engine::compile::Program;
use surefoot_engine::execute::Signals;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::model::{RunState, TaskName};
use surefoot_engine::session::{RollbackPreview, past_of};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A run that is to be watched.
pub struct WatchedRun<'a> {
    pub program: &'a Arc<Program>,
    pub folder: &'a RunFolder,
    pub state: &'a Arc<RwLock<RunState>>,
}

/// Opens the console of a run, and gives what the person at it wants.
pub fn open(
    run: WatchedRun<'_>,
    places: Arc<Places>,
) -> io::Result<(Arc<Console>, OpenTerminal, mpsc::UnboundedReceiver<ConsoleRequest>)> {
    let back = {
        let program = run.program.clone();
        move |state: &RunState| RollbackPreview::to_last_checkpoint(&program, state)
    };
    // What was begun before is not gone through from the start.
    let is_new = run.state.read().unwrap_or_else(PoisonError::into_inner).started.is_none();
    let expected = is_new.then(|| past_of(&run.folder.store(), &run.program.runbook).run).flatten();
    let about = ConsoleRun {
        state: run.state.clone(),
        places,
        gates: gates(run.program),
        expected: expected.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        back: Box::new(back),
    };
    let (to, wishes) = mpsc::unbounded_channel();
    engine_log::leave_terminal();
    let (console, open) = Console::open(about, to)?;
    tokio::spawn(put_aside(console.clone()));
    Ok((console, open, wishes))
}

/// Where a run waits or cannot go back, in the order of the file.
fn gates(program: &Program) -> Vec<ConsoleGate> {
    let names = |tasks: &[u32]| tasks.iter().map(|task| program.tasks[*task as usize].name.clone()).collect();
    let of_step = |(index, step): (usize, &Step)| -> Vec<ConsoleGate> {
        let tasks: Vec<TaskName> = program.tasks_of(index as u32).iter().map(|task| task.name.clone()).collect();
        let one = |what: String| vec![ConsoleGate { tasks: tasks.clone(), what }];
        match (&step.roll, step.checkpoint(), &step.irreversible) {
            (Some(place), ..) if matches!(place.part, RollPart::Choice(_)) => {
                let passes = program.rolls[&place.roll].gates.iter().filter(|gate| !gate.is_empty()).enumerate();
                let what = |pass: usize, gate: &[u32]| {
                    let id = &program.tasks[gate[0] as usize].name.step;
                    if pass == 0 {
                        format!("{id}, before the first batch")
                    } else {
                        format!("{id}, after batch {pass}")
                    }
                };
                passes.map(|(pass, gate)| ConsoleGate { tasks: names(gate), what: what(pass, gate) }).collect()
            }
            (_, Some(checkpoint), _) => one(format!("the checkpoint {checkpoint}")),
            (_, None, Some(_)) => one(format!("{}, a point of no return", step.id)),
            _ if step.kind.tested == TestMode::Answered => one(format!("your answer to {}", step.id)),
            _ => Vec::new(),
        }
    };
    program.steps[..program.finally].iter().enumerate().flat_map(of_step).collect()
}

/// Does what the person at the console of an engine wants.
pub async fn answer_requests(
    mut wishes: mpsc::UnboundedReceiver<ConsoleRequest>,
    signals: Signals,
    waiting: PendingQuestions,
) {
    while let Some(wish) = wishes.recv().await {
        match wish {
            ConsoleRequest::Pause(paused) => drop(signals.pause(paused, operator_name())),
            ConsoleRequest::Stop => signals.stop.cancel(),
            // Another terminal may have answered meanwhile.
            ConsoleRequest::Answer { task, yes } => drop(waiting.answer(&task, yes.then(operator_name))),
        }
    }
}

/// Ctrl-Z: the shell gets its terminal back as it was. After `fg` it is drawn on again.
async fn put_aside(console: Arc<Console>) {
    let Ok(mut asleep) = signal(SignalKind::from_raw(Signal::TSTP.as_raw())) else { return };
    while asleep.recv().await.is_some() {
        let console = console.clone();
        // A terminal that takes nothing holds up this thread only, and then there is no stopping either.
        let leaving = tokio::task::spawn_blocking(move || {
            console.leave(|| {
                let _ = kill_process(getpid(), Signal::STOP); // which nobody can refuse
            });
        });
        let _ = leaving.await; // it does not panic
    }
}
