//! A host over which files do not come whole; all else is the real one.

use async_trait::async_trait;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use surefoot_engine::model::{Fault, HostName};
use surefoot_engine::world::{ActId, Host, Incoming, Output, Script, Sink, Tunnel};
use tokio::io::AsyncReadExt;

pub struct Damaging(Arc<dyn Host>);

impl Damaging {
    pub fn over(host: Arc<dyn Host>) -> Arc<dyn Host> {
        Arc::new(Damaging(host))
    }
}

fn damage(path: &Path) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap();
}

#[async_trait]
impl Host for Damaging {
    fn name(&self) -> &HostName {
        self.0.name()
    }

    fn address(&self) -> &str {
        self.0.address()
    }

    fn run_dir(&self) -> &str {
        self.0.run_dir()
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.0.probe(script).await
    }

    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        self.0.act(id, script, sink).await
    }

    async fn put(&self, from: &Path, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        let damaged = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(from, damaged.path()).unwrap();
        damage(damaged.path());
        self.0.put(damaged.path(), to, user, sink).await
    }

    async fn get(&self, from: &str, to: &Path, user: Option<&str>, sink: &dyn Sink) -> Result<(), Fault> {
        self.0.get(from, to, user, sink).await?;
        damage(to);
        Ok(())
    }

    async fn open(&self, from: &str, user: Option<&str>) -> Result<Incoming, Fault> {
        self.0.open(from, user).await
    }

    async fn write(&self, from: Incoming, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        let Incoming { name, size, bytes } = from;
        let damaged = Incoming { name, size: size + 1, bytes: Box::new(bytes.chain(&b"x"[..])) };
        self.0.write(damaged, to, user, sink).await
    }

    async fn attach(&self, id: &ActId, user: Option<&str>, sink: &dyn Sink) -> Result<Option<Output>, Fault> {
        self.0.attach(id, user, sink).await
    }

    async fn kill(&self, id: &ActId, user: Option<&str>) -> Result<(), Fault> {
        self.0.kill(id, user).await
    }

    async fn dial(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault> {
        self.0.dial(address).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
