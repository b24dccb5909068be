//! A host that does at once, and without doing anything, whatever a script says: what is left is the engine.

use async_trait::async_trait;
use std::path::Path;
use surefoot_engine::model::{Fault, HostName};
use surefoot_engine::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel};

pub struct InstantHost(pub HostName);

#[async_trait]
impl Host for InstantHost {
    fn name(&self) -> &HostName {
        &self.0
    }

    fn address(&self) -> &str {
        self.0.as_str()
    }

    fn run_dir(&self) -> &str {
        "/run-dir"
    }

    async fn probe(&self, _: Script) -> Result<Output, Fault> {
        Ok(Output::default())
    }

    async fn act(&self, _: &ActId, _: Script, _: &dyn Sink) -> Result<Output, Fault> {
        Ok(Output::default())
    }

    async fn attach(&self, _: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        Ok(None)
    }

    async fn kill(&self, _: &ActId, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    async fn put(&self, _: &Path, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no step here sends files")
    }

    async fn get(&self, _: &str, _: &Path, _: Option<&str>, _: &dyn Sink) -> Result<(), Fault> {
        unreachable!("no step here fetches files")
    }

    async fn open(&self, _: &str, _: Option<&str>) -> Result<Incoming, Fault> {
        unreachable!("no step here reads files")
    }

    async fn write(&self, _: Incoming, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        unreachable!("no step here writes files")
    }

    async fn dial(&self, _: &str) -> Result<Box<dyn Tunnel>, Fault> {
        unreachable!("no step here dials")
    }

    async fn close(&self) {}
}
