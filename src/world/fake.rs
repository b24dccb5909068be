//! A host with scripted answers, for an action's cases and for schedules. Runs nothing; time is tokio's, so a
//! paused clock passes its delays at once.
//!
//! ```
//! use surefoot::world::fake::{FakeHost, said};
//! let host = FakeHost::new("etcd-1").on("is-active", said("active")).on("systemctl stop", said(""));
//! ```

use super::{ActId, Host, Incoming, Output, Script, Sink, Stream, Tunnel};
use crate::model::{Fault, FaultKind, HostName};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// A script that ends with code 0 and this standard output.
pub fn said(stdout: impl Into<Bytes>) -> Answer {
    Answer::from(Output { stdout: stdout.into(), ..Output::default() })
}

/// A script that fails with this code and error output.
pub fn failed(code: i32, stderr: impl Into<Bytes>) -> Answer {
    Answer::from(Output { code, stderr: stderr.into(), ..Output::default() })
}

/// What a script that matches comes to.
#[derive(Clone, Debug)]
pub struct Answer {
    result: Result<Output, Fault>,
    after: Duration,
}

impl Answer {
    /// It takes this long.
    pub fn after(self, after: Duration) -> Self {
        Answer { after, ..self }
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Answer { result: Ok(output), after: Duration::ZERO }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Answer { result: Err(fault), after: Duration::ZERO }
    }
}

/// One thing that was asked of the host, in the order of asking.
#[derive(Clone, Debug)]
pub enum Call {
    Probe(Script),
    Act(ActId, Script),
    Put { to: String, bytes: Vec<u8>, user: Option<String> },
    Get { from: String, user: Option<String> },
    Kill(ActId),
}

struct Rule {
    pattern: String,
    answer: Answer,
    /// How often it still answers.
    times: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<Call>,
    /// Contents that `put` wrote and `get` reads.
    files: HashMap<String, Vec<u8>>,
    /// What acts that have ended came to: they run once.
    done: HashMap<ActId, Result<Output, Fault>>,
}

pub struct FakeHost {
    name: HostName,
    state: Mutex<State>,
}

impl FakeHost {
    pub fn new(name: &str) -> Self {
        FakeHost { name: name.into(), state: Mutex::default() }
    }

    /// Answers every script whose text and arguments, joined by spaces, hold `pattern`. Of several rules that
    /// fit, the one that was added first answers.
    pub fn on(self, pattern: &str, answer: impl Into<Answer>) -> Self {
        self.add(pattern, answer.into(), usize::MAX)
    }

    /// The same, but once only; then later rules have their turn.
    pub fn once(self, pattern: &str, answer: impl Into<Answer>) -> Self {
        self.add(pattern, answer.into(), 1)
    }

    /// A file that is there from the beginning, for `get`.
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.state().files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Everything that was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The acts that ran so far, each as its text and arguments joined by spaces.
    pub fn acted(&self) -> Vec<String> {
        let calls = self.calls();
        calls
            .iter()
            .filter_map(|call| if let Call::Act(_, script) = call { Some(line(script)) } else { None })
            .collect()
    }

    /// What `put` wrote there.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.state().files.get(path).cloned()
    }

    fn add(self, pattern: &str, answer: Answer, times: usize) -> Self {
        self.state().rules.push(Rule { pattern: pattern.to_owned(), answer, times });
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is held")
    }

    /// The answer to a script. One that no rule foresaw fails loudly, so that a case must name all it runs.
    fn answer(&self, script: &Script) -> Answer {
        let line = line(script);
        let mut state = self.state();
        let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && line.contains(&rule.pattern));
        match rule {
            Some(rule) => {
                rule.times -= 1;
                rule.answer.clone()
            }
            None => Fault::controller(format!("no answer was scripted on {} for: {line}", self.name)).into(),
        }
    }

    fn written(&self, bytes: Vec<u8>, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        let mut state = self.state();
        state.calls.push(Call::Put { to: to.to_owned(), bytes: bytes.clone(), user: user.map(str::to_owned) });
        if state.files.contains_key(to) {
            return Err(Fault::refused(format!("{}: {to} is there already", self.name)));
        }
        sink.progress(bytes.len() as u64, Some(bytes.len() as u64));
        let sum = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        state.files.insert(to.to_owned(), bytes);
        Ok(sum)
    }

    async fn reply(&self, script: &Script) -> Result<Output, Fault> {
        let Answer { result, after } = self.answer(script);
        match script.timeout {
            Some(limit) if limit < after => {
                tokio::time::sleep(limit).await;
                Err(Fault::new(FaultKind::Timeout, format!("{}: it had not ended after {limit:?}", self.name)))
            }
            _ => {
                tokio::time::sleep(after).await;
                result
            }
        }
    }
}

fn line(script: &Script) -> String {
    let words = std::iter::once(script.text.as_ref()).chain(script.args.iter().map(String::as_str));
    words.collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Host for FakeHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn address(&self) -> &str {
        self.name.as_str()
    }

    fn run_dir(&self) -> &str {
        "/run-dir"
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.state().calls.push(Call::Probe(script.clone()));
        self.reply(&script).await
    }

    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        if let Some(output) = self.attach(id, script.user.as_deref(), sink).await? {
            return Ok(output);
        }
        self.state().calls.push(Call::Act(id.clone(), script.clone()));
        let result = self.reply(&script).await;
        if let Ok(output) = &result {
            sink.output(Stream::Out, &output.stdout);
            sink.output(Stream::Err, &output.stderr);
        }
        self.state().done.insert(id.clone(), result.clone());
        result
    }

    async fn attach(&self, id: &ActId, _: Option<&str>, sink: &dyn Sink) -> Result<Option<Output>, Fault> {
        let done = self.state().done.get(id).cloned().transpose()?;
        if let Some(output) = &done {
            sink.output(Stream::Out, &output.stdout);
            sink.output(Stream::Err, &output.stderr);
        }
        Ok(done)
    }

    async fn kill(&self, id: &ActId, _: Option<&str>) -> Result<(), Fault> {
        self.state().calls.push(Call::Kill(id.clone()));
        Ok(())
    }

    async fn put(&self, from: &Path, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        let bytes = std::fs::read(from).map_err(|error| Fault::missing(format!("{}: {error}", from.display())))?;
        self.written(bytes, to, user, sink)
    }

    async fn get(&self, from: &str, to: &Path, user: Option<&str>, sink: &dyn Sink) -> Result<(), Fault> {
        let bytes = self.content(from).ok_or_else(|| Fault::missing(format!("{}: {from} is not there", self.name)))?;
        self.state().calls.push(Call::Get { from: from.to_owned(), user: user.map(str::to_owned) });
        sink.progress(bytes.len() as u64, Some(bytes.len() as u64));
        std::fs::write(to, bytes).map_err(|error| Fault::controller(format!("{}: {error}", to.display())))
    }

    async fn open(&self, from: &str, user: Option<&str>) -> Result<Incoming, Fault> {
        let bytes = self.content(from).ok_or_else(|| Fault::missing(format!("{}: {from} is not there", self.name)))?;
        self.state().calls.push(Call::Get { from: from.to_owned(), user: user.map(str::to_owned) });
        let name = format!("{}: {from}", self.name);
        Ok(Incoming { name, size: bytes.len() as u64, bytes: Box::new(std::io::Cursor::new(bytes)) })
    }

    async fn write(&self, mut from: Incoming, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        let mut bytes = Vec::new();
        let read = from.bytes.read_to_end(&mut bytes).await;
        read.map_err(|error| Fault::controller(format!("{}: {error}", from.name)))?;
        self.written(bytes, to, user, sink)
    }

    async fn dial(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault> {
        Err(Fault::missing(format!("{}: nothing answers at {address} there", self.name)))
    }

    async fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Silent;

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_its_time_and_an_act_runs_once() {
        let host = FakeHost::new("a").on("stop", said("ok").after(Duration::from_secs(3600)));
        let id = ActId::new("stop", None, 1, 0);
        for _ in 0..2 {
            let output = host.act(&id, Script::exec(["stop", "x"]), &Silent).await.expect("an answer");
            assert_eq!(output.text(), "ok");
        }
        assert_eq!(host.acted(), ["exec \"$@\" stop x"]);
    }

    #[tokio::test]
    async fn rules_answer_in_order_and_what_none_foresaw_fails() {
        let host = FakeHost::new("a").once("is-active", failed(3, "")).on("is-active", said("active"));
        let code = async || host.probe(Script::new("systemctl is-active etcd")).await.map(|output| output.code);
        assert_eq!((code().await, code().await, code().await), (Ok(3), Ok(0), Ok(0)));
        assert!(host.probe(Script::new("rm")).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_after_the_limit_is_a_timeout() {
        let host = FakeHost::new("a").on("sleep", said("").after(Duration::from_secs(9)));
        let script = Script::new("sleep 9").timeout(Some(Duration::from_secs(1)));
        assert_eq!(host.probe(script).await.expect_err("too late").kind, FaultKind::Timeout);
    }
}
