//! Disposable hosts on this machine, and the program itself rehearsed on them.
//!
//! - [`lab`]: disposable hosts on this machine.
//! - [`rehearse`]: the program itself in a lab, under every fault.

pub mod lab;
pub mod rehearse;
