//! What was known of a run before it began.

use crate::report::review::PlannedRun;
use surefoot_engine::compile::Program;
use surefoot_engine::journal::RunFolder;
use surefoot_engine::plan::Plan;
use surefoot_engine::session::plan_file;

/// By the plan that it has kept, or by its program alone.
pub fn planned_run(folder: &RunFolder, program: &Program) -> PlannedRun {
    let plan = plan_file::of_run(folder).unwrap_or_else(|| Plan::offline(program));
    let identity = program.identity.clone();
    PlannedRun { plan, identity, names: program.tasks.iter().map(|task| task.name.clone()).collect() }
}
