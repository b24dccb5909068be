//! A world in which nothing can be changed: what a plan looks at.
//!
//! The gate is here, not in the actions: whatever they try, a host that is only looked at refuses every act. What goes
//! past a host through its tunnels is refused by the two clients that speak there, by [`Host::looks_only`].

use super::host::{Host, Incoming, Sink, Tunnel};
use super::hosts::World;
use super::lease::{Acquired, Claim, LeaseStatus, Takeover};
use super::script::{ActId, Output, Script};
use crate::model::{Fault, FaultKind, HostName, Stream};
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every host of a world, to be looked at only.
pub struct ReadOnly {
    world: Arc<World>,
    by_word: World,
}

impl ReadOnly {
    pub fn of(world: &World) -> ReadOnly {
        let looked_at = |by_word: bool| {
            let mut looked_at = world.clone();
            for host in looked_at.hosts.values_mut() {
                *host = Arc::new(LookedAt { host: host.clone(), by_word });
            }
            looked_at
        };
        ReadOnly { world: Arc::new(looked_at(false)), by_word: looked_at(true) }
    }

    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// A host for a step whose author gives their word that it changes nothing: what it would run as an act is run as a
    /// probe, of which nothing is kept there.
    pub fn by_word(&self, name: &HostName) -> Option<&Arc<dyn Host>> {
        self.by_word.host(name)
    }
}

struct LookedAt {
    host: Arc<dyn Host>,
    by_word: bool,
}

impl LookedAt {
    fn refusal(&self, what: &str) -> Fault {
        Fault::new(FaultKind::Refused, format!("{}: {what} is refused: a plan changes nothing", self.name()))
    }
}

#[async_trait]
impl Host for LookedAt {
    fn name(&self) -> &HostName {
        self.host.name()
    }

    fn address(&self) -> &str {
        self.host.address()
    }

    fn run_dir(&self) -> &str {
        self.host.run_dir()
    }

    fn looks_only(&self) -> bool {
        !self.by_word
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.host.probe(script).await
    }

    async fn act(&self, _: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        if !self.by_word {
            return Err(self.refusal("an act"));
        }
        let output = self.host.probe(script).await?;
        sink.output(Stream::Out, &output.stdout);
        sink.output(Stream::Err, &output.stderr);
        Ok(output)
    }

    async fn attach(&self, _: &ActId, _: Option<&str>, _: &dyn Sink) -> Result<Option<Output>, Fault> {
        Ok(None)
    }

    async fn kill(&self, _: &ActId, _: Option<&str>) -> Result<(), Fault> {
        Err(self.refusal("ending an act"))
    }

    async fn put(&self, _: &Path, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        Err(self.refusal("writing a file"))
    }

    async fn get(&self, _: &str, _: &Path, _: Option<&str>, _: &dyn Sink) -> Result<(), Fault> {
        Err(self.refusal("writing a file of the controller"))
    }

    async fn open(&self, from: &str, user: Option<&str>) -> Result<Incoming, Fault> {
        self.host.open(from, user).await
    }

    async fn write(&self, _: Incoming, _: &str, _: Option<&str>, _: &dyn Sink) -> Result<String, Fault> {
        Err(self.refusal("writing a file"))
    }

    async fn dial(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault> {
        self.host.dial(address).await
    }

    async fn hold(&self, _: &Claim, _: Duration, _: Option<Takeover>) -> Result<Acquired, Fault> {
        Err(self.refusal("taking the lease"))
    }

    async fn renew(&self) -> Result<(), Fault> {
        Err(self.refusal("renewing the lease"))
    }

    async fn release(&self) -> Result<(), Fault> {
        Err(self.refusal("giving the lease back"))
    }

    fn standing(&self) -> LeaseStatus {
        self.host.standing()
    }

    async fn close(&self) {
        self.host.close().await;
    }
}
