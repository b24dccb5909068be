//! What others have changed since, of what a rollback would undo, and who did: looked at, and nothing changed.

use super::error::SessionError;
use super::later_runs::LaterRuns;
use super::opened::OpenedRun;
use super::ready::close;
use super::rollback_preview::RollbackPreview;
use crate::action::image;
use crate::compile::{Program, Task};
use crate::execute::drift::drift;
use crate::model::{Fault, HostName, TaskRecord, path_of};
use crate::world::{Script, World};
use std::path::Path;

impl OpenedRun {
    /// Names it beside each task of a preview. Gives the faults of hosts that cannot be reached: nothing is known of these.
    pub async fn look_for_drift(&self, preview: &mut RollbackPreview) -> Result<Vec<Fault>, SessionError> {
        let program = &self.inputs.prepared.program;
        let later = LaterRuns::of(&self.folder.store(), &self.state);
        let (world, faults) = self.look().await?;
        let ours = written(preview, self);
        for step in preview.steps.iter_mut().filter(|step| step.undone) {
            let task = program.tasks.iter().find(|task| task.name == step.task);
            if let (Some(task), Some(record)) = (task, self.state.task(&step.task)) {
                let found = look(self, &world, &later, (program, task), record, &ours).await;
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
    ours: &[(HostName, String)],
) -> Result<Vec<String>, Fault> {
    let things: Vec<String> = record.undo.iter().flat_map(|undo| undo.images.keys().cloned()).collect();
    if things.is_empty() {
        return Ok(Vec::new());
    }
    let step = &program.steps[task.step as usize];
    let user = step.user.as_ref().and_then(|user| Some(user.as_value()?.as_str()?.to_owned()));
    let host = world.named(&task.name.host)?;
    let output = host.probe(image::script(&things).user(user.as_ref())).await?;
    let now = image::read(output, &things)?;
    let found = drift(&opened.state, &task.name.host, &now);
    let kept = if step.kind.sets_aside { " (will be set aside)" } else { "" };
    let changed = found.iter().map(|one| {
        let author = later.author(&task.name.host, record, &one.thing, &now[&one.thing]);
        format!("changed since by {author}: {}: {}{kept}", one.name(), one.why)
    });
    let mut drift: Vec<String> = changed.collect();
    let made = record
        .undo
        .iter()
        .flat_map(|undo| &undo.images)
        .filter(|(thing, was)| step.kind.makes_empty_folders && was.is_absent() && now[*thing].is_folder());
    let folders: Vec<String> = made.map(|(thing, _)| thing.clone()).collect();
    if !folders.is_empty() {
        let output = host.probe(Script::new(ENTRIES).args(folders).user(user)).await?.ok("look into folders")?;
        let is_ours =
            |path: &str| ours.iter().any(|(host, ours)| *host == task.name.host && Path::new(ours).starts_with(path));
        let text = output.text();
        let theirs = text.lines().filter(|path| !is_ours(path));
        drift.extend(theirs.map(|path| format!("others have made {path}: the folder is not empty")));
    }
    Ok(drift)
}

/// Some of what is in each folder: a line for each path.
const ENTRIES: &str = r#"for folder do find "$folder" -mindepth 1 -maxdepth 1 | head -n 20; done"#;

/// The paths that steps of a rollback have written to: they are undone before the folders around them.
fn written(preview: &RollbackPreview, opened: &OpenedRun) -> Vec<(HostName, String)> {
    let undone = preview.steps.iter().filter(|step| step.undone);
    let things = undone.filter_map(|step| Some((&step.task.host, opened.state.task(&step.task)?.undo.as_ref()?)));
    let paths =
        things.flat_map(|(host, undo)| undo.images.keys().filter_map(move |thing| Some((host, path_of(thing)?))));
    paths.map(|(host, path)| (host.clone(), path.to_owned())).collect()
}
