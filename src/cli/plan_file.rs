//! A plan in a file: made once, looked at by whoever may, run once as it is; or refused, with what has moved since.
//!
//! It pins everything that a run is made from: the inputs by their checksums, the hosts' machines and their boots, and
//! what looking at the hosts told. Before it is run all of that is found out again. What a read gave is not compared, but
//! what was made of it is: a revision of etcd moves on, and matters only to who uses it. It holds no secret.

use super::args::InputArgs;
use super::exit::Exit;
use super::operator::operator_name;
use super::prepare::PreparedRun;
use super::run::Ready;
use super::{pins, run_inputs};
use crate::report::plan::word;
use crate::report::review::PlannedRun;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::io;
use std::path::{Path, PathBuf};
use surefoot_engine::action::{ActionKind, checksum};
use surefoot_engine::bounded;
use surefoot_engine::catalog::{Found, Source};
use surefoot_engine::compile::Program;
use surefoot_engine::journal::{RunFolder, Store};
use surefoot_engine::model::{HostName, RunId, StepId};
use surefoot_engine::plan::{Plan, PlanVerdict, PlannedTask};
use surefoot_engine::secret::Keyring;
use surefoot_engine::world::World;

/// The form of the file.
const FORM: u32 = 1;

/// No plan is larger, in bytes.
const LARGEST: u64 = 256 << 20;

/// How such a file begins.
const MARK: &str = "{\n  \"surefoot_plan\":";

/// The name by which a run keeps the plan that it was made from, or that its operator agreed to.
pub const INPUT: &str = "plan.json";

#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    surefoot_plan: u32,
    /// Of the program that made it.
    version: String,
    made: Timestamp,
    /// `user@machine` of who made it.
    by: String,
    given: PlanArguments,
    #[serde(flatten)]
    pins: Pins,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<pins::Planned>,
    pub plan: Plan,
}

/// What was written after `plan`, and where.
#[derive(Debug, Serialize, Deserialize)]
struct PlanArguments {
    folder: PathBuf,
    runbook: PathBuf,
    /// What that was taken for.
    source: Source,
    inventory: Option<PathBuf>,
    params: Vec<String>,
    params_file: Option<PathBuf>,
    bind: Vec<String>,
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
        let machine = |facts: &surefoot_engine::world::MachineFacts| MachinePin {
            id: facts.machine.clone(),
            boot: facts.boot.clone(),
            user: facts.user.clone(),
        };
        Ok(Pins {
            inputs: run_inputs::digests(&prepared.inputs),
            files: files(&prepared.program, plan)?,
            machines: world.facts().iter().map(|(host, facts)| (host.clone(), machine(facts))).collect(),
        })
    }
}

/// A plan as it is saved, with what it holds for.
pub fn made(inputs: &InputArgs, folder: &Path, ready: &Ready, store: &Store, plan: &Plan) -> io::Result<Vec<u8>> {
    let InputArgs { runbook, inventory, params, params_file, bind } = inputs;
    let given = PlanArguments {
        folder: folder.to_owned(),
        runbook: runbook.clone(),
        source: ready.prepared.program.identity.source.clone(),
        inventory: inventory.clone(),
        params: params.clone(),
        params_file: params_file.clone(),
        bind: bind.clone(),
    };
    let saved = Saved {
        surefoot_plan: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: Timestamp::now(),
        by: operator_name(),
        given,
        pins: Pins::of(&ready.prepared, &ready.world, plan)?,
        secrets: ready.planned(store)?,
        plan: plan.clone(),
    };
    Ok(serde_json::to_vec_pretty(&saved)?)
}

/// The plan that a run was made from, where it has kept one that this version can read.
fn of_run(folder: &RunFolder) -> Option<Plan> {
    let bytes = std::fs::read(folder.inputs().join(INPUT)).ok()?;
    serde_json::from_slice::<Saved>(&bytes).ok().map(|saved| saved.plan)
}

/// What was known of a run before it began.
pub fn known(folder: &RunFolder, program: &Program) -> PlannedRun {
    let plan = of_run(folder).unwrap_or_else(|| Plan::offline(program));
    let identity = program.identity.clone();
    PlannedRun { plan, identity, names: program.tasks.iter().map(|task| task.name.clone()).collect() }
}

/// The plan in a file, and its bytes; none where the file is something else, such as a runbook.
pub fn read(path: &Path) -> Result<Option<(Saved, Vec<u8>)>, Exit> {
    let Ok(bytes) = bounded::read(path, LARGEST) else { return Ok(None) };
    if !bytes.starts_with(MARK.as_bytes()) {
        return Ok(None);
    }
    let wrong = |why: String| Exit::WrongInput.because(format!("{}: {why}", path.display()));
    let head: Json = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let (form, version) = (head["surefoot_plan"].as_u64(), head["version"].as_str());
    if form != Some(FORM.into()) || version != Some(env!("CARGO_PKG_VERSION")) {
        let version = version.unwrap_or("another version");
        return Err(wrong(format!("this plan was made by surefoot {version}: make it anew with this one")));
    }
    serde_json::from_value(head).map(|saved| Some((saved, bytes))).map_err(|error| wrong(error.to_string()))
}

impl Saved {
    /// What it was made from, to be read again.
    pub fn inputs(&self) -> InputArgs {
        let PlanArguments { folder, runbook, inventory, params, params_file, bind, .. } = &self.given;
        InputArgs {
            runbook: runbook.clone(),
            inventory: inventory.as_ref().map(|given| hosts_from(folder, given)),
            params: params.clone(),
            params_file: params_file.as_ref().map(|file| folder.join(file)),
            bind: bind.clone(),
        }
    }

    /// The runbook, wherever a word would lead now.
    pub fn found(&self) -> Found {
        Found::again(&self.given.source)
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

    /// What of its inputs is not as it was: one line each.
    pub fn moved_inputs(&self, prepared: &PreparedRun) -> Vec<String> {
        let (was, is) = (&self.pins.inputs, run_inputs::digests(&prepared.inputs));
        let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
        let changed = names.filter(|name| was.get(*name) != is.get(*name));
        let mut lines: Vec<String> = changed.filter_map(|name| self.input(name)).collect();
        let params = |params: &Json| params.as_object().cloned().unwrap_or_default();
        let (was, is) = (params(&self.plan.params), params(&prepared.program.params));
        let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
        let changed = names.filter(|name| was.get(*name) != is.get(*name));
        lines.extend(changed.map(|name| format!("the parameter `{name}` has another value")));
        lines.dedup();
        lines
    }

    /// How an input is called; parameters speak for themselves.
    fn input(&self, name: &str) -> Option<String> {
        Some(match name {
            "params.json" => return None,
            "inventory.yaml" => "the inventory has changed".to_owned(),
            "origin.json" => "the inputs are in other places".to_owned(),
            name if name.starts_with("use-") => "a runbook that it uses has changed".to_owned(),
            _ => format!("the runbook {} has changed", self.given.runbook.display()),
        })
    }

    /// Which secrets are not as they were: one line each.
    pub fn moved_secrets(&self, store: &Store, secrets: &Keyring) -> Vec<String> {
        self.secrets.iter().flat_map(|planned| planned.moved(store, secrets)).collect()
    }

    /// What is not as it was when it was made: one line each.
    pub fn moved(&self, prepared: &PreparedRun, world: &World, now: &Plan) -> Vec<String> {
        let pins = match Pins::of(prepared, world, now) {
            Ok(pins) => pins,
            Err(error) => return vec![format!("a file that it was made from cannot be read: {error}")],
        };
        let mut lines = Vec::new();
        for (path, digest) in &self.pins.files {
            if pins.files.get(path) != Some(digest) {
                lines.push(format!("{} has changed", path.display()));
            }
        }
        for (host, was) in &self.pins.machines {
            lines.extend(pins.machines.get(host).and_then(|is| moved_machine(host, was, is)));
        }
        let hosts = |plan: &Plan| plan.excluded.keys().cloned().collect::<Vec<_>>();
        let (out, now_out) = (hosts(&self.plan), hosts(now));
        lines
            .extend(out.iter().filter(|host| !now_out.contains(host)).map(|host| format!("{host} can be reached now")));
        let gone = now_out.iter().filter(|host| !out.contains(host));
        lines.extend(gone.map(|host| format!("{host} cannot be reached any more")));
        let pairs = self.plan.tasks().zip(now.tasks());
        lines.extend(pairs.filter_map(|((step, was), (_, is))| moved_task(&step.id, was, is)));
        lines
    }
}

/// An inventory as it was given: a path, `ssh:` or `ssh:FILE`.
fn hosts_from(folder: &Path, given: &Path) -> PathBuf {
    match given.to_str().and_then(|text| text.strip_prefix("ssh:")) {
        Some("") => given.to_owned(),
        Some(file) => PathBuf::from(format!("ssh:{}", folder.join(file).display())),
        None => folder.join(given),
    }
}

fn moved_machine(host: &HostName, was: &MachinePin, is: &MachinePin) -> Option<String> {
    Some(match () {
        () if was.id != is.id => format!("{host} is another machine now"),
        () if was.boot != is.boot => format!("{host} was booted again since"),
        () if was.user != is.user => format!("{host}: we are {} there now, not {}", is.user, was.user),
        () => return None,
    })
}

fn moved_task(step: &StepId, was: &PlannedTask, is: &PlannedTask) -> Option<String> {
    let name = format!("{step}@{}", was.host);
    let (Some(before), Some(now)) = (&was.verdict, &is.verdict) else { return None };
    if word(before) != word(now) {
        return Some(format!("{name}: it was `{}`, now it is `{}`", word(before), word(now)));
    }
    if was.parameters != is.parameters || was.command != is.command {
        return Some(format!("{name}: it would be done with other parameters"));
    }
    (!is_same(before, now)).then(|| format!("{name}: it would change something else"))
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
        (was, is) => word(was) == word(is),
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
