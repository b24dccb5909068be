//! `file`: a file with its content, a directory, a link, or nothing at a path.

use super::context::Cx;
use super::files::{self, Attributes, Contents, Original, Was};
use super::kind::UndoSupport;
use super::value::{HostPath, Mode};
use super::{Action, Change, Inspection, Leftover};
use crate::model::{Effect, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a path what it should be: a file with a content, a directory, a symbolic link, or nothing.
///
/// With neither `content` nor `state`, what is there gets its mode, owner and group. A file is replaced at once or not
/// at all. What is to be absent is set aside, not deleted. Something of another kind is never replaced.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The path. Its folder must exist.
    path: HostPath,
    /// The whole content of a file, to the byte. Templates in it are filled in.
    #[schemars(extend("x-secret" = true))]
    content: Option<String>,
    /// What is there instead of a file.
    state: Option<FileState>,
    /// With `state: link`: what the link points to.
    target: Option<String>,
    /// Default: what it has; for a new file `"0600"`, for a new directory `"0700"`.
    mode: Option<Mode>,
    /// A user's name or number. Default: what it has; for something new, the step's user.
    owner: Option<String>,
    /// A group's name or number. Default: what it has; for something new, the owner's group.
    group: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    Directory,
    Link,
    Absent,
}

/// Where it is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileOut {
    path: String,
}

/// What the parameters ask for.
enum WantedFile<'a> {
    Content(&'a str),
    Directory,
    Link(&'a str),
    Absent,
    Present,
}

impl File {
    fn wanted(&self) -> Result<WantedFile<'_>, Fault> {
        match (&self.content, self.state, &self.target) {
            (Some(content), None, None) => Ok(WantedFile::Content(content)),
            (None, Some(FileState::Directory), None) => Ok(WantedFile::Directory),
            (None, Some(FileState::Link), Some(target)) if self.attributes() == Attributes::default() => {
                Ok(WantedFile::Link(target))
            }
            (None, Some(FileState::Absent), None) => Ok(WantedFile::Absent),
            (None, None, None) => Ok(WantedFile::Present),
            (None, Some(FileState::Link), Some(_)) => Err(Fault::value("a link has no mode and no owner of its own")),
            (_, Some(FileState::Link), None) => Err(Fault::value("a link needs a `target`")),
            (Some(_), Some(_), _) => Err(Fault::value("give either `content` or `state`")),
            (_, _, Some(_)) => Err(Fault::value("`target` is for `state: link`")),
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes { mode: self.mode, owner: self.owner.clone(), group: self.group.clone() }
    }

    /// What is to be done, in words, with a diff; `None` where nothing is.
    fn work(
        &self,
        wanted: &WantedFile<'_>,
        was: &Was,
        text: Option<&str>,
    ) -> Result<Option<(String, Option<String>)>, Fault> {
        let (path, attributes) = (self.path.as_str(), self.attributes());
        let fit = |owned| {
            let said = || (format!("set mode and owner of {path}"), Some(attributes.difference(owned)));
            (!attributes.fit(owned)).then(said)
        };
        let simple = |words: String| Some((words, None));
        Ok(match (wanted, was) {
            (WantedFile::Content(new), Was::File { owned, sha256, .. }) if *sha256 == files::sha256(new) => fit(owned),
            (WantedFile::Content(new), Was::File { .. }) => {
                Some((format!("change {path}"), text.and_then(|old| files::unified(old, new))))
            }
            (WantedFile::Content(new), Was::Absent) => Some((format!("make {path}"), files::unified("", new))),
            (WantedFile::Content(_), _) => return files::regular(path, was).map(|()| None),
            (WantedFile::Directory, Was::Directory { owned, .. }) => fit(owned),
            (WantedFile::Directory, Was::Absent) => simple(format!("make the directory {path}")),
            (WantedFile::Link(target), Was::Link { target: old }) if old == target => None,
            (WantedFile::Link(target), Was::Absent | Was::Link { .. }) => simple(format!("link {path} to {target}")),
            (WantedFile::Absent, Was::Absent) => None,
            (WantedFile::Absent, _) => simple(format!("set aside {path}")),
            (WantedFile::Present, Was::File { owned, .. } | Was::Directory { owned, .. }) => fit(owned),
            (WantedFile::Present, Was::Absent) => return Err(Fault::missing(format!("there is no {path}"))),
            (WantedFile::Directory | WantedFile::Link(_) | WantedFile::Present, _) => {
                return Err(Fault::refused(format!("{path} is something else already: {}", was.words()))
                    .hint("move or remove it in a step of its own"));
            }
        })
    }
}

impl Action for File {
    const NAME: &'static str = "file";
    const EXAMPLE: &'static str =
        "on: members\nfile: { path: /etc/systemd/system/etcd.service.d, state: directory, mode: \"0755\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back what was there: content, mode and owner");
    const MAKES_EMPTY_FOLDERS: bool = true;
    type Out = FileOut;
    type Before = Original;

    fn validate(&self) -> Result<(), Fault> {
        self.wanted().map(drop)
    }

    fn resources(&self) -> Vec<String> {
        vec![self.path.as_str().to_owned()]
    }

    /// What is gone may come back by what runs.
    fn is_stable(&self) -> bool {
        self.state != Some(FileState::Absent)
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (path, wanted) = (self.path.as_str(), self.wanted()?);
        let attributes = self.attributes();
        let (was, text) = match wanted {
            WantedFile::Content(_) | WantedFile::Directory | WantedFile::Link(_) => {
                files::look_inside_for_room(cx, path, &attributes).await?
            }
            WantedFile::Absent | WantedFile::Present => files::look_inside(cx, path, &attributes).await?,
        };
        Ok(match self.work(&wanted, &was, text.as_deref())? {
            None => Inspection::Unchanged(FileOut { path: path.to_owned() }),
            Some((summary, diff)) => Inspection::Change(Change { summary, diff, before: Original::of(cx, path, was) }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<FileOut, Fault> {
        let (path, attributes) = (before.path(), self.attributes());
        match (self.wanted()?, &before.was) {
            (WantedFile::Content(new), was) => {
                let sha256 = files::sha256(new);
                match was {
                    Was::File { owned, sha256: old, .. } if *old == sha256 => {
                        files::attributes(cx, path, owned, &attributes).await?;
                    }
                    _ => files::install(cx, before, Contents::Bytes(new.as_bytes()), &sha256, &attributes).await?,
                }
            }
            (WantedFile::Directory | WantedFile::Present, Was::File { owned, .. }) => {
                files::attributes(cx, path, owned, &attributes).await?;
            }
            (WantedFile::Directory | WantedFile::Present, Was::Directory { owned, place }) => {
                files::attributes_of_directory(cx, path, (owned, place), &attributes).await?;
            }
            (WantedFile::Directory | WantedFile::Present, _) => files::make_directory(cx, path, &attributes).await?,
            (WantedFile::Link(target), _) => files::link(cx, path, target).await?,
            (WantedFile::Absent, _) => drop(files::set_aside(cx, &before.keep).await?),
        }
        Ok(FileOut { path: path.to_owned() })
    }

    fn leaves(before: &Original, done: bool) -> Vec<Leftover> {
        before.leaves(done)
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Original) -> Vec<String> {
        vec![before.path().to_owned()]
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Original) -> Result<(), Fault> {
        match self.state {
            Some(FileState::Absent) => files::put_back(cx, &before.keep).await,
            _ => files::restore(cx, before).await,
        }
    }
}
