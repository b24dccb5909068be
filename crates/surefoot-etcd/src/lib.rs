//! Actions on etcd. They take `members:` or the step's `on:`, never URLs, and speak gRPC through tunnels of the hosts.
//!
//! One file for each kind. `versions` is all that is known of releases of etcd. `client` speaks to one member, `layout` knows where a host keeps its settings, `file` reads
//! snapshots. Ids are hex strings everywhere, as etcd's own tools print them.

mod accepts_settings;
mod alarm;
mod auth;
mod client;
mod compact;
mod config;
mod configure;
mod consistent;
mod content;
mod defrag;
mod downgrade;
mod file;
mod get;
mod health;
mod identity;
mod known_faults;
mod layout;
mod member;
mod members;
mod metrics;
mod mirror;
mod move_data;
mod move_leader;
mod probe;
mod put;
mod quorum;
mod restart_safe;
mod restorable;
mod restore;
mod sidecar;
mod silence;
mod snapshot;
mod snapshot_status;
mod started;
mod status;
mod tools;
mod try_program;
mod v2;
mod version_change;
pub mod versions;

pub use accepts_settings::AcceptsSettings;
pub use alarm::Alarm;
pub use auth::Auth;
pub use compact::Compact;
pub use config::Config;
pub use configure::Configure;
pub use consistent::Consistent;
pub use content::Content;
pub use defrag::Defrag;
pub use downgrade::Downgrade;
pub use get::Get;
pub use health::Health;
pub use identity::Identity;
pub use known_faults::KnownFaults;
pub use member::MemberAction;
pub use members::Members;
pub use metrics::Metrics;
pub use mirror::{Mirror, MirrorCheck};
pub use move_data::MoveData;
pub use move_leader::MoveLeader;
pub use probe::Probe;
pub use put::Put;
pub use quorum::Quorum;
pub use restart_safe::RestartSafe;
pub use restorable::Restorable;
pub use restore::Restore;
pub use sidecar::Sidecar;
pub use silence::Silence;
pub use snapshot::Snapshot;
pub use snapshot_status::SnapshotStatus;
pub use started::Started;
pub use status::Status;
pub use try_program::TryProgram;
pub use v2::V2;
pub use version_change::VersionChange;

use surefoot_engine::action::{ActionRegistry, NameTaken};

/// Adds the actions on etcd, in the order of the manual.
pub fn register(actions: &mut ActionRegistry) -> Result<(), NameTaken> {
    actions.register::<Config>()?;
    actions.register::<RestartSafe>()?;
    actions.register::<Configure>()?;
    actions.register::<KnownFaults>()?;
    actions.register::<VersionChange>()?;
    actions.register::<AcceptsSettings>()?;
    actions.register::<TryProgram>()?;
    actions.register::<Downgrade>()?;
    actions.register::<Identity>()?;
    actions.register::<Status>()?;
    actions.register::<Started>()?;
    actions.register::<Silence>()?;
    actions.register::<Health>()?;
    actions.register::<Quorum>()?;
    actions.register::<MoveLeader>()?;
    actions.register::<Consistent>()?;
    actions.register::<Alarm>()?;
    actions.register::<Compact>()?;
    actions.register::<Defrag>()?;
    actions.register::<Metrics>()?;
    actions.register::<Auth>()?;
    actions.register::<V2>()?;
    actions.register::<Members>()?;
    actions.register::<MemberAction>()?;
    actions.register::<Content>()?;
    actions.register::<Probe>()?;
    actions.register::<Get>()?;
    actions.register::<Put>()?;
    actions.register::<Snapshot>()?;
    actions.register::<SnapshotStatus>()?;
    actions.register::<Restorable>()?;
    actions.register::<Restore>()?;
    actions.register::<MoveData>()?;
    actions.register::<MirrorCheck>()?;
    actions.register::<Mirror>()?;
    Ok(())
}
