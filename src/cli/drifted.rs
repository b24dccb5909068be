//! What others have changed since, of what a roll back would undo, and who did: looked at, and nothing changed.

use super::exit::Exit;
use super::later_runs::LaterRuns;
use super::prepare_hosts::{closed, reachable};
use super::reopened_run::Taken;
use crate::report::run::Back;
use surefoot_engine::action::image;
use surefoot_engine::compile::{Program, Task};
use surefoot_engine::execute::drift::drift;
use surefoot_engine::model::{Fault, TaskRecord};
use surefoot_engine::secret::Keyring;
use surefoot_engine::world::World;

/// Names it beside each task. A host that cannot be reached is named, and nothing is known of it.
pub async fn add(taken: &Taken, back: &mut Back) -> Result<(), Exit> {
    let prepared = &taken.kept.prepared;
    let (folder, secrets) = (taken.folder.path(), Keyring::default());
    let later = LaterRuns::of(&taken.folder.store(), &taken.state);
    let world = reachable(prepared, &taken.run, folder, &secrets, &taken.state).await?;
    for step in back.steps.iter_mut().filter(|step| step.undone) {
        let task = prepared.program.tasks.iter().find(|task| task.name == step.task);
        if let (Some(task), Some(record)) = (task, taken.state.task(&step.task)) {
            let found = look(taken, &world, &later, (&prepared.program, task), record).await;
            step.drift = found.unwrap_or_else(|fault| vec![format!("cannot be looked at: {fault}")]);
        }
    }
    closed(&world, Exit::Done).await;
    Ok(())
}

async fn look(
    taken: &Taken,
    world: &World,
    later: &LaterRuns,
    (program, task): (&Program, &Task),
    record: &TaskRecord,
) -> Result<Vec<String>, Fault> {
    let things: Vec<String> = record.undo.iter().flat_map(|undo| undo.images.keys().cloned()).collect();
    if things.is_empty() {
        return Ok(Vec::new());
    }
    let mut script = image::script(&things);
    let user = program.steps[task.step as usize].user.as_ref();
    script.user = user.and_then(|user| Some(user.as_value()?.as_str()?.to_owned()));
    let output = world.named(&task.name.host)?.probe(script).await?;
    let now = image::read(output, &things)?;
    let found = drift(&taken.state, &task.name.host, &now);
    let kept = if program.steps[task.step as usize].kind.sets_aside { " (will be set aside)" } else { "" };
    let said = found.iter().map(|one| {
        let author = later.author(&task.name.host, record, &one.thing, &now[&one.thing]);
        format!("changed since by {author}: {}: {}{kept}", one.name(), one.why)
    });
    Ok(said.collect())
}
