//! What a run keeps on its hosts (job folders, originals, data set aside), and how that goes away.
//!
//! Invariant: what is removed is the run's own folder on a host, and paths that the run's record announced before they
//! were made and that have its id in their name. All else is only named. Does not know who asks for it, nor how hosts
//! are held meanwhile.

mod host;
mod keeping;

pub use host::{RunLeftovers, find, remove};
pub use keeping::{Announced, Keeping, ScriptPlace, announced};
