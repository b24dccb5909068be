//! Surefoot, the program: arguments, commands, the page, and what people and programs see of a run.
//!
//! The engine is `surefoot-engine`; the actions on etcd are `surefoot-etcd`; disposable hosts are `surefoot-lab`.
//!
//! - [`report`]: what people and programs see.
//! - [`cli`]: arguments, commands, exit codes.

pub mod cli;
pub mod report;
