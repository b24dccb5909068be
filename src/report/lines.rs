//! A run as plain lines: one for each thing that happened. Right for a pipe, a log file, a dumb terminal.

use super::labels::{self, BOLD};
use super::places::Places;
use super::safe::clean;
use indexmap::IndexMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use surefoot_engine::model::{
    AcquiredLease, Counts, DriftCheck, Event, Fault, FaultKind, HostName, Observer, Outcome, RunState, SetAside,
    Stamped, StepId, TaskEvent, TaskName, TaskOutcome, TaskRecord,
};
use surefoot_engine::view::{
    EnginePresence, EngineStart, FailureGroup, Milestone, NextCommand, failed_alike, failures, next_commands,
};

/// Below a line's words.
const INDENT: &str = "            ";

/// Writes lines as the run goes on.
pub struct Lines<W> {
    to: Mutex<W>,
    /// Starts and announced changes are shown too.
    verbose: bool,
    places: Arc<Places>,
}

impl<W: Write + Send> Lines<W> {
    pub fn new(to: W, verbose: bool, places: Arc<Places>) -> Self {
        Lines { to: Mutex::new(to), verbose, places }
    }
}

impl<W: Write + Send> Observer for Lines<W> {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        if let Some(text) = line(stamped, state, self.verbose, &self.places) {
            let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
            // A display that is gone (a closed pipe) must not end the run.
            let _ = write!(to, "{text}").and_then(|()| to.flush());
        }
    }
}

/// The text for an event, with its line breaks; `None` where it is not worth a line.
pub fn line(stamped: &Stamped, state: &RunState, verbose: bool, places: &Places) -> Option<String> {
    let dim = labels::DIM;
    let at = stamped.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S");
    let text = match &stamped.event {
        Event::RunEnded { outcome } => return Some(ended(*outcome, state)),
        Event::Task { task, what } => task_line(task, what, state, verbose, places)?,
        _ => milestone(&Milestone::of(stamped, state)?, verbose)?,
    };
    Some(format!("{dim}{at}{dim:#}  {text}\n"))
}

/// A sentence about the run as a whole; `None` where it is not worth one.
pub fn milestone(milestone: &Milestone, verbose: bool) -> Option<String> {
    Some(match milestone {
        Milestone::EngineStarted(EngineStart::Run { run, runbook, tasks, .. }) => {
            format!("run {run} of {runbook} started: {}", labels::tasks(*tasks))
        }
        Milestone::EngineStarted(EngineStart::Resume { operator, forward, again, .. }) => {
            let what = if *forward { "goes on" } else { "is taken up" };
            let again = match again {
                0 => String::new(),
                again => format!(": {} to be attempted again", labels::tasks(*again)),
            };
            format!("the run {what}, by {operator}{again}")
        }
        Milestone::RollingBack { to, changed, partial, .. } => rolling_back(to.as_ref(), *changed, *partial),
        Milestone::HostExcluded { host, fault } => format!("{host} is left out of this run: {fault}"),
        Milestone::Finishing { outcome, tasks } => {
            let (word, _) = labels::of_outcome(*outcome);
            format!("{word}; now what `finally` says: {}", labels::tasks(*tasks))
        }
        Milestone::LeasesAcquired { hosts } => return holding(hosts, verbose),
        Milestone::FencedOff { fault } => format!("{}: this engine does nothing more", fault.message),
        Milestone::Approved { step, by } => format!("{step} approved by {by}"),
        Milestone::Paused { by } => format!("{by} pauses it: nothing is begun until it goes on"),
        Milestone::Continued { by } => format!("{by} lets it go on"),
        Milestone::Stopping { because: Some(task), .. } => format!("stopping because of {task}: nothing new starts"),
        Milestone::Stopping { by: Some(by), .. } => format!("{by} stops it: nothing new starts"),
        Milestone::Stopping { .. } => "stopping as asked: nothing new starts".to_owned(),
        Milestone::Cancelling { by } => format!("{by} cancels it: what runs on the hosts is ended there"),
        Milestone::Ended { outcome } => format!("the run ended: {}", labels::of_outcome(*outcome).0),
        Milestone::CleanupStarted { by } => format!("what the run keeps on its hosts is removed, by {by}"),
        Milestone::CleanedUp { hosts } => format!("nothing is left on {}", names(hosts)),
        Milestone::Task { .. } => return None,
    })
}

/// Where a roll back leads, and what it has to do.
fn rolling_back(to: Option<&StepId>, changed: usize, partial: bool) -> String {
    let what = if changed == 0 { "nothing".to_owned() } else { labels::tasks(changed) };
    match to {
        Some(step) => format!("rolling back to the checkpoint {step}: {what} to undo"),
        None if partial => format!("rolling back over what failed: {what} to undo; what else was done stays"),
        None => format!("rolling back to the start: {what} to undo"),
    }
}

fn names(hosts: &[HostName]) -> String {
    hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(", ")
}

/// What was taken over is always said.
fn holding(hosts: &IndexMap<HostName, AcquiredLease>, verbose: bool) -> Option<String> {
    let over = hosts.iter().filter_map(|(host, holding)| {
        let from = holding.from.as_ref()?;
        let ended =
            if holding.ended > 0 { format!(" and {} of its steps ended", holding.ended) } else { String::new() };
        Some(format!("{host} was taken over from run {from}{ended}"))
    });
    let mut said: Vec<String> = over.collect();
    if said.is_empty() && verbose {
        said.extend(hosts.iter().map(|(host, holding)| format!("holding {host} ({})", holding.number)));
    }
    (!said.is_empty()).then(|| said.join("; "))
}

fn task_line(task: &TaskName, what: &TaskEvent, state: &RunState, verbose: bool, places: &Places) -> Option<String> {
    let (word, style) = labels::of_event(what);
    let head = format!("{style}{word:8}{style:#} {task}");
    match what {
        TaskEvent::Started { attempt } => verbose.then(|| format!("{head} (attempt {attempt})")),
        TaskEvent::Changing { summary, .. } => verbose.then(|| format!("{head}: {}", clean(summary))),
        TaskEvent::Done { .. } | TaskEvent::Skipped => Some(format!("{head}{}", took(task, state))),
        TaskEvent::Retrying { fault, .. } if fault.kind == FaultKind::Ended => Some(format!("{head}: {fault}")),
        TaskEvent::Retrying { attempt, fault } => verbose.then(|| format!("{head}: attempt {attempt}: {fault}")),
        TaskEvent::Requeued => verbose.then(|| format!("{head}: it is to be applied again")),
        TaskEvent::DriftChecked { found: DriftCheck::Drifted { why } } => Some(format!("{head}: {}", clean(why))),
        TaskEvent::DriftChecked { .. } => verbose.then_some(head),
        TaskEvent::Resolved { took_effect, by } => {
            let what = if *took_effect { "it took effect" } else { "it did not take effect" };
            Some(format!("{head}: {what}, says {by}"))
        }
        TaskEvent::Asked { question } => verbose.then(|| format!("{head}: {}", clean(question))),
        TaskEvent::AfterImage { .. } => None,
        TaskEvent::SetAside { drift } => {
            Some(drift.iter().map(|one| format!("{head}: {}", clean(&set_aside(one)))).collect::<Vec<_>>().join("\n"))
        }
        TaskEvent::Undoing { .. } => verbose.then_some(head),
        TaskEvent::Undone { verified } => Some(if *verified { format!("{head}, and looked at") } else { head }),
        TaskEvent::NotReverted { why } => Some(format!("{head}: {}", clean(why))),
        TaskEvent::Failed { fault } | TaskEvent::Unknown { fault } | TaskEvent::Stuck { fault } => {
            if let Some(first) = failed_alike(state, task) {
                return Some(format!("{head}{}: as {first}", took(task, state)));
            }
            let body = labels::fault(fault, INDENT) + &labels::indented(&places.snippet(task, fault), INDENT);
            Some(format!("{head}{}\n{}", took(task, state), body.trim_end()))
        }
    }
}

/// What others had changed, and where their version is.
pub fn set_aside(one: &SetAside) -> String {
    let kept = one.kept.as_ref().map(|kept| format!(", kept as {kept}")).unwrap_or_default();
    format!("{} was changed by others: {}{kept}", one.name(), one.why)
}

fn took(task: &TaskName, state: &RunState) -> String {
    let span = state.task(task).and_then(TaskRecord::took);
    let dim = labels::DIM;
    span.map(|span| format!("  {dim}{}{dim:#}", labels::time(span))).unwrap_or_default()
}

/// The last word: how it ended, and what was and was not done.
pub fn ended(outcome: Outcome, state: &RunState) -> String {
    let (word, style) = labels::of_outcome(outcome);
    let took = labels::time(state.elapsed());
    let mut text = format!("\n{style}{word}{style:#} in {took}: {}\n{}", tally(outcome, state), notes(state));
    if outcome != Outcome::Done {
        text += &not_done(outcome, state);
        text += &next(state, EnginePresence::Gone);
    }
    text
}

/// How many tasks are where; after a rollback only what it was about.
fn tally(outcome: Outcome, state: &RunState) -> String {
    let all = state.counts();
    match outcome {
        Outcome::RolledBack | Outcome::Stuck if all.undone + all.kept + all.stuck == 0 => "nothing to undo".to_owned(),
        Outcome::RolledBack | Outcome::Stuck => {
            let Counts { undone, kept, stuck, .. } = all;
            labels::counts(&Counts { undone, kept, stuck, ..Counts::default() })
        }
        _ => labels::counts(&all),
    }
}

/// What has to be known of a run beside its tasks.
pub fn notes(state: &RunState) -> String {
    let left_out = |(host, fault): (&HostName, &Fault)| format!("  left out: {host} ({})\n", clean(&fault.message));
    let mut text: String = state.excluded.iter().map(left_out).collect();
    if state.back.is_some() {
        text += &listed("left as they are", state.spared());
    }
    text
}

/// The commands that lead on, and where to read more.
pub fn next(state: &RunState, engine: EnginePresence) -> String {
    let shows = state.run.iter().map(|run| NextCommand::Show { run: run.clone() });
    next_commands(state, engine).into_iter().chain(shows).map(|command| next_line(&command)).collect()
}

/// A command, and what it does.
pub fn next_line(command: &NextCommand) -> String {
    let line = |more: &str, what: &str| format!("  {BOLD}{command}{more}{BOLD:#}  # {what}\n");
    match command {
        NextCommand::Resolve { .. } => {
            line(" done", "if it took effect") + &line(" undone", "if nothing of it is there")
        }
        NextCommand::Resume { .. } => line("", "go on, once the cause is fixed"),
        NextCommand::Rollback { .. } => line("", "undo what was done"),
        NextCommand::Approve { .. } => line("", "let it pass"),
        NextCommand::Continue { .. } => line("", "let it go on"),
        NextCommand::Attach { .. } => line("", "watch it"),
        NextCommand::Show { .. } => line("", "show what was done"),
        NextCommand::Logs { .. } => line("", "show what it printed"),
    }
}

/// Names what failed and why, what was left in flight, and what was never started. What a rollback has passed over is not
/// told again.
fn not_done(outcome: Outcome, state: &RunState) -> String {
    let named = |title: &str, wanted: &[TaskOutcome]| {
        let tasks = state.tasks().filter(|(_, task)| wanted.contains(&task.state.outcome()));
        listed(title, tasks.map(|(name, _)| name))
    };
    let is_back = matches!(outcome, Outcome::RolledBack | Outcome::Stuck);
    let causes: Vec<FailureGroup> = match is_back {
        true => failures(state).into_iter().filter(|group| group.outcome == TaskOutcome::Stuck).collect(),
        false => failures(state),
    };
    let forward = || {
        [
            named("in flight", &[TaskOutcome::Running, TaskOutcome::Changing, TaskOutcome::Undoing]),
            named("to be attempted again", &[TaskOutcome::Waiting]),
            named("not started", &[TaskOutcome::Pending]),
        ]
        .concat()
    };
    let left = if is_back { String::new() } else { forward() };
    super::failures::brief(&causes) + &named("kept", &[TaskOutcome::NotReverted]) + &left
}

/// A line of names, of which the first few are told; nothing where there is none.
fn listed<'n>(title: &str, names: impl Iterator<Item = &'n TaskName>) -> String {
    let names = labels::named(names);
    if names.is_empty() { String::new() } else { format!("  {title}: {names}\n") }
}
