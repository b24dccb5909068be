//! The user's own file: found, read, and its mistakes shown.

use super::exit::Exit;
use super::pipeline::show;
use crate::load::{self, Config};
use crate::model::Sources;
use std::path::{Path, PathBuf};

/// The file that is named, which must be there; else the one in its place, where there is one.
pub fn read(named: Option<&Path>) -> Result<Config, Exit> {
    let path = match named {
        Some(path) => Some(path.to_owned()),
        None => usual().filter(|path| path.exists()),
    };
    let mut sources = Sources::default();
    let config = path.map_or(Ok(Config::default()), |path| load::config(&path, &mut sources));
    config.map_err(|problems| show(&problems, &sources))
}

fn usual() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = given.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(folder.join("surefoot/config.yaml"))
}
