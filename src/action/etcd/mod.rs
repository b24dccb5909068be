//! Actions on etcd. They take `members:` or the step's `on:`, never URLs, and speak gRPC through tunnels of the hosts.
//!
//! One file for each kind. `client` speaks to one member, `layout` knows where a host keeps its settings, `file` reads
//! snapshots. Ids are hex strings everywhere, as etcd's own tools print them.

mod client;
mod config;
mod file;
mod identity;
mod layout;
mod read;

pub use config::Config;
pub use identity::Identity;
