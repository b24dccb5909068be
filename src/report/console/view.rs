//! All that the console shows of a run at one moment, taken from the run's state and what its tasks have said.

use super::feed::{Feed, Talk};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::time::{Duration, Instant};
use surefoot_engine::model::{HostName, RunState, StepId, Stream, TaskName, TaskRecord, TaskState};
use surefoot_engine::session::RollbackPreview;
use surefoot_engine::view::{Progress, pending_approvals};

/// A place where a run waits for somebody or something, or from which it cannot go back.
#[derive(Clone, Debug)]
pub struct ConsoleGate {
    /// Behind it once none of these is pending.
    pub tasks: Vec<TaskName>,
    /// Such as `approve go-ahead`.
    pub what: String,
}

#[derive(Clone, Debug, Default)]
pub struct View {
    pub runbook: String,
    pub run: String,
    pub progress: Progress,
    pub elapsed: Duration,
    /// How long the last run took that was done.
    pub expected: Option<Duration>,
    pub mood: Mood,
    /// One for each host that is at work, in the order of the run.
    pub hosts: Vec<HostRow>,
    /// Hosts that have nothing to do now, and will have.
    pub waiting: usize,
    pub next_gate: Option<String>,
    /// What a rollback would do now.
    pub back: Option<RollbackPreview>,
    /// The question that has waited longest: its step and its words.
    pub asked: Option<(TaskName, String)>,
    /// Whether there are keys to press.
    pub keys: bool,
    pub steps: Vec<StepRow>,
    pub logs: Vec<TaskLog>,
}

/// Now, by both clocks: events are on record by the calendar's, and what tasks print is heard by the other.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub at: Timestamp,
    pub instant: Instant,
}

impl Moment {
    pub fn now() -> Moment {
        Moment { at: Timestamp::now(), instant: Instant::now() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Forward,
    Back,
    /// Somebody has paused it, and so many tasks are still at work.
    Paused {
        by: String,
        at_work: usize,
    },
    Stopping {
        at_work: usize,
    },
    Ending,
}

/// What a host is doing: the task that has been at it longest.
#[derive(Clone, Debug)]
pub struct HostRow {
    pub host: HostName,
    pub step: String,
    pub since: Duration,
    pub doing: Doing,
    /// What it moves, or the last line that it printed.
    pub moved: Option<(u64, Option<u64>)>,
    pub said: Option<String>,
    /// How long nothing has come from it.
    pub silent: Duration,
    /// Other tasks at work there.
    pub others: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    Looking,
    Changing(String),
    /// Between two attempts: the one that failed, and why.
    Again(u32, String),
    Undoing,
}

/// How far a step is.
#[derive(Clone, Debug)]
pub struct StepRow {
    pub step: StepId,
    pub all: usize,
    /// How many of its tasks are in each state, by its word.
    pub states: IndexMap<&'static str, (usize, TaskState)>,
}

/// What a task has printed lately.
#[derive(Clone, Debug)]
pub struct TaskLog {
    pub task: TaskName,
    pub at_work: bool,
    pub heard: Duration,
    pub lines: Vec<(Stream, String)>,
}

impl View {
    /// `lines_of`: the task whose lines are wanted; those of others are left out.
    pub fn of(state: &RunState, feed: &Feed, now: Moment, lines_of: Option<&TaskName>) -> View {
        let hosts = rows(state, feed, now);
        let asked = pending_approvals(state).into_iter().min_by_key(|asked| asked.since);
        View {
            runbook: state.runbook.clone(),
            run: state.run.as_ref().map(ToString::to_string).unwrap_or_default(),
            progress: Progress::of(state),
            mood: status(state),
            waiting: waiting(state, &hosts),
            hosts,
            asked: asked.map(|asked| (asked.task, asked.question)),
            steps: steps(state),
            logs: logs(state, feed, now, lines_of),
            ..View::default()
        }
    }
}

fn status(state: &RunState) -> Mood {
    let at_work = state.counts().in_flight();
    match (&state.paused, state.outcome) {
        (_, Some(_)) => Mood::Ending,
        _ if state.stopping => Mood::Stopping { at_work },
        (Some(pause), _) => Mood::Paused { by: pause.by.clone(), at_work },
        _ if state.back.is_some() && state.finish.is_none() => Mood::Back,
        _ => Mood::Forward,
    }
}

fn rows(state: &RunState, feed: &Feed, now: Moment) -> Vec<HostRow> {
    let mut rows: IndexMap<&HostName, HostRow> = IndexMap::new();
    let mut at_work: Vec<_> = state.in_flight().map(|(name, record)| row(name, record, feed, now)).collect();
    at_work.sort_by_key(|(_, row)| std::cmp::Reverse(row.since));
    for (host, row) in at_work {
        match rows.get_mut(host) {
            Some(first) => first.others += 1,
            None => drop(rows.insert(host, row)),
        }
    }
    // As the run first names them, so that nothing changes its place.
    let order: IndexMap<&HostName, ()> = state.tasks().map(|(name, _)| (&name.host, ())).collect();
    order.keys().filter_map(|host| rows.swap_remove(*host)).collect()
}

fn row<'a>(name: &'a TaskName, record: &TaskRecord, feed: &Feed, now: Moment) -> (&'a HostName, HostRow) {
    let talk = feed.talks.get(name);
    let begun = feed.history.at_work_since(name).map(|at| now.at.duration_since(at));
    let since = begun.and_then(|span| Duration::try_from(span).ok()).unwrap_or_default();
    // What came before it was begun is not of this time.
    let age = |at: Instant| now.instant.saturating_duration_since(at);
    let heard = talk.map_or(since, |talk| age(talk.heard));
    let doing = match &record.state {
        TaskState::Changing { summary } => Doing::Changing(summary.clone()),
        TaskState::Waiting { fault } => Doing::Again(record.attempt, fault.message.clone()),
        TaskState::Undoing { .. } => Doing::Undoing,
        _ => Doing::Looking,
    };
    let row = HostRow {
        host: name.host.clone(),
        step: name.item.map_or_else(|| name.step.to_string(), |item| format!("{}[{item}]", name.step)),
        since,
        doing,
        moved: talk.and_then(|talk| talk.moved).filter(|(.., at)| age(*at) <= since).map(|(done, all, _)| (done, all)),
        said: talk.and_then(Talk::last),
        silent: heard.min(since),
        others: 0,
    };
    (&name.host, row)
}

fn waiting(state: &RunState, busy: &[HostRow]) -> usize {
    let pending = state.tasks().filter(|(name, task)| task.state == TaskState::Pending && !name.host.is_controller());
    let hosts: IndexMap<&HostName, ()> = pending.map(|(name, _)| (&name.host, ())).collect();
    hosts.len() - busy.iter().filter(|row| hosts.contains_key(&row.host)).count()
}

fn steps(state: &RunState) -> Vec<StepRow> {
    let mut steps: IndexMap<&StepId, StepRow> = IndexMap::new();
    for (name, task) in state.tasks() {
        let new = || StepRow { step: name.step.clone(), all: 0, states: IndexMap::new() };
        let row = steps.entry(&name.step).or_insert_with(new);
        row.all += 1;
        let (word, _) = crate::report::labels::of_state(&task.state);
        row.states.entry(word).or_insert_with(|| (0, task.state.clone())).0 += 1;
    }
    steps.into_values().collect()
}

/// Those at work first, of them and the others the newest.
fn logs(state: &RunState, feed: &Feed, now: Moment, lines_of: Option<&TaskName>) -> Vec<TaskLog> {
    let log = |(task, talk): (&TaskName, &Talk)| TaskLog {
        task: task.clone(),
        at_work: state.task(task).is_some_and(|record| record.state.is_in_flight()),
        heard: now.instant.saturating_duration_since(talk.heard),
        lines: match lines_of {
            Some(wanted) if wanted == task => talk.lines.iter().cloned().chain(talk.unended()).collect(),
            _ => Vec::new(),
        },
    };
    let printed = feed.talks.iter().filter(|(_, talk)| talk.last().is_some());
    let mut logs: Vec<TaskLog> = printed.rev().map(log).collect();
    logs.sort_by_key(|log| !log.at_work);
    logs
}

/// The first gate that is still ahead.
pub fn next_gate<'g>(gates: &'g [ConsoleGate], state: &RunState) -> Option<&'g ConsoleGate> {
    let open = |name: &TaskName| {
        state.task(name).is_some_and(|task| task.state == TaskState::Pending || task.state.is_in_flight())
    };
    gates.iter().find(|gate| gate.tasks.iter().any(open)).filter(|_| state.back.is_none() && state.finish.is_none())
}
