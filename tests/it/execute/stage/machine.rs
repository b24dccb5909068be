//! A machine that does as its script's words say.

use async_trait::async_trait;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use surefoot_engine::model::*;
use surefoot_engine::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a machine was asked, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub host: HostName,
    pub words: String,
    /// Milliseconds since the run began.
    pub began: u64,
    /// None where it did not end by itself.
    pub ended: Option<u64>,
}

/// A machine. Its scripts are words: `sleep MS`, `print TEXT`, `fail N` (the first N calls), `exit CODE`, `lost`,
/// `there PATH` (waits for that), `hang`, `panic`, `deep`; the standard output is the last `say TEXT`.
pub(super) struct Machine {
    pub name: HostName,
    pub journal: PathBuf,
    pub start: Instant,
    pub calls: Arc<Mutex<Vec<Call>>>,
    pub scripts: Arc<Mutex<Vec<Script>>>,
    pub times: Mutex<HashMap<String, u32>>,
    /// Acts that were ended.
    pub killed: Mutex<HashMap<String, CancellationToken>>,
}

impl Machine {
    async fn play(&self, script: Script, sink: Option<&dyn Sink>) -> Result<Output, Fault> {
        let words = script.text.to_string();
        self.scripts.lock().unwrap().push(script);
        let now = || self.start.elapsed().as_millis() as u64;
        let index = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { host: self.name.clone(), words: words.clone(), began: now(), ended: None });
            calls.len() - 1
        };
        let result = self.words(&words, sink).await;
        self.calls.lock().unwrap()[index].ended = Some(now());
        result
    }

    async fn words(&self, words: &str, sink: Option<&dyn Sink>) -> Result<Output, Fault> {
        let time = {
            let mut times = self.times.lock().unwrap();
            let time = times.entry(words.to_owned()).or_default();
            *time += 1;
            *time
        };
        let mut output = Output::default();
        let mut words = words.split(' ');
        while let Some(word) = words.next() {
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            match word {
                "sleep" => tokio::time::sleep(Duration::from_millis(number())).await,
                "fail" => output.code = i32::from(u64::from(time) <= number()),
                "exit" => output.code = number() as i32,
                "say" => output.stdout = words.next().unwrap().to_owned().into(),
                "time" => output.stdout = time.to_string().into(),
                "print" => {
                    let text = words.next().unwrap();
                    sink.unwrap().output(Stream::Out, text.as_bytes());
                    sink.unwrap().progress(1, Some(2));
                }
                "lost" => return Err(Fault::new(FaultKind::Lost, "the link broke")),
                "there" => {
                    let path = words.next().unwrap();
                    while !Path::new(path).exists() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                "hang" => std::future::pending().await,
                "panic" => panic!("as it was told"),
                other => output.stderr = other.to_owned().into(),
            }
        }
        Ok(output)
    }

    /// What the journal on disk says of a step's task on this machine.
    fn on_disk(&self, step: &str) -> TaskState {
        let state = surefoot_engine::journal::replay(&self.journal, |_, _| {}).unwrap().state;
        state.of_step(step).find(|(name, _)| name.host == self.name).map(|(_, task)| task.state.clone()).unwrap()
    }
}

#[async_trait]
impl Host for Machine {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn address(&self) -> &str {
        "192.0.2.1"
    }

    fn run_dir(&self) -> &str {
        "/run/it"
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.play(script, None).await
    }

    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        let step = id.as_str().split(['.', '+']).next().unwrap();
        assert!(matches!(self.on_disk(step), TaskState::Changing { .. }), "{} is not announced", id.as_str());
        let killed = self.killed.lock().unwrap().entry(id.as_str().to_owned()).or_default().clone();
        tokio::select! {
            output = self.play(script, Some(sink)) => output,
            () = killed.cancelled() => Err(Fault::new(FaultKind::Ended, "it was ended")),
        }
    }

    async fn attach(&self, _: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        unreachable!("only a resumed run takes acts up")
    }

    async fn kill(&self, id: &ActId, _: Option<&str>) -> Result<(), Fault> {
        self.killed.lock().unwrap().entry(id.as_str().to_owned()).or_default().cancel();
        Ok(())
    }

    async fn put(&self, _: &Path, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no action here sends files")
    }

    async fn get(&self, _: &str, _: &Path, _: Option<&str>, _: &dyn Sink) -> Result<(), Fault> {
        unreachable!("no action here fetches files")
    }

    async fn open(&self, _: &str, _: Option<&str>) -> Result<Incoming, Fault> {
        unreachable!("no action here reads files")
    }

    async fn write(&self, _: Incoming, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no action here writes files")
    }

    async fn dial(&self, _: &str) -> Result<Box<dyn Tunnel>, Fault> {
        unreachable!("no action here dials")
    }

    async fn close(&self) {}
}
