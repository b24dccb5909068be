//! A run at work: shown, asked and answered, from its first event to its last.

use super::args::LogFormat;
use super::console::{self, WatchedRun};
use super::control::{Control, ControlReply, ControlRequest};
use super::detach::{self, Streams};
use super::display::Display;
use super::engine_log;
use super::exit::{Exit, Failure};
use super::operator::{Operator, PendingQuestions, warn_of_denials};
use super::options::{Options, shown_as};
use super::out::{say, tell_line};
use super::{retention, traces};
use crate::report::trace::TaskActions;
use crate::report::{self, Places};
use std::sync::{Arc, PoisonError, RwLock};
use surefoot_engine::execute::{Goal, Signals};
use surefoot_engine::http::Url;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::load::UserConfig;
use surefoot_engine::model::{Outcome, RunState};
use surefoot_engine::notify::Notifier;
use surefoot_engine::secret::Masks;
use surefoot_engine::session::{ActiveRun, Frontend, RunEnding};

/// Drives a run to its end, and shows it.
pub async fn drive(run: ActiveRun, options: Options) -> Result<RunEnding, Failure> {
    let folder = run.folder.clone();
    engine_log::store_in(&folder);
    let streams = Streams::now();
    if matches!(run.goal, Goal::Start | Goal::Resume { .. } | Goal::Reapply { .. }) && !streams.can_ask() {
        warn_of_denials(&run.program, &run.state, &options.approve);
    }
    // Only now: until here Ctrl-C ends us, and nothing has been done that must be finished.
    let signals = Signals::listen()?;
    let waiting = PendingQuestions::default();
    let (wishes, asked_for) = (signals.clone(), waiting.clone());
    let _control = Control::listen(folder.path(), move |request| carry_out(request, &asked_for, &wishes))?;
    let next = run.state.next_seq();
    if options.detach {
        detach::leave(&folder)?;
    }
    let state = Arc::new(RwLock::new(run.state.clone()));
    let display = display(&run, &state, &options, &signals, &waiting)?;
    let (questions, asked) = tokio::sync::mpsc::channel(16);
    let notifier = Notifier::start(&options.config, run.masks().clone(), exit_code, &folder, next);
    tokio::spawn(streams.detach_after(signals.clone(), folder.clone(), display.console.clone()));
    let (console, somebody) = (display.console.clone(), streams.can_ask());
    let operator = Operator::new(options.approve, console, waiting, notifier.clone(), somebody);
    tokio::spawn(operator.answer(asked));
    let actions = traces::actions(&run.program);
    let observers = [display.observer.clone()].into_iter().chain(notifier.iter().cloned().map(|one| one as _));
    let frontend = Frontend {
        observers: observers.collect(),
        questions,
        signals: signals.clone(),
        limits: options.limits,
        folder: options.folder,
        state,
    };
    let ending = run.drive(frontend).await;
    warn(display.close(&signals).await.as_slice());
    deliver_last(notifier, options.traces, &folder, &actions).await;
    let ending = ending?;
    if let Some(older) = options.config.tidy.filter(|_| ending.outcome == Outcome::Done) {
        retention::after_success(&folder, older).await;
    }
    // With JSON it is an event like any other.
    if options.log != Some(LogFormat::Json) && ending.outcome == Outcome::Done {
        let state = ending.state.read().unwrap_or_else(PoisonError::into_inner);
        say!("{}", report::result::text(&state));
    }
    Ok(ending)
}

/// Where the events of a run are shown.
fn display(
    run: &ActiveRun,
    state: &Arc<RwLock<RunState>>,
    options: &Options,
    signals: &Signals,
    waiting: &PendingQuestions,
) -> Result<Display, Failure> {
    let places = Places::of(&run.program, run.sources.clone(), run.masks().clone());
    Ok(match shown_as(options.log) {
        _ if options.detach => Display::nowhere(),
        LogFormat::Live => {
            let watched = WatchedRun { program: &run.program, folder: &run.folder, state };
            let (console, open, wishes) = console::open(watched, places.into())?;
            tokio::spawn(console::answer_requests(wishes, signals.clone(), waiting.clone()));
            Display::on_console(console, open)
        }
        log => Display::of_lines(log, options.verbose, places.into(), &run.folder, run.state.next_seq())?,
    })
}

fn exit_code(outcome: Outcome) -> u8 {
    Exit::from(outcome) as u8
}

/// Sends what was to be told of a run that has ended, and was not. The run's journal is held.
pub async fn deliver_missed(config: &UserConfig, run: &RunFolder, state: &RunState) {
    if let Some(notifier) = Notifier::start(config, Masks::default(), exit_code, run, state.next_seq()) {
        warn(&notifier.close().await);
    }
}

fn warn(missed: &[String]) {
    missed.iter().for_each(|missed| tell_line!("warning: {missed}"));
}

/// Waits until those who are told of a run know how it ended, for a bounded time. Who was not told is named.
async fn deliver_last(notifier: Option<Arc<Notifier>>, traces: Option<Url>, run: &RunFolder, actions: &TaskActions) {
    if let Some(notifier) = notifier {
        warn(&notifier.close().await);
    }
    if let Some(url) = &traces
        && let Err(why) = traces::send_last(run, url, actions).await
    {
        tell_line!("warning: no trace of this run was sent: {why}");
    }
}

/// Does what another terminal asks for.
fn carry_out(request: ControlRequest, waiting: &PendingQuestions, signals: &Signals) -> ControlReply {
    match request {
        ControlRequest::Cancel { by } => {
            signals.cancel(by);
            ControlReply::Done
        }
        ControlRequest::Stop { by } => match signals.stop(by) {
            true => ControlReply::Done,
            false => ControlReply::Refused { why: "the run is stopping already".into() },
        },
        ControlRequest::Pause { .. } if signals.stop.is_cancelled() => {
            ControlReply::Refused { why: "the run is stopping: nothing new starts anyhow".into() }
        }
        ControlRequest::Pause { paused, by } => match signals.pause(paused, by) {
            false if !paused => ControlReply::Refused { why: "the run is not paused".into() },
            _ => ControlReply::Done,
        },
        ControlRequest::Approve { step, by } if waiting.approve(&step, &by) => ControlReply::Done,
        ControlRequest::Refuse { step, .. } if waiting.refuse(&step) => ControlReply::Done,
        ControlRequest::Approve { step, .. } | ControlRequest::Refuse { step, .. } => {
            ControlReply::Refused { why: format!("{step} does not wait for an answer") }
        }
    }
}
