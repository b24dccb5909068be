//! When which engine was at which task, and what happened to the run as a whole.

use super::milestone::{EngineStart, Milestone, TimelineEntry};
use crate::model::{Event, Fault, Outcome, RunState, Stamped, TaskEvent, TaskName};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

/// What the state of a run forgets, as its events tell it.
#[derive(Clone, Debug, Default)]
pub struct RunHistory {
    /// In the order in which they came; the last one is at work, or was.
    pub engines: Vec<EngineSpan>,
    /// In their order.
    pub timeline: Vec<TimelineEntry>,
    tasks: IndexMap<TaskName, TaskHistory>,
}

/// Which engine of a run: 0 is the one that began it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngineNumber(usize);

/// The time in which one engine was at work.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineSpan {
    pub number: EngineNumber,
    /// Of the event that it began with.
    pub seq: u64,
    pub start: EngineStart,
    pub from: Timestamp,
    /// Its last event so far.
    pub to: Timestamp,
    /// How the run ended while this engine had it.
    pub outcome: Option<Outcome>,
    /// Why it had to leave the hosts to another engine.
    pub fenced_off: Option<Fault>,
}

/// Each time that an engine was at a task, forward or back.
#[derive(Clone, Debug, Default)]
pub struct TaskHistory {
    pub spans: Vec<TaskSpan>,
}

/// From the first attempt of one engine to the end of its last.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpan {
    pub engine: EngineNumber,
    /// Of the event that it began with.
    pub seq: u64,
    pub direction: SpanDirection,
    pub from: Timestamp,
    /// At least one.
    pub attempts: Vec<AttemptSpan>,
    /// When it ended, and how; none while it lasts.
    pub end: Option<(Timestamp, AttemptOutcome)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanDirection {
    Forward,
    Rollback,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptSpan {
    /// From 1; none where an earlier engine had begun it.
    pub number: Option<u32>,
    pub from: Timestamp,
    /// What it was about to change, in one line, and when it announced that.
    pub changing: Option<(Timestamp, String)>,
    /// When it ended, and how; none while it lasts.
    pub end: Option<(Timestamp, AttemptOutcome)>,
    /// What it failed of.
    pub fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    Done,
    Changed,
    /// It failed, and another follows.
    Again,
    Failed,
    Unknown,
    Skipped,
    Undone,
    Stuck,
    /// Its engine went away.
    CutOff,
}

impl RunHistory {
    /// Takes the next event in. `state` is the one after it.
    pub fn event(&mut self, stamped: &Stamped, state: &RunState) {
        if let Some(start) = EngineStart::of(&stamped.event) {
            self.begin_engine(stamped, start);
        }
        if let Event::Task { task, what } = &stamped.event {
            self.task_event(task, what, stamped);
        }
        let milestone = Milestone::of(stamped, state);
        let is_cleanup = milestone.as_ref().is_some_and(Milestone::is_cleanup);
        if let Some(engine) = self.engines.last_mut().filter(|_| !is_cleanup) {
            engine.event(&stamped.event, stamped.at);
        }
        let (seq, at, engine) = (stamped.seq, stamped.at, self.engine());
        self.timeline.extend(milestone.map(|what| TimelineEntry { seq, at, engine, what }));
    }

    /// Every task that was begun, in the order of its first event.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskName, &TaskHistory)> {
        self.tasks.iter()
    }

    pub fn task(&self, name: &TaskName) -> Option<&TaskHistory> {
        self.tasks.get(name)
    }

    /// Since when the last engine has been at a task that is under way; none before the first engine has begun.
    pub fn at_work_since(&self, name: &TaskName) -> Option<Timestamp> {
        let open = self.tasks.get(name).and_then(TaskHistory::open);
        // What an earlier engine has begun goes on from where this one took it up.
        open.map(|span| span.from).or_else(|| self.engines.last().map(|engine| engine.from))
    }

    /// What is under way ends here: nothing more comes.
    pub fn close(&mut self) {
        let Some(end) = self.engines.last().map(|engine| engine.to) else { return };
        self.tasks.values_mut().for_each(|task| task.cut(end));
    }

    /// `user@machine` of the engine that began the run, and the program's version there.
    pub fn begun_by(&self) -> Option<(&str, &str)> {
        self.engines.iter().find_map(|engine| match &engine.start {
            EngineStart::Run { operator, version, .. } => Some((operator.as_str(), version.as_str())),
            EngineStart::Resume { .. } => None,
        })
    }

    /// The event by which the run ended, where it has, and nobody has taken it up since.
    pub fn end(&self) -> Option<u64> {
        let last = |entry: &&TimelineEntry| matches!(entry.what, Milestone::EngineStarted(_) | Milestone::Ended { .. });
        let last = self.timeline.iter().rev().find(last);
        last.filter(|entry| matches!(entry.what, Milestone::Ended { .. })).map(|entry| entry.seq)
    }

    fn engine(&self) -> EngineNumber {
        self.engines.last().map(|engine| engine.number).unwrap_or_default()
    }

    fn begin_engine(&mut self, stamped: &Stamped, start: EngineStart) {
        self.close();
        let (number, at) = (EngineNumber(self.engines.len()), stamped.at);
        let (seq, outcome, fenced_off) = (stamped.seq, None, None);
        self.engines.push(EngineSpan { number, seq, start, from: at, to: at, outcome, fenced_off });
    }

    fn task_event(&mut self, name: &TaskName, what: &TaskEvent, stamped: &Stamped) {
        let at = stamped.at;
        let Some(news) = AttemptNews::of(what) else { return };
        let begun = self.engines.last().map_or(at, |engine| engine.from);
        let engine = self.engine();
        let task = self.tasks.entry(name.clone()).or_default();
        if task.open().is_none() {
            let from = if matches!(news, AttemptNews::Begun(_)) { at } else { begun };
            let direction = direction(what);
            let (seq, attempts) = (stamped.seq, Vec::new());
            task.spans.push(TaskSpan { engine, seq, direction, from, attempts, end: None });
        }
        task.spans.iter_mut().last().into_iter().for_each(|span| span.take(&news, at));
    }
}

/// What an event tells of an attempt.
enum AttemptNews<'e> {
    Begun(u32),
    Changing(&'e str),
    Ended(AttemptOutcome, Option<&'e Fault>),
}

impl<'e> AttemptNews<'e> {
    fn of(what: &'e TaskEvent) -> Option<AttemptNews<'e>> {
        let outcome = match what {
            TaskEvent::Started { attempt } | TaskEvent::Undoing { attempt } => {
                return Some(AttemptNews::Begun(*attempt));
            }
            TaskEvent::Changing { summary, .. } => return Some(AttemptNews::Changing(summary)),
            TaskEvent::Retrying { .. } => AttemptOutcome::Again,
            TaskEvent::Done { changed: true, .. } => AttemptOutcome::Changed,
            TaskEvent::Done { .. } => AttemptOutcome::Done,
            TaskEvent::Failed { .. } => AttemptOutcome::Failed,
            TaskEvent::Unknown { .. } => AttemptOutcome::Unknown,
            TaskEvent::Skipped => AttemptOutcome::Skipped,
            TaskEvent::Undone { .. } => AttemptOutcome::Undone,
            TaskEvent::Stuck { .. } => AttemptOutcome::Stuck,
            TaskEvent::Asked { .. }
            | TaskEvent::AfterImage { .. }
            | TaskEvent::SetAside { .. }
            | TaskEvent::DriftChecked { .. }
            | TaskEvent::Requeued
            | TaskEvent::Resolved { .. }
            | TaskEvent::NotReverted { .. } => return None,
        };
        Some(AttemptNews::Ended(outcome, what.fault()))
    }
}

fn direction(what: &TaskEvent) -> SpanDirection {
    match what {
        TaskEvent::Undoing { .. } | TaskEvent::Undone { .. } | TaskEvent::Stuck { .. } => SpanDirection::Rollback,
        _ => SpanDirection::Forward,
    }
}

impl EngineSpan {
    fn event(&mut self, event: &Event, at: Timestamp) {
        self.to = at;
        match event {
            Event::RunEnded { outcome } => self.outcome = Some(*outcome),
            Event::FencedOff { fault } => self.fenced_off = Some(fault.clone()),
            _ => {}
        }
    }
}

impl TaskHistory {
    /// What is under way, as far as the record tells.
    pub fn open(&self) -> Option<&TaskSpan> {
        self.spans.last().filter(|span| span.end.is_none())
    }

    /// Every attempt, forward and back.
    pub fn attempts(&self) -> impl Iterator<Item = &AttemptSpan> {
        self.spans.iter().flat_map(|span| &span.attempts)
    }

    /// What it first announced to change, in one line.
    pub fn summary(&self) -> Option<&str> {
        self.attempts().find_map(|attempt| attempt.changing.as_ref()).map(|(_, summary)| summary.as_str())
    }

    /// What attempts failed of that others followed.
    pub fn earlier_faults(&self) -> impl Iterator<Item = &Fault> {
        let again = |attempt: &&AttemptSpan| attempt.end.is_some_and(|(_, outcome)| outcome == AttemptOutcome::Again);
        self.attempts().filter(again).filter_map(|attempt| attempt.fault.as_ref())
    }

    fn cut(&mut self, end: Timestamp) {
        let Some(span) = self.spans.last_mut().filter(|span| span.end.is_none()) else { return };
        let cut = (end, AttemptOutcome::CutOff);
        span.end = Some(cut);
        span.attempts.iter_mut().last().into_iter().for_each(|attempt| attempt.end = attempt.end.or(Some(cut)));
    }
}

impl TaskSpan {
    fn take(&mut self, news: &AttemptNews, at: Timestamp) {
        match news {
            AttemptNews::Begun(number) => self.attempts.push(AttemptSpan::new(Some(*number), at)),
            AttemptNews::Changing(summary) => self.attempt().changing = Some((at, (*summary).to_owned())),
            AttemptNews::Ended(outcome, fault) => {
                let attempt = self.attempt();
                attempt.end = Some((at, *outcome));
                attempt.fault = fault.cloned();
                self.end = (*outcome != AttemptOutcome::Again).then_some((at, *outcome));
            }
        }
    }

    /// The one that is under way; it began with the span where nothing tells of its beginning.
    fn attempt(&mut self) -> &mut AttemptSpan {
        if self.attempts.last().is_none_or(|attempt| attempt.end.is_some()) {
            let from = self.attempts.last().and_then(|attempt| attempt.end).map_or(self.from, |(at, _)| at);
            self.attempts.push(AttemptSpan::new(None, from));
        }
        let last = self.attempts.len() - 1;
        &mut self.attempts[last]
    }
}

impl AttemptSpan {
    fn new(number: Option<u32>, from: Timestamp) -> AttemptSpan {
        AttemptSpan { number, from, changing: None, end: None, fault: None }
    }
}
