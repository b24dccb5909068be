//! Certificates: an authority on the controller, and what it signs for the hosts.
//!
//! ECDSA P-256 throughout. The authority's key never leaves the controller; a host's key is made in the controller's
//! memory, goes to its host through a pipe and lies nowhere else.

mod authority;
mod ca;
mod cert;
mod reading;
mod validity;

pub use ca::Ca;
pub use cert::Cert;
pub use reading::Certificate;
