//! A small disk in memory for a run's state folder, so that it can be full.

use super::error::RehearsalError;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

const MEBIBYTES: u32 = 64;

/// Mounted as long as this lives.
pub struct StateDisk {
    at: PathBuf,
}

impl StateDisk {
    pub fn mount(at: &Path) -> Result<StateDisk, RehearsalError> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={MEBIBYTES}m,mode=0700"), "surefoot-rehearsal"]).arg(at);
        let status = mount.status().map_err(RehearsalError::io("start mount"))?;
        if !status.success() {
            return Err(RehearsalError::Other(format!("no disk could be mounted at {}", at.display())));
        }
        Ok(StateDisk { at: at.to_owned() })
    }

    fn filler(&self) -> PathBuf {
        self.at.join(".filled")
    }

    /// To the last byte.
    pub fn fill(&self) -> Result<(), RehearsalError> {
        let mut file = File::create(self.filler()).map_err(RehearsalError::io("fill the state disk"))?;
        match io::copy(&mut io::repeat(0), &mut file) {
            Err(e) if e.kind() != ErrorKind::StorageFull => Err(RehearsalError::io("fill the state disk")(e)),
            _ => Ok(()),
        }
    }

    pub fn free(&self) -> Result<(), RehearsalError> {
        std::fs::remove_file(self.filler()).map_err(RehearsalError::io("free the state disk"))
    }
}

impl Drop for StateDisk {
    fn drop(&mut self) {
        // Its files are copied out first, where they are wanted.
        let _ = Command::new("umount").arg(&self.at).status();
    }
}
