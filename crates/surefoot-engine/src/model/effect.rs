//! What a step does to the world, as far as the engine needs to know.

use super::image::Images;
use serde::{Deserialize, Serialize};

/// Dry run, retry and recovery read only this; the engine never matches on an action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing; may be repeated; needs no undo.
    ReadOnly,
    /// Looks before it changes; doing it again is harmless.
    Idempotent,
    /// Runs whatever it is told; only its author knows what that did.
    Opaque,
}

/// What takes a change back, journaled before the change is made.
/// The `data` is the action's own (paths, states, checksums), never file contents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// One line for people: what the undo would do.
    pub summary: String,
    pub data: serde_json::Value,
    /// What it would write to, as that was before the change.
    #[serde(default, skip_serializing_if = "Images::is_empty")]
    pub images: Images,
}
