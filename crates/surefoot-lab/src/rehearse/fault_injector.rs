//! The hand that breaks things: brings an engine to a moment, holds it there, and does what the fault says.

use super::engine::EngineProcess;
use super::error::RehearsalError;
use super::fault::InjectedFault;
use super::point::{FaultMoment, StepTrace};
use super::prepared_lab::{CaseFolder, PreparedLab};
use super::starts;
use crate::lab::{Break, LabName};
use rustix::process::Signal;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use surefoot_engine::model::{Event, HostName, TaskEvent, TaskName};

/// How long a cut link stays cut.
const CUT: Duration = Duration::from_secs(1);
/// The same, beyond what ssh waits for a silent host: three times five seconds.
const LOST: Duration = Duration::from_secs(20);

/// How closely the records of a host are looked at: it has no way to tell us.
const GLANCE: Duration = Duration::from_micros(200);

/// Every program of a host that is no binary of its own needs it, and so does everything that we run there.
const SHELL: &str = "/usr/bin/dash";

pub struct FaultInjector<'a> {
    pub scene: &'a PreparedLab,
    pub work: &'a CaseFolder,
    pub passage: &'a StepTrace,
    /// The host that faults strike.
    pub host: &'a LabName,
}

impl FaultInjector<'_> {
    /// The task that the moment is about: the step's on our host, else its only one.
    fn task(&self) -> TaskName {
        let own = HostName::from(self.host.as_str());
        let host = if self.passage.hosts.contains(&own) { own } else { HostName::controller() };
        TaskName { step: self.passage.step.clone(), host, item: None }
    }

    /// Lets the engine run to the moment and holds it there; false where it never came to it.
    pub fn bring_to(&self, engine: &mut EngineProcess, moment: FaultMoment) -> Result<bool, RehearsalError> {
        let reached = match moment {
            FaultMoment::Start => self.start(engine),
            FaultMoment::Middle => self.middle(engine)?,
        };
        engine.hold();
        Ok(reached)
    }

    fn start(&self, engine: &mut EngineProcess) -> bool {
        let step = &self.passage.step;
        let starts = |event: &Event| matches!(event, Event::Task { task, what: TaskEvent::Started { .. } } if task.step == *step);
        engine.until(starts).is_some()
    }

    fn middle(&self, engine: &mut EngineProcess) -> Result<bool, RehearsalError> {
        let (own, changed) = (self.task(), self.passage.changed);
        let begins = move |event: &Event| match event {
            Event::Task { task, what: TaskEvent::Changing { .. } } => changed && *task == own,
            Event::Task { task, what: TaskEvent::Started { .. } } => !changed && *task == own,
            _ => false,
        };
        if engine.until(begins).is_none() {
            return Ok(false);
        }
        if self.passage.acted {
            self.await_act(engine)?;
        } else {
            sleep(self.passage.took / 2);
        }
        Ok(true)
    }

    /// Until the host has begun an act of the task, or the task is over.
    fn await_act(&self, engine: &mut EngineProcess) -> Result<(), RehearsalError> {
        let task = self.task();
        let Some(run) = engine.run.clone() else { return Ok(()) };
        let folder = starts::folder(self.scene, self.work, &run, &task.host)?;
        let over = |event: &Event| {
            matches!(event, Event::Task { task: named, what } if *named == task
                && !matches!(what, TaskEvent::Started { .. } | TaskEvent::Changing { .. }))
        };
        let deadline = Instant::now() + self.passage.took.max(CUT);
        let begun = || starts::of_host(&folder, &task.host).any(|start| start.task == task);
        while !begun() && !engine.has_come_to(over) && Instant::now() < deadline {
            sleep(GLANCE);
        }
        Ok(())
    }

    /// Does what the fault says to a held engine, which goes on by it, or has ended. Gives the services that ran.
    pub fn inject(&self, fault: InjectedFault, engine: &mut EngineProcess) -> Result<Vec<String>, RehearsalError> {
        let ran = self.running_units()?;
        match fault {
            InjectedFault::EngineKilled => {
                engine.signal(Signal::KILL);
                engine.end();
            }
            InjectedFault::LinkCut => self.cut_for(CUT, engine)?,
            InjectedFault::LinkLost => self.cut_for(LOST, engine)?,
            InjectedFault::SshdKilled => self.scene.lab.apply(self.host, Break::SshdKill)?,
            InjectedFault::HostKilled => {
                self.scene.lab.apply(self.host, Break::Kill)?;
                engine.detach();
                self.scene.lab.apply(self.host, Break::Boot)?;
                self.start_units(&ran)?;
            }
            InjectedFault::StepFails => {
                self.enter(&["chmod", "a-x", SHELL])?;
                self.kill_acts(engine)?;
            }
            InjectedFault::Stopped => engine.signal(Signal::INT),
            // What is done about them is a matter of other engines.
            InjectedFault::SecondEngine | InjectedFault::EngineFrozen => return Ok(ran),
            InjectedFault::RecordDiskFull => self.work.disk.as_ref().map_or(Ok(()), |disk| disk.fill())?,
            InjectedFault::HostDiskFull => self.scene.lab.apply(self.host, Break::FillDisk)?,
        }
        engine.detach();
        Ok(ran)
    }

    /// Takes away what a fault leaves, as an operator would before going on.
    pub fn repair(&self, fault: InjectedFault, ran: &[String]) -> Result<(), RehearsalError> {
        match fault {
            InjectedFault::StepFails => self.enter(&["chmod", "a+x", SHELL]),
            InjectedFault::RecordDiskFull => self.work.disk.as_ref().map_or(Ok(()), |disk| disk.free()),
            InjectedFault::HostDiskFull => {
                self.scene.lab.apply(self.host, Break::FreeDisk)?;
                self.start_failed(ran)
            }
            _ => Ok(()),
        }
    }

    fn cut_for(&self, time: Duration, engine: &EngineProcess) -> Result<(), RehearsalError> {
        self.scene.lab.apply(self.host, Break::LinkDown)?;
        engine.detach();
        sleep(time);
        Ok(self.scene.lab.apply(self.host, Break::LinkUp)?)
    }

    /// The services that a boot would start again, were they enabled.
    fn running_units(&self) -> Result<Vec<String>, RehearsalError> {
        let words =
            ["systemctl", "list-units", "--type=service", "--state=active,activating", "--plain", "--no-legend"];
        let output = self.scene.lab.enter(self.host, &words)?.output().map_err(RehearsalError::io("look at units"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = text.lines().filter_map(|line| line.split_whitespace().next());
        let own = |name: &&str| {
            !["user@", "user-runtime-dir@", "systemd-", "getty", "console"].iter().any(|of| name.starts_with(of))
        };
        Ok(names.filter(own).map(str::to_owned).collect())
    }

    fn start_units(&self, units: &[String]) -> Result<(), RehearsalError> {
        let mut words = vec!["systemctl", "--no-block", "start"];
        words.extend(units.iter().map(String::as_str));
        self.enter(&words)
    }

    /// SIGKILL to what runs of the step on the host.
    fn kill_acts(&self, engine: &EngineProcess) -> Result<(), RehearsalError> {
        let (task, Some(run)) = (self.task(), &engine.run) else { return Ok(()) };
        if task.host.is_controller() {
            return Ok(());
        }
        let folder = starts::folder(self.scene, self.work, run, &task.host)?;
        for start in starts::of_host(&folder, &task.host).filter(|start| start.task == task) {
            let record = folder.join(format!("{}.{}.{}.st", task.step, start.attempt, start.ordinal));
            if let Some(pid) = running(&record) {
                // It leads a group of its own; one that has just ended is no matter.
                let _ = self.enter(&["kill", "-KILL", "--", &format!("-{pid}")]);
            }
        }
        Ok(())
    }

    /// What has died of the fault, and systemd has given up on.
    fn start_failed(&self, ran: &[String]) -> Result<(), RehearsalError> {
        for unit in ran {
            if self.enter(&["systemctl", "--quiet", "is-failed", unit]).is_ok() {
                self.enter(&["systemctl", "reset-failed", unit])?;
                self.enter(&["systemctl", "start", unit])?;
            }
        }
        Ok(())
    }

    fn enter(&self, words: &[&str]) -> Result<(), RehearsalError> {
        let output = self.scene.lab.enter(self.host, words)?.output().map_err(RehearsalError::io(words.join(" ")))?;
        match output.status.success() {
            true => Ok(()),
            false => {
                Err(RehearsalError::Other(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))))
            }
        }
    }
}

/// The process of an act, as the host numbers it, where its record says that it runs.
fn running(record: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(record).ok()?;
    let mut words = text.split_whitespace();
    (words.next() == Some("running")).then(|| words.next()?.parse().ok()).flatten()
}
