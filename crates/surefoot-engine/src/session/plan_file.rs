//! A plan in a file: made once, looked at by whoever may, run once as it is; or refused, with what has moved since.
//!
//! It pins everything that a run is made from: the inputs by their checksums, the hosts' machines and their boots, and
//! what looking at the hosts told. Before it is run all of that is found out again. What a read gave is not compared, but
//! what was made of it is: a revision of etcd moves on, and matters only to who uses it. It holds no secret.

use super::error::SessionError;
use super::identity::operator_name;
use super::inputs::digests;
use super::pins;
use super::prepare::{PreparedRun, Request};
use super::ready::ReadyRun;
use crate::action::{ActionKind, checksum};
use crate::bounded;
use crate::catalog::{Found, Source};
use crate::compile::Program;
use crate::journal::{RunFolder, Store};
use crate::model::{HostName, RunId, TaskName};
use crate::plan::{Plan, PlanVerdict, PlannedTask};
use crate::world::World;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::io;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

/// The form of the file.
const FORM: u32 = 1;

/// No plan is larger, in bytes.
const LARGEST: u64 = 256 << 20;

/// How such a file begins.
const MARK: &str = "{\n  \"surefoot_plan\":";

/// The name by which a run keeps the plan that it was made from, or that its operator agreed to.
pub const INPUT: &str = "plan.json";

#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    surefoot_plan: u32,
    /// Of the program that made it.
    version: String,
    made: Timestamp,
    /// `user@machine` of who made it.
    by: String,
    given: Request,
    /// What the runbook was taken for.
    source: Source,
    #[serde(flatten)]
    pins: Pins,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<pins::PlannedSecrets>,
    pub plan: Plan,
}

/// What a plan holds for, beside what it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pins {
    /// SHA-256 of each file that a run would keep of its inputs, by its name there.
    inputs: IndexMap<String, String>,
    /// SHA-256 of each file of the controller that a task or a parameter names; none where it is not there.
    files: IndexMap<PathBuf, Option<String>>,
    machines: IndexMap<HostName, MachinePin>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct MachinePin {
    /// A digest of the machine's id.
    id: String,
    boot: String,
    /// Whom scripts run as.
    user: String,
}

impl Pins {
    fn of(prepared: &PreparedRun, world: &World, plan: &Plan) -> io::Result<Pins> {
        let machine = |facts: &crate::world::MachineFacts| MachinePin {
            id: facts.machine.clone(),
            boot: facts.boot.clone(),
            user: facts.user.clone(),
        };
        Ok(Pins {
            inputs: digests(&prepared.inputs),
            files: files(&prepared.program, plan)?,
            machines: world.facts().iter().map(|(host, facts)| (host.clone(), machine(facts))).collect(),
        })
    }
}

/// A plan as it is saved, with what it holds for.
pub fn made(request: &Request, ready: &ReadyRun, plan: &Plan) -> io::Result<Vec<u8>> {
    let saved = SavedPlan {
        surefoot_plan: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: Timestamp::now(),
        by: operator_name(),
        given: request.clone(),
        source: ready.prepared.program.identity.source.clone(),
        pins: Pins::of(&ready.prepared, &ready.world, plan)?,
        secrets: ready.planned_secrets()?,
        plan: plan.clone(),
    };
    Ok(serde_json::to_vec_pretty(&saved)?)
}

/// The plan that a run was made from, where it has kept one that this version can read.
pub fn of_run(folder: &RunFolder) -> Option<Plan> {
    let bytes = std::fs::read(folder.inputs().join(INPUT)).ok()?;
    serde_json::from_slice::<SavedPlan>(&bytes).ok().map(|saved| saved.plan)
}

/// The plan in a file, and its bytes; none where the file is something else, such as a runbook.
pub fn read(path: &Path) -> Result<Option<(SavedPlan, Vec<u8>)>, SessionError> {
    let Ok(bytes) = bounded::read(path, LARGEST) else { return Ok(None) };
    if !bytes.starts_with(MARK.as_bytes()) {
        return Ok(None);
    }
    let wrong = |why: String| SessionError::PlanFile { path: path.to_owned(), why };
    let head: Json = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let (form, version) = (head["surefoot_plan"].as_u64(), head["version"].as_str());
    if form != Some(FORM.into()) || version != Some(env!("CARGO_PKG_VERSION")) {
        let version = version.unwrap_or("another version");
        return Err(wrong(format!("this plan was made by surefoot {version}: make it anew with this one")));
    }
    serde_json::from_value(head).map(|saved| Some((saved, bytes))).map_err(|error| wrong(error.to_string()))
}

impl SavedPlan {
    /// What it was made from, to be read again from wherever it is read.
    pub fn request(&self) -> Request {
        let folder = &self.given.folder;
        Request {
            inventory: self.given.inventory.as_ref().map(|given| hosts_from(folder, given)),
            params_file: self.given.params_file.as_ref().map(|file| folder.join(file)),
            ..self.given.clone()
        }
    }

    /// The runbook, wherever a word would lead now.
    pub fn found(&self) -> Found {
        Found::again(&self.source)
    }

    /// Where relative paths start.
    pub fn folder(&self) -> &Path {
        &self.given.folder
    }

    /// Who made it, and when.
    pub fn origin(&self) -> String {
        format!("made by {} at {}", self.by, self.made.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }

    /// The run that was made from a plan of these bytes already.
    pub fn was_run(store: &Store, bytes: &[u8]) -> Option<RunId> {
        let is = |run: &RunId| {
            let kept = store.find(run).map(|folder| folder.inputs().join(INPUT));
            kept.is_ok_and(|kept| std::fs::read(kept).is_ok_and(|other| other == bytes))
        };
        store.runs().ok()?.into_iter().rev().find(is)
    }

    /// What of its inputs is not as it was.
    pub fn changed_inputs(&self, prepared: &PreparedRun) -> Vec<PlanChange> {
        let (was, is) = (&self.pins.inputs, digests(&prepared.inputs));
        let mut changes: Vec<PlanChange> = different(was, &is).filter_map(|name| self.input(name)).collect();
        let params = |params: &Json| params.as_object().cloned().unwrap_or_default().into_iter().collect();
        let (was, is): (IndexMap<String, Json>, _) = (params(&self.plan.params), params(&prepared.program.params));
        changes.extend(different(&was, &is).map(|name| PlanChange::Parameter(name.clone())));
        changes.dedup();
        changes
    }

    /// What an input is; parameters are compared one by one.
    fn input(&self, name: &str) -> Option<PlanChange> {
        Some(match name {
            "params.json" => return None,
            "inventory.yaml" => PlanChange::Inventory,
            "origin.json" => PlanChange::InputsMoved,
            name if name.starts_with("use-") => PlanChange::UsedRunbook,
            name if name.starts_with("action-") => PlanChange::OwnAction,
            _ => PlanChange::Runbook(self.given.runbook.clone()),
        })
    }

    /// Which secrets are not as they were.
    pub fn changed_secrets(&self, ready: &ReadyRun) -> Vec<PlanChange> {
        let changed = self.secrets.iter().flat_map(|planned| ready.changed_secrets(planned));
        changed.map(PlanChange::Secret).collect()
    }

    /// What is not as it was when it was made.
    pub fn changes(&self, ready: &ReadyRun, now: &Plan) -> Vec<PlanChange> {
        let pins = match Pins::of(&ready.prepared, &ready.world, now) {
            Ok(pins) => pins,
            Err(error) => return vec![PlanChange::UnreadableFile(error.to_string())],
        };
        let files = self.pins.files.iter().filter(|(path, digest)| pins.files.get(*path) != Some(*digest));
        let mut changes: Vec<PlanChange> = files.map(|(path, _)| PlanChange::File(path.clone())).collect();
        for (host, was) in &self.pins.machines {
            changes.extend(pins.machines.get(host).and_then(|is| changed_machine(host, was, is)));
        }
        let (out, now_out) = (&self.plan.excluded, &now.excluded);
        let back = out.keys().filter(|host| !now_out.contains_key(*host));
        changes.extend(back.map(|host| PlanChange::Reachable(host.clone())));
        let gone = now_out.keys().filter(|host| !out.contains_key(*host));
        changes.extend(gone.map(|host| PlanChange::Unreachable(host.clone())));
        let pairs = self.plan.tasks().zip(now.tasks()).zip(&ready.prepared.program.tasks);
        changes.extend(pairs.filter_map(|(((_, was), (_, is)), task)| changed_task(&task.name, was, is)));
        changes
    }
}

/// Something that is not as it was when a plan was made.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanChange {
    Runbook(PathBuf),
    UsedRunbook,
    /// An action that is written in YAML.
    OwnAction,
    Inventory,
    /// The same texts, in other places.
    InputsMoved,
    Parameter(String),
    /// It has another value, or cannot be compared.
    Secret(String),
    File(PathBuf),
    /// Why a file that it was made from cannot be read.
    UnreadableFile(String),
    OtherMachine(HostName),
    Rebooted(HostName),
    /// Scripts run as another user there.
    User {
        host: HostName,
        was: String,
        now: String,
    },
    Reachable(HostName),
    Unreachable(HostName),
    Verdict {
        task: TaskName,
        was: Box<PlanVerdict>,
        now: Box<PlanVerdict>,
    },
    TaskParameters(TaskName),
    /// It would change something else.
    Effect(TaskName),
}

/// The names whose values are not the same in both.
fn different<'m, T: PartialEq>(
    was: &'m IndexMap<String, T>,
    is: &'m IndexMap<String, T>,
) -> impl Iterator<Item = &'m String> {
    let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
    names.filter(|name| was.get(*name) != is.get(*name))
}

/// An inventory as it was given: a path, `ssh:`, `ssh:FILE`, or `cmd:COMMAND`, which stays as it is.
fn hosts_from(folder: &Path, given: &Path) -> PathBuf {
    if given.to_str().is_some_and(|text| text.starts_with("cmd:")) {
        return given.to_owned();
    }
    match given.to_str().and_then(|text| text.strip_prefix("ssh:")) {
        Some("") => given.to_owned(),
        Some(file) => PathBuf::from(format!("ssh:{}", folder.join(file).display())),
        None => folder.join(given),
    }
}

fn changed_machine(host: &HostName, was: &MachinePin, is: &MachinePin) -> Option<PlanChange> {
    let host = host.clone();
    Some(match () {
        () if was.id != is.id => PlanChange::OtherMachine(host),
        () if was.boot != is.boot => PlanChange::Rebooted(host),
        () if was.user != is.user => PlanChange::User { host, was: was.user.clone(), now: is.user.clone() },
        () => return None,
    })
}

fn changed_task(task: &TaskName, was: &PlannedTask, is: &PlannedTask) -> Option<PlanChange> {
    let task = task.clone();
    let (Some(before), Some(now)) = (&was.verdict, &is.verdict) else { return None };
    if discriminant(before) != discriminant(now) {
        return Some(PlanChange::Verdict { task, was: Box::new(before.clone()), now: Box::new(now.clone()) });
    }
    if was.parameters != is.parameters || was.command != is.command {
        return Some(PlanChange::TaskParameters(task));
    }
    (!is_same(before, now)).then_some(PlanChange::Effect(task))
}

/// Whether the same would be done. Why something fails, or is not known, may be said in other words.
fn is_same(was: &PlanVerdict, is: &PlanVerdict) -> bool {
    match (was, is) {
        (PlanVerdict::NotKnown { until: a, now: was, .. }, PlanVerdict::NotKnown { until: b, now: is, .. }) => {
            let now = match (was, is) {
                (Some(was), Some(is)) => is_same(was, is),
                (was, is) => was.is_some() == is.is_some(),
            };
            a == b && now
        }
        (PlanVerdict::Changes { .. } | PlanVerdict::Asks { .. }, is) => was == is,
        (was, is) => discriminant(was) == discriminant(is),
    }
}

/// The files of the controller that tasks name, with the checksum of each that is there.
fn files(program: &Program, plan: &Plan) -> io::Result<IndexMap<PathBuf, Option<String>>> {
    let mut files = IndexMap::new();
    for (task, (_, planned)) in program.tasks.iter().zip(plan.tasks()) {
        for name in local_paths(&program.steps[task.step as usize].kind) {
            let Some(path) = planned.parameters.get(&name).and_then(Json::as_str).map(PathBuf::from) else { continue };
            if path.is_absolute() && !files.contains_key(&path) {
                let digest = digest(&path)?;
                files.insert(path, digest);
            }
        }
    }
    Ok(files)
}

/// The parameters of a kind that name a file of the controller.
pub fn local_paths(kind: &ActionKind) -> Vec<String> {
    let schema = (kind.schema)().to_value();
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let local = |schema: &Json| schema.to_string().contains("\"format\":\"local-path\"");
    properties.into_iter().filter(|(_, schema)| local(schema)).map(|(name, _)| name).collect()
}

/// SHA-256 of a file, in hex; none where there is no file.
fn digest(path: &Path) -> io::Result<Option<String>> {
    use io::ErrorKind::{IsADirectory, NotFound};
    match checksum(path) {
        Ok(file) => Ok(Some(file.sha256)),
        Err(error) if matches!(error.kind(), NotFound | IsADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
