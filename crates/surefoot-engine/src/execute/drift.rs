//! What others have changed of what a task has: an undo never writes over it, unless theirs is kept.
//!
//! What the run itself has found or left at a path or in a unit is known to it, of every task: a later step of the same
//! run may have changed an earlier one's file, and is undone first. Anything else is somebody else's. A task that was
//! cut off before it could say how it left things is given the benefit of a look: what it finds done is its own.

use super::attempt::{Attempt, Phase};
use crate::action::image::{self, ToKeep};
use crate::action::{Cx, ErasedSeen};
use crate::model::{Effect, Fault, HostName, Image, Images, RunState, SetAside, TaskEvent, Undo, is_tree, path_of};
use crate::world::Silent;
use serde_json::Value as Json;

impl Attempt<'_> {
    /// What an undo would write to, as it is now. Steps of an `undo` that only read write to nothing.
    pub(super) async fn images(&self, cx: &Cx<'_>, before: &Json) -> Result<Images, Fault> {
        let things = self.prepared.action.undo_writes(cx, before)?;
        let own = &self.step.undo;
        match things.is_empty() || !own.is_empty() && own.iter().all(|part| part.effect == Effect::ReadOnly) {
            true => Ok(Images::new()),
            false => self.guarded(cx, Phase::Look, Box::pin(image::look(cx, &things))).await,
        }
    }

    /// Looks, and changes nothing; notes beside what would change what an undo could not put back there.
    pub(super) async fn foresee(&self) -> Result<ErasedSeen, Fault> {
        let cx = self.cx(&Silent, 0);
        let mut change = match self.look().await? {
            ErasedSeen::Change(change) => change,
            clean @ ErasedSeen::Clean(_) => return Ok(clean),
        };
        let things = self.prepared.action.undo_writes(&cx, &change.before)?;
        let notes = self.guarded(&cx, Phase::Look, Box::pin(image::notes(&cx, &things))).await.unwrap_or_default();
        if !notes.is_empty() {
            change.diff = Some(change.diff.unwrap_or_default() + &notes);
        }
        Ok(ErasedSeen::Change(change))
    }

    /// Puts on record how the attempt has left what its undo would write to. Where that cannot be looked at, the record
    /// says nothing of it.
    pub(super) async fn leave(&self, cx: &Cx<'_>, before: &Json) {
        if let Ok(images) = self.images(cx, before).await
            && !images.is_empty()
        {
            self.task.post(TaskEvent::AfterImage { images }).await;
        }
    }

    /// Before an undo: nothing there is somebody else's, or theirs is kept. True where what is ours was undone from
    /// among theirs, and nothing is left to do.
    pub(super) async fn make_way(&self, cx: &Cx<'_>, undo: &Undo) -> Result<bool, Fault> {
        let (changed, filled) = (self.changed_by_others(cx, undo).await?, self.filled_by_others(cx, undo).await?);
        if changed.is_some() && self.guarded(cx, Phase::Act, self.prepared.action.undo_own(cx, &undo.data)).await? {
            return Ok(true);
        }
        let (mut drift, now) = match changed {
            Some(changed) => changed,
            None if filled.is_empty() => return Ok(false),
            None => (Vec::new(), self.images(cx, &undo.data).await?),
        };
        drift.retain(|one| !filled.contains(&one.thing));
        let why = || "expected an empty folder, got one with something in it".to_owned();
        drift.extend(filled.into_iter().map(|thing| SetAside { thing, why: why(), kept: None }));
        self.keep_or_refuse(cx, undo, drift, &now).await.map(|()| false)
    }

    /// Folders that the task has made empty and are not, where such are set aside. An undo deletes none of them.
    async fn filled_by_others(&self, cx: &Cx<'_>, undo: &Undo) -> Result<Vec<String>, Fault> {
        if !self.task.shared.set_aside || !self.step.kind.makes_empty_folders {
            return Ok(Vec::new());
        }
        let made = undo.images.iter().filter(|(_, was)| was.is_absent()).map(|(thing, _)| thing).collect();
        self.guarded(cx, Phase::Look, Box::pin(image::filled(cx, made))).await
    }

    /// The same before the steps of an `undo`, which know nothing of others.
    pub(super) async fn make_way_for_steps(&self, undo: &Undo) -> Result<(), Fault> {
        let cx = self.cx(&Silent, 0);
        match self.changed_by_others(&cx, undo).await? {
            Some((drift, now)) => self.keep_or_refuse(&cx, undo, drift, &now).await,
            None => Ok(()),
        }
    }

    /// What others have changed of what an undo would write to, and how all of that is now; none where nothing is.
    async fn changed_by_others(&self, cx: &Cx<'_>, undo: &Undo) -> Result<Option<(Vec<SetAside>, Images)>, Fault> {
        if undo.images.is_empty() {
            return Ok(None);
        }
        let now = self.images(cx, &undo.data).await?;
        let mut drift = {
            let state = self.task.shared.state.read().expect("no task panics while it holds the run's state");
            drift(&state, self.prepared.host.name(), &now)
        };
        let carried = self.carried(undo)?;
        drift.retain(|one| {
            !carried.iter().any(|(from, to)| *to == one.thing && now.get(from).is_some_and(Image::is_absent))
        });
        // A look finds a step done or not: what others have put into its folder it does not see.
        let seen_by_look = !drift.iter().any(|one| is_tree(&one.thing));
        let ours = drift.is_empty() || !self.task.record().imaged && seen_by_look && self.is_done(cx).await;
        Ok((!ours).then_some((drift, now)))
    }

    /// What earlier attempts at this undo have put on record as taken along with all that others had made of it: from
    /// where, to where.
    fn carried(&self, undo: &Undo) -> Result<Vec<(String, String)>, Fault> {
        let record = self.task.record();
        let mut carried = Vec::new();
        for one in &record.aside {
            let to = self.prepared.action.undo_carries(&undo.data, &one.thing)?;
            carried.extend(to.filter(|to| one.kept.as_ref() == Some(to)).map(|to| (one.thing.clone(), to)));
        }
        Ok(carried)
    }

    async fn keep_or_refuse(&self, cx: &Cx<'_>, undo: &Undo, drift: Vec<SetAside>, now: &Images) -> Result<(), Fault> {
        match self.task.shared.set_aside || self.step.kind.sets_aside {
            true => self.set_aside(cx, undo, drift, now).await,
            false => Err(refused(&drift)),
        }
    }

    async fn is_done(&self, cx: &Cx<'_>) -> bool {
        let seen = self.guarded(cx, Phase::Look, self.prepared.action.inspect(cx)).await;
        matches!(seen, Ok(ErasedSeen::Clean(_)))
    }

    /// Keeps what others have made of it, where the record says so before it is done. Of a unit and of a folder there is
    /// nothing to keep but what is put on record, and what the undo takes along stays as it is.
    async fn set_aside(&self, cx: &Cx<'_>, undo: &Undo, mut drift: Vec<SetAside>, now: &Images) -> Result<(), Fault> {
        for one in drift.iter_mut().filter(|one| !now[&one.thing].is_absent()) {
            one.kept = self.prepared.action.undo_carries(&undo.data, &one.thing)?;
        }
        let is_kept = |one: &SetAside| !(now[&one.thing].is_folder() && one.why.starts_with("other "));
        let kept = drift.iter_mut().filter(|one| one.kept.is_none()).filter_map(|one| {
            let path = path_of(&one.thing).filter(|_| is_kept(one))?.to_owned();
            Some((one, path))
        });
        let (kept, paths): (Vec<&mut SetAside>, Vec<String>) = kept.unzip();
        let mut all = Vec::new();
        if !paths.is_empty() {
            let places = self.guarded(cx, Phase::Look, Box::pin(image::room_beside(cx, &paths))).await?;
            for ((one, path), place) in kept.into_iter().zip(paths).zip(places) {
                let away = self.has_left_no_file_at(&one.thing);
                all.extend(place.clone().map(|kept| ToKeep { path, kept, away }));
                one.kept = place;
            }
        }
        let said = self.task.commit(TaskEvent::SetAside { drift }).await;
        said.map_err(|_| Fault::controller("the run takes no more events"))?;
        match all.is_empty() {
            true => Ok(()),
            false => self.guarded(cx, Phase::Act, Box::pin(image::set_aside(cx, &all))).await,
        }
    }

    /// Whether the run has left something else there than a file, or nothing.
    fn has_left_no_file_at(&self, thing: &str) -> bool {
        let state = self.task.shared.state.read().expect("no task panics while it holds the run's state");
        state.images_of(self.prepared.host.name(), thing).last().is_some_and(|left| !left.is_file())
    }

    /// After an undo: what it wrote to is as it was before the change. What cannot be seen is not taken for granted.
    pub(super) async fn is_back(&self, cx: &Cx<'_>, undo: &Undo) -> Result<(), Fault> {
        let odd = match undo.images.is_empty() {
            true => self.not_undone(cx, undo).await?,
            false => {
                let mut before = undo.images.clone();
                self.carried(undo)?.iter().for_each(|(_, to)| drop(before.shift_remove(to)));
                not_as_before(&before, &self.images(cx, &undo.data).await?)
            }
        };
        odd.map_or(Ok(()), |why| {
            Err(Fault::refused(format!("its undo has ended, and it is not as it was before: {why}")))
        })
    }

    /// Why what the action has changed is not as it was before, by its own word or by another look.
    async fn not_undone(&self, cx: &Cx<'_>, undo: &Undo) -> Result<Option<String>, Fault> {
        let action = &self.prepared.action;
        let untold = |fault: Fault| Fault {
            message: format!("it cannot be told whether it is back: {}", fault.message),
            ..fault
        };
        let told = self.guarded(cx, Phase::Look, action.is_undone(cx, &undo.data)).await.map_err(untold)?;
        if let Some(undone) = told {
            return Ok((!undone).then(|| "what it was to roll back is there".to_owned()));
        }
        Ok(match self.guarded(cx, Phase::Look, action.inspect(cx)).await.map_err(untold)? {
            ErasedSeen::Change(change) if action.is_back(&undo.data, &change.before)? => None,
            ErasedSeen::Change(change) => Some(format!("it would {} now", change.summary)),
            ErasedSeen::Clean(_) => Some("a look finds the step still done".to_owned()),
        })
    }
}

/// What is there now and is nothing that the run has found or left there.
pub fn drift(state: &RunState, host: &HostName, now: &Images) -> Vec<SetAside> {
    let odd = |(thing, image): (&String, &Image)| {
        let known: Vec<&Image> = state.images_of(host, thing).collect();
        let last = known.last()?;
        let fits = known.iter().any(|known| known.fits(image));
        (!fits).then(|| SetAside { thing: thing.clone(), why: last.difference(image), kept: None })
    };
    now.iter().filter_map(odd).collect()
}

/// What is there of these now and is not as it was; none where all is.
fn not_as_before(before: &Images, now: &Images) -> Option<String> {
    let said = |thing: &str, was: &Image| match now.get(thing) {
        Some(now) if was.fits(now) => None,
        Some(now) => Some(format!("{}: {}", path_of(thing).unwrap_or(thing), was.difference(now))),
        None => Some(thing.to_owned()),
    };
    let odd: Vec<String> = before.iter().filter_map(|(thing, was)| said(thing, was)).collect();
    (!odd.is_empty()).then(|| odd.join("; "))
}

fn refused(drift: &[SetAside]) -> Fault {
    let lines: Vec<String> = drift.iter().map(|one| format!("{}: {}", one.name(), one.why)).collect();
    Fault::refused(format!("changed since by others: {}", lines.join("; "))).hint(
        "nothing was rolled back here: make it as the step had left it, or let `surefoot rollback --set-aside` keep \
         their version beside it",
    )
}
