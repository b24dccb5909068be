//! Files that a command writes for its caller to change: all of them, or none, and never over another that is there.

use super::exit::{Exit, Failure};
use super::schemas::SCHEMAS;
use crate::cli::actions::ACTIONS;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use surefoot_engine::load::ACTIONS as ACTIONS_FOLDER;
use surefoot_engine::schema;

/// Where schemas are, below the folder that is written to.
const SCHEMAS_FOLDER: &str = "schemas";

/// Texts by their paths below a folder.
pub struct Starter {
    folder: PathBuf,
    files: Vec<(PathBuf, String)>,
    /// Files that others share, which may be there already if they are the same.
    shared: Vec<(PathBuf, String)>,
}

impl Starter {
    pub fn below(folder: &Path) -> Starter {
        Starter { folder: folder.to_owned(), files: Vec::new(), shared: Vec::new() }
    }

    /// A runbook, a test or a rehearsal, by its name; an editor finds its schema.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: &str) {
        let path = path.into();
        let text = with_modeline(&path, text);
        self.files.push((path, text));
    }

    /// The same of one that others share.
    pub fn share(&mut self, path: impl Into<PathBuf>, text: &str) {
        let path = path.into();
        let text = with_modeline(&path, text);
        self.shared.push((path, text));
    }

    /// Writes them, and the schemas. Gives the paths of all that was written.
    pub fn write(&self) -> Result<Vec<PathBuf>, Failure> {
        let is_there = |path: &Path| self.folder.join(path).symlink_metadata().is_ok();
        let is_same =
            |path: &Path, text: &str| fs::read(self.folder.join(path)).is_ok_and(|old| old == text.as_bytes());
        let own = self.files.iter().find(|(path, _)| is_there(path));
        let other = self.shared.iter().find(|(path, text)| is_there(path) && !is_same(path, text));
        if let Some((path, _)) = own.or(other) {
            let path = self.folder.join(path);
            return Err(Exit::WrongInput.because(format!("{} is there already: nothing was written", path.display())));
        }
        let shared = self.shared.iter().filter(|(path, _)| !is_there(path));
        let new: Vec<_> = self.files.iter().chain(shared).map(|(path, text)| (self.folder.join(path), text)).collect();
        for (path, text) in &new {
            write_new(path, text).map_err(|error| Exit::Failed.because(format!("{}: {error}", path.display())))?;
        }
        let schemas = self.folder.join(SCHEMAS_FOLDER);
        let made = write_schemas(&schemas, Overwrite::Never);
        made.map_err(|error| Exit::Failed.because(format!("{}: {error}", schemas.display())))?;
        Ok(new.into_iter().map(|(path, _)| path).chain([schemas]).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// What is there stays.
    Never,
    Always,
}

/// Writes every schema, as `NAME.json`.
pub fn write_schemas(folder: &Path, overwrite: Overwrite) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, make) in SCHEMAS {
        let (path, text) = (folder.join(format!("{name}.json")), schema::text(&make(&ACTIONS)));
        match overwrite {
            Overwrite::Always => fs::write(&path, text)?,
            Overwrite::Never => match write_new(&path, &text) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                written => written?,
            },
        }
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    File::create_new(path)?.write_all(text.as_bytes())
}

/// How editors are told of a file's schema, in its first line.
const MODELINE: &str = "# yaml-language-server: $schema=";

fn with_modeline(path: &Path, text: &str) -> String {
    let body = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(MODELINE) => rest,
        _ => text,
    };
    let up = "../".repeat(path.components().count().saturating_sub(1));
    let name = match path.to_string_lossy() {
        path if path.ends_with(".test.yaml") => "test",
        path if path.ends_with(".rehearse.yaml") => "rehearsal",
        _ if path.parent().is_some_and(|folder| folder.ends_with(ACTIONS_FOLDER)) => "action",
        _ => "runbook",
    };
    format!("{MODELINE}{up}{SCHEMAS_FOLDER}/{name}.json\n{body}")
}
