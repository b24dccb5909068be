//! What several features' tests share.

pub mod sshd;
