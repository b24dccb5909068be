//! `surefoot run`.

use super::args::{Inputs, Log, Manner, Run as Args};
use super::connect::{self, Reached};
use super::console::{self, Watched};
use super::control::{Answer, Control, Request};
use super::exit::Exit;
use super::lease::{Wish, held, hold};
use super::operator::{Operator, Waiting, can_ask, confirm, operator_name};
use super::out::say;
use super::pipeline::{Prepared, prepare};
use super::saved::{self, Saved};
use super::{config, kept, past, run_id, runs, traces};
use crate::compile::Program;
use crate::execute::{self, Goal, Leases, Limits, Origin, Signals};
use crate::http::Url;
use crate::journal::{Journal, RunFolder, Store};
use crate::load::Config;
use crate::model::{Fault, Observer, Outcome, RunId, RunState, Sources};
use crate::notify::Notifier;
use crate::plan::Plan;
use crate::report::console::{Console, can_draw};
use crate::report::plan::Fold;
use crate::report::{self, JsonLines, Lines, Places, Quiet};
use crate::secret::Keyring;
use crate::world::{ReadOnly, World};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// How long the hosts have to close their connections.
const CLOSING: Duration = Duration::from_secs(5);

/// How a run is shown and answered.
pub struct Options {
    pub log: Option<Log>,
    pub verbose: bool,
    /// Steps that are approved beforehand, or `all`.
    pub approve: Vec<String>,
    pub limits: Limits,
    pub hold: Wish,
    /// `--yes`: what the operator would be asked before anything runs is accepted.
    pub yes: bool,
    /// Where files of the operator's with a relative path go.
    pub folder: PathBuf,
    /// The operator's own file.
    pub config: Config,
    /// Where a trace of the run is sent once it has ended.
    pub traces: Option<Url>,
}

impl Options {
    /// Where the terminal cannot be drawn on, there are lines.
    fn shown_as(&self) -> Log {
        match self.log.unwrap_or(Log::Live) {
            Log::Live if !can_draw() => Log::Lines,
            log => log,
        }
    }

    /// With nobody to answer, and no limits of its own.
    pub fn silent(folder: PathBuf) -> Options {
        let (log, verbose, approve) = (None, false, Vec::new());
        let (limits, hold, config) = (Limits::default(), Wish::default(), Config::default());
        Options { log, verbose, approve, limits, hold, yes: true, folder, config, traces: None }
    }

    /// Where the operator's own file has mistakes, they are shown.
    pub fn of(manner: &Manner, yes: bool, folder: PathBuf) -> Result<Options, Exit> {
        let config = config::read(manner.config.as_deref())?;
        let traces = manner.otel.then(traces::receiver).transpose().map_err(|why| Exit::WrongInput.because(why))?;
        let limits = Limits { per_host: manner.per_host, in_all: manner.at_once };
        let hold = Wish { ttl: manner.lease, take_over: manner.take_over };
        let (log, verbose, approve) = (manner.log, manner.verbose, manner.approve.clone());
        Ok(Options { log, verbose, approve, limits, hold, yes, folder, config, traces })
    }
}

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    match saved::read(&args.inputs.runbook) {
        Ok(None) => from_runbook(state, args),
        Ok(Some((plan, bytes))) => from_plan(state, args, &plan, bytes),
        Err(exit) => exit,
    }
}

fn from_runbook(state: &Option<PathBuf>, args: &Args) -> Exit {
    let made = current().and_then(|folder| Ok((prepare(&args.inputs, &folder)?, folder)));
    let (prepared, folder) = match made {
        Ok(made) => made,
        Err(exit) => return exit,
    };
    // Where nobody can be asked no host needs to be looked at.
    if !args.yes
        && let Err(exit) = can_ask()
    {
        return exit;
    }
    let store = match runs::store(state) {
        Ok(store) => store,
        Err(error) => return Exit::Failed.because(error),
    };
    let options = match Options::of(&args.manner, args.yes, folder) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    in_runtime(async {
        let mut ready = match Ready::connect(&store, prepared, args.yes).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        if !args.yes {
            match agreed(&ready, &store, &args.inputs, &options.folder).await {
                Ok(plan) => ready = ready.keeping(saved::INPUT, plan),
                Err(exit) => return closed(&ready.world, exit).await,
            }
        }
        ready.run(&store, options).await
    })
}

/// The plan that the operator has agreed to.
async fn agreed(ready: &Ready, store: &Store, inputs: &Inputs, folder: &Path) -> Result<Vec<u8>, Exit> {
    let plan = ready.look(store, folder).await;
    anstream::eprint!("{}", report::plan::text(&plan, Fold::Folded));
    confirm(if plan.would_fail() { "Run it all the same?" } else { "Run it?" })?;
    saved::made(inputs, folder, ready, &plan).map_err(|error| Exit::Failed.because(error))
}

/// Runs a saved plan as it is: what it was made from, and what it saw, must be so still.
fn from_plan(state: &Option<PathBuf>, args: &Args, saved: &Saved, bytes: Vec<u8>) -> Exit {
    let Inputs { runbook, inventory, params, params_file, bind } = &args.inputs;
    if inventory.is_some() || params_file.is_some() || !params.is_empty() || !bind.is_empty() {
        return Exit::WrongInput.because("a saved plan has its own inventory, parameters and roles: give it alone");
    }
    let stale = |moved: Vec<String>| {
        moved.iter().for_each(|line| anstream::eprintln!("moved: {line}"));
        let plan = runbook.display();
        Exit::WrongInput.because(format!("nothing was started: {plan}, {}, does not hold any more", saved.origin()))
    };
    let store = match runs::store(state) {
        Ok(store) => store,
        Err(error) => return Exit::Failed.because(error),
    };
    if let Some(run) = Saved::was_run(&store, &bytes) {
        return Exit::WrongInput
            .because(format!("nothing was started: {} was run already, as {run}", runbook.display()));
    }
    let prepared = match prepare(&saved.inputs(), saved.folder()) {
        Ok(prepared) => prepared,
        Err(_) => return stale(vec!["what it was made from has mistakes now".to_owned()]),
    };
    let moved = saved.moved_inputs(&prepared);
    if !moved.is_empty() {
        return stale(moved);
    }
    let options = match Options::of(&args.manner, args.yes, saved.folder().to_owned()) {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    in_runtime(async {
        // Who may be missing was decided when it was made.
        let ready = match Ready::connect(&store, prepared, true).await {
            Ok(ready) => ready,
            Err(exit) => return exit,
        };
        let now = ready.look(&store, &options.folder).await;
        let moved = saved.moved(&ready.prepared, &ready.world, &now);
        if !moved.is_empty() {
            return closed(&ready.world, stale(moved)).await;
        }
        ready.keeping(saved::INPUT, bytes).run(&store, options).await
    })
}

/// The current folder.
pub fn current() -> Result<PathBuf, Exit> {
    std::path::absolute(".").map_err(|error| Exit::Failed.because(error))
}

/// Runs a future to its end on a runtime of its own. One thread: a run waits for hosts and disks, and waking threads
/// would cost more than what they do. Checksums and files have threads of their own.
pub fn in_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(work);
            // A prompt whose question was answered elsewhere still reads from the terminal: nobody waits for it.
            runtime.shutdown_background();
            exit
        }
        Err(error) => Exit::Failed.because(error),
    }
}

/// Connects, journals and runs a new run, without a question before it.
pub async fn start(store: &Store, prepared: Prepared, options: Options) -> Exit {
    match Ready::connect(store, prepared, options.yes).await {
        Ok(ready) => ready.run(store, options).await,
        Err(exit) => exit,
    }
}

/// A run that can begin: its hosts are connected, and nothing was done.
pub struct Ready {
    pub prepared: Prepared,
    pub world: Arc<World>,
    run: RunId,
    secrets: Arc<Keyring>,
}

impl Ready {
    /// An exit was explained. What is to be left out needs consent: `yes`.
    pub async fn connect(store: &Store, prepared: Prepared, yes: bool) -> Result<Ready, Exit> {
        let (secrets, run) = (secrets(&prepared)?, run_id::new());
        let state = RunState::default();
        let world = connected(&prepared, &run, &store.folder_of(&run), &secrets, &state, yes).await?;
        Ok(Ready { prepared, world, run, secrets })
    }

    /// What it would do. Changes nothing.
    pub async fn look(&self, store: &Store, folder: &Path) -> Plan {
        let program = &self.prepared.program;
        let foreseen = execute::look_ahead(execute::Ahead {
            run: self.run.clone(),
            program: program.clone(),
            world: ReadOnly::of(&self.world),
            folder: folder.to_owned(),
            secrets: self.secrets.clone(),
        });
        let plan = Plan::looked(program, foreseen.await, self.world.absent());
        let plan = plan.with_held(held(&self.world, program).await);
        plan.with_past(program, &past::of(store, &program.runbook))
    }

    /// With one more input that the run keeps.
    fn keeping(mut self, name: &str, content: Vec<u8>) -> Ready {
        self.prepared.inputs.push((name.to_owned(), content));
        self
    }

    async fn run(self, store: &Store, options: Options) -> Exit {
        let Ready { prepared, world, run, secrets } = self;
        let operator = operator_name();
        let mut leases = match hold(&world, &prepared.program, &run, &operator, &options.hold).await {
            Ok(leases) => leases,
            Err(exit) => return closed(&world, exit).await,
        };
        let inputs: Vec<(&str, &[u8])> = prepared.inputs.iter().map(|(name, text)| (&**name, &**text)).collect();
        let (folder, journal) = match store.create(&run, &inputs) {
            Ok(created) => created,
            Err(error) => {
                leases.give_back(&HashSet::new()).await;
                return closed(&world, Exit::Failed.because(error)).await;
            }
        };
        let origin = Origin { run, operator, inputs: kept::digests(&prepared.inputs) };
        let (goal, state) = (Goal::Start, RunState::default());
        let Prepared { program, sources, .. } = prepared;
        let engine = Engine { origin, goal, program, sources, world, leases, folder, journal, state, secrets };
        engine.run(options).await.map_or_else(|exit| exit, |ended| ended.outcome.into())
    }
}

/// The secrets that a run needs, or an exit that was explained. May ask at the terminal.
pub fn secrets(prepared: &Prepared) -> Result<Arc<Keyring>, Exit> {
    let hosts = prepared.program.reach.iter().filter_map(|name| prepared.inventory.hosts.get(name));
    let logins = hosts.filter_map(|host| Some((&host.name, host.etcd.as_ref()?.login.as_ref()?)));
    Keyring::open(&prepared.program.secrets, logins).map(Arc::new).map_err(|fault| {
        anstream::eprint!("{}", report::words::fault(&fault, ""));
        Exit::WrongInput.because("nothing was started: a secret is missing")
    })
}

/// Every host of a run, or an exit that was explained. What is to be left out from now on needs consent: `yes`.
pub async fn connected(
    prepared: &Prepared,
    run: &RunId,
    folder: &Path,
    secrets: &Keyring,
    state: &RunState,
    yes: bool,
) -> Result<Arc<World>, Exit> {
    let local_dir = folder.join("controller");
    let say = |fault: &Fault| anstream::eprint!("{}", report::words::fault(fault, ""));
    let mut world = match connect::connect(&prepared.program, &prepared.inventory, run, &local_dir, state).await {
        Ok(world) => world,
        Err(faults) => {
            faults.iter().for_each(say);
            return Err(Exit::Failed.because("nothing was started: not every host of the run can be used"));
        }
    };
    let missing: Vec<_> = world.absent().iter().filter(|(host, _)| !state.left_out.contains_key(*host)).collect();
    missing.iter().for_each(|(_, fault)| say(fault));
    let names: Vec<&str> = missing.iter().map(|(host, _)| host.as_str()).collect();
    if !names.is_empty()
        && !yes
        && let Err(exit) = confirm(&format!("Leave {} out of this run, to its end?", names.join(", ")))
    {
        world.close().await;
        return Err(exit);
    }
    secrets.logins.iter().for_each(|(host, login)| world.add_login(host.clone(), login.clone()));
    Ok(Arc::new(world))
}

/// Those hosts of a run that can be reached; the others are named.
pub async fn reachable(
    prepared: &Prepared,
    run: &RunId,
    folder: &Path,
    secrets: &Keyring,
    state: &RunState,
) -> Result<Arc<World>, Exit> {
    let names = prepared.program.reach.iter().filter(|name| !state.left_out.contains_key(*name));
    let reached = connect::reach(names, &prepared.inventory, run, &folder.join("controller")).await;
    let Reached { mut world, faults } = reached.map_err(|fault| Exit::Failed.because(fault))?;
    for (host, fault) in faults {
        anstream::eprint!("{}", report::words::fault(&fault, ""));
        world.leave_out(host, fault);
    }
    secrets.logins.iter().for_each(|(host, login)| world.add_login(host.clone(), login.clone()));
    Ok(Arc::new(world))
}

/// Closes the connections of a run that does not begin.
pub async fn closed(world: &World, exit: Exit) -> Exit {
    // A host that does not let go of its connection must not hold us; it ends with this process.
    let _ = tokio::time::timeout(CLOSING, world.close()).await;
    exit
}

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
        // Only now: until here Ctrl-C ends us, and nothing has been done that must be finished.
        let signals = Signals::listen().map_err(|error| Exit::Failed.because(error))?;
        let places = Places::of(&self.program, self.sources, self.secrets.masks.clone());
        let waiting = Waiting::default();
        let (wishes, asked_for) = (signals.clone(), waiting.clone());
        let control = Control::listen(self.folder.path(), move |request| carry_out(request, &asked_for, &wishes));
        let _control = control.map_err(|error| Exit::Failed.because(error))?;
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
        let exit_code = |outcome| Exit::from(outcome) as u8;
        let notifier = Notifier::start(&options.config, self.secrets.masks.clone(), exit_code);
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
        drop(display.open);
        let lost = execute::lost(&self.world);
        closed(&self.world, Exit::Done).await;
        if let Some(notifier) = notifier {
            notifier.close().await.iter().for_each(|missed| anstream::eprintln!("warning: {missed}"));
        }
        if let Some(url) = &options.traces
            && let Err(why) = traces::send_last(&self.folder, url, &actions).await
        {
            anstream::eprintln!("warning: no trace of this run was sent: {why}");
        }
        match lost {
            Some(fault) => Err(Exit::Held.because(fault)),
            None => {
                let outcome = outcome.map_err(|error| Exit::Failed.because(error))?;
                let state = state.read().expect("the engine has ended without a panic");
                if shown && outcome == Outcome::Done {
                    say!("{}", report::result::text(&state));
                }
                Ok(Ended { outcome, finally_failed: state.finally_has_failed() })
            }
        }
    }
}

/// Does what another terminal asks for.
fn carry_out(request: Request, waiting: &Waiting, signals: &Signals) -> Answer {
    match request {
        Request::Cancel { by } => {
            signals.cancel(by);
            Answer::Done
        }
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
