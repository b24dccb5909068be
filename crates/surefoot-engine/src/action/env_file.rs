//! `env_file`: variables in a file that systemd reads as a unit's environment.

use super::context::Cx;
use super::files::{self, Attributes, Contents, Original, Was};
use super::kind::UndoSupport;
use super::value::HostPath;
use super::{Action, Change, Inspection, Leftover, environment};
use crate::model::{Effect, Fault};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Sets and unsets variables in a file of `KEY=VALUE` lines, as systemd's `EnvironmentFile` reads it.
///
/// Comments, order and all other lines stay as they are, and so do the file's mode and owner. A variable that stands
/// there several times remains once, at its last place. A new variable comes at the end. A file that does not exist is
/// made, with mode 0600.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvFile {
    /// The file. A symbolic link is refused: name what it points to.
    path: HostPath,
    /// Variables with their values: texts, numbers, or true and false. They are quoted where they must be.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    set: Map<String, Json>,
    /// Variables that must not be there.
    #[serde(default)]
    unset: Vec<String>,
}

/// The file on the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EnvFileOut {
    /// Where it is.
    path: String,
    /// Every variable in it, as systemd reads them.
    values: Map<String, Json>,
}

/// The file as it is, and as it should be.
struct Edited {
    was: Was,
    old: String,
    new: String,
}

impl EnvFile {
    async fn edited(&self, cx: &Cx<'_>) -> Result<Edited, Fault> {
        let path = self.path.as_str();
        let (was, text) = files::look_inside(cx, path, &Attributes::default()).await?;
        files::regular(path, &was)?;
        let old = match (&was, text) {
            (Was::Absent, _) => String::new(),
            (_, Some(text)) => text,
            (_, None) => return Err(Fault::refused(format!("{path} is no text in UTF-8 of at most a MiB"))),
        };
        let new = environment::edit(&old, &self.wanted()?, &self.unset).ok_or_else(|| {
            Fault::refused(format!("{path} has a quote or a line that never ends")).hint("fix the file by hand first")
        })?;
        Ok(Edited { was, old, new })
    }

    fn wanted(&self) -> Result<Vec<(String, String)>, Fault> {
        if let Some(name) = self.set.keys().chain(&self.unset).find(|name| !environment::is_name(name)) {
            return Err(Fault::value(format!("`{name}` is no name of a variable")));
        }
        if let Some(name) = self.unset.iter().find(|name| self.set.contains_key(*name)) {
            return Err(Fault::value(format!("{name} is both set and unset")));
        }
        self.set.iter().map(|(name, value)| Ok((name.clone(), plain(name, value)?))).collect()
    }

    fn out(&self, text: &str) -> EnvFileOut {
        let values = environment::assignments(text).into_iter().map(|a| (a.key, Json::String(a.value))).collect();
        EnvFileOut { path: self.path.to_string(), values }
    }
}

fn plain(name: &str, value: &Json) -> Result<String, Fault> {
    match value {
        Json::String(text) if !text.contains('\0') => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(truth) => Ok(truth.to_string()),
        _ => Err(Fault::value(format!("{name} must be a text, a number, or true or false"))),
    }
}

impl Action for EnvFile {
    const NAME: &'static str = "env_file";
    const EXAMPLE: &'static str = "on: members\nenv_file: { path: /etc/default/etcd, set: { ETCD_HEARTBEAT_INTERVAL: 430, ETCD_ELECTION_TIMEOUT: 4300 }, unset: [ETCD_DEBUG] }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back the file that was there, or removes the new one");
    type Out = EnvFileOut;
    type Before = Original;

    fn validate(&self) -> Result<(), Fault> {
        self.wanted().map(drop)
    }

    fn resources(&self) -> Vec<String> {
        vec![self.path.as_str().to_owned()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let path = self.path.as_str();
        let Edited { was, old, new } = self.edited(cx).await?;
        if old == new {
            return Ok(Inspection::Unchanged(self.out(&old)));
        }
        let summary = if was == Was::Absent { format!("make {path}") } else { format!("change {path}") };
        Ok(Inspection::Change(Change {
            summary,
            diff: files::unified(&old, &new),
            before: Original::of(cx, path, was),
        }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<EnvFileOut, Fault> {
        let Edited { was, old, new } = self.edited(cx).await?;
        if old != new {
            let seen = Original { keep: before.keep.clone(), was };
            let sha256 = files::sha256(&new);
            files::install(cx, &seen, Contents::Bytes(new.as_bytes()), &sha256, &Attributes::default()).await?;
        }
        Ok(self.out(&new))
    }

    fn leaves(before: &Original, done: bool) -> Vec<Leftover> {
        before.leaves(done)
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Original) -> Vec<String> {
        vec![before.path().to_owned()]
    }

    /// The variables, where they are still as this step has left them; all other lines are theirs.
    async fn undo_own(&self, cx: &Cx<'_>, before: &Original) -> Result<bool, Fault> {
        let (was, text) = files::look_inside(cx, before.path(), &Attributes::default()).await?;
        let (Some(text), Some(old)) = (text, files::kept_text(cx, before).await?) else { return Ok(false) };
        let ours = self.wanted()?;
        let is_ours = environment::edit(&text, &ours, &self.unset).as_ref() == Some(&text);
        let all_is_ours = environment::edit(&old, &ours, &self.unset).as_ref() == Some(&text);
        if !is_ours || all_is_ours {
            return Ok(false);
        }
        let names = || ours.iter().map(|(name, _)| name).chain(&self.unset);
        let all = environment::assignments(&old).into_iter().map(|assignment| (assignment.key, assignment.value));
        let set: IndexMap<String, String> = all.filter(|(key, _)| names().any(|name| name == key)).collect();
        let unset: Vec<String> = names().filter(|name| !set.contains_key(*name)).cloned().collect();
        let set: Vec<(String, String)> = set.into_iter().collect();
        let Some(new) = environment::edit(&text, &set, &unset) else { return Ok(false) };
        let (seen, sha256) = (Original { keep: before.keep.clone(), was }, files::sha256(&new));
        files::install(cx, &seen, Contents::Bytes(new.as_bytes()), &sha256, &Attributes::default()).await?;
        Ok(true)
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Original) -> Result<(), Fault> {
        files::restore(cx, before).await
    }
}
