//! `surefoot run`.

use super::args::{Log, Run as Args};
use super::exit::Exit;
use super::operator::{Operator, confirm, operator_name};
use super::pipeline::{Prepared, prepare};
use super::{connect, runs};
use crate::execute::{self, Limits, Origin, Signals};
use crate::journal::Store;
use crate::model::{Observer, RunId, RunState};
use crate::plan::Plan;
use crate::report::{self, JsonLines, Lines, Live};
use sha2::{Digest, Sha256};
use std::io::IsTerminal;
use std::path::PathBuf;
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
    /// Where files of the operator's with a relative path go.
    pub folder: PathBuf,
}

pub fn main(state: &Option<PathBuf>, args: &Args) -> Exit {
    let prepared = match prepare(&args.inputs) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if !args.yes {
        anstream::eprint!("{}", report::plan::text(&Plan::offline(&prepared.program)));
        if let Err(exit) = confirm("Run it?") {
            return exit;
        }
    }
    let (store, folder) = match (runs::store(state), std::path::absolute(".")) {
        (Ok(store), Ok(folder)) => (store, folder),
        (Err(error), _) => return Exit::Failed.because(error),
        (_, Err(error)) => return Exit::Failed.because(error),
    };
    let limits = Limits { per_host: args.per_host, in_all: args.at_once };
    let options = Options { log: args.log, verbose: args.verbose, approve: args.approve.clone(), limits, folder };
    in_runtime(start(&store, prepared, options))
}

/// Runs a future to its end on a runtime of its own.
pub fn in_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Exit::Failed.because(error),
    }
}

/// Connects, journals and runs a program.
pub async fn start(store: &Store, prepared: Prepared, options: Options) -> Exit {
    let run = new_run_id();
    let inputs: Vec<(&str, &[u8])> = prepared.inputs.iter().map(|(name, text)| (*name, text.as_slice())).collect();
    let local_dir = store.folder_of(&run).join("controller");
    let world = match connect::connect(&prepared.program, &prepared.inventory, &run, &local_dir).await {
        Ok(world) => Arc::new(world),
        Err(faults) => {
            faults.iter().for_each(|fault| anstream::eprint!("{}", report::words::fault(fault, "")));
            return Exit::Failed.because("nothing was started: not every host of the run can be used");
        }
    };
    let (folder, mut journal) = match store.create(&run, &inputs) {
        Ok(created) => created,
        Err(error) => return Exit::Failed.because(error),
    };
    // Only now: until here Ctrl-C ends us, and nothing has been done that must be finished.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return Exit::Failed.because(error),
    };
    let display = Display::new(&options);
    let (questions, asked) = tokio::sync::mpsc::channel(16);
    tokio::spawn(Operator::new(options.approve, display.live.clone()).answer(asked));
    let outcome = execute::run(execute::Run {
        origin: Origin { run, operator: operator_name(), inputs: digests(&prepared.inputs) },
        program: Arc::new(prepared.program),
        world: world.clone(),
        state: Arc::new(RwLock::new(RunState::default())),
        limits: options.limits,
        append: Box::new(move |events| journal.append(events).map_err(Into::into)),
        folder: options.folder,
        outputs: folder.outputs(),
        observers: vec![display.observer],
        questions,
        signals,
    })
    .await;
    // A host that does not let go of its connection must not hold us; it ends with this process.
    let _ = tokio::time::timeout(CLOSING, world.close()).await;
    match outcome {
        Ok(outcome) => outcome.into(),
        Err(error) => Exit::Failed.because(error),
    }
}

struct Display {
    observer: Arc<dyn Observer>,
    /// The same, where it is the one that a question must quieten.
    live: Option<Arc<Live>>,
}

impl Display {
    fn new(options: &Options) -> Display {
        let log = options.log.unwrap_or(if std::io::stderr().is_terminal() { Log::Live } else { Log::Lines });
        match log {
            Log::Live => {
                let live = Arc::new(Live::new());
                Display { observer: live.clone(), live: Some(live) }
            }
            Log::Lines => {
                let lines = Lines::new(anstream::AutoStream::auto(std::io::stderr()), options.verbose);
                Display { observer: Arc::new(lines), live: None }
            }
            Log::Json => Display { observer: Arc::new(JsonLines::new(std::io::stdout())), live: None },
        }
    }
}

/// SHA-256 of each input, in hex.
fn digests(inputs: &[(&'static str, Vec<u8>)]) -> indexmap::IndexMap<String, String> {
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    inputs.iter().map(|(name, text)| ((*name).to_owned(), hex(text))).collect()
}

/// `YYYYmmdd-HHMMSS-xxxx`: sorts by time; the letters tell apart what starts in one second.
fn new_run_id() -> RunId {
    use std::hash::{BuildHasher, RandomState};
    let mut random = RandomState::new().hash_one(std::process::id());
    let letters: String = (0..4)
        .map(|_| {
            let letter = b'a' + (random % 26) as u8;
            random /= 26;
            char::from(letter)
        })
        .collect();
    RunId::from(format!("{}-{letters}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S")))
}
