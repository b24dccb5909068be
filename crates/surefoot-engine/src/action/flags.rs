//! `flags`: flags of a command line, in a systemd unit or in the manifest of a static pod.

use super::command_line::{self, FlagsLocation, UnitCommand, WantedFlags};
use super::context::Cx;
use super::files::{self, Attributes, Contents, Original, Was};
use super::kind::UndoSupport;
use super::value::{HostPath, Mode};
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use crate::world::Script;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Sets and removes flags of a command line: the `ExecStart` of a systemd unit, or the `command` of a static pod.
///
/// Of a unit, the file or drop-in whose command counts is changed; where that belongs to a package, a copy of it in
/// /etc. systemd reads it again; the unit is not restarted: that is for `service`. Of a pod, the kubelet sees the change
/// by itself. No other byte changes, and the file's mode and owner stay.
///
/// `--name=value` and `--name value` are both known, with one dash or two; what follows a flag and begins with no dash
/// is its value. A flag that stands several times remains once, at its last place; a new one comes at the end.
/// `refused` where the unit has more than one command, where the flag comes from a variable of its environment
/// (`env_file` changes that), and where the pod has several containers or its command is not one word on each line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    /// The systemd unit. Give it or `file`.
    #[serde(default)]
    unit: Option<String>,
    /// The manifest of a static pod. A symbolic link is refused: name what it points to.
    #[serde(default)]
    file: Option<HostPath>,
    /// Flags by their names without dashes, with their values: texts, numbers, or true and false. A new flag is written
    /// `--name=value`; one that is true without a value.
    #[serde(default)]
    set: Map<String, Json>,
    /// Flags that must not be there.
    #[serde(default)]
    remove: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct FlagsOut {
    /// The file that was changed; none where all was so.
    file: Option<String>,
}

/// The file as it was; none where only systemd had to read its files again.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlagsBefore {
    file: Option<Original>,
}

/// A file to write.
struct FlagsEdit {
    path: String,
    was: Was,
    /// What the flags stand in now: of a package's unit the text of the package.
    old: String,
    new: String,
}

/// What is to be done; nothing where both are nothing.
struct FlagsWork {
    edit: Option<FlagsEdit>,
    /// systemd has not read the unit's files as they are.
    stale: bool,
}

impl Flags {
    fn wanted(&self) -> Result<WantedFlags, Fault> {
        if let Some(name) = self.set.keys().chain(&self.remove).find(|name| !command_line::is_name(name)) {
            return Err(Fault::value(format!("`{name}` is no name of a flag: write it without dashes")));
        }
        if let Some(name) = self.remove.iter().find(|name| self.set.contains_key(*name)) {
            return Err(Fault::value(format!("{name} is both set and removed")));
        }
        let set = self.set.iter().map(|(name, value)| Ok((name.clone(), plain(name, value)?)));
        Ok(WantedFlags { set: set.collect::<Result<_, Fault>>()?, remove: self.remove.clone() })
    }

    async fn work(&self, cx: &Cx<'_>) -> Result<FlagsWork, Fault> {
        let wanted = self.wanted()?;
        match (&self.unit, &self.file) {
            (Some(unit), _) => in_unit(cx, unit, &wanted).await,
            (None, Some(file)) => in_manifest(cx, file.as_str(), &wanted).await,
            (None, None) => Err(Fault::value("give `unit` or `file`")),
        }
    }
}

async fn in_manifest(cx: &Cx<'_>, path: &str, wanted: &WantedFlags) -> Result<FlagsWork, Fault> {
    let (was, text) = files::look_inside(cx, path, &Attributes::default()).await?;
    files::regular(path, &was)?;
    let old = match (&was, text) {
        (Was::Absent, _) => return Err(Fault::missing(format!("there is no manifest {path}"))),
        (_, Some(text)) => text,
        (_, None) => return Err(Fault::refused(format!("{path} is no text in UTF-8 of at most a MiB"))),
    };
    let new = command_line::edit_manifest(path, &old, wanted)?;
    let edit = (old != new).then(|| FlagsEdit { path: path.to_owned(), was, old, new });
    Ok(FlagsWork { edit, stale: false })
}

async fn in_unit(cx: &Cx<'_>, name: &str, wanted: &WantedFlags) -> Result<FlagsWork, Fault> {
    let unit = UnitCommand::look(cx, name).await?;
    let environment = unit.environment_with(&unit.environment_texts(cx).await?);
    let variables: IndexMap<String, String> =
        environment.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
    for flag in wanted.set.iter().map(|(name, _)| name).chain(&wanted.remove) {
        if let Some(variable) = command_line::within(&unit.command, &variables, flag) {
            let place = environment.get(&variable).and_then(|(_, file)| file.clone());
            let place = place.unwrap_or_else(|| format!("the unit {}", unit.id));
            let fault = Fault::refused(format!("`--{flag}` of {name} stands in the variable {variable} of {place}"));
            return Err(fault.hint("change it there with `env_file`"));
        }
    }
    let (mut was, mut texts) = (IndexMap::new(), IndexMap::new());
    for path in unit.files.iter().cloned().chain(unit.files.iter().map(|path| command_line::place_of(path))) {
        let (found, text) = files::look_inside(cx, &path, &Attributes::default()).await?;
        was.insert(path.clone(), found);
        texts.insert(path, text);
    }
    let own = command_line::files(&unit.files, &texts);
    let read = |value: &str| command_line::expand(value, &variables).into_owned();
    let Some(new) = command_line::edit_unit(&own, FlagsLocation::Command, wanted, &read)? else {
        return Ok(FlagsWork { edit: None, stale: unit.stale });
    };
    let old = own.into_iter().find(|file| file.path == new.path).map(|file| file.text).unwrap_or_default();
    let was = was.swap_remove(&new.path).unwrap_or(Was::Absent);
    files::regular(&new.path, &was)?;
    Ok(FlagsWork { edit: Some(FlagsEdit { path: new.path, was, old, new: new.text }), stale: unit.stale })
}

fn plain(name: &str, value: &Json) -> Result<String, Fault> {
    match value {
        Json::String(text) if !text.contains(char::is_control) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(truth) => Ok(truth.to_string()),
        _ => Err(Fault::value(format!("{name} must be a text of one line, a number, or true or false"))),
    }
}

impl Action for Flags {
    const NAME: &'static str = "flags";
    const EXAMPLE: &'static str =
        "on: members\nflags: { unit: etcd, set: { snapshot-count: 10000, logger: zap }, remove: [debug] }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported(
        "puts the file back, byte for byte, or removes the copy; where others have edited it since, only its own flags",
    );
    type Out = FlagsOut;
    type Before = FlagsBefore;

    fn validate(&self) -> Result<(), Fault> {
        if self.unit.is_some() == self.file.is_some() {
            return Err(Fault::value("give one of `unit` and `file`"));
        }
        if self.set.is_empty() && self.remove.is_empty() {
            return Err(Fault::value("give `set`, `remove` or both"));
        }
        self.wanted().map(drop)
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let FlagsWork { edit, stale } = self.work(cx).await?;
        Ok(match edit {
            Some(FlagsEdit { path, was, old, new }) => Inspection::Change(Change {
                summary: format!("change {path}"),
                diff: files::unified(&old, &new),
                before: FlagsBefore { file: Some(Original::of(cx, &path, was)) },
            }),
            // An earlier attempt may have been cut off before systemd read what it had written.
            None if stale => Inspection::Change(Change {
                summary: "let systemd read its files again".to_owned(),
                diff: None,
                before: FlagsBefore { file: None },
            }),
            None => Inspection::Unchanged(FlagsOut { file: None }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &FlagsBefore) -> Result<FlagsOut, Fault> {
        let edit = self.work(cx).await?.edit;
        if let Some(FlagsEdit { path, was, old, new }) = &edit {
            if let Some((folder, _)) = path.rsplit_once('/').filter(|_| *was == Was::Absent) {
                let made = cx.act(Script::exec(["mkdir", "-p", "--", folder])).await?;
                files::check(made, &format!("make {folder}"))?;
            }
            let mode = (*was == Was::Absent).then_some(Mode(0o644));
            let (original, sum) = (Original::of(cx, path, was.clone()), files::sha256(new));
            let wanted = Attributes { mode, ..Attributes::default() };
            files::keep_edit(cx, &original, old, new).await?;
            files::install(cx, &original, Contents::Bytes(new.as_bytes()), &sum, &wanted).await?;
        }
        self.reload(cx).await?;
        Ok(FlagsOut { file: edit.map(|edit| edit.path) })
    }

    fn leaves(before: &FlagsBefore, done: bool) -> Vec<Leftover> {
        before.file.as_ref().map(|file| file.leaves(done)).unwrap_or_default()
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &FlagsBefore) -> Vec<String> {
        before.file.iter().map(|file| file.path().to_owned()).collect()
    }

    /// The flags; the rest of the file is theirs. A copy of a package's unit with their edits stays.
    async fn undo_own(&self, cx: &Cx<'_>, before: &FlagsBefore) -> Result<bool, Fault> {
        let Some(original) = &before.file else { return Ok(false) };
        let Some(edit) = files::undone_edit(cx, original).await?.filter(|edit| edit.merged.is_some()) else {
            return Ok(false);
        };
        edit.install(cx).await?;
        self.reload(cx).await.map(|()| true)
    }

    async fn undo(&self, cx: &Cx<'_>, before: &FlagsBefore) -> Result<(), Fault> {
        if let Some(original) = &before.file {
            files::restore(cx, original).await?;
        }
        self.reload(cx).await
    }
}

impl Flags {
    async fn reload(&self, cx: &Cx<'_>) -> Result<(), Fault> {
        if self.unit.is_some() {
            cx.act(Script::exec(["systemctl", "daemon-reload"])).await?.ok("systemctl daemon-reload")?;
        }
        Ok(())
    }
}
