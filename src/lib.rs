//! Surefoot: runbooks in YAML, compiled to a DAG of steps, run across hosts over SSH, checkpointed at every step.

pub mod action;
pub mod check;
pub mod cli;
pub mod compile;
pub mod execute;
pub mod journal;
pub mod lab;
pub mod load;
pub mod model;
pub mod plan;
pub mod report;
pub mod template;
pub mod world;
