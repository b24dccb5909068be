//! What is rehearsed, and where: a lab that was prepared and saved, and a folder of its own for each case.

use super::engine::{EngineExit, EngineProcess};
use super::error::RehearsalError;
use super::host_snapshot::HostSnapshot;
use super::state_disk::StateDisk;
use crate::lab::{LabGuard, LabName};
use indexmap::{IndexMap, IndexSet};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use surefoot_engine::journal::Store;
use surefoot_engine::model::{RunId, RunState, Stamped, StepId};

/// What is run in every case.
#[derive(Debug)]
pub struct RehearsedProgram {
    /// This program.
    pub program: PathBuf,
    pub runbook: PathBuf,
    /// As `--bind` takes them.
    pub binds: Vec<String>,
    /// A file of parameters, as text.
    pub params: String,
    /// A runbook, as text: what must hold on the hosts once the runbook has worked, seen from outside.
    pub proof: Option<String>,
    /// What an operator looks at on a host where the outcome of a step is unknown: a script that ends with 0 where it
    /// took effect.
    pub settle: IndexMap<StepId, String>,
    /// The steps whose acts must never be started twice.
    pub opaque: IndexSet<StepId>,
    /// The steps of `verify`.
    pub verify: IndexSet<StepId>,
}

/// A lab whose hosts were prepared and saved.
pub struct PreparedLab {
    pub lab: LabGuard,
    /// The files that the preparation made on this machine, such as a snapshot.
    files: PathBuf,
    /// The hosts as they were prepared.
    pub pictures: Vec<HostSnapshot>,
}

impl PreparedLab {
    /// Saves a prepared lab. `files`: what the preparation made on this machine.
    pub fn save(lab: LabGuard, files: PathBuf) -> Result<PreparedLab, RehearsalError> {
        lab.save(&|_| {})?;
        let pictures = HostSnapshot::of_all(&lab)?;
        Ok(PreparedLab { lab, files, pictures })
    }

    /// Brings the hosts back, and makes a case's folder.
    pub fn begin(
        &self,
        subject: &RehearsedProgram,
        folder: &Path,
        small_disk: bool,
    ) -> Result<CaseFolder, RehearsalError> {
        self.lab.rewind(&|_| {})?;
        CaseFolder::new(subject, self, folder, small_disk)
    }

    pub fn hosts(&self) -> Vec<LabName> {
        self.lab.hosts().cloned().collect()
    }
}

/// One case's folder: the files of the preparation, its own state folder, and what each call printed.
pub struct CaseFolder {
    folder: PathBuf,
    /// Where the run is that counts.
    state: PathBuf,
    inventory: PathBuf,
    pub disk: Option<StateDisk>,
}

impl CaseFolder {
    fn new(
        subject: &RehearsedProgram,
        scene: &PreparedLab,
        folder: &Path,
        small_disk: bool,
    ) -> Result<CaseFolder, RehearsalError> {
        remove(folder)?;
        let state = folder.join("state");
        let work = CaseFolder { folder: folder.to_owned(), state, inventory: scene.lab.inventory(), disk: None };
        for made in [work.folder.clone(), work.state.clone()] {
            fs::create_dir_all(&made).map_err(RehearsalError::io(made.display().to_string()))?;
        }
        for entry in fs::read_dir(&scene.files).map_err(RehearsalError::io("the rehearsal's files"))?.flatten() {
            let to = folder.join(entry.file_name());
            fs::copy(entry.path(), &to).map_err(RehearsalError::io(to.display().to_string()))?;
        }
        work.write("params.yaml", &subject.params)?;
        if let Some(proof) = &subject.proof {
            work.write("proof.yaml", proof)?;
        }
        let disk = small_disk.then(|| StateDisk::mount(&work.state)).transpose()?;
        Ok(CaseFolder { disk, ..work })
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RehearsalError> {
        fs::write(self.folder.join(name), text).map_err(RehearsalError::io(name))
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where another operator has their runs.
    pub fn other_state(&self) -> PathBuf {
        self.folder.join("other-state")
    }

    /// The run's folder goes to another machine, as it is now; what is asked of it from here on is asked there.
    pub fn move_to_other(&mut self) -> Result<(), RehearsalError> {
        copy(&self.state, &self.other_state())?;
        self.state = self.other_state();
        Ok(())
    }

    /// Calls the program in the case's folder; it prints into files there.
    fn call(&self, subject: &RehearsedProgram, state: &Path, words: &[&str]) -> Result<EngineProcess, RehearsalError> {
        let open = |name: &str| {
            let path = self.folder.join(name);
            let opened: Result<File, RehearsalError> =
                OpenOptions::new().append(true).create(true).open(&path).map_err(RehearsalError::io(name));
            opened
        };
        let mut command = Command::new(&subject.program);
        command
            .current_dir(&self.folder)
            .env("SUREFOOT_STATE", state)
            .env("SUREFOOT_CONFIG", "/dev/null")
            .args(words)
            .stderr(open("errors")?);
        EngineProcess::start(command, open("events")?)
    }

    /// Starts the runbook.
    pub fn run(&self, subject: &RehearsedProgram, state: &Path, lease: &str) -> Result<EngineProcess, RehearsalError> {
        let (runbook, inventory) = (subject.runbook.to_string_lossy(), self.inventory.to_string_lossy());
        let mut words = vec!["run", &runbook, "-i", &inventory, "-P", "params.yaml"];
        words.extend(["--yes", "--approve", "all", "--log", "json", "--lease", lease]);
        words.extend(subject.binds.iter().flat_map(|bind| ["--bind", bind]));
        self.call(subject, state, &words)
    }

    /// Runs what proves that the runbook has worked; true where there is none.
    pub fn proves(&self, subject: &RehearsedProgram) -> Result<bool, RehearsalError> {
        if subject.proof.is_none() {
            return Ok(true);
        }
        let (inventory, state) = (self.inventory.to_string_lossy(), self.folder.join("proof-state"));
        let mut words = vec!["run", "proof.yaml", "-i", &inventory, "--yes", "--log", "json"];
        words.extend(subject.binds.iter().flat_map(|bind| ["--bind", bind]));
        Ok(self.call(subject, &state, &words)?.end() == EngineExit::Code(0))
    }

    /// Goes on with a run: `resume`, or `rollback`.
    pub fn go_on(&self, subject: &RehearsedProgram, verb: &str, run: &RunId) -> Result<EngineProcess, RehearsalError> {
        let mut words = vec![verb, run.as_str(), "--log", "json", "--approve", "all"];
        // Drift that the operator has been told of is accepted.
        let agreed = verb == "rollback" || self.record(run)?.1.drifted().next().is_some();
        words.extend(if agreed { ["--yes"].as_slice() } else { &[] });
        words.extend(if self.state == self.other_state() { ["--take-over"].as_slice() } else { &[] });
        self.call(subject, &self.state, &words)
    }

    /// A call that runs nothing: `settle`, `verify`.
    pub fn say(&self, subject: &RehearsedProgram, words: &[&str]) -> Result<EngineExit, RehearsalError> {
        Ok(self.call(subject, &self.state, words)?.end())
    }

    /// The run's record: its events, and what they come to.
    pub fn record(&self, run: &RunId) -> Result<(Vec<Stamped>, RunState), RehearsalError> {
        let mut events = Vec::new();
        let replay = Store::at(&self.state).find(run)?.replay(|stamped, _| events.push(stamped.clone()))?;
        Ok((events, replay.state))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes all of it.
    pub fn discard(mut self) -> Result<(), RehearsalError> {
        self.disk = None;
        remove(&self.folder)
    }

    /// Leaves it for somebody to look at. What lies on a disk in memory is copied out.
    pub fn keep(mut self) -> Result<(), RehearsalError> {
        let Some(disk) = self.disk.take() else { return Ok(()) };
        let copied = copy(&self.state, &self.folder.join("state-copy"));
        drop(disk);
        copied
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), RehearsalError> {
    let status = Command::new("cp").arg("--archive").args([from, to]).status();
    match status.map_err(RehearsalError::io("start cp"))?.success() {
        true => Ok(()),
        false => Err(RehearsalError::Other(format!("{} could not be copied", from.display()))),
    }
}

fn remove(folder: &Path) -> Result<(), RehearsalError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(RehearsalError::io(folder.display().to_string())(e)),
        _ => Ok(()),
    }
}
