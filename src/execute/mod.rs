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
mod commit;
pub mod drift;
mod driver;
mod effective;
mod end;
mod ending;
mod inside;
mod leases;
mod leg;
mod look_again;
mod look_ahead;
mod output;
mod pending;
mod reapply;
mod recall;
mod record;
mod retry;
mod roll;
mod schedule;
mod signals;
mod take_up;
mod task;
mod undo;
pub mod walk;

pub use driver::{Goal, Origin, Run, run};
pub use leases::{Leases, Terms, lost};
pub use look_ahead::{Ahead, look_ahead};
pub use output::file_name;
pub use reapply::Reapply;
pub use record::{Append, Error};
pub use schedule::{Limits, Schedule, Slot};
pub use signals::{PauseWish, Signals};
pub use task::{Actions, real_actions};
pub use undo::undo_part;
