//! What has come from a run since the console's last frame, and what its tasks have printed.
//!
//! Taken in by the run's own loop and its tasks: nothing here waits. Bounded, however much a task prints.

use crate::report::safe::clean;
use indexmap::IndexMap;
use std::collections::VecDeque;
use std::time::Instant;
use surefoot_engine::model::{Stream, TaskName};
use surefoot_engine::view::RunHistory;

/// Lines that are kept of a task.
const KEPT: usize = 500;

/// Tasks of which they are kept.
const TASKS: usize = 500;

/// Bytes of one piece of output, and of one line, that are looked at.
const LOOKED_AT: usize = 16 << 10;

/// Bytes of lines that wait for a terminal that takes nothing.
const WAITING: usize = 1 << 20;

#[derive(Default)]
pub struct Feed {
    /// Lines for above the console, with their line breaks.
    above: String,
    /// Lines that came while no more could wait.
    left_out: usize,
    pub talks: IndexMap<TaskName, Talk>,
    /// When which task was begun.
    pub history: RunHistory,
}

/// What is known of a task beside the run's state.
pub struct Talk {
    /// When it last gave a sign.
    pub heard: Instant,
    /// Bytes moved, of how many, and when.
    pub moved: Option<(u64, Option<u64>, Instant)>,
    pub lines: VecDeque<(Stream, String)>,
    /// What was printed behind the last line break, of each stream.
    open: [Vec<u8>; 2],
}

impl Talk {
    fn new(now: Instant) -> Talk {
        Talk { heard: now, moved: None, lines: VecDeque::new(), open: Default::default() }
    }

    /// The last line that says something.
    pub fn last(&self) -> Option<String> {
        let open = self.open.iter().map(|open| shown(open)).find(|line| !line.trim().is_empty());
        open.or_else(|| self.lines.iter().rev().map(|(_, line)| line).find(|line| !line.trim().is_empty()).cloned())
    }

    /// What stands behind the last line breaks.
    pub fn unended(&self) -> impl Iterator<Item = (Stream, String)> {
        let streams = [Stream::Out, Stream::Err].into_iter().zip(&self.open);
        streams.filter(|(_, open)| !open.is_empty()).map(|(stream, open)| (stream, shown(open)))
    }

    pub fn print(&mut self, stream: Stream, bytes: &[u8], now: Instant) {
        self.heard = now;
        let open = &mut self.open[usize::from(stream == Stream::Err)];
        for piece in bytes[bytes.len().saturating_sub(LOOKED_AT)..].split_inclusive(|byte| *byte == b'\n') {
            open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.lines.push_back((stream, shown(open)));
                open.clear();
            } else if open.len() > LOOKED_AT {
                open.drain(..open.len() - LOOKED_AT);
            }
        }
        self.lines.drain(..self.lines.len().saturating_sub(KEPT));
    }
}

/// A line as it may be shown. Of one that was written over, such as a progress bar, the newest.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    clean(text.trim_end().rsplit('\r').next().unwrap_or_default())
}

impl Feed {
    /// A line for above the console.
    pub fn add(&mut self, line: &str) {
        if self.above.len() + line.len() > WAITING {
            self.left_out += line.lines().count();
        } else {
            self.above += line;
        }
    }

    /// The lines that have come since; where some were left out, how many.
    pub fn take_above(&mut self) -> String {
        let mut above = std::mem::take(&mut self.above);
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            above += &format!("({left_out} lines left out: the terminal took none; `surefoot show` has all)\n");
        }
        above
    }

    pub fn output(&mut self, task: &TaskName, stream: Stream, bytes: &[u8], now: Instant) {
        let task = self.owner(task);
        self.talk(&task, now).print(stream, bytes, now);
    }

    pub fn progress(&mut self, task: &TaskName, done: u64, total: Option<u64>, now: Instant) {
        let talk = self.talk(task, now);
        (talk.moved, talk.heard) = (Some((done, total, now)), now);
    }

    fn talk(&mut self, task: &TaskName, now: Instant) -> &mut Talk {
        if !self.talks.contains_key(task) && self.talks.len() >= TASKS {
            let oldest = self.talks.iter().min_by_key(|(_, talk)| talk.heard).map(|(name, _)| name.clone());
            oldest.map(|name| self.talks.shift_remove(&name));
        }
        self.talks.entry(task.clone()).or_insert_with(|| Talk::new(now))
    }

    /// The task to which a step of an undo belongs, or the task itself.
    fn owner(&self, task: &TaskName) -> TaskName {
        let owner =
            task.step.as_str().rsplit_once("-undo-").map(|(step, _)| TaskName { step: step.into(), ..task.clone() });
        owner.filter(|owner| self.talks.contains_key(owner)).unwrap_or_else(|| task.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(talk: &mut Talk, text: &str) {
        talk.print(Stream::Out, text.as_bytes(), Instant::now());
    }

    #[test]
    fn the_last_line_is_the_newest_that_says_something() {
        let mut talk = Talk::new(Instant::now());
        assert_eq!(talk.last(), None);
        print(&mut talk, "one\ntw");
        assert_eq!(talk.last().unwrap(), "tw");
        print(&mut talk, "o\n\n  \n");
        assert_eq!(talk.last().unwrap(), "two");
        print(&mut talk, "10 %\r20 %\r");
        assert_eq!(talk.last().unwrap(), "20 %");
    }

    #[test]
    fn however_much_is_printed_little_is_kept() {
        let mut talk = Talk::new(Instant::now());
        for _ in 0..100 {
            print(&mut talk, &"x".repeat(100_000));
            print(&mut talk, &"line\n".repeat(10_000));
        }
        assert!(talk.lines.len() <= KEPT && talk.open[0].len() <= LOOKED_AT);
    }

    #[test]
    fn of_lines_that_the_terminal_does_not_take_some_are_left_out_and_counted() {
        let mut feed = Feed::default();
        (0..3).for_each(|_| feed.add(&format!("{}\n", "x".repeat(WAITING / 2))));
        let above = feed.take_above();
        assert!(
            above.len() < WAITING
                && above.ends_with("(2 lines left out: the terminal took none; `surefoot show` has all)\n")
        );
        feed.add("later\n");
        assert_eq!(feed.take_above(), "later\n");
    }

    #[test]
    fn no_more_tasks_are_kept_than_fit() {
        let mut feed = Feed::default();
        for host in 0..2 * TASKS {
            feed.output(&format!("a@h{host}").parse().unwrap(), Stream::Out, b"x", Instant::now());
        }
        assert_eq!(feed.talks.len(), TASKS);
    }
}
