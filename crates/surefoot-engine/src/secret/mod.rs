//! What must not be seen: where secrets are found, and how they are masked wherever they would show.
//!
//! Masking is by value, in one place for each road out of an engine, and there are no others:
//!
//! - events: `execute::record` masks each before it reaches the journal, the fold and whoever watches, and a question
//!   on its way to the operator;
//! - what tasks print: `execute::output` masks it before its file and before whoever watches;
//! - what looking at hosts tells of a task: `plan::Foreseen::told` masks it before it becomes a part of a plan, and lines
//!   that a secret is in are not shown at all;
//! - offline plans, parameters on record and diagnostics of a checked runbook are made before any secret is read: they
//!   have its [`Source`] only.
//!
//! A [`Secret`] has neither `Display` nor `Serialize`, and its `Debug` tells nothing. Where one may be written in a
//! runbook is the check's to say (`check::secrets`). Does not know steps, hosts or formats.

mod encodings;
mod event;
mod fingerprint;
mod keyring;
mod masks;
mod matcher;
mod source;
mod stream;
mod unredacted;
mod value;

pub use fingerprint::FingerprintKey;
pub use keyring::{EtcdLogin, Keyring, Of, hidden};
pub use masks::Masks;
pub use source::{FORMS, PARAMETER_FORMS, SecretSource};
pub use stream::MaskedStream;
pub use unredacted::UnredactedOutputs;
pub use value::{LONGEST, MASK, SHORTEST, Secret};

#[cfg(test)]
mod tests;
