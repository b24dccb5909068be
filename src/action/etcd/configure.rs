//! `etcd.configure`: settings of etcd, written where the host keeps them.

use super::config::default_unit;
use super::layout::{self, Edit};
use super::read;
use crate::action::{Action, Change, Cx, Seen, Undoing};
use crate::model::{Effect, Fault};
use crate::world::Script;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gives settings of etcd their values, by the names of its flags, in the place where this host keeps each: an `ETCD_`
/// variable or one that feeds a flag (in the unit's environment file), a flag of the unit, or etcd's configuration
/// file. What is set nowhere becomes an `ETCD_` variable in the environment file, or in a drop-in where there is none.
///
/// Never in two places: a flag beside its variable is fatal to etcd. No other byte of a file changes; its owner and
/// mode stay. The running etcd is not restarted: stop, configure, start.
///
/// `refused` where a value spans lines, or a flag stands more than once; `missing` where the unit is not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// The systemd unit that runs etcd.
    #[serde(default = "default_unit")]
    pub unit: String,
    /// Settings by the names of etcd's flags: `{ initial-cluster-state: existing }`.
    pub set: IndexMap<String, Value>,
}

/// A text, a number, or true or false.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigureOut {
    /// Files that hold the settings and were written.
    pub files: Vec<String>,
}

/// One file as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Before {
    files: Vec<Original>,
    /// The unit's files are among them: systemd must read them again.
    reload: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Original {
    path: String,
    /// Where the file as it was is kept on the host (0600, in the run's folder); none where there was no file.
    kept: Option<String>,
}

impl Action for Configure {
    const NAME: &'static str = "etcd.configure";
    const EXAMPLE: &'static str = "etcd.configure: { set: { heartbeat-interval: 430, election-timeout: 4300 } }";
    const EFFECT: Effect = Effect::Converges;
    const UNDO: Undoing = Undoing::Known("puts the files back, byte for byte");
    type Out = ConfigureOut;
    type Before = Before;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Seen<Self>, Fault> {
        let edits = self.edits(cx).await?;
        if edits.is_empty() {
            return Ok(Seen::Clean(ConfigureOut { files: Vec::new() }));
        }
        let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
        let files = edits
            .iter()
            .map(|edit| Original { path: edit.path.clone(), kept: edit.old.as_ref().map(|_| kept(cx, &edit.path)) });
        Ok(Seen::Change(Change {
            summary: format!("change {}", paths.join(", ")),
            diff: Some(edits.iter().map(diff).collect()),
            before: Before { files: files.collect(), reload: edits.iter().any(is_unit) },
        }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Before) -> Result<ConfigureOut, Fault> {
        let edits = self.edits(cx).await?;
        for edit in &edits {
            let keep = Script::new(WRITE).args([&edit.path, &kept(cx, &edit.path)]).stdin(edit.new.clone());
            cx.act(keep).await?.ok(&format!("write {}", edit.path))?;
        }
        if before.reload {
            cx.act(Script::new("systemctl daemon-reload")).await?.ok("systemctl daemon-reload")?;
        }
        Ok(ConfigureOut { files: edits.into_iter().map(|edit| edit.path).collect() })
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Before) -> Result<(), Fault> {
        for Original { path, kept } in &before.files {
            let back = Script::new(BACK).args([path, kept.as_deref().unwrap_or_default()]);
            cx.act(back).await?.ok(&format!("put {path} back"))?;
        }
        if before.reload {
            cx.act(Script::new("systemctl daemon-reload")).await?.ok("systemctl daemon-reload")?;
        }
        Ok(())
    }
}

impl Configure {
    async fn edits(&self, cx: &Cx<'_>) -> Result<Vec<Edit>, Fault> {
        let loaded = layout::load(cx, &self.unit).await?;
        let paths = layout::edit_paths(&loaded);
        let texts = read::files(cx, cx.host.as_ref(), &paths).await?;
        let mut files = layout::Files::new();
        for (path, bytes) in paths.into_iter().zip(texts) {
            let text = bytes.map(String::from_utf8).transpose();
            let text = text.map_err(|_| Fault::refused(format!("{path} on {} is not UTF-8", cx.host.name())))?;
            files.insert(path, text);
        }
        let wanted = self.set.iter().map(|(name, value)| (name.clone(), value.text())).collect();
        layout::plan(&loaded, &files, &wanted)
    }
}

/// Where the original of a file is kept: in the run's folder, below the step's name.
fn kept(cx: &Cx<'_>, path: &str) -> String {
    let item = cx.task.item.map(|item| format!("-{item}")).unwrap_or_default();
    format!("{}/original/{}{item}{path}", cx.host.run_dir(), cx.task.step)
}

fn is_unit(edit: &Edit) -> bool {
    edit.path.contains("/systemd/")
}

/// The lines that go and come, without context: a setting is one line.
fn diff(edit: &Edit) -> String {
    let old: Vec<&str> = edit.old.as_deref().unwrap_or_default().lines().collect();
    let new: Vec<&str> = edit.new.lines().collect();
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}\n"));
    format!("--- {0}\n+++ {0}\n", edit.path) + &gone.chain(come).collect::<String>()
}

/// Keeps the file as it was, once; then writes it anew beside itself and renames, with owner and mode as before.
const WRITE: &str = r#"file=$1 kept=$2
old=$(umask); umask 077
if [ -e "$file" ] && [ ! -e "$kept" ]; then
    mkdir -p -- "$(dirname "$kept")" && cp -p -- "$file" "$kept.part" && sync -- "$kept.part" && mv -- "$kept.part" "$kept" || exit
fi
umask "$old"
mkdir -p -- "$(dirname "$file")" || exit
new=$(dirname "$file")/.surefoot.$$
rm -f -- "$new" || exit
if [ -e "$file" ]; then cp -p -- "$file" "$new" || exit; fi
cat >"$new" && sync -- "$new" && mv -- "$new" "$file""#;

const BACK: &str = r#"file=$1 kept=$2
if [ -z "$kept" ]; then rm -f -- "$file"; exit; fi
[ -e "$kept" ] || exit 0
new=$(dirname "$file")/.surefoot.$$
cp -p -- "$kept" "$new" && sync -- "$new" && mv -- "$new" "$file""#;
