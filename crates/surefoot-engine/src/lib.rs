//! The engine of surefoot: runbooks in YAML, compiled to a DAG of steps, run across hosts, checkpointed at every step.
//!
//! Data goes one way, and each stage takes the type that only the stage before it can make:
//!
//! ```text
//! load -> check -> compile -> plan
//!                          -> execute -> journal
//! ```
//!
//! - [`model`]: the words that every stage speaks: ids, places, diagnostics, faults, events, and the run's state, a fold
//!   over its events and the only truth about it.
//! - [`bounded`]: files that people name, read with a bound.
//! - [`secret`]: what must not be seen, and how it is masked wherever it would show.
//! - [`template`]: templates and expressions, evaluated late.
//! - [`http`]: questions to web servers, over any stream.
//! - [`world`]: a host, over ssh or local; scripts that change nothing, and acts that happen at most once.
//! - [`action`]: what a step can do, one file for each kind, and the contract that they share.
//! - [`catalog`]: the runbooks that have a name, and those in the program itself.
//! - [`load`]: YAML to trees in which every value knows its place.
//! - [`check`]: every mistake of a runbook, or a typed one without mistakes.
//! - [`schema`]: what an editor can know of our files, from the tables that the check reads.
//! - [`compile`]: steps times hosts to tasks, and what waits for what.
//! - [`plan`]: what a run would do.
//! - [`execute`]: runs a program, takes a run up again, rolls it back: one loop, one event after the other.
//! - [`journal`]: the record on disk.
//! - [`session`]: all of these together, as a program uses them: prepare, plan, run, resume, roll back, cancel.
//! - [`view`]: a run as it is shown: one projection of its events, from which every display is rendered.
//! - [`tidy`]: what a run keeps on its hosts, and how that goes away.
//! - [`notify`]: tells others of a run.
//! - [`testing`]: a runbook's tests: the engine on hosts that answer as their script says.

pub mod action;
pub mod bounded;
pub mod catalog;
pub mod check;
pub mod compile;
pub mod execute;
pub mod http;
pub mod journal;
pub mod load;
pub mod model;
pub mod notify;
pub mod plan;
pub mod schema;
pub mod secret;
pub mod session;
pub mod template;
pub mod testing;
pub mod tidy;
pub mod view;
pub mod world;
