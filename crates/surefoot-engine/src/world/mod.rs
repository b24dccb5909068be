//! The machines that a run touches, as the engine and the actions see them: [`Host`].
//!
//! Knows nothing of steps, runbooks or etcd. Two kinds of host implement the trait: `ssh`, and `local`, the controller.

mod agent_session;
mod fenced;
mod host;
mod hosts;
mod lease;
mod lease_calls;
pub mod limits;
mod local;
pub mod quote;
mod read_only;
mod remote_host;
mod remote_job;
mod script;
mod ssh;
mod transfer;
mod transport;
mod wire;

pub use crate::model::Stream;
pub use agent_session::random;
pub use host::{Host, Incoming, Silent, Sink, Tunnel, WAITING};
pub use hosts::{EtcdAccess, World};
pub use lease::{Acquired, Claim, EngineIdentity, LeaseInfo, LeaseStatus, Outlook, Takeover, status};
pub use local::LocalHost;
pub use read_only::ReadOnly;
pub use remote_host::MachineFacts;
pub use script::{ActId, LONGEST_WORD, Output, Script, fits};
pub use ssh::{SshHost, SshTarget, is_fixed_option};
