//! A run on a terminal: finished tasks scroll up as lines, and below them one live line for each host that is at
//! work says what it does, for how long, and how much of it is done.

use super::{Places, lines, words};
use crate::model::{Event, Observer, RunState, Stamped, Stream, TaskEvent, TaskName, TaskState};
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that move.
pub struct Live {
    screen: MultiProgress,
    overall: ProgressBar,
    rows: Mutex<IndexMap<TaskName, Row>>,
    places: Arc<Places>,
}

/// One task at work.
struct Row {
    bar: ProgressBar,
    /// What it says it does, once it changes something.
    doing: String,
    moved: Option<(u64, Option<u64>)>,
    /// The end of the last line that it printed.
    said: String,
}

impl Live {
    /// On standard error, so that standard output stays free.
    pub fn new(places: Arc<Places>) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let overall = screen.add(ProgressBar::new(0));
        overall.set_style(style("{bar:24} {pos} of {len} tasks  {elapsed}  {wide_msg}"));
        overall.enable_steady_tick(Duration::from_millis(500));
        Live { screen, overall, rows: Mutex::default(), places }
    }

    /// Shows nothing that moves until `unhide`: somebody is being asked. Lines still come.
    pub fn hide(&self) {
        self.screen.set_draw_target(ProgressDrawTarget::hidden());
    }

    pub fn unhide(&self) {
        self.screen.set_draw_target(ProgressDrawTarget::stderr());
    }

    fn rows(&self) -> MutexGuard<'_, IndexMap<TaskName, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, task: &TaskName) {
        self.rows().entry(task.clone()).or_insert_with(|| {
            let bar = self.screen.insert_before(&self.overall, ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix:14} {elapsed:>4.dim}  {wide_msg}"));
            bar.set_prefix(task.host.to_string());
            bar.enable_steady_tick(Duration::from_millis(120));
            let row = Row { bar, doing: String::new(), moved: None, said: String::new() };
            row.show(task);
            row
        });
    }

    fn update(&self, task: &TaskName, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows().get_mut(task) {
            change(row);
            row.show(task);
        }
    }

    fn end(&self, task: &TaskName) {
        if let Some(row) = self.rows().shift_remove(task) {
            row.bar.finish_and_clear();
            self.screen.remove(&row.bar);
        }
    }

    fn count(&self, state: &RunState) {
        let counts = state.counts();
        let total = state.tasks().len() as u64;
        self.overall.set_length(total);
        self.overall.set_position(total - (counts.pending + counts.in_flight) as u64);
        let waiting = state.in_flight().filter(|(_, t)| matches!(t.state, TaskState::Waiting { .. })).count();
        let words = [(counts.failed, "failed"), (counts.unknown, "unknown"), (waiting, "between attempts")];
        let words = words.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
        self.overall.set_message(words.collect::<Vec<_>>().join(", "));
    }
}

impl Row {
    fn show(&self, task: &TaskName) {
        let dim = words::DIM;
        let mut text = task.step.to_string();
        if let Some(item) = task.item {
            text += &format!("[{item}]");
        }
        if !self.doing.is_empty() {
            text += &format!(": {}", printable(&self.doing));
        }
        match self.moved {
            Some((done, Some(total))) if total > 0 => {
                text += &format!("  {} of {} ({} %)", words::size(done), words::size(total), done * 100 / total);
            }
            Some((done, _)) => text += &format!("  {}", words::size(done)),
            None => {}
        }
        if !self.said.is_empty() {
            text += &format!("  {dim}{}{dim:#}", self.said);
        }
        self.bar.set_message(text);
    }
}

impl Observer for Live {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        if let Event::Task { task, what } = &stamped.event {
            match what {
                TaskEvent::Started { .. } | TaskEvent::Undoing { .. } => self.begin(task),
                TaskEvent::Changing { summary, .. } => self.update(task, |row| row.doing = summary.clone()),
                TaskEvent::Retrying { fault, .. } => self.update(task, |row| row.said = printable(&fault.message)),
                _ => self.end(task),
            }
        }
        if let Event::RunResumed { .. } = &stamped.event {
            // Taken up where they are: nothing says again that they have started.
            state.in_flight().for_each(|(task, _)| self.begin(task));
        }
        self.count(state);
        if matches!(stamped.event, Event::RunEnded { .. }) {
            self.overall.finish_and_clear();
        }
        if let Some(text) = lines::line(stamped, state, false, &self.places) {
            self.screen.suspend(|| anstream::eprint!("{text}"));
        }
    }

    fn output(&self, task: &TaskName, _: Stream, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if let Some(last) = text.lines().rev().find(|line| !line.trim().is_empty()) {
            self.update(task, |row| row.said = printable(last));
        }
    }

    fn progress(&self, task: &TaskName, done: u64, total: Option<u64>) {
        self.update(task, |row| row.moved = Some((done, total)));
    }
}

/// A line of a command's as it may be shown: no control characters, not too long.
fn printable(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(48).collect()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant").progress_chars("━╸ ")
}
