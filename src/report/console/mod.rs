//! A run at a terminal: what has happened scrolls up as lines; below them a region shows what every host does, how far
//! the run is, what comes next and what stopping now would mean. Keys open pages, pause, stop and answer.
//!
//! A thread of its own draws the newest state, ten times a second at most: a slow terminal holds up nobody, and misses
//! frames, but no line. The run's state is the fold that every display reads; `feed` adds what tasks say, `view` is both
//! at one moment, `region` and `pages` make lines of it, `screen` puts them on the terminal. Knows nothing of engines:
//! what a person wants goes out as a [`Wish`].

mod feed;
mod keys;
mod line;
mod pages;
mod region;
mod screen;
#[cfg(test)]
mod tests;
mod ui;
mod view;

use super::lines;
use super::places::Places;
use feed::Feed;
use keys::{KeyDecoder, KeyPress};
pub use screen::can_draw;
use screen::{Before, Came, Screen, wait};
use std::io::PipeWriter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use surefoot_engine::model::{Observer, RunState, Stamped, Stream, TaskName};
use surefoot_engine::session::RollbackPreview;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
pub use ui::ConsoleRequest;
use ui::{ConsolePage, Ui};
pub use view::{ConsoleGate, next_gate};
use view::{Moment, View};

/// The thread that draws.
const PAINTER: &str = "console";

/// What a rollback would do is found out so often: that takes as long as the run has tasks.
const LOOKED_BACK: Duration = Duration::from_millis(500);

/// A terminal's, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What the console is to know of its run.
pub struct ConsoleRun {
    pub state: Arc<RwLock<RunState>>,
    pub places: Arc<Places>,
    /// In the order in which the run comes to them.
    pub gates: Vec<ConsoleGate>,
    /// How long the last run took that was done.
    pub expected: Option<Duration>,
    /// What a rollback would do.
    pub back: Box<dyn Fn(&RunState) -> RollbackPreview + Send>,
}

/// The run's side: takes in what happens.
pub struct Console {
    before: Before,
    feed: Arc<Mutex<Feed>>,
    screen: Arc<Mutex<Screen>>,
    places: Arc<Places>,
}

/// The terminal's side.
pub struct OpenTerminal {
    /// Closing it ends the thread.
    end: PipeWriter,
    /// Comes once the thread has put the terminal back.
    closed: oneshot::Receiver<()>,
    before: Before,
}

impl Console {
    /// Begins to draw on standard error. What the person at the terminal wants goes to `wishes`.
    pub fn open(
        about: ConsoleRun,
        wishes: UnboundedSender<ConsoleRequest>,
    ) -> std::io::Result<(Arc<Console>, OpenTerminal)> {
        let feed = Arc::new(Mutex::new(Feed::default()));
        let screen = Arc::new(Mutex::new(Screen::new()));
        let before = lock(&screen).before();
        let console = Console {
            before: before.clone(),
            feed: feed.clone(),
            screen: screen.clone(),
            places: about.places.clone(),
        };
        let (ending, end) = std::io::pipe()?;
        let fallen = Arc::default();
        on_panic(screen.clone(), Arc::clone(&fallen));
        let (over, closed) = oneshot::channel();
        let mut painter = Painter {
            about,
            feed,
            screen,
            wishes,
            opened: Instant::now(),
            ui: Ui::default(),
            seen: View::default(),
            back: None,
            above: String::new(),
            fallen,
            over: Some(over),
        };
        let work = move || {
            let mut keys = KeyDecoder::default();
            loop {
                let pressed = match wait(painter.has_keys(), &ending) {
                    Came::End => return painter.take_in(),
                    Came::Bytes(bytes) => keys.read(&bytes),
                    Came::Nothing => Vec::new(),
                    Came::NoMore => {
                        lock(&painter.screen).without_keys();
                        Vec::new()
                    }
                };
                painter.frame(pressed);
            }
        };
        std::thread::Builder::new().name(PAINTER.into()).spawn(work)?;
        Ok((Arc::new(console), OpenTerminal { end, closed, before }))
    }

    /// The terminal is as it was for as long as `away` lasts.
    pub fn leave(&self, away: impl FnOnce()) {
        let mut screen = lock(&self.screen);
        screen.leave("");
        away();
    }

    /// The terminal's modes are as they were, though it may not be there any more.
    pub fn put_back(&self) {
        self.before.put_back();
    }
}

impl OpenTerminal {
    /// Shows the last lines and puts the terminal back. One that takes nothing for so long, as after Ctrl-S, gets at least
    /// its modes back; then a sentence says so.
    pub async fn close(self, patience: Duration) -> Option<String> {
        drop(self.end);
        // A thread that has panicked has put it back, too.
        if tokio::time::timeout(patience, self.closed).await.is_ok() {
            return None;
        }
        self.before.put_back();
        Some(format!("the terminal has taken nothing for {} s: the run's end is only on record", patience.as_secs()))
    }
}

/// A panic's message must be readable, and the terminal whole after it.
fn on_panic(screen: Arc<Mutex<Screen>>, fallen: Arc<Mutex<String>>) {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some(PAINTER) {
            // It may hold the screen just now: it puts that back as it ends, and tells it then.
            *lock(&fallen) = format!("{panic}\n");
            return;
        }
        // It is held while the terminal takes nothing; whoever falls does not wait for that.
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            match screen.try_lock() {
                Ok(mut screen) => {
                    screen.close("");
                    break;
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        tell(panic);
    }));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Console {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        let line = lines::line(stamped, state, false, &self.places);
        let mut feed = lock(&self.feed);
        feed.history.event(stamped, state);
        line.iter().for_each(|line| feed.add(line));
    }

    fn output(&self, task: &TaskName, stream: Stream, bytes: &[u8]) {
        lock(&self.feed).output(task, stream, bytes, Instant::now());
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        lock(&self.feed).progress(task, done, total, Instant::now());
    }
}

/// Draws, and reads keys.
struct Painter {
    about: ConsoleRun,
    feed: Arc<Mutex<Feed>>,
    screen: Arc<Mutex<Screen>>,
    wishes: UnboundedSender<ConsoleRequest>,
    opened: Instant,
    ui: Ui,
    /// What stands on the screen.
    seen: View,
    /// What a rollback would do: after how many events, and when that was found out.
    back: Option<(u64, Instant, RollbackPreview)>,
    /// Lines that are not on the terminal yet.
    above: String,
    /// What it panicked with.
    fallen: Arc<Mutex<String>>,
    /// Told once the terminal was put back.
    over: Option<oneshot::Sender<()>>,
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.above += &lock(&self.fallen);
        lock(&self.screen).close(&self.above);
        // Nobody may wait for it any more.
        let _ = self.over.take().map(|over| over.send(()));
    }
}

impl Painter {
    fn has_keys(&self) -> bool {
        lock(&self.screen).has_keys()
    }

    fn frame(&mut self, pressed: Vec<KeyPress>) {
        for key in pressed {
            if let Some(wish) = self.ui.press(key, &self.seen) {
                // Nobody listens once the run is over.
                let _ = self.wishes.send(wish);
            }
        }
        // While it holds the screen it waits for nothing but the terminal: who panics waits for it.
        self.seen = self.view(self.has_keys());
        self.take_in();
        let screen = self.screen.clone();
        let mut screen = lock(&screen);
        let Some(size) = screen.ready() else { return screen.print(&std::mem::take(&mut self.above)) };
        let anew = std::mem::take(&mut self.ui.anew);
        if self.ui.page == ConsolePage::Overview {
            let above = std::mem::take(&mut self.above);
            // Lines make room for a region that has become smaller.
            let height = screen.height().saturating_sub(above.lines().count());
            screen.draw(&above, &region::region(&self.seen, self.ui.confirming, size, height), size, anew);
        } else {
            let (page, farthest) = pages::page(&self.seen, &self.ui, size);
            self.ui.farthest = farthest;
            screen.draw_page(&page, anew);
        }
    }

    /// The lines that have come since.
    fn take_in(&mut self) {
        self.above += &lock(&self.feed).take_above();
    }

    fn view(&mut self, keys: bool) -> View {
        let state = self.about.state.read().unwrap_or_else(PoisonError::into_inner);
        let lines_of = if let ConsolePage::Log(task) = &self.ui.page { Some(task) } else { None };
        let view = View::of(&state, &lock(&self.feed), Moment::now(), lines_of);
        let stale =
            |(seq, at, _): &(u64, Instant, RollbackPreview)| *seq != state.next_seq() && at.elapsed() > LOOKED_BACK;
        if self.back.as_ref().is_none_or(stale) {
            self.back = Some((state.next_seq(), Instant::now(), (self.about.back)(&state)));
        }
        let next_gate = next_gate(&self.about.gates, &state).map(|gate| gate.what.clone());
        let back = self.back.as_ref().map(|(.., back)| back.clone());
        View { keys, next_gate, back, elapsed: self.opened.elapsed(), expected: self.about.expected, ..view }
    }
}
