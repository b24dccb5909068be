//! What the actions that change files share: how a path is looked at, how contents come to be there at once or not at
//! all, what is kept of the old, and how it is put back.
//!
//! Originals lie in the run's folder on the host; what is journaled ([`Original`]) holds only names, modes, owners and
//! checksums. A symbolic link is never followed and never replaced by a file: whoever means its target names its target.
//! Nor is anything done by path in a folder that others can write: see `prelude.sh`.

mod aside;
mod diff;
mod entry;
mod install;
mod local;
mod merge;

pub use aside::{delete, movable, put_back, rename, set_aside};
pub use diff::unified;
pub use entry::{link, make_directory};
pub use install::{
    Attributes, Contents, Original, attributes, attributes_of_directory, install, kept_text, or_discard, prepare,
    restore,
};
pub use local::{LocalFile, checksum, local_fault, look_locally, sha256, size_locally};
pub use merge::{keep_edit, undone_edit};

use super::context::Cx;
use crate::model::{Fault, FaultKind};
use crate::world::{Host, Output, Script};
use serde::{Deserialize, Serialize};

/// A constant script with what all of ours begin with: see `prelude.sh`.
#[macro_export]
macro_rules! script {
    ($body:literal) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../surefoot-engine/src/action/files/prelude.sh")),
            $body
        )
    };
}
pub use script;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum Was {
    Absent,
    File {
        #[serde(flatten)]
        owned: Owned,
        size: u64,
        sha256: String,
    },
    Directory {
        #[serde(flatten)]
        owned: Owned,
        /// Its device and inode.
        #[serde(default)]
        place: String,
    },
    Link {
        target: String,
    },
    /// A device, a socket, a pipe.
    Other,
}

impl Was {
    pub fn words(&self) -> String {
        match self {
            Was::Absent => "nothing".to_owned(),
            Was::File { .. } => "a file".to_owned(),
            Was::Directory { .. } => "a directory".to_owned(),
            Was::Link { target } => format!("a symbolic link to {target}"),
            Was::Other => "a device, socket or pipe".to_owned(),
        }
    }
}

/// Whose it is and who may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Permission bits, in octal.
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    /// Names, as far as the host has them.
    pub owner: String,
    pub group: String,
}

const LOOK: &str = script!(
    r#"
case $2 in ''|[0-9]*) ;; *) id -u -- "$2" >/dev/null 2>&1 || die 72 "there is no user $2" ;; esac
case $3 in ''|[0-9]*) ;; *) getent group -- "$3" >/dev/null || die 72 "there is no group $3" ;; esac
dir=$(folder "$1") name=${1##*/}
if [ ! -d "$dir" ]; then
  [ -z "$5" ] || die 71 "its folder $5 does not exist"
  echo absent; exit 0
fi
enter "$dir"
if [ -L "./$name" ]; then echo link; readlink -- "./$name"
elif [ -d "./$name" ]; then stat -c 'directory %04a %u %g %U %G %d:%i' -- "./$name"
elif [ -f "./$name" ]; then
  exec 3<"./$name"
  # The very file that lies here: a link that was put in its place leads elsewhere.
  [ "$(readlink /proc/self/fd/3)" = "${at%/}/$name" ] || die 70 "it is not what it was a moment ago"
  stat -L -c 'file %04a %u %g %U %G %s' /proc/self/fd/3; sha256sum </proc/self/fd/3
  [ "$(stat -L -c %s /proc/self/fd/3)" -gt "$4" ] || cat /proc/self/fd/3
elif [ -e "./$name" ]; then echo other
else echo absent; fi
"#
);

/// Texts above this size are replaced without a diff, and are not edited.
pub const LONGEST_TEXT: u64 = 1 << 20;

/// Looks at a path; refuses where the wanted owner or group does not exist.
pub async fn look(cx: &Cx<'_>, path: &str, wanted: &Attributes) -> Result<Was, Fault> {
    Ok(seen(cx, path, wanted, -1, "").await?.0)
}

/// The same, for who will make something there: refuses where there is no folder to make it in.
pub async fn look_for_room(cx: &Cx<'_>, path: &str, wanted: &Attributes) -> Result<Was, Fault> {
    Ok(seen(cx, path, wanted, -1, folder(cx, path)).await?.0)
}

/// Looks at a path and reads the file there, if it is not longer than [`LONGEST_TEXT`] and in UTF-8.
pub async fn look_inside(cx: &Cx<'_>, path: &str, wanted: &Attributes) -> Result<(Was, Option<String>), Fault> {
    seen(cx, path, wanted, LONGEST_TEXT as i64, "").await
}

/// The same, for who will make something there: refuses where there is no folder to make it in.
pub async fn look_inside_for_room(
    cx: &Cx<'_>,
    path: &str,
    wanted: &Attributes,
) -> Result<(Was, Option<String>), Fault> {
    seen(cx, path, wanted, LONGEST_TEXT as i64, folder(cx, path)).await
}

/// The folder that something at the path needs. The run's own is made by its first act.
fn folder<'p>(cx: &Cx<'_>, path: &'p str) -> &'p str {
    match path.rsplit_once('/') {
        Some((folder, _)) if !path.starts_with(cx.host.run_dir()) => folder,
        _ => "",
    }
}

/// Where nothing is at the path, `folder` must be there, unless it is empty.
async fn seen(
    cx: &Cx<'_>,
    path: &str,
    wanted: &Attributes,
    longest: i64,
    folder: &str,
) -> Result<(Was, Option<String>), Fault> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let args = [path, &name(&wanted.owner), &name(&wanted.group), &longest.to_string(), folder];
    let output = check(cx.probe(Script::new(LOOK).args(args)).await?, &format!("look at {path}"))?;
    let mut parts = output.stdout.splitn(3, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let was = parse(&line(), &line()).ok_or_else(|| Fault::value(format!("cannot tell what {path} is")))?;
    let text = parts.next().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let whole = text.filter(|_| matches!(was, Was::File { size, .. } if size as i64 <= longest));
    Ok((was, whole))
}

fn parse(first: &str, second: &str) -> Option<Was> {
    let words: Vec<&str> = first.split(' ').collect();
    Some(match words[..] {
        ["absent"] => Was::Absent,
        ["other"] => Was::Other,
        ["link"] => Was::Link { target: second.to_owned() },
        ["directory", ref owned @ .., place] => Was::Directory { owned: parse_owned(owned)?, place: place.to_owned() },
        ["file", ref owned @ .., size] => Was::File {
            owned: parse_owned(owned)?,
            size: size.parse().ok()?,
            sha256: second.split(' ').next()?.to_owned(),
        },
        _ => return None,
    })
}

fn parse_owned(words: &[&str]) -> Option<Owned> {
    let [mode, uid, gid, owner, group] = *words else { return None };
    Some(Owned {
        mode: mode.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        owner: owner.to_owned(),
        group: group.to_owned(),
    })
}

/// Where a task keeps what was at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    pub path: String,
    /// Its name below `kept` in the run's folder of the step's user on the host.
    pub kept: String,
    /// In the path's own folder: for what is set aside by a rename and lies on another filesystem than the run's folder.
    pub beside: String,
}

impl Keep {
    pub fn of(cx: &Cx<'_>, path: &str) -> Keep {
        Keep { path: path.to_owned(), kept: task_name(cx), beside: ours(cx, path, "kept") }
    }

    /// The same name with another ending than `kept`.
    pub fn beside_as(&self, ending: &str) -> String {
        format!("{}.{ending}", self.beside.strip_suffix(".kept").unwrap_or(&self.beside))
    }
}

/// The name of the folder, within that of the path, in which what is to come there is made ready; the same for each attempt
/// of the task.
fn temp_of(cx: &Cx<'_>, path: &str) -> String {
    let temp = ours(cx, path, "new");
    temp.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Where the mode, the owner and what else a file has are kept, below `kept`.
fn attributes_of(cx: &Cx<'_>, path: &str) -> String {
    format!("{}{}.attributes", task_name(cx), path.replace('/', "-"))
}

/// A file of this task in the folder of `path`, of a name that starts with a dot: few programs load such.
fn ours(cx: &Cx<'_>, path: &str, ending: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/.surefoot-{}-{}.{ending}", cx.run, task_name(cx))
}

/// Unique in the run on this host, safe as a file name.
fn task_name(cx: &Cx<'_>) -> String {
    let step = cx.task.step.as_str().replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "-");
    cx.task.item.map_or(step.clone(), |item| format!("{step}-{item}"))
}

const CHECKSUM: &str = script!(
    r#"
[ -e "$1" ] || die 71 "it does not exist"
[ -f "$1" ] || die 70 "it is not a file"
stat -L -c %s -- "$1"; sha256sum <"$1"
"#
);

/// A file of a host that is only read; a symbolic link to it counts as the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// Reads a file of any host through, there.
pub async fn look_at(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Remote, Fault> {
    let output = cx.probe_on(host, Script::new(CHECKSUM).arg(path)).await?;
    let output = check(output, &format!("read {path} of {}", host.name()))?;
    let text = output.text();
    let mut words = text.split_whitespace();
    let size = words.next().and_then(|size| size.parse().ok());
    let sha256 = words.next().map(str::to_owned);
    let file = sha256.zip(size).map(|(sha256, size)| Remote { sha256, size });
    file.ok_or_else(|| Fault::value(format!("no checksum of {path}: {text}")))
}

const EXISTS: &str = script!(r#"for path do if there "$path"; then echo yes; else echo no; fi; done"#);

/// Which of the paths exist. A symbolic link does, wherever it points.
pub async fn exist<const N: usize>(cx: &Cx<'_>, paths: [&str; N]) -> Result<[bool; N], Fault> {
    let output = check(cx.probe(Script::new(EXISTS).args(paths)).await?, "look at files")?;
    let text = output.text();
    let mut lines = text.lines();
    Ok(paths.map(|_| lines.next() == Some("yes")))
}

/// The output of one of our scripts, or what its exit code and its message say went wrong in doing `what`.
pub fn check(output: Output, what: &str) -> Result<Output, Fault> {
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    let kind = match output.code {
        0 => return Ok(output),
        70 => FaultKind::Refused,
        71 => FaultKind::Missing,
        72 => FaultKind::Value,
        _ if said.contains("No space left on device") => FaultKind::NoSpace,
        _ if said.contains("Permission denied") || said.contains("not permitted") => FaultKind::Denied,
        _ => return output.ok(what),
    };
    Err(Fault::new(kind, format!("cannot {what}: {}", said.lines().last().unwrap_or_default())))
}

/// Refuses what is there, unless it is a regular file, or nothing yet.
pub fn regular(path: &str, was: &Was) -> Result<(), Fault> {
    let fault = Fault::refused(format!("{path} is not a file but {}", was.words()));
    match was {
        Was::Absent | Was::File { .. } => Ok(()),
        Was::Link { .. } => Err(fault.hint("name the file that it points to, or remove the link first")),
        Was::Directory { .. } | Was::Other => Err(fault),
    }
}
