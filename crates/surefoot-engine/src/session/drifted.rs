//! What others have changed since, of what a rollback would undo, and who did: looked at, and nothing changed.

use super::later_runs::LaterRuns;
use super::ready::close;
use super::{OpenedRun, RollbackPreview, SessionError};
use crate::action::image;
use crate::compile::{Program, Task};
use crate::execute::drift::drift;
use crate::model::{Fault, TaskRecord};
use crate::world::World;

impl OpenedRun {
    /// Names it beside each task of a preview. Gives the faults of hosts that cannot be reached: nothing is known of these.
    pub async fn look_for_drift(&self, preview: &mut RollbackPreview) -> Result<Vec<Fault>, SessionError> {
        let program = &self.inputs.prepared.program;
        let later = LaterRuns::of(&self.folder.store(), &self.state);
        let (world, faults) = self.look().await?;
        for step in preview.steps.iter_mut().filter(|step| step.undone) {
            let task = program.tasks.iter().find(|task| task.name == step.task);
            if let (Some(task), Some(record)) = (task, self.state.task(&step.task)) {
                let found = look(self, &world, &later, (program, task), record).await;
                step.drift = found.unwrap_or_else(|fault| vec![format!("cannot be looked at: {fault}")]);
            }
        }
        close(&world).await;
        Ok(faults)
    }
}

async fn look(
    opened: &OpenedRun,
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
    let found = drift(&opened.state, &task.name.host, &now);
    let kept = if program.steps[task.step as usize].kind.sets_aside { " (will be set aside)" } else { "" };
    let changed = found.iter().map(|one| {
        let author = later.author(&task.name.host, record, &one.thing, &now[&one.thing]);
        format!("changed since by {author}: {}: {}{kept}", one.name(), one.why)
    });
    Ok(changed.collect())
}
