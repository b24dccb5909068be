//! A lab for the length of a scope.

use std::ops::Deref;

use super::error::LabError;
use super::handle::Lab;
use super::progress::Say;
use super::spec::LabSpec;

/// Takes its lab down when it is dropped. Should the process be killed before, the next `up` of any lab does it.
#[derive(Debug)]
pub struct LabGuard(Lab);

impl LabGuard {
    pub fn up(spec: &LabSpec, say: Say) -> Result<LabGuard, LabError> {
        Lab::up_while(spec, std::process::id(), say).map(LabGuard)
    }
}

impl Deref for LabGuard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        // A drop has nobody to tell; whatever stays is reaped when this process has ended.
        let _ = Lab::down(self.0.name());
    }
}
