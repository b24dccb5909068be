//! Command lines as hosts keep them, in units of systemd and in manifests of static pods: their words, the flags among
//! them, and changes of these with every other byte as it is.
//!
//! One way for all places: a place gives its words, [`change::changes`] says which of them must change, the place
//! writes them. What a flag means to its program is not known here.

mod change;
mod flags;
mod manifest;
mod text;
mod unit;
mod unit_file;
mod words;

pub use change::{WantedFlags, is_name};
pub use flags::{FlagSource, expand, flags, within};
pub use manifest::edit as edit_manifest;
pub use text::edit as edit_text;
pub use unit::{Environment, UnitCommand};
pub use unit_file::{FlagsLocation, edit as edit_unit, files, place_of};
pub use words::split;
