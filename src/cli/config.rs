//! The user's own file: found, read, and its mistakes shown.

use super::exit::Failure;
use std::path::{Path, PathBuf};
use surefoot_engine::load::{self, UserConfig};
use surefoot_engine::model::Sources;

/// The variable that names another file.
pub const NAMED: &str = "SUREFOOT_CONFIG";

/// The file that is named, which must be there; else the one in its place, where there is one.
pub fn read(named: Option<&Path>) -> Result<UserConfig, Failure> {
    let mut sources = Sources::default();
    let config = path(named).map_or(Ok(UserConfig::default()), |path| load::config(&path, &mut sources));
    config.map_err(|problems| Failure::mistakes(&problems, &sources))
}

/// Where it is; none where there is none.
pub fn path(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| usual().filter(|path| path.exists()))
}

fn usual() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = given.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
    Some(folder.join("surefoot/config.yaml"))
}
