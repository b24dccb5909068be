//! One action at a time on a real host, as the engine calls it: from its parameters, through its erased kind.

use serde_json::Value as Json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surefoot::cli::ACTIONS;
use surefoot_engine::action::{CommandSettings, Cx, Erased, ErasedChange, ErasedSeen, Question};
use surefoot_engine::model::{Fault, HostName, Outputs, RunId, Stream, TaskName};
use surefoot_engine::world::{Host, LocalHost, Sink, World};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A run with one host, and a folder to work in.
pub struct Bench {
    pub host: Arc<dyn Host>,
    pub run: RunId,
    pub settings: CommandSettings,
    timeout: Option<Duration>,
    pub sink: Recorder,
    folder: TempDir,
    world: World,
    questions: mpsc::Sender<Question>,
    asked: Option<mpsc::Receiver<Question>>,
    attempts: AtomicU32,
}

/// What a running act said.
#[derive(Default)]
pub struct Recorder {
    pub output: Mutex<Vec<u8>>,
    /// Bytes moved, as last told.
    pub done: AtomicU64,
}

impl Sink for Recorder {
    fn output(&self, _: Stream, bytes: &[u8]) {
        self.output.lock().unwrap().extend_from_slice(bytes);
    }

    fn progress(&self, done: u64, _: Option<u64>) {
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Bench {
    /// On this machine.
    pub async fn local() -> Bench {
        let folder = tempfile::Builder::new().prefix("surefoot-test-").tempdir().unwrap();
        let run = RunId::from("20260101-000000-abcd");
        let run_dir = folder.path().join("run");
        let host = LocalHost::open(run_dir.to_str().unwrap(), &run).await.unwrap();
        Bench::on(host, run, folder)
    }

    pub fn on(host: Arc<dyn Host>, run: RunId, folder: TempDir) -> Bench {
        let (questions, asked) = mpsc::channel(4);
        Bench {
            host,
            run,
            settings: CommandSettings::default(),
            timeout: Some(Duration::from_secs(30)),
            sink: Recorder::default(),
            folder,
            world: World::default(),
            questions,
            asked: Some(asked),
            attempts: AtomicU32::new(0),
        }
    }

    /// With this much time for each attempt.
    pub fn within(self, timeout: Duration) -> Bench {
        Bench { timeout: Some(timeout), ..self }
    }

    /// Each question is answered with this.
    pub fn answer(&mut self, by: Option<&'static str>) {
        let mut asked = self.asked.take().unwrap();
        tokio::spawn(async move {
            while let Some(question) = asked.recv().await {
                let _ = question.answer.send(by.map(str::to_owned));
            }
        });
    }

    /// A path in the folder of this bench.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for parameters.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A step, named after its kind.
    pub fn step<'a>(&'a self, kind: &'a str, parameters: Json) -> Step<'a> {
        let kind = ACTIONS.find(kind).unwrap_or_else(|| panic!("no kind {kind}"));
        let action = (kind.decode)(parameters).unwrap();
        Step { bench: self, name: kind.name.replace('_', "-"), action }
    }
}

pub struct Step<'a> {
    bench: &'a Bench,
    name: String,
    action: Box<dyn Erased>,
}

impl Step<'_> {
    async fn attempt<T>(&self, call: impl AsyncFnOnce(&Cx<'_>) -> T) -> T {
        let number = self.bench.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        self.attempt_no(number, false, call).await
    }

    async fn attempt_no<T>(&self, attempt: u32, taken_up: bool, call: impl AsyncFnOnce(&Cx<'_>) -> T) -> T {
        let bench = self.bench;
        let cx = Cx {
            task: &TaskName { step: self.name.as_str().into(), host: HostName::controller(), item: None },
            attempt,
            run: &bench.run,
            host: &bench.host,
            world: &bench.world,
            settings: &bench.settings,
            deadline: bench.timeout.map(|timeout| Instant::now() + timeout),
            sink: &bench.sink,
            folder: bench.folder.path(),
            questions: &bench.questions,
            acts: AtomicU32::new(0),
            taken_up,
            set_aside: false,
            end: CancellationToken::new(),
        };
        call(&cx).await
    }

    pub async fn inspect(&self) -> Result<ErasedSeen, Fault> {
        self.attempt(async |cx| self.action.inspect(cx).await).await
    }

    /// What it would change.
    pub async fn change(&self) -> ErasedChange {
        match self.inspect().await.unwrap() {
            ErasedSeen::Change(change) => change,
            ErasedSeen::Clean(out) => panic!("nothing to do: {out:?}"),
        }
    }

    pub async fn is_clean(&self) -> bool {
        matches!(self.inspect().await.unwrap(), ErasedSeen::Clean(_))
    }

    pub async fn apply(&self, before: &Json) -> Result<Outputs, Fault> {
        self.attempt(async |cx| self.action.apply(cx, before).await).await
    }

    /// The last attempt once more, as an engine that takes it up from another.
    pub async fn apply_again(&self) -> Result<Outputs, Fault> {
        let number = self.bench.attempts.load(Ordering::Relaxed);
        self.attempt_no(number, true, async |cx| self.action.apply(cx, &Json::Null).await).await
    }

    pub async fn undo(&self, before: &Json) -> Result<(), Fault> {
        self.attempt(async |cx| self.action.undo(cx, before).await).await
    }

    /// Looks and does it, where there is something to do; what it saw before, and what it gave.
    pub async fn run(&self) -> Result<(Json, Outputs), Fault> {
        match self.inspect().await? {
            ErasedSeen::Change(ErasedChange { before, .. }) => self.apply(&before).await.map(|out| (before, out)),
            ErasedSeen::Clean(out) => panic!("nothing to do: {out:?}"),
        }
    }

    /// The same; an error where there is nothing to do.
    pub async fn run_if_any(&self) -> Result<(Json, Outputs), Fault> {
        match self.inspect().await? {
            ErasedSeen::Change(ErasedChange { before, .. }) => self.apply(&before).await.map(|out| (before, out)),
            ErasedSeen::Clean(_) => Err(Fault::refused("nothing to do")),
        }
    }

    /// Does it without looking: a read.
    pub async fn read(&self) -> Result<Outputs, Fault> {
        self.apply(&Json::Null).await
    }
}
