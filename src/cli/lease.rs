//! Holding the hosts of a run before anything is done there, and saying who has them where they cannot be held.

use super::exit::Exit;
use crate::compile::Program;
use crate::execute::{Leases, Terms};
use crate::model::{FaultKind, HostName, RunId};
use crate::report::words;
use crate::world::{Claim, Engine, World, holder};
use indexmap::IndexMap;
use std::collections::HashSet;
use std::time::Duration;

/// On whose terms hosts are held.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whole seconds.
    pub ttl: Duration,
    pub take_over: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Wish { ttl: Duration::from_secs(30), take_over: false }
    }
}

/// `--lease`: whole seconds, and long enough that a renewal can come late.
pub fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = text.parse::<crate::action::Period>()?.0;
    match (ttl.subsec_nanos(), ttl.as_secs()) {
        (0, 2..=86_400) => Ok(ttl),
        _ => Err("a lease lasts from 2s to 1d, in whole seconds".to_owned()),
    }
}

/// `--older`: any length of time.
pub fn age(text: &str) -> Result<Duration, String> {
    text.parse::<crate::action::Period>().map(|period| period.0)
}

/// Every host of a run, held; or an exit that was explained, and nothing is.
pub async fn hold(world: &World, program: &Program, run: &RunId, operator: &str, wish: &Wish) -> Result<Leases, Exit> {
    let (run, holder) = (run.clone(), operator.to_owned());
    let claim = Claim { run, holder, since: jiff::Timestamp::now(), engine: Engine::this() };
    let terms = Terms { claim, ttl: wish.ttl, take_over: wish.take_over, root_on: root_on(program) };
    Leases::take(world, &terms).await.map_err(|faults| {
        faults.iter().for_each(|fault| anstream::eprint!("{}", words::fault(fault, "")));
        let exit = if faults.iter().any(|fault| fault.kind == FaultKind::Held) { Exit::Held } else { Exit::Failed };
        exit.because("nothing was started: not every host of the run can be held")
    })
}

/// Who has the hosts of a run now. Only looks.
pub async fn held(world: &World, program: &Program) -> IndexMap<HostName, String> {
    let root_on = root_on(program);
    let hosts = world.hosts().filter(|host| !host.name().is_controller());
    let looks = hosts.map(|host| async {
        let held = holder(host.as_ref(), root_on.contains(host.name())).await?;
        Some((host.name().clone(), held.shown()))
    });
    futures_util::future::join_all(looks).await.into_iter().flatten().collect()
}

/// Where a step becomes root: its lease is root's there, whoever logs in.
fn root_on(program: &Program) -> HashSet<HostName> {
    let becomes_root = |step: &crate::check::Step| {
        let user = step.user.as_ref().and_then(|user| user.as_value()).and_then(|user| user.as_str());
        user == Some("root")
    };
    let tasks = program.tasks.iter().filter(|task| {
        let step = &program.steps[task.step as usize];
        becomes_root(step) || step.undo.iter().any(becomes_root)
    });
    tasks.map(|task| task.name.host.clone()).collect()
}
