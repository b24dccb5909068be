//! One run, followed for as long as somebody watches it.
//!
//! Its folder may lie on any disk, also on one that tells nobody of changes: so the length of its journal is looked at.

use crate::cli::actions::ACTIONS;
use crate::cli::control;
use crate::cli::planned_run::planned_run;
use crate::cli::task_output::{self, Printout};
use crate::report::review::ReviewTask;
use crate::report::watch::{Head, Update, Watch};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use surefoot_engine::execute::file_name;
use surefoot_engine::journal::{JournalError, RunFolder, Store, Tail};
use surefoot_engine::model::{RunId, RunState, Stream, TaskName};
use surefoot_engine::session::{RollbackPreview, RunInputs, read_for_resume};
use surefoot_engine::view::EnginePresence;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often a run that is watched is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// After a look that failed: the next one starts from the beginning of the journal.
const BREATH: Duration = Duration::from_secs(2);

/// Every run that is watched.
pub struct Following {
    pub store: Store,
    open: Mutex<HashMap<RunId, Weak<Followed>>>,
}

/// A run that is watched.
pub struct Followed {
    seen: Mutex<FollowedRun>,
    /// The number of the last change.
    changes: watch::Sender<u64>,
}

struct FollowedRun {
    folder: RunFolder,
    tail: Tail,
    watch: Watch,
    /// What the run was started with, or why that is not to be had.
    kept: Result<RunInputs, String>,
    /// The inputs that were looked for, once the run has begun.
    inputs: Option<IndexMap<String, String>>,
    engine: bool,
    /// Whether all of this is what the journal says: not so while it is read, nor after that has failed.
    is_whole: bool,
    /// Why it cannot be read on.
    broken: Option<String>,
}

/// What is sent to who watches.
#[derive(Serialize)]
struct ServerEvent<'s> {
    /// By this machine's clock, as all times here.
    now: i64,
    head: Head,
    #[serde(flatten)]
    update: Update,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<&'s str>,
    /// Why the order of its steps is not known, nor the rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_inputs: Option<&'s str>,
}

impl Following {
    pub fn new(store: Store) -> Following {
        Following { store, open: Mutex::default() }
    }

    /// A run that there is, followed from now on.
    pub async fn follow(&self, run: &RunId) -> Result<Arc<Followed>, JournalError> {
        let open = |all: &HashMap<RunId, Weak<Followed>>| all.get(run).and_then(Weak::upgrade);
        if let Some(followed) = open(&unpoisoned(&self.open)) {
            return Ok(followed);
        }
        let folder = self.store.find(run)?;
        let seen = tokio::task::spawn_blocking(move || FollowedRun::open(folder, Watch::default()))
            .await
            .expect("reading does not panic")?;
        let mut all = unpoisoned(&self.open);
        // Somebody else may have been faster.
        if let Some(followed) = open(&all) {
            return Ok(followed);
        }
        let (changes, _) = watch::channel(seen.watch.now());
        let followed = Arc::new(Followed { seen: Mutex::new(seen), changes });
        all.retain(|_, followed| followed.strong_count() > 0);
        all.insert(run.clone(), Arc::downgrade(&followed));
        tokio::spawn(keep_up(Arc::downgrade(&followed)));
        Ok(followed)
    }
}

/// Looks at a run again and again until nobody watches it any more. A look that fails is told, and is not the last.
async fn keep_up(followed: Weak<Followed>) {
    let mut pulse = interval(EVERY);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pulse.tick().await;
        let Some(followed) = followed.upgrade() else { return };
        let seen = followed.clone();
        let looked = tokio::task::spawn_blocking(move || unpoisoned(&seen.seen).look()).await;
        let has_failed = looked.unwrap_or_else(|panicked| {
            unpoisoned(&followed.seen).say(Some(format!("reading it has failed: {panicked}")));
            true
        });
        let now = unpoisoned(&followed.seen).watch.now();
        followed.changes.send_if_modified(|last| std::mem::replace(last, now) != now);
        drop(followed);
        if has_failed {
            tokio::time::sleep(BREATH).await;
        }
    }
}

impl Followed {
    /// Tells when there is something new.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is new after the change `since`, as JSON, and the change that is the last.
    pub fn since(&self, since: u64) -> (String, u64) {
        let seen = unpoisoned(&self.seen);
        let state = &seen.tail.so_far().state;
        let head = seen.watch.head(state, EnginePresence::of(seen.engine));
        let now = Timestamp::now().as_millisecond();
        let (broken, no_inputs) = (seen.broken.as_deref(), seen.kept.as_ref().err().map(String::as_str));
        let sent = ServerEvent { now, head, update: seen.watch.since(since, state), broken, no_inputs };
        (serde_json::to_string(&sent).expect("maps have text for keys"), seen.watch.now())
    }

    /// The account of one task, and where it lies what it printed.
    pub fn task(&self, name: &TaskName) -> Option<(ReviewTask, Vec<Printout>)> {
        let seen = unpoisoned(&self.seen);
        let task = seen.watch.task(name, seen.state())?;
        Some((task, task_output::of(&seen.folder, seen.state(), seen.kept.as_ref().ok(), name)))
    }

    /// What a rollback to the last safe place would do now; none where that cannot be known, or there is no way any more.
    pub fn back(&self) -> Option<RollbackPreview> {
        let seen = unpoisoned(&self.seen);
        let (state, kept) = (&seen.tail.so_far().state, seen.kept.as_ref().ok()?);
        let program = &kept.prepared.program;
        state.tidy.is_none().then(|| RollbackPreview::to_last_checkpoint(program, state))
    }
}

impl FollowedRun {
    /// Reads all of a run; `watch` has heard of nothing yet.
    fn open(folder: RunFolder, watch: Watch) -> Result<FollowedRun, JournalError> {
        let tail = Tail::open(&folder.journal())?;
        let (kept, inputs) = (Err("the run has not begun".to_owned()), None);
        let mut seen = FollowedRun { folder, tail, watch, kept, inputs, engine: false, is_whole: true, broken: None };
        seen.read_on()?;
        seen.look_around();
        Ok(seen)
    }

    /// Takes in what is new. Whether that has failed.
    fn look(&mut self) -> bool {
        let broken = self.read().err().map(|error| error.to_string());
        let has_failed = broken.is_some();
        self.say(broken);
        self.look_around();
        has_failed
    }

    /// What a look that failed has left is not built upon: the next one reads everything anew.
    fn read(&mut self) -> Result<(), JournalError> {
        if std::mem::replace(&mut self.is_whole, false) {
            self.read_on()?;
        } else {
            let broken = self.broken.take();
            let anew = FollowedRun::open(self.folder.clone(), Watch::after(self.watch.now()));
            *self = FollowedRun { broken, ..anew? };
        }
        self.is_whole = true;
        Ok(())
    }

    fn say(&mut self, broken: Option<String>) {
        if self.broken != broken {
            self.broken = broken;
            self.watch.tick();
        }
    }

    /// What no event tells.
    fn look_around(&mut self) {
        let engine = control::is_alive(self.folder.path());
        if std::mem::replace(&mut self.engine, engine) != engine {
            self.watch.tick();
        }
        let running: Vec<(TaskName, u32)> =
            self.state().in_flight().map(|(name, record)| (name.clone(), record.attempt)).collect();
        for (name, attempt) in running {
            self.watch.printed(&name, printed(&self.folder, &name, attempt));
        }
    }

    fn read_on(&mut self) -> Result<(), JournalError> {
        let length = self.folder.journal().metadata().map_or(0, |file| file.len());
        if length == self.tail.so_far().whole {
            return Ok(());
        }
        let FollowedRun { tail, watch, .. } = self;
        tail.advance(|stamped, state| watch.event(stamped, state))?;
        let inputs = self.state().run.is_some().then(|| self.state().inputs.clone());
        if self.inputs != inputs {
            self.inputs = inputs;
            self.start_following();
        }
        Ok(())
    }

    /// Learns what was known of the run beforehand, once it has begun and whenever its runbook was corrected.
    fn start_following(&mut self) {
        self.kept = read_for_resume(&self.folder, self.state(), &ACTIONS).map_err(|refusal| refusal.to_string());
        let known = self.kept.as_ref().ok().map(|kept| planned_run(&self.folder, &kept.prepared.program));
        self.watch.know(known);
    }

    fn state(&self) -> &RunState {
        &self.tail.so_far().state
    }
}

/// How many bytes an attempt has printed.
fn printed(folder: &RunFolder, task: &TaskName, attempt: u32) -> u64 {
    let length =
        |stream| folder.outputs().join(file_name(task, attempt, stream)).metadata().map_or(0, |file| file.len());
    length(Stream::Out) + length(Stream::Err)
}

/// What a thread that panicked has left is as good as any: each look starts from the folder.
pub fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
