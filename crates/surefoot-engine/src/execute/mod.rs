//! Runs a program: starts each task as soon as it may, and tells what happened, event by event.
//!
//! One loop (`driver`) owns the run: an event is written down, folded into the state and shown (`record`), and only
//! then acted upon. Tasks run beside the loop and ask it to take their events. Forward and back are `leg`s of the
//! same loop. Invariant: nothing is done to a host that is not on disk before. Does not know how events are stored or
//! displayed, nor what any action does.
//!
//! `look_ahead` passes the same tasks in the same order, and does none of them: what it finds makes a plan.

mod approvals;
mod attempt;
mod cancel;
mod check_drift;
mod commit;
mod deferred_restarts;
pub mod drift;
mod driver;
mod dry_run;
mod impact;
mod inside;
mod last_writers;
mod leases;
mod output;
mod phase;
mod reapply;
mod record;
mod recover;
mod refetch;
mod retry;
mod roll;
pub mod rollback;
mod schedule;
mod signals;
mod task;
mod transitions;
mod undo;

pub use driver::{Goal, Run, RunOrigin, run};
pub use dry_run::{Ahead, dry_run};
pub use leases::{Leases, Terms, lost};
pub use output::file_name;
pub use reapply::Reapply;
pub use record::{Append, RecordError};
pub use schedule::{Limits, Schedule, Slot};
pub use signals::{PauseWish, Signals};
pub use task::{ActionFactory, real_actions};
pub use undo::undo_part;
