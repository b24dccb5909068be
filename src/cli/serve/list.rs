//! The list of runs, looked at for as long as somebody watches it.

use super::follow::unpoisoned;
use crate::cli::control;
use crate::report::watch::RunRow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use surefoot_engine::journal::{Store, Tail};
use surefoot_engine::model::RunId;
use surefoot_engine::view::EnginePresence;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How often the list is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// So many of the newest runs are in it: a state folder may hold thousands.
const MOST: usize = 100;

/// The list, which is looked at while a receiver of it lives.
pub struct RunList {
    store: Store,
    open: Mutex<Weak<watch::Sender<String>>>,
}

/// Somebody's hold on the list: what it says, as JSON.
pub struct ListSubscription {
    /// As long as one of them is there, the list is looked at.
    _sender: Arc<watch::Sender<String>>,
    pub rows: watch::Receiver<String>,
}

impl RunList {
    pub fn new(store: Store) -> RunList {
        RunList { store, open: Mutex::default() }
    }

    pub fn watch(&self) -> ListSubscription {
        let mut open = unpoisoned(&self.open);
        let sender = open.upgrade().unwrap_or_else(|| {
            let sender = Arc::new(watch::channel(String::new()).0);
            *open = Arc::downgrade(&sender);
            tokio::spawn(keep_up(self.store.clone(), Arc::downgrade(&sender)));
            sender
        });
        let mut rows = sender.subscribe();
        // Who comes later is told at once what the others know.
        if !sender.borrow().is_empty() {
            rows.mark_changed();
        }
        ListSubscription { rows, _sender: sender }
    }
}

async fn keep_up(store: Store, sender: Weak<watch::Sender<String>>) {
    let mut pulse = interval(EVERY);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = RunCache::default();
    loop {
        pulse.tick().await;
        let Some(sender) = sender.upgrade() else { return };
        let store = store.clone();
        let mut before = std::mem::take(&mut known);
        let looked = tokio::task::spawn_blocking(move || {
            let rows = before.look(&store);
            (before, serde_json::to_string(&rows).expect("maps have text for keys"))
        });
        // One that panicked was told, and the next starts from nothing.
        let Ok((after, rows)) = looked.await else { continue };
        known = after;
        sender.send_if_modified(|last| std::mem::replace(last, rows.clone()) != rows);
    }
}

/// What was read of each run: only what has grown is read on.
#[derive(Default)]
struct RunCache(HashMap<RunId, (u64, RunRow, Option<Tail>)>);

impl RunCache {
    /// The newest first.
    fn look(&mut self, store: &Store) -> Vec<RunRow> {
        let mut runs = store.runs().unwrap_or_default();
        runs.reverse();
        runs.truncate(MOST);
        self.0.retain(|run, _| runs.contains(run));
        runs.iter().map(|run| self.row(store, run)).collect()
    }

    fn row(&mut self, store: &Store, run: &RunId) -> RunRow {
        let Ok(folder) = store.find(run) else { return RunRow::unreadable(run, "it is gone") };
        let length = folder.journal().metadata().map_or(0, |file| file.len());
        let known = match self.0.remove(run) {
            Some(known) if known.0 == length && known.2.is_none() => known,
            known => {
                let tail = known.and_then(|known| known.2).map_or_else(|| Tail::open(&folder.journal()), Ok);
                match tail.and_then(|mut tail| tail.advance(|_, _| {}).map(|()| tail)) {
                    // One that has ended may be gone on with, but seldom is: it is not kept in memory.
                    Ok(tail) => {
                        let state = &tail.so_far().state;
                        let alive = state.outcome.is_none() && control::is_alive(folder.path());
                        let row = RunRow::of(run, state, EnginePresence::of(alive));
                        (length, row, Some(tail).filter(|tail| tail.so_far().state.outcome.is_none()))
                    }
                    Err(error) => (length, RunRow::unreadable(run, error), None),
                }
            }
        };
        let row = known.1.clone();
        self.0.insert(run.clone(), known);
        row
    }
}
