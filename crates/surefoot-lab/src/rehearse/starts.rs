//! How often the acts of a run were started, by the records that the hosts have of them.

use super::error::RehearsalError;
use super::prepared_lab::{CaseFolder, PreparedLab};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use surefoot_engine::model::{Event, HostName, RunId, Stamped, StepId, TaskEvent, TaskName};

/// One act that a host was asked for, and has begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    pub task: TaskName,
    pub attempt: u32,
    /// Its place among the acts of the attempt.
    pub ordinal: u32,
    /// How many claims of it were made void before: such a claim was never started, and never will be.
    pub voided: usize,
}

/// Where a host keeps the records of a run's acts, as this machine sees it.
pub fn folder(scene: &PreparedLab, work: &CaseFolder, run: &RunId, host: &HostName) -> Result<PathBuf, RehearsalError> {
    if host.is_controller() {
        return Ok(work.state().join("runs").join(run.as_str()).join("controller/jobs"));
    }
    let name = host.as_str().parse()?;
    Ok(scene.lab.path_of(&name, &Path::new("/var/lib/surefoot").join(run.as_str()).join("jobs"))?)
}

/// Every act of the run, on every host.
pub fn all(scene: &PreparedLab, work: &CaseFolder, run: &RunId) -> Result<BTreeSet<Start>, RehearsalError> {
    let hosts = scene.lab.hosts().map(|host| HostName::from(host.as_str())).chain([HostName::controller()]);
    let mut starts = BTreeSet::new();
    for host in hosts {
        starts.extend(of_host(&folder(scene, work, run, &host)?, &host));
    }
    Ok(starts)
}

/// Of one host; none where it has no records.
pub fn of_host(folder: &Path, host: &HostName) -> impl Iterator<Item = Start> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter_map(|name| name.strip_suffix(".sh").map(str::to_owned));
    names.filter(|id| !is_void(&folder.join(format!("{id}.st")))).filter_map(|id| parse(&id, host))
}

fn is_void(record: &Path) -> bool {
    std::fs::read_to_string(record).is_ok_and(|text| text.split_whitespace().next() == Some("void"))
}

/// `STEP.ATTEMPT.N`, or `STEP+ITEM.ATTEMPT.N`, and a `~` for each claim that was made void; ids of steps may have dots
/// of their own.
fn parse(id: &str, host: &HostName) -> Option<Start> {
    let plain = id.trim_end_matches('~');
    let voided = id.len() - plain.len();
    let mut parts = plain.rsplitn(3, '.');
    let ordinal = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    let step = parts.next()?;
    let (step, item) = match step.split_once('+') {
        Some((step, item)) => (step, Some(item.parse().ok()?)),
        None => (step, None),
    };
    Some(Start { task: TaskName { step: step.into(), host: host.clone(), item }, attempt, ordinal, voided })
}

/// The first opaque act that was started though an earlier start of the same task may have taken effect; or that was
/// started without a word on the record.
pub fn wrong(starts: &BTreeSet<Start>, events: &[Stamped], opaque: impl Fn(&StepId) -> bool) -> Option<String> {
    let begun = starts.iter().filter(|start| start.ordinal == 0 && opaque(&start.task.step));
    let mut last: Option<&Start> = None;
    for start in begun {
        if !announced(events, start) {
            return Some(format!("{} was started in attempt {} and not announced", start.task, start.attempt));
        }
        let twice = last
            .is_some_and(|last| last.task == start.task && (last.attempt == start.attempt || !was_over(events, last)));
        if twice {
            return Some(format!("{} was started twice", start.task));
        }
        last = Some(start);
    }
    None
}

fn of<'a>(events: &'a [Stamped], task: &'a TaskName) -> impl Iterator<Item = &'a TaskEvent> {
    events.iter().filter_map(move |stamped| match &stamped.event {
        Event::Task { task: named, what } if named == task => Some(what),
        _ => None,
    })
}

fn announced(events: &[Stamped], start: &Start) -> bool {
    let mut attempt = 0;
    of(events, &start.task).any(|what| {
        if let TaskEvent::Started { attempt: n } = what {
            attempt = *n;
        }
        attempt == start.attempt && matches!(what, TaskEvent::Changing { .. })
    })
}

/// Whether this attempt is known to have ended without leaving anything in doubt, before the next began.
fn was_over(events: &[Stamped], start: &Start) -> bool {
    let mut attempt = 0;
    of(events, &start.task).any(|what| {
        if let TaskEvent::Started { attempt: n } = what {
            attempt = *n;
        }
        let over = matches!(
            what,
            TaskEvent::Failed { .. }
                | TaskEvent::Retrying { .. }
                | TaskEvent::Undone { .. }
                | TaskEvent::Resolved { took_effect: false, .. }
        );
        over && attempt >= start.attempt
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_known_by_the_name_of_its_record() {
        let host = HostName::from("h");
        let task = |step: &str, item| TaskName { step: step.into(), host: host.clone(), item };
        let start = |task, attempt, ordinal| Some(Start { task, attempt, ordinal, voided: 0 });
        assert_eq!(parse("push.1.0", &host), start(task("push", None), 1, 0));
        assert_eq!(parse("verify-etcd.health-1+2.3.4", &host), start(task("verify-etcd.health-1", Some(2)), 3, 4));
        assert_eq!(parse("push.1.0~", &host).unwrap().voided, 1);
        assert_eq!(parse("push", &host), None);
    }

    fn events(what: Vec<TaskEvent>) -> Vec<Stamped> {
        let task: TaskName = "s@h".parse().unwrap();
        let stamped = |(seq, what)| Stamped {
            seq: seq as u64,
            at: jiff::Timestamp::UNIX_EPOCH,
            event: Event::Task { task: task.clone(), what },
        };
        what.into_iter().enumerate().map(stamped).collect()
    }

    #[test]
    fn a_second_start_must_follow_a_known_end() {
        let changing = || TaskEvent::Changing { summary: String::new(), undo: None };
        let started = |attempt| TaskEvent::Started { attempt };
        let settled = |took_effect| TaskEvent::Resolved { took_effect, by: "anna".into() };
        let starts =
            |n: u32| (1..=n).map(|a| parse(&format!("s.{a}.0"), &"h".into()).unwrap()).collect::<BTreeSet<_>>();
        let wrong = |starts: &BTreeSet<Start>, what| wrong(starts, &events(what), |_| true);
        assert_eq!(wrong(&starts(1), vec![started(1), changing()]), None);
        assert!(wrong(&starts(1), vec![started(1)]).is_some(), "not announced");
        assert!(wrong(&starts(2), vec![started(1), changing(), started(2), changing()]).is_some(), "twice");
        assert_eq!(wrong(&starts(2), vec![started(1), changing(), settled(false), started(2), changing()]), None);
    }
}
