//! A run at work: shown, asked and answered, from its first event to its last.

use super::args::Log;
use super::connected::closed;
use super::console::{self, Watched};
use super::control::{Answer, Control, Request};
use super::exit::Exit;
use super::operator::{Operator, Waiting, foretell_refusals};
use super::options::Options;
use super::out::say;
use super::traces;
use crate::compile::Program;
use crate::execute::{self, Goal, Leases, Origin, Signals};
use crate::http::Url;
use crate::journal::{Journal, RunFolder};
use crate::load::Config;
use crate::model::{Observer, Outcome, RunState, Sources};
use crate::notify::Notifier;
use crate::report::console::Console;
use crate::report::trace::Actions;
use crate::report::{self, JsonLines, Lines, Places, Quiet};
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
        if matches!(self.goal, Goal::Start | Goal::Resume { .. } | Goal::Reapply { .. }) {
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
        let display = match options.shown_as() {
            Log::Live => {
                let watched = Watched { program: &self.program, folder: &self.folder, state: &state };
                let opened = console::open(watched, places.into(), &signals, &waiting);
                Display::on_console(opened.map_err(|error| Exit::Failed.because(error))?)
            }
            log => Display::of_lines(log, options.verbose, places.into()),
        };
        // There it is an event like any other.
        let shown = options.log != Some(Log::Json);
        let (questions, asked) = tokio::sync::mpsc::channel(16);
        let masks = self.secrets.masks.clone();
        let notifier = Notifier::start(&options.config, masks, exit_code, &self.folder, next);
        let operator = Operator::new(options.approve, display.console.clone(), waiting, notifier.clone());
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
            observers: [display.observer].into_iter().chain(notifier.iter().cloned().map(|one| one as _)).collect(),
            questions,
            signals,
            secrets: self.secrets,
        })
        .await;
        let lost = execute::lost(&self.world);
        closed(&self.world, Exit::Done).await;
        // It may have to wait for the terminal.
        drop(display.open);
        told(notifier, options.traces, &self.folder, &actions).await;
        if let Some(fault) = lost {
            return Err(Exit::Held.because(fault));
        }
        let outcome = outcome.map_err(|error| Exit::Failed.because(error))?;
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
    missed.iter().for_each(|missed| anstream::eprintln!("warning: {missed}"));
}

/// Waits until those who are told of a run know how it ended, for a bounded time. Who was not told is named.
async fn told(notifier: Option<Arc<Notifier>>, traces: Option<Url>, run: &RunFolder, actions: &Actions) {
    if let Some(notifier) = notifier {
        warn(&notifier.close().await);
    }
    if let Some(url) = &traces
        && let Err(why) = traces::send_last(run, url, actions).await
    {
        anstream::eprintln!("warning: no trace of this run was sent: {why}");
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
        Request::Approve { step, .. } => Answer::Refused { why: format!("{step} does not wait for an answer") },
    }
}

/// Where the events of a run are shown.
struct Display {
    observer: Arc<dyn Observer>,
    /// The same, where it is the one that asks questions.
    console: Option<Arc<Console>>,
    /// The terminal, which is put back once this goes away.
    open: Option<report::console::Open>,
}

impl Display {
    fn on_console((console, open): (Arc<Console>, report::console::Open)) -> Display {
        Display { observer: console.clone(), console: Some(console), open: Some(open) }
    }

    fn of_lines(log: Log, verbose: bool, places: Arc<Places>) -> Display {
        let observer: Arc<dyn Observer> = match log {
            Log::Json => Arc::new(JsonLines::new(std::io::stdout(), places)),
            Log::Quiet => Arc::new(Quiet),
            Log::Live | Log::Lines => {
                Arc::new(Lines::new(anstream::AutoStream::auto(std::io::stderr()), verbose, places))
            }
        };
        Display { observer, console: None, open: None }
    }
}
