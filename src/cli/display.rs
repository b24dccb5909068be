//! How a run is shown while it goes on. Whoever does not read holds up nobody: the console has a thread that draws, and
//! lines and JSON are read back from the journal by a thread of their own, as fast as they are taken. So a reader that is
//! late misses no event; only progress, which is not on record, is left out meanwhile.

use super::args::LogFormat;
use crate::report::console::{self, Console};
use crate::report::{JsonLines, Lines, Places, Quiet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use surefoot_engine::execute::Signals;
use surefoot_engine::journal::{JournalError, RunFolder, Tail};
use surefoot_engine::model::{Observer, RunState, Stamped, TaskName};
use tokio::sync::oneshot;

/// Progress that waits for the thread that writes; what is more is left out.
const WAITING: usize = 256;

/// A display that has taken nothing for so long at the end of a run is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where the operator leaves at once.
const BRIEFLY: Duration = Duration::from_secs(1);

/// How often the end looks whether something was taken.
const LOOK: Duration = Duration::from_millis(100);

/// Where the events of a run are shown.
pub struct Display {
    pub observer: Arc<dyn Observer>,
    /// The same, where it is the one that asks questions.
    pub console: Option<Arc<Console>>,
    shown: Shown,
}

enum Shown {
    /// The terminal is put back at the end.
    Console(console::OpenTerminal),
    Lines(Arc<Bell>, Follower),
    Nothing,
}

impl Display {
    pub fn on_console(console: Arc<Console>, open: console::OpenTerminal) -> Display {
        Display { observer: console.clone(), console: Some(console), shown: Shown::Console(open) }
    }

    pub fn nowhere() -> Display {
        Display { observer: Arc::new(Quiet), console: None, shown: Shown::Nothing }
    }

    /// Shows the events of a run from the number `next` on. `Live` is what the console is for: here it is lines.
    pub fn of_lines(
        log: LogFormat,
        verbose: bool,
        places: Arc<Places>,
        run: &RunFolder,
        next: u64,
    ) -> Result<Display, JournalError> {
        let to: Box<dyn Observer> = match log {
            LogFormat::Json => Box::new(JsonLines::new(std::io::stdout(), places)),
            LogFormat::Live | LogFormat::Lines => {
                Box::new(Lines::new(anstream::AutoStream::auto(std::io::stderr()), verbose, places))
            }
            LogFormat::Quiet => return Ok(Display::nowhere()),
        };
        let (bell, follower) = follow(to, run, next)?;
        Ok(Display { observer: bell.clone(), console: None, shown: Shown::Lines(bell, follower) })
    }

    /// Waits until all is shown, for as long as somebody takes it. Gives a sentence about
    /// what nobody has seen.
    pub async fn close(self, signals: &Signals) -> Option<String> {
        match self.shown {
            Shown::Console(open) => open.close(time_left(signals)).await,
            Shown::Lines(bell, follower) => {
                bell.close();
                follower.end(signals).await
            }
            Shown::Nothing => None,
        }
    }
}

/// How long a display that takes nothing is waited for.
fn time_left(signals: &Signals) -> Duration {
    if signals.leave.is_cancelled() { BRIEFLY } else { PATIENCE }
}

/// The run's side: says that there is news. Never waits.
struct Bell(Mutex<Option<SyncSender<News>>>);

enum News {
    Events,
    Progress { task: TaskName, done: u64, total: Option<u64> },
}

impl Bell {
    fn ring(&self, news: News) {
        // A queue that is full has woken the reader already, and the journal has every event.
        let _ = self.open().as_ref().map(|queue| queue.try_send(news));
    }

    /// What has come until now is the last.
    fn close(&self) {
        self.open().take();
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Option<SyncSender<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Bell {
    fn event(&self, _: &Stamped, _: &RunState) {
        self.ring(News::Events);
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        self.ring(News::Progress { task: task.clone(), done, total });
    }
}

/// The thread that reads the journal and shows what is new, seen from the run.
struct Follower {
    /// How many things were taken.
    taken: Arc<AtomicU64>,
    ended: oneshot::Receiver<Result<(), JournalError>>,
}

impl Follower {
    /// Waits for the end of it while something is taken.
    async fn end(mut self, signals: &Signals) -> Option<String> {
        let (mut taken, mut since) = (self.taken.load(Ordering::Relaxed), Instant::now());
        while since.elapsed() < time_left(signals) {
            match tokio::time::timeout(LOOK, &mut self.ended).await {
                Ok(Ok(Ok(()))) => return None,
                Ok(Ok(Err(error))) => return Some(format!("events are missing in what was shown: {error}")),
                Ok(Err(_)) => return Some("events are missing in what was shown: its thread has failed".to_owned()),
                Err(_) => {}
            }
            let now = self.taken.load(Ordering::Relaxed);
            if std::mem::replace(&mut taken, now) != now {
                since = Instant::now();
            }
        }
        let waited = time_left(signals).as_secs();
        Some(format!("nobody has read the run's last events for {waited} s: they are only on record"))
    }
}

/// Shows a run's events from the number `next` on, each once it is on record.
fn follow(to: Box<dyn Observer>, run: &RunFolder, next: u64) -> Result<(Arc<Bell>, Follower), JournalError> {
    let mut tail = Tail::open(&run.journal())?;
    let (queue, news) = sync_channel(WAITING);
    let (over, ended) = oneshot::channel();
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let work = move || {
        let _ = over.send(show(&mut tail, &news, to.as_ref(), next, &count)); // nobody may wait for it any more
    };
    // Without a thread nothing is shown, and that is said at the end.
    let _ = std::thread::Builder::new().name("display".to_owned()).spawn(work);
    Ok((Arc::new(Bell(Mutex::new(Some(queue)))), Follower { taken, ended }))
}

/// Until the bell is closed; then once more.
fn show(
    tail: &mut Tail,
    news: &Receiver<News>,
    to: &dyn Observer,
    next: u64,
    taken: &AtomicU64,
) -> Result<(), JournalError> {
    loop {
        let heard = news.recv();
        tail.advance(|stamped, state| {
            if stamped.seq >= next {
                to.event(stamped, state);
                taken.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        match heard {
            Ok(News::Events) => {}
            Ok(News::Progress { task, done, total }) => {
                to.progress(&task, done, total);
                taken.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => return Ok(()),
        }
    }
}
