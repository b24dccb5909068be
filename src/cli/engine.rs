//! A run at work: shown, asked and answered, from its first event to its last.

use super::args::Log;
use super::connected::closed;
use super::console::{self, Watched};
use super::control::{Answer, Control, Request};
use super::detach::{self, Streams};
use super::display::Display;
use super::exit::Exit;
use super::operator::{Operator, Waiting, foretell_refusals};
use super::options::{Options, shown_as};
use super::out::say;
use super::{retention, traces};
use crate::compile::Program;
use crate::execute::{self, Goal, Leases, Origin, Signals};
use crate::http::Url;
use crate::journal::{Journal, RunFolder};
use crate::load::Config;
use crate::model::{Outcome, RunState, Sources};
use crate::notify::Notifier;
use crate::report::trace::Actions;
use crate::report::{self, Places};
use crate::secret::{Keyring, Masks};
use crate::world::World;
use std::sync::{Arc, RwLock};

/// What an engine came to.
pub struct Ended {
    pub outcome: Outcome,
    /// Whether a step of `finally` has failed. It hides no other outcome.
    pub finally_failed: bool,
}

/// A run with all that it needs, new or taken up.
pub struct Engine {
    pub origin: Origin,
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
    pub async fn run(self, options: Options) -> Result<Ended, Exit> {
        let streams = Streams::now();
        if matches!(self.goal, Goal::Start | Goal::Resume { .. } | Goal::Reapply { .. }) && !streams.can_ask() {
            foretell_refusals(&self.program, &self.state, &options.approve);
        }
        // Only now: until here Ctrl-C ends us, and nothing has been done that must be finished.
        let signals = Signals::listen().map_err(|error| Exit::Failed.because(error))?;
        let places = Places::of(&self.program, self.sources, self.secrets.masks.clone());
        let waiting = Waiting::default();
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
            Log::Live => {
                let watched = Watched { program: &self.program, folder: &self.folder, state: &state };
                let opened = console::open(watched, places.into());
                let (console, open, wishes) = opened.map_err(|error| Exit::Failed.because(error))?;
                tokio::spawn(console::fulfil(wishes, signals.clone(), waiting.clone()));
                Display::on_console(console, open)
            }
            log => {
                let opened = Display::of_lines(log, options.verbose, places.into(), &self.folder, next);
                opened.map_err(|error| Exit::Failed.because(error))?
            }
        };
        // There it is an event like any other.
        let shown = options.log != Some(Log::Json);
        let (questions, asked) = tokio::sync::mpsc::channel(16);
        let masks = self.secrets.masks.clone();
        let notifier = Notifier::start(&options.config, masks, exit_code, &self.folder, next);
        let gone = streams.let_go_after(signals.clone(), self.folder.clone(), display.console.clone());
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
        told(notifier, options.traces, &self.folder, &actions).await;
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
        Ok(Ended { outcome, finally_failed: state.finally_has_failed() })
    }
}

fn exit_code(outcome: Outcome) -> u8 {
    Exit::from(outcome) as u8
}

/// Sends what was to be told of a run that has ended, and was not. The run's journal is held.
pub async fn tell_late(config: &Config, run: &RunFolder, state: &RunState) {
    if let Some(notifier) = Notifier::start(config, Masks::default(), exit_code, run, state.next_seq()) {
        warn(&notifier.close().await);
    }
}

fn warn(missed: &[String]) {
    missed.iter().for_each(|missed| crate::cli::out::tell_line!("warning: {missed}"));
}

/// Waits until those who are told of a run know how it ended, for a bounded time. Who was not told is named.
async fn told(notifier: Option<Arc<Notifier>>, traces: Option<Url>, run: &RunFolder, actions: &Actions) {
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
fn carry_out(request: Request, waiting: &Waiting, signals: &Signals) -> Answer {
    match request {
        Request::Cancel { by } => {
            signals.cancel(by);
            Answer::Done
        }
        Request::Stop { by } => match signals.stop(by) {
            true => Answer::Done,
            false => Answer::Refused { why: "the run is stopping already".into() },
        },
        Request::Pause { .. } if signals.stop.is_cancelled() => {
            Answer::Refused { why: "the run is stopping: nothing new starts anyhow".into() }
        }
        Request::Pause { paused, by } => match signals.pause(paused, by) {
            false if !paused => Answer::Refused { why: "the run is not paused".into() },
            _ => Answer::Done,
        },
        Request::Approve { step, by } if waiting.approve(&step, &by) => Answer::Done,
        Request::Refuse { step, .. } if waiting.refuse(&step) => Answer::Done,
        Request::Approve { step, .. } | Request::Refuse { step, .. } => {
            Answer::Refused { why: format!("{step} does not wait for an answer") }
        }
    }
}
