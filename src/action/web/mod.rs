//! HTTP/1.1, spoken by ourselves through a connection that a host opens: nothing is needed on the host, and neither
//! headers nor bodies are ever in an argument.
//!
//! One connection for each question. Redirects are told, not followed. Knows nothing of what is asked, or why.

mod client;
mod tls;
mod url;

pub use client::{Answer, Connection};
pub use tls::Tls;
pub use url::Url;
