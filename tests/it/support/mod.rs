//! What several features' tests share.

pub mod bench;
pub mod damaging;
pub mod engine;
pub mod files;
pub mod sshd;
