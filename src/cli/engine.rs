//! A run at work: shown, asked and answered, from its first event to its last.

use super::args::LogFormat;
use super::console::{self, WatchedRun};
use super::control::{Control, ControlReply, ControlRequest};
use super::detach::{self, Streams};
use super::display::Display;
use super::engine_log;
use super::exit::Exit;
use super::operator::{Operator, PendingQuestions, warn_of_denials};
use super::options::{Options, shown_as};
use super::out::say;
use super::prepare_hosts::closed;
use super::{retention, traces};
use crate::report::trace::TaskActions;
use crate::report::{self, Places};
use std::sync::{Arc, RwLock};
use surefoot_engine::compile::Program;
use surefoot_engine::execute::{self, Goal, Leases, RunOrigin, Signals};
use surefoot_engine::http::Url;
use surefoot_engine::journal::{Journal, RunFolder};
use surefoot_engine::load::UserConfig;
use surefoot_engine::model::{Outcome, RunState, Sources};
use surefoot_engine::notify::Notifier;
use surefoot_engine::secret::{Keyring, Masks};
use surefoot_engine::world::World;

/// What an engine came to.
pub struct EngineOutcome {
    pub outcome: Outcome,
    /// Whether a step of `finally` has failed. It hides no other outcome.
    pub finally_failed: bool,
}

/// A run with all that it needs, new or taken up.
pub struct Engine {
    pub origin: RunOrigin,
    pub goal: Goal,
    pub program: Arc<Program>,
    /// What the program was made from.
    pub sources: Sources,
    pub world: Arc<World>,
    pub leases: Leases,
    pub folder: RunFolder,
    pub journal: Journal,
    pub state: RunState,
    pub secrets: Arc<Keyring>,
}

impl Engine {
    /// Runs it, shows it, and closes its connections. An exit was explained.
    pub async fn run(self, options: Options) -> Result<EngineOutcome, Exit> {
        engine_log::store_in(&self.folder);
        let streams = Streams::now();
        if matches!(self.goal, Goal::Start | Goal::Resume { .. } | Goal::Reapply { .. }) && !streams.can_ask() {
            warn_of_denials(&self.program, &self.state, &options.approve);
        }
        // Only now: until here Ctrl-C ends us, and nothing has been done that must be finished.
        let signals = Signals::listen().map_err(|error| Exit::Failed.because(error))?;
        let places = Places::of(&self.program, self.sources, self.secrets.masks.clone());
        let waiting = PendingQuestions::default();
        let (wishes, asked_for) = (signals.clone(), waiting.clone());
        let control = Control::listen(self.folder.path(), move |request| carry_out(request, &asked_for, &wishes));
        let _control = control.map_err(|error| Exit::Failed.because(error))?;
        let next = self.state.next_seq();
        let state = Arc::new(RwLock::new(self.state));
        if options.detach {
            detach::leave(&self.folder).map_err(|error| Exit::Failed.because(error))?;
        }
        let display = match shown_as(options.log) {
            _ if options.detach => Display::nowhere(),
            LogFormat::Live => {
                let watched = WatchedRun { program: &self.program, folder: &self.folder, state: &state };
                let opened = console::open(watched, places.into());
                let (console, open, wishes) = opened.map_err(|error| Exit::Failed.because(error))?;
                tokio::spawn(console::answer_requests(wishes, signals.clone(), waiting.clone()));
                Display::on_console(console, open)
            }
            log => {
                let opened = Display::of_lines(log, options.verbose, places.into(), &self.folder, next);
                opened.map_err(|error| Exit::Failed.because(error))?
            }
        };
        // There it is an event like any other.
        let shown = options.log != Some(LogFormat::Json);
        let (questions, asked) = tokio::sync::mpsc::channel(16);
        let masks = self.secrets.masks.clone();
        let notifier = Notifier::start(&options.config, masks, exit_code, &self.folder, next);
        let gone = streams.detach_after(signals.clone(), self.folder.clone(), display.console.clone());
        tokio::spawn(gone);
        let (console, somebody) = (display.console.clone(), streams.can_ask());
        let operator = Operator::new(options.approve, console, waiting, notifier.clone(), somebody);
        tokio::spawn(operator.answer(asked));
        let (mut journal, actions) = (self.journal, traces::actions(&self.program));
        let outcome = execute::run(execute::Run {
            origin: self.origin,
            goal: self.goal,
            program: self.program,
            actions: execute::real_actions(),
            world: self.world.clone(),
            state: state.clone(),
            limits: options.limits,
            leases: self.leases,
            append: Box::new(move |events| journal.append(events).map_err(Into::into)),
            folder: options.folder,
            outputs: self.folder.outputs(),
            observers: [display.observer.clone()]
                .into_iter()
                .chain(notifier.iter().cloned().map(|one| one as _))
                .collect(),
            questions,
            signals: signals.clone(),
            secrets: self.secrets,
        })
        .await;
        let lost = execute::lost(&self.world);
        closed(&self.world, Exit::Done).await;
        warn(display.close(&signals).await.as_slice());
        deliver_last(notifier, options.traces, &self.folder, &actions).await;
        if let Some(fault) = lost {
            return Err(Exit::Held.because(fault));
        }
        let outcome = outcome.map_err(|error| Exit::Failed.because(error))?;
        if let Some(older) = options.config.tidy.filter(|_| outcome == Outcome::Done) {
            retention::after_success(&self.folder, older).await;
        }
        let state = state.read().expect("the engine has ended without a panic");
        if shown && outcome == Outcome::Done {
            say!("{}", report::result::text(&state));
        }
        Ok(EngineOutcome { outcome, finally_failed: state.finally_has_failed() })
    }
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
    missed.iter().for_each(|missed| crate::cli::out::tell_line!("warning: {missed}"));
}

/// Waits until those who are told of a run know how it ended, for a bounded time. Who was not told is named.
async fn deliver_last(notifier: Option<Arc<Notifier>>, traces: Option<Url>, run: &RunFolder, actions: &TaskActions) {
    if let Some(notifier) = notifier {
        warn(&notifier.close().await);
    }
    if let Some(url) = &traces
        && let Err(why) = traces::send_last(run, url, actions).await
    {
        crate::cli::out::tell_line!("warning: no trace of this run was sent: {why}");
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
