//! `surefoot attach`: a run as it goes on, from another terminal. Reads the run's folder; what is wanted of the run goes to
//! its engine. To leave the view leaves the run alone.

use super::actions::ACTIONS;
use super::args::{Attach as Args, LogFormat};
use super::console::{self, WatchedRun};
use super::control::{self, ControlReply, ControlRequest};
use super::exit::{CommandResult, Exit};
use super::operator::operator_name;
use super::options;
use super::out::tell_line;
use super::session::{in_runtime, store};
use crate::report::console::{Console, ConsoleRequest, OpenTerminal};
use crate::report::{JsonLines, Lines, Places};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use surefoot_engine::execute::file_name;
use surefoot_engine::journal::{JournalError, RunFolder, Tail};
use surefoot_engine::model::{Observer, RunState, Stream, TaskName};
use surefoot_engine::secret::Masks;
use surefoot_engine::session::{RunInputs, read_for_resume};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

/// How often the run's folder is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Of what a task has printed so far, so many bytes are shown at first, and at once.
const PIECE: u64 = 16 << 10;

/// A terminal that has taken nothing for so long is left as it is.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let folder = store(state)?.find_asked(&args.run)?;
    let mut tail = Tail::open(&folder.journal())?;
    tail.advance(|_, _| {})?;
    let kept = read_for_resume(&folder, &tail.so_far().state, &ACTIONS);
    let kept = kept.map_err(|refusal| Exit::Failed.because(refusal))?;
    in_runtime(attach(args, folder, kept))
}

async fn attach(args: &Args, folder: RunFolder, kept: RunInputs) -> CommandResult {
    let places = Places::of(&kept.prepared.program, kept.prepared.sources.clone(), Masks::default());
    let state = Arc::new(RwLock::new(RunState::default()));
    let mut view = View::open(args, &folder, &kept, state.clone(), places)?;
    let mut tail = Tail::open(&folder.journal())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let left = loop {
        // Asked first: what it has written until it was gone is read then.
        let alive = control::is_alive(folder.path());
        view.look(&folder, &mut tail, &state)?;
        if !alive {
            break false;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = interrupted.recv() => break true,
            _ = terminated.recv() => break true,
        }
    };
    view.close().await;
    let run = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (left, tail.so_far().state.outcome) {
        (true, _) => {
            tell_line!("the view was left; {run} goes on: `surefoot attach {run}` shows it again");
            Ok(Exit::Done)
        }
        (false, Some(outcome)) => Ok(outcome.into()),
        (false, None) => {
            Err(Exit::Interrupted
                .because(format!("no engine is at work on it: `surefoot resume {run}` goes on with it")))
        }
    }
}

/// What is shown of the run, and where.
struct View {
    to: Arc<dyn Observer>,
    console: Option<(Arc<Console>, OpenTerminal)>,
    /// How much of each output was shown.
    shown: HashMap<PathBuf, u64>,
}

impl View {
    fn open(
        args: &Args,
        folder: &RunFolder,
        kept: &RunInputs,
        state: Arc<RwLock<RunState>>,
        places: Places,
    ) -> io::Result<View> {
        let program = &kept.prepared.program;
        let (to, console): (Arc<dyn Observer>, _) = match options::shown_as(args.log) {
            LogFormat::Json => (Arc::new(JsonLines::new(io::stdout(), places.into())), None),
            LogFormat::Live => {
                let watched = WatchedRun { program, folder, state: &state };
                let (console, open, wishes) = console::open(watched, places.into())?;
                tokio::spawn(answer_requests(wishes, folder.clone()));
                (console.clone(), Some((console, open)))
            }
            LogFormat::Lines | LogFormat::Quiet => {
                let to = anstream::AutoStream::auto(io::stderr());
                (Arc::new(Lines::new(to, args.verbose, places.into())), None)
            }
        };
        Ok(View { to, console, shown: HashMap::new() })
    }

    /// Shows what is new.
    fn look(&mut self, folder: &RunFolder, tail: &mut Tail, state: &RwLock<RunState>) -> Result<(), JournalError> {
        let mut news = false;
        tail.advance(|stamped, after| {
            news = true;
            self.to.event(stamped, after);
        })?;
        if news {
            *state.write().unwrap_or_else(PoisonError::into_inner) = tail.so_far().state.clone();
        }
        if self.console.is_some() {
            let running = tail.so_far().state.in_flight().map(|(name, record)| (name.clone(), record.attempt));
            running.collect::<Vec<_>>().iter().for_each(|(name, attempt)| self.printed(folder, name, *attempt));
        }
        Ok(())
    }

    /// What a task has printed since, as far as it can be read.
    fn printed(&mut self, folder: &RunFolder, task: &TaskName, attempt: u32) {
        for stream in [Stream::Out, Stream::Err] {
            let path = folder.outputs().join(file_name(task, attempt, stream));
            let Ok(length) = path.metadata().map(|file| file.len()) else { continue };
            let from = self.shown.get(&path).copied().unwrap_or(length.saturating_sub(PIECE));
            let from = from.max(length.saturating_sub(PIECE));
            if let Ok(bytes) = piece(&path, from) {
                self.shown.insert(path, from + bytes.len() as u64);
                if !bytes.is_empty() {
                    self.to.output(task, stream, &bytes);
                }
            }
        }
    }

    async fn close(self) {
        if let Some((_, open)) = self.console {
            open.close(PATIENCE).await;
        }
    }
}

fn piece(path: &PathBuf, from: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Passes on to the engine what the person at the console wants.
async fn answer_requests(mut wishes: UnboundedReceiver<ConsoleRequest>, folder: RunFolder) {
    while let Some(wish) = wishes.recv().await {
        let by = operator_name();
        let request = match wish {
            ConsoleRequest::Pause(paused) => ControlRequest::Pause { paused, by },
            ConsoleRequest::Stop => ControlRequest::Stop { by },
            ConsoleRequest::Answer { task, yes: true } => ControlRequest::Approve { step: task.step, by },
            ConsoleRequest::Answer { task, yes: false } => ControlRequest::Refuse { step: task.step, by },
        };
        let folder = folder.clone();
        let asked = tokio::task::spawn_blocking(move || control::ask(folder.path(), &request)).await;
        // The view shows what became of it; a refusal says that it came too late.
        let _: Result<io::Result<Option<ControlReply>>, _> = asked;
    }
}
