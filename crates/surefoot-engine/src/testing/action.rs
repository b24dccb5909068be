//! What stands in for the action of a step: it finds and gives what the case says, and no host is touched.
//!
//! The parameters were rendered and accepted by the action itself. What touches no host runs as it is; a command runs,
//! on a host that answers for it. Of an `undo` only that it fails can be said; of a `reconcile` what it finds.

use super::fixtures::{Fixtures, fault};
use super::host::ScriptedHost;
use super::suite::{Reply, StubbedAnswer};
use crate::action::{Cx, Erased, ErasedChange, ErasedSeen, TestMode};
use crate::check::Step;
use crate::compile::Program;
use crate::execute::ActionFactory;
use crate::model::{Fault, FaultKind, Outputs, TaskName};
use crate::world::{Host, Output};
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::{Instant, sleep, sleep_until};

/// Makes the actions of a case.
pub(super) fn actions(program: &Arc<Program>, scene: &Arc<Fixtures>) -> ActionFactory {
    let (program, scene) = (program.clone(), scene.clone());
    Arc::new(move |task, step, args| {
        let part = part(&program, task, step);
        if part == StepRole::Own {
            scene.record_parameters(task, args.clone());
        }
        let real = (step.kind.decode)(args)?;
        Ok(match step.kind.tested {
            TestMode::Real | TestMode::Answered => real,
            tested => Box::new(StandIn {
                real,
                tested,
                part,
                owner: task.clone(),
                name: step.kind.name,
                scene: scene.clone(),
            }),
        })
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepRole {
    Own,
    Undo,
    Probe,
}

fn part(program: &Program, task: &TaskName, step: &Step) -> StepRole {
    let owner = program.steps.iter().find(|owner| owner.id == task.step);
    match owner.and_then(|owner| owner.reconcile.as_deref()) {
        _ if step.id == task.step => StepRole::Own,
        Some(probe) if probe.id == step.id => StepRole::Probe,
        _ => StepRole::Undo,
    }
}

struct StandIn {
    real: Box<dyn Erased>,
    tested: TestMode,
    part: StepRole,
    /// The task, also of a part of its undo.
    owner: TaskName,
    /// The action's.
    name: &'static str,
    scene: Arc<Fixtures>,
}

impl StandIn {
    async fn look(&self, cx: &Cx<'_>) -> Result<ErasedSeen, Fault> {
        let answer = self.scene.answer(&self.owner, cx.attempt);
        let clean = self.part == StepRole::Own && (answer.reply == Reply::Clean || self.scene.stands(&self.owner));
        if self.tested == TestMode::StubbedCommand {
            let host = self.host(cx, &answer, clean);
            return self.real.inspect(&on(cx, &host)).await;
        }
        match (&answer.reply, self.part) {
            _ if clean => Ok(ErasedSeen::Clean(answer.out)),
            (reply @ Reply::Refuses(_), StepRole::Own) => {
                Err(fault(reply, &self.owner.host).expect("a refusal is a fault"))
            }
            _ => Ok(ErasedSeen::Change(ErasedChange { summary: self.name.to_owned(), diff: None, before: Json::Null })),
        }
    }

    async fn act(&self, cx: &Cx<'_>, before: &Json) -> Result<Outputs, Fault> {
        let answer = self.scene.answer(&self.owner, cx.attempt);
        match self.part {
            StepRole::Own => self.own(cx, answer, before).await,
            StepRole::Undo => self.take_back(answer).map(|()| Outputs::new()),
            StepRole::Probe => self.probe(&answer),
        }
    }

    async fn own(&self, cx: &Cx<'_>, answer: StubbedAnswer, before: &Json) -> Result<Outputs, Fault> {
        if let Some(command) = self.real.command().filter(|_| self.tested == TestMode::StubbedCommand) {
            self.scene.sent(&self.owner, command);
        }
        pass(cx, &answer).await?;
        let out = match self.tested {
            TestMode::StubbedCommand => {
                let host = self.host(cx, &answer, false);
                self.real.apply(&on(cx, &host), before).await?
            }
            _ => match fault(&answer.reply, &self.owner.host) {
                Some(fault) => return Err(fault),
                None => answer.out,
            },
        };
        self.scene.set_standing(&self.owner, true);
        Ok(out)
    }

    fn take_back(&self, answer: StubbedAnswer) -> Result<(), Fault> {
        if let Some(why) = answer.undo_fails {
            return Err(Fault::new(FaultKind::Exit, why));
        }
        self.scene.set_standing(&self.owner, false);
        Ok(())
    }

    /// As a probe ends: 0 it took effect, 1 it did not. What stands is found.
    fn probe(&self, answer: &StubbedAnswer) -> Result<Outputs, Fault> {
        match answer.took_effect {
            _ if self.scene.stands(&self.owner) => Ok(Outputs::new()),
            Some(true) => {
                self.scene.set_standing(&self.owner, true);
                Ok(Outputs::new())
            }
            Some(false) => Err(Fault::new(FaultKind::Exit, "it did not take effect").code(1)),
            None => Err(Fault::missing("the test does not say whether it took effect")),
        }
    }

    /// The task's host, which answers for its command.
    fn host(&self, cx: &Cx<'_>, answer: &StubbedAnswer, clean: bool) -> Arc<dyn Host> {
        let printed = answer.output.clone().unwrap_or_default();
        let output = Output {
            code: printed.code,
            stdout: printed.stdout.into(),
            stderr: printed.stderr.into(),
            truncated: false,
        };
        let act = fault(&answer.reply, &self.owner.host).map_or(Ok(output), Err);
        let look = Output { code: i32::from(!clean), ..Output::default() };
        let (name, address) = (cx.host.name().clone(), cx.host.address().to_owned());
        Arc::new(ScriptedHost { name, address, look, act })
    }
}

/// The same world with another host.
fn on<'a>(cx: &Cx<'a>, host: &'a Arc<dyn Host>) -> Cx<'a> {
    let acts = AtomicU32::new(cx.acts.load(Ordering::Relaxed));
    Cx { host, acts, end: cx.end.clone(), ..*cx }
}

/// Lets the time pass that an answer takes, or as much of it as there is.
async fn pass(cx: &Cx<'_>, answer: &StubbedAnswer) -> Result<(), Fault> {
    let end = Instant::now().checked_add(answer.takes);
    match cx.deadline.filter(|deadline| end.is_none_or(|end| *deadline < end)) {
        Some(deadline) => {
            sleep_until(deadline).await;
            Err(Fault::new(FaultKind::Timeout, "it did not end in its time"))
        }
        None => {
            sleep(answer.takes).await;
            Ok(())
        }
    }
}

impl Erased for StandIn {
    fn command(&self) -> Option<String> {
        self.real.command()
    }

    fn resources(&self) -> Vec<String> {
        self.real.resources()
    }

    fn is_stable(&self) -> bool {
        self.real.is_stable()
    }

    fn inspect<'a>(&'a self, cx: &'a Cx<'_>) -> BoxFuture<'a, Result<ErasedSeen, Fault>> {
        Box::pin(self.look(cx))
    }

    fn apply<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Outputs, Fault>> {
        Box::pin(self.act(cx, before))
    }

    fn undo<'a>(&'a self, cx: &'a Cx<'_>, _: &'a Json) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { self.take_back(self.scene.answer(&self.owner, cx.attempt)) })
    }

    fn is_back(&self, before: &Json, now: &Json) -> Result<bool, Fault> {
        Ok(before == now)
    }

    fn undo_own<'a>(&'a self, _: &'a Cx<'_>, _: &'a Json) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async { Ok(false) })
    }

    fn undo_carries(&self, _: &Json, _: &str) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    fn is_undone<'a>(&'a self, _: &'a Cx<'_>, _: &'a Json) -> BoxFuture<'a, Result<Option<bool>, Fault>> {
        Box::pin(async { Ok(None) })
    }

    /// There is no host to look at.
    fn undo_writes(&self, _: &Cx<'_>, _: &Json) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}
