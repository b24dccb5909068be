//! Outputs too large for a line: each in a file of its own, named by what is in it.
//!
//! A step's standard output may be megabytes; lines stay short, so that reading a journal stays cheap, and
//! a restart still finds every value. The line names the value's SHA-256, so the chain covers it as well.

use super::error::{JournalError, at};
use super::line::{JournalLine, hex};
use crate::model::{Event, Outputs, TaskEvent};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of JSON; a line, or a value, above this is large.
pub const LARGE: usize = 64 * 1024;

/// Moves the large values of a line's outputs to files in `folder`; they are on disk when this returns.
pub fn take_out(line: &mut JournalLine, folder: &Path) -> Result<(), JournalError> {
    let Some(out) = outputs(line) else { return Ok(()) };
    let mut small = Outputs::new();
    let mut kept = Vec::new();
    for (name, value) in out.iter() {
        let json = serde_json::to_vec(value).map_err(|e| at(folder)(e.into()))?;
        if json.len() <= LARGE {
            small.insert(name.clone(), value.clone());
            continue;
        }
        let sum = hex(&Sha256::digest(&json));
        write(&folder.join(&sum), &json)?;
        kept.push((name.clone(), sum));
    }
    File::open(folder).and_then(|f| f.sync_all()).map_err(at(folder))?;
    *out = Arc::new(small);
    line.kept.extend(kept);
    Ok(())
}

/// Puts the values back that a line has in files; else says which one is not what it was.
pub fn put_back(line: &mut JournalLine, folder: &Path) -> Result<(), String> {
    let kept = std::mem::take(&mut line.kept);
    let Some(out) = outputs(line) else { return Ok(()) };
    let out = Arc::make_mut(out);
    for (name, sum) in kept {
        let json = fs::read(folder.join(&sum)).map_err(|e| format!("its output `{name}` cannot be read: {e}"))?;
        if hex(&Sha256::digest(&json)) != sum {
            return Err(format!("its output `{name}` was changed"));
        }
        let value: Value = serde_json::from_slice(&json).map_err(|e| format!("its output `{name}`: {e}"))?;
        out.insert(name, value);
    }
    Ok(())
}

fn outputs(line: &mut JournalLine) -> Option<&mut Arc<Outputs>> {
    match &mut line.stamped.event {
        Event::Task { what: TaskEvent::Done { out, .. }, .. } => Some(out),
        _ => None,
    }
}

/// Under another name until it is whole: what bears a checksum as its name is always what it says.
fn write(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let partial = path.with_extension("partial");
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    open.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())).map_err(at(&partial))?;
    fs::rename(&partial, path).map_err(at(path))
}
