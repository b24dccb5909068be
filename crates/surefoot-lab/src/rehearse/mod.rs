//! The fault matrix: a runbook in the lab again and again, with one fault at a time, at one moment after the other.
//!
//! Each case starts the program itself as a child, on hosts that were brought back as they were prepared; holds it still
//! (SIGSTOP) as soon as its record has come to the moment; breaks something; and then does what an operator would:
//! resume, settle, roll back. What became of it is judged from outside: the hosts, the job records on them, the run's
//! journal, the exit codes.
//!
//! Invariant: a case never helps the engine. The engine has no hooks for this, and knows nothing of it.

mod case;
mod engine;
mod error;
mod fault;
mod fault_injector;
mod file;
mod host_snapshot;
mod judge;
mod matrix;
mod point;
mod prepared_lab;
mod recovery;
mod results;
mod second_engine;
mod starts;
mod state_disk;
mod table;

pub use case::{CaseOutcome, CaseResult, FaultCase};
pub use error::RehearsalError;
pub use fault::InjectedFault;
pub use file::{LabWish, REHEARSAL, Rehearsal, load, load_at};
pub use matrix::{CaseSelection, Matrix};
pub use point::{FaultMoment, Point};
pub use prepared_lab::{PreparedLab, RehearsedProgram};
pub use results::Results;
pub use table::markdown;
