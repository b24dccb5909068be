//! Plays a case: the engine itself, stage after stage, in paused time.

use super::action::actions;
use super::fixtures::Fixtures;
use super::host::ScriptedHost;
use super::judge::{Judge, Mismatch};
use super::suite::{Act, ExpectedOutcome, TestCase, TestStage};
use super::trace::{Story, Witness};
use super::validate::checkpoint;
use crate::action::Question;
use crate::compile::Program;
use crate::execute::rollback::{self, RollbackTarget};
use crate::execute::{self, Goal, Leases, Limits, RecordError, Run, RunOrigin, Signals};
use crate::model::{Fault, FaultKind, HostName, RunId, RunState, TaskName};
use crate::secret::{Keyring, Secret};
use crate::world::World;
use indexmap::IndexMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;

/// A case that can be played.
pub struct PreparedCase {
    pub case: TestCase,
    pub program: Arc<Program>,
    /// What the runbook's secrets are in this case: made up.
    pub secrets: IndexMap<String, Secret>,
}

/// A case that was played.
#[derive(Debug)]
pub struct Played {
    pub name: String,
    /// Of the first stage that has any; none: it passes. What comes after that stage is not played.
    pub mismatches: Vec<Mismatch>,
    /// What failed in that stage.
    pub faults: Vec<(TaskName, Fault)>,
}

/// Plays a case on a runtime of its own.
pub fn play(prepared: &PreparedCase) -> Result<Played, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let outputs = tempfile::tempdir()?;
    let stage = Theatre::new(prepared, outputs.path().to_owned());
    Ok(runtime.block_on(stage.play(prepared))?)
}

struct Theatre {
    program: Arc<Program>,
    scene: Arc<Fixtures>,
    absent: Vec<HostName>,
    state: Arc<RwLock<RunState>>,
    secrets: Arc<Keyring>,
    /// Where what tasks print is kept for as long as the case is played.
    outputs: PathBuf,
}

impl Theatre {
    fn new(prepared: &PreparedCase, outputs: PathBuf) -> Theatre {
        let given = |name: &String| prepared.secrets.get(name).cloned();
        let names = prepared.program.secrets.keys();
        let secrets = names.map(|name| (name.clone(), given(name).unwrap_or_else(|| made_up(name))));
        let scene = Fixtures::default();
        scene.add(&prepared.case.answers);
        Theatre {
            program: prepared.program.clone(),
            scene: Arc::new(scene),
            absent: prepared.case.unreachable.iter().map(|(host, _)| host.clone()).collect(),
            state: Arc::default(),
            secrets: Arc::new(Keyring::made_up(secrets)),
            outputs,
        }
    }

    async fn play(&self, prepared: &PreparedCase) -> Result<Played, RecordError> {
        let name = self.secrets.masks.text(prepared.case.name.clone());
        let mut played = Played { name, mismatches: Vec::new(), faults: Vec::new() };
        for stage in &prepared.case.stages {
            self.scene.add(&stage.answers);
            let story = self.stage(stage).await?;
            let state = self.state();
            let masks = &self.secrets.masks;
            let (program, scene, absent) = (&*self.program, &*self.scene, &*self.absent);
            let judge = Judge { program, story: &story, state: &state, scene, absent, masks };
            played.mismatches = judge.mismatches(&stage.expected);
            if !played.mismatches.is_empty() {
                played.faults = story.failed.into_iter().collect();
                break;
            }
        }
        Ok(played)
    }

    async fn stage(&self, stage: &TestStage) -> Result<Story, RecordError> {
        let witness = Arc::new(Witness::default());
        let ending = match self.goal(&stage.act) {
            Some(goal) => ExpectedOutcome::Run(self.engine(goal, witness.clone()).await?),
            None => ExpectedOutcome::Refused,
        };
        Ok(Story::of(&witness.events(), ending, &self.program))
    }

    /// What the command of the operator would have the engine do; none where it would refuse.
    fn goal(&self, act: &Act) -> Option<Goal> {
        let to = match act {
            Act::Run => return Some(Goal::Start),
            Act::Resume => return Some(Goal::Resume { drifted: false }),
            Act::Rollback(None) => RollbackTarget::Start,
            Act::Rollback(Some((name, _))) => {
                let step = &checkpoint(&self.program, name)?.id;
                if !rollback::has_passed(&self.state(), step) {
                    return None;
                }
                RollbackTarget::Checkpoint(step.clone())
            }
        };
        let way = rollback::plan(&self.program, &self.state(), &to, false);
        way.wall.is_none().then_some(Goal::Back { to, force: false, set_aside: false })
    }

    async fn engine(&self, goal: Goal, witness: Arc<Witness>) -> Result<crate::model::Outcome, RecordError> {
        let (questions, asked) = mpsc::channel(16);
        tokio::spawn(answer(asked, self.scene.clone()));
        execute::run(Run {
            origin: RunOrigin { run: RunId::from("test"), operator: "a test".into(), inputs: IndexMap::new() },
            goal,
            program: self.program.clone(),
            actions: actions(&self.program, &self.scene),
            world: Arc::new(self.world()),
            state: self.state.clone(),
            limits: Limits::default(),
            leases: Leases::default(),
            append: Box::new(|_| Ok(())),
            folder: self.outputs.clone(),
            outputs: self.outputs.clone(),
            observers: vec![witness],
            questions,
            signals: Signals::default(),
            secrets: self.secrets.clone(),
        })
        .await
    }

    fn world(&self) -> World {
        let mut world = World::default();
        for (name, record) in &self.program.hosts {
            if self.absent.contains(name) {
                world.exclude(name.clone(), Fault::new(FaultKind::Unreachable, format!("{name} is unreachable")));
                continue;
            }
            let address = record["address"].as_str().map_or_else(|| name.to_string(), str::to_owned);
            world.add(Arc::new(ScriptedHost::silent(name.clone(), address)));
        }
        world
    }

    fn state(&self) -> RunState {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The operator of a case.
async fn answer(mut asked: mpsc::Receiver<Question>, scene: Arc<Fixtures>) {
    while let Some(question) = asked.recv().await {
        let by = scene.approves(&question.task).then(|| "the test".to_owned());
        let _ = question.answer.send(by); // the task may have ended meanwhile
    }
}

/// A secret that the case does not say.
fn made_up(name: &str) -> Secret {
    Secret::new(format!("made-up-{name}"))
}
