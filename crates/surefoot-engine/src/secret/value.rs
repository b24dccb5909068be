//! A value that must not be seen.

use std::fmt;
use std::sync::Arc;

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// What is shorter, in bytes, is not looked for: it would be found everywhere. A parameter that is a secret must be
/// longer; of a secret's lines and of a secret step's outputs, shorter ones are not masked elsewhere.
pub const SHORTEST: usize = 4;

/// What is longer, in bytes, is refused: looking for it in everything that shows would cost too much memory.
pub const LONGEST: usize = 64 << 10;

/// A value that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Secret(value.into())
    }

    /// The value, for where it is needed: a template's scope, a host's environment, a login.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
