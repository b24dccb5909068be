//! The runbooks of `runbooks/examples/` in the lab, with the real services: forward and back, and where they break.

mod certificate;
mod disk;
mod network;
mod postgresql;
pub mod scene;
mod web_tier;
