//! A host that is not there: it answers every script as it is told, and has no files.

use crate::model::{Fault, HostName, Stream};
use crate::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel};
use async_trait::async_trait;
use std::path::Path;

/// Where a test says that the run's folder is.
pub(super) const RUN_DIR: &str = "/run/surefoot/test";

pub(super) struct ScriptedHost {
    pub name: HostName,
    pub address: String,
    /// How what only looks ends.
    pub look: Output,
    /// How what acts ends.
    pub act: Result<Output, Fault>,
}

impl ScriptedHost {
    /// One that nothing is asked of.
    pub fn silent(name: HostName, address: String) -> Self {
        ScriptedHost { name, address, look: Output::default(), act: Ok(Output::default()) }
    }

    fn without<T>(&self, what: &str) -> Result<T, Fault> {
        Err(Fault::value(format!("{} is a host of a test, and has no {what}", self.name)))
    }
}

#[async_trait]
impl Host for ScriptedHost {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn run_dir(&self) -> &str {
        RUN_DIR
    }

    async fn probe(&self, _: Script) -> Result<Output, Fault> {
        Ok(self.look.clone())
    }

    async fn act(&self, _: &ActId, _: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        if let Ok(output) = &self.act {
            sink.output(Stream::Out, &output.stdout);
            sink.output(Stream::Err, &output.stderr);
        }
        self.act.clone()
    }

    async fn attach(&self, _: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        Ok(None)
    }

    async fn kill(&self, _: &ActId, _: Option<&str>) -> Result<(), Fault> {
        Ok(())
    }

    async fn put(&self, _: &Path, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        self.without("files")
    }

    async fn get(&self, _: &str, _: &Path, _: Option<&str>, _: &dyn Sink) -> Result<(), Fault> {
        self.without("files")
    }

    async fn open(&self, _: &str, _: Option<&str>) -> Result<Incoming, Fault> {
        self.without("files")
    }

    async fn write(&self, _: Incoming, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        self.without("files")
    }

    async fn dial(&self, _: &str) -> Result<Box<dyn Tunnel>, Fault> {
        self.without("ports")
    }

    async fn close(&self) {}
}
