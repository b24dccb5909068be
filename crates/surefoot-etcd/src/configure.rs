//! `etcd.configure`: settings of etcd, written where the host keeps them.

use super::config::default_unit;
use super::layout::{self, FileEdit};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::files::{self, Attributes, Contents, Original, Was};
use surefoot_engine::action::{Action, Change, Cx, Inspection, Leftover, Mode, UndoSupport};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Script;

/// Gives settings of etcd their values, by the names of its flags, in the place where this host keeps each: an `ETCD_`
/// variable or one that feeds a flag (in the unit's environment file), a flag of the unit, or etcd's configuration
/// file. What is set nowhere becomes an `ETCD_` variable in the environment file, or in a drop-in where there is none.
/// In the manifest of a static pod all are flags; the kubelet restarts the pod by itself once the manifest is changed,
/// which it is at once: a new file under a name that the kubelet passes over, renamed.
///
/// Never in two places: a flag beside its variable is fatal to etcd. No other byte of a file changes; its owner and
/// mode stay. The running etcd is not restarted: stop, configure, start.
///
/// `refused` where a value spans lines, or the unit has more than one command; `missing` where the unit is not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// What runs etcd: a systemd unit, or the path of a static pod's manifest, wherever that lies now.
    #[serde(default = "default_unit")]
    pub unit: String,
    /// Settings by the names of etcd's flags: `{ initial-cluster-state: existing }`.
    pub set: IndexMap<String, SettingValue>,
}

/// A text, a number, or true or false.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SettingValue {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl SettingValue {
    fn text(&self) -> String {
        match self {
            SettingValue::Text(text) => text.clone(),
            SettingValue::Number(number) => number.to_string(),
            SettingValue::Flag(flag) => flag.to_string(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigureOut {
    /// Files that hold the settings and were written.
    pub files: Vec<String>,
}

/// The files as they were.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FilesBefore {
    files: Vec<Original>,
    /// The unit's files are among them: systemd must read them again.
    reload: bool,
}

/// Every file that may hold settings, as it is, and what to make of some of them.
struct PlannedEdits {
    was: IndexMap<String, Was>,
    edits: Vec<FileEdit>,
}

impl Action for Configure {
    const NAME: &'static str = "etcd.configure";
    const EXAMPLE: &'static str =
        "on: members\netcd.configure: { set: { heartbeat-interval: 430, election-timeout: 4300 } }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported(
        "puts the files back, byte for byte; where others have edited them since, only its own settings",
    );
    type Out = ConfigureOut;
    type Before = FilesBefore;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let PlannedEdits { was, edits } = self.plan(cx).await?;
        if edits.is_empty() {
            return Ok(Inspection::Unchanged(ConfigureOut { files: Vec::new() }));
        }
        let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
        Ok(Inspection::Change(Change {
            summary: format!("change {}", paths.join(", ")),
            diff: Some(edits.iter().map(diff).collect()),
            before: FilesBefore {
                files: paths.iter().map(|path| original(cx, path, &was)).collect(),
                reload: edits.iter().any(is_unit),
            },
        }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &FilesBefore) -> Result<ConfigureOut, Fault> {
        let PlannedEdits { was, edits } = self.plan(cx).await?;
        for FileEdit { path, old, new } in &edits {
            // A drop-in may be the first of its unit.
            let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            files::check(cx.act(Script::exec(["mkdir", "-p", "--", folder])).await?, &format!("make {folder}"))?;
            let wanted =
                Attributes { mode: matches!(was[path], Was::Absent).then_some(Mode(0o644)), ..Attributes::default() };
            let (sum, original) = (files::sha256(new), original(cx, path, &was));
            files::keep_edit(cx, &original, old.as_deref().unwrap_or_default(), new).await?;
            files::install(cx, &original, Contents::Bytes(new.as_bytes()), &sum, &wanted).await?;
        }
        reload(cx, before.reload).await?;
        Ok(ConfigureOut { files: edits.into_iter().map(|edit| edit.path).collect() })
    }

    fn leaves(before: &FilesBefore, done: bool) -> Vec<Leftover> {
        before.files.iter().flat_map(|original| original.leaves(done)).collect()
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &FilesBefore) -> Vec<String> {
        before.files.iter().map(|file| file.path().to_owned()).collect()
    }

    /// The settings; the rest of the files is theirs.
    async fn undo_own(&self, cx: &Cx<'_>, before: &FilesBefore) -> Result<bool, Fault> {
        let mut edits = Vec::new();
        for original in &before.files {
            let Some(edit) = files::undone_edit(cx, original).await? else { return Ok(false) };
            edits.push(edit);
        }
        if edits.iter().all(|edit| edit.merged.is_none()) {
            return Ok(false);
        }
        for edit in edits {
            edit.install(cx).await?;
        }
        reload(cx, before.reload).await.map(|()| true)
    }

    async fn undo(&self, cx: &Cx<'_>, before: &FilesBefore) -> Result<(), Fault> {
        for original in &before.files {
            files::restore(cx, original).await?;
        }
        reload(cx, before.reload).await
    }
}

impl Configure {
    async fn plan(&self, cx: &Cx<'_>) -> Result<PlannedEdits, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let (mut was, mut texts) = (IndexMap::new(), layout::Files::new());
        for path in layout::edit_paths(&loaded) {
            let (found, text) = files::look_inside(cx, &path, &Attributes::default()).await?;
            texts.insert(path.clone(), text);
            was.insert(path, found);
        }
        let wanted = self.set.iter().map(|(name, value)| (name.clone(), value.text())).collect();
        let edits = layout::plan(&loaded, &texts, &wanted)?;
        for edit in &edits {
            files::regular(&edit.path, &was[&edit.path])?;
        }
        Ok(PlannedEdits { was, edits })
    }
}

/// What was at the path.
fn original(cx: &Cx<'_>, path: &str, was: &IndexMap<String, Was>) -> Original {
    Original::among(cx, path, was.get(path).cloned().unwrap_or(Was::Absent))
}

async fn reload(cx: &Cx<'_>, needed: bool) -> Result<(), Fault> {
    if needed {
        cx.act(Script::exec(["systemctl", "daemon-reload"])).await?.ok("systemctl daemon-reload")?;
    }
    Ok(())
}

fn is_unit(edit: &FileEdit) -> bool {
    edit.path.contains("/systemd/")
}

fn diff(edit: &FileEdit) -> String {
    let changes = files::unified(edit.old.as_deref().unwrap_or_default(), &edit.new).unwrap_or_default();
    format!("--- {0}\n+++ {0}\n{changes}", edit.path)
}
