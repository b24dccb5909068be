//! HTTP/1.1, spoken by ourselves over a stream that somebody has opened: nothing is needed at its other end but a server,
//! and neither headers nor bodies are ever in an argument.
//!
//! One connection for each question. Redirects are told, not followed. Knows nothing of what is asked, or why.

mod client;
mod tls;
mod url;

pub use client::{Connection, Response};
pub use tls::{agreed, config, roots};
pub use url::Url;
