//! Which event may come next in a run.

use super::{Rollback, RunState};
use crate::model::{Event, HostName, Outcome, TaskEvent, TaskName, TaskRecord, TaskState};
use std::collections::HashSet;

impl RunState {
    /// Whether an event can come next; else why not. Asked before an event is written down.
    pub fn check(&self, event: &Event) -> Result<(), String> {
        if self.started.is_none() != matches!(event, Event::RunStarted { .. }) {
            return Err("a run starts once, first".into());
        }
        let settles = matches!(event, Event::Task { what: TaskEvent::Resolved { .. }, .. });
        let tidies = matches!(event, Event::CleanupStarted { .. } | Event::CleanedUp { .. });
        if self.tidy.is_some() && !tidies {
            return Err("the run was tidied: what would lead on or back is gone".into());
        }
        if self.outcome.is_some() && !settles && !tidies && !matches!(event, Event::RunResumed { .. }) {
            return Err("the run has ended".into());
        }
        match event {
            Event::RunStarted { tasks, .. } => once(tasks),
            Event::RunResumed { forward, tasks, again, .. } => self.check_resumed(*forward, tasks.as_deref(), again),
            Event::RollingBack { tasks, gates, .. } => self.check_back(tasks).and_then(|()| self.check_gates(gates)),
            Event::Finishing { tasks, .. } => self.check_finishing(tasks),
            Event::HostExcluded { host, .. } => self.check_excluded(host),
            Event::Task { task, what } => self.check_task(task, what),
            Event::Paused { .. } if self.paused.is_some() => Err("the run is paused already".into()),
            Event::Continued { .. } if self.paused.is_none() => Err("the run is not paused".into()),
            Event::Stopping { .. } if self.stopping => Err("the run is stopping already".into()),
            Event::RunEnded { outcome } => self.check_end(*outcome),
            Event::CleanedUp { .. } if self.tidy.is_none() => Err("nobody has begun to tidy".into()),
            _ => Ok(()),
        }
    }

    fn check_task(&self, task: &TaskName, what: &TaskEvent) -> Result<(), String> {
        let record = self.tasks.get(task).ok_or_else(|| format!("no task {task} in this run"))?;
        let starts = matches!(what, TaskEvent::Started { .. });
        let undoes = matches!(what, TaskEvent::Undoing { .. } | TaskEvent::NotReverted { .. });
        if self.stopping && (starts || undoes) {
            return Err(format!("{task} starts though the run is stopping"));
        }
        // A further attempt is no new beginning.
        let again = record.since.is_some() && matches!(record.state, TaskState::Waiting { .. } | TaskState::Pending);
        if self.paused.is_some() && (starts && !again || undoes) {
            return Err(format!("{task} begins though the run is paused"));
        }
        match &self.finish {
            Some(finish) if (starts && !finish.tasks.contains(task)) || undoes => {
                return Err(format!("{task} starts though only `finally` is left"));
            }
            Some(_) => {}
            None => self.check_direction(task, starts, undoes)?,
        }
        record.after(what).map(drop).ok_or_else(|| format!("{task} is {:?}, got {what:?}", record.state))
    }

    fn check_direction(&self, task: &TaskName, starts: bool, undoes: bool) -> Result<(), String> {
        match &self.back {
            Some(walk) if starts && walk.gates.contains(task) => Ok(()),
            Some(_) if starts => Err(format!("{task} starts though the run is rolled back")),
            None if starts && self.task(task).is_some_and(|record| record.state.has_ended()) => {
                Err(format!("{task} starts though it has ended"))
            }
            Some(walk) if undoes && !walk.tasks.contains(task) => Err(format!("the walk does not pass {task}")),
            None if undoes => Err(format!("{task} is undone though the run goes forward")),
            _ => Ok(()),
        }
    }

    fn check_resumed(&self, forward: bool, tasks: Option<&[TaskName]>, again: &[TaskName]) -> Result<(), String> {
        if let Some(tasks) = tasks {
            once(tasks)?;
            let kept: HashSet<&TaskName> = tasks.iter().collect();
            let lost = |(name, task): &(&TaskName, &TaskRecord)| task.has_changed() && !kept.contains(*name);
            if let Some((name, _)) = self.tasks().find(lost) {
                return Err(format!("{name} has changed something and is left out"));
            }
        }
        if forward && let Some((name, _)) = self.in_flight().find(|(_, t)| matches!(t.state, TaskState::Undoing { .. }))
        {
            return Err(format!("the run goes forward while {name} is being undone"));
        }
        let unsure = |state: &TaskState| matches!(state, TaskState::Changing { .. } | TaskState::Unknown { .. });
        match again.iter().find(|name| self.task(name).is_none_or(|task| unsure(&task.state))) {
            Some(name) => Err(format!("{name} cannot simply be attempted again")),
            None => Ok(()),
        }
    }

    fn check_excluded(&self, host: &HostName) -> Result<(), String> {
        let begun = |(name, task): &(&TaskName, &TaskRecord)| name.host == *host && task.attempt > 0;
        match self.tasks().find(begun) {
            _ if self.excluded.contains_key(host) => Err(format!("{host} is left out already")),
            Some((name, _)) => Err(format!("{host} is left out though {name} has begun")),
            None => Ok(()),
        }
    }

    fn check_finishing(&self, tasks: &[TaskName]) -> Result<(), String> {
        let own: HashSet<&TaskName> = tasks.iter().collect();
        let acting = |(name, task): &(&TaskName, &TaskRecord)| task.state.is_acting() && !own.contains(*name);
        match (&self.finish, self.in_flight().find(acting)) {
            (Some(_), _) => Err("only `finally` is left already".into()),
            (None, Some((name, _))) => Err(format!("the run comes to `finally` while {name} is under way")),
            (None, None) => once(tasks),
        }
    }

    fn check_back(&self, tasks: &[TaskName]) -> Result<(), String> {
        if self.finish.is_some() {
            return Err("the run is rolled back though only `finally` is left".into());
        }
        let under_way = |state: &TaskState| matches!(state, TaskState::Running | TaskState::Changing { .. });
        if let Some((name, _)) = self.in_flight().find(|(_, task)| under_way(&task.state)) {
            return Err(format!("the run is rolled back while {name} is under way"));
        }
        let unknown = |name: &&TaskName| self.task(name).is_none_or(TaskRecord::is_unknown);
        match tasks.iter().find(unknown) {
            Some(name) => Err(format!("the walk passes {name}, which is not known to have ended")),
            None => once(tasks),
        }
    }

    fn check_gates(&self, gates: &[TaskName]) -> Result<(), String> {
        let changed = |name: &&TaskName| self.task(name).is_none_or(TaskRecord::has_changed);
        match gates.iter().find(changed) {
            Some(name) => Err(format!("{name} is no gate: a gate only looks")),
            None => once(gates),
        }
    }

    fn check_end(&self, outcome: Outcome) -> Result<(), String> {
        if let Some((name, _)) = self.in_flight().find(|(_, task)| task.state.is_acting()) {
            return Err(format!("the run ends while {name} is under way"));
        }
        let complete = self.counts.pending == 0 && self.in_flight.is_empty() && self.counts.unknown == 0;
        if outcome == Outcome::Done && !complete {
            return Err("the run is called done, and not all of it is".into());
        }
        let passed =
            |walk: &Rollback| walk.tasks.iter().filter_map(|name| self.task(name)).all(|task| !task.has_changed());
        if outcome == Outcome::RolledBack && !self.back.as_ref().is_some_and(passed) {
            return Err("the run is called rolled back, and not all of it is".into());
        }
        Ok(())
    }
}

fn once(tasks: &[TaskName]) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(tasks.len());
    let twice = tasks.iter().find(|task| !seen.insert(*task));
    twice.map_or(Ok(()), |task| Err(format!("{task} is named twice")))
}
