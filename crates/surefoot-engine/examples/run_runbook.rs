//! Runs a runbook through the library, without a question, and prints each task as it ends.
//!
//! ```text
//! cargo run --package surefoot-engine --example run_runbook -- RUNBOOK INVENTORY STATE
//! ```

use std::error::Error;
use std::sync::Arc;
use surefoot_engine::action::ActionRegistry;
use surefoot_engine::catalog::Catalog;
use surefoot_engine::execute::{Goal, Limits, Signals};
use surefoot_engine::journal::Store;
use surefoot_engine::model::{Event, Observer, RunState, Stamped};
use surefoot_engine::session::{Frontend, LeaseOptions, Request, Session};

struct Printer;

impl Observer for Printer {
    fn event(&self, stamped: &Stamped, state: &RunState) {
        if let Event::Task { task, .. } = &stamped.event
            && let Some(record) = state.task(task).filter(|record| !record.is_open())
        {
            println!("{task}: {}", record.state.word());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [runbook, inventory, state] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "expected RUNBOOK INVENTORY STATE")?;
    let actions = Arc::new(ActionRegistry::core()?);
    let session = Session::new(actions, Catalog::default(), Store::at(state));
    let folder = std::env::current_dir()?;
    let request = Request { runbook: runbook.into(), inventory: Some(inventory.into()), folder, ..Request::default() };

    let prepared = session.prepare(&session.resolve(&request.runbook)?.found, &request)?;
    let secrets = session.secrets(&prepared)?;
    let ready = session.connect(prepared, secrets, false).await?;
    println!("{} tasks", ready.plan(&request.folder).await.tasks().count());

    let active = ready.begin(Goal::Start, &LeaseOptions::default()).await?;
    // Nobody answers: what asks gets a no.
    let (questions, _) = tokio::sync::mpsc::channel(1);
    let frontend = Frontend {
        observers: vec![Arc::new(Printer)],
        questions,
        signals: Signals::listen()?,
        limits: Limits::default(),
        folder: request.folder,
        state: Arc::default(),
    };
    let ending = active.drive(frontend).await?;
    println!("{:?}", ending.outcome);
    Ok(())
}
