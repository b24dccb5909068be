//! `-i`: where hosts come from. `lab:NAME` stands for the inventory of a lab on this machine.

use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;
use surefoot_lab::lab::{Lab, LabError, LabName};

/// Of the argument of `-i`. `lab:` is the lab that `surefoot lab up` makes without a name.
pub fn parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(resolve)
}

/// The inventory that is meant: everything but `lab:NAME` is a path or is read by the loader.
pub fn resolve(given: OsString) -> Result<PathBuf, LabError> {
    let Some(lab) = given.to_str().and_then(|text| text.strip_prefix("lab:")) else { return Ok(PathBuf::from(given)) };
    let name: LabName = if lab.is_empty() { DEFAULT_LAB } else { lab }.parse()?;
    Ok(Lab::open(&name)?.inventory())
}

/// The name of a lab that was given none.
pub const DEFAULT_LAB: &str = "lab";
