//! Errors of the API as faults.

use etcd_client::Error;
use std::error::Error as StdError;
use surefoot_engine::model::{Fault, FaultKind, HostName};

/// `what` was asked of the etcd on `host`.
///
/// A fault of the tunnel itself stays what it is. `permission denied` is `Denied`, `database space exceeded` is
/// `NoSpace`, all else is `Etcd` with etcd's own words as its detail.
pub fn fault(host: &HostName, what: &str, error: &Error) -> Fault {
    if let Some(own) = carried(source(error)) {
        return own;
    }
    let (kind, words) = match error {
        Error::GRpcStatus(status) => (kind(status), chain(status.message(), status)),
        other => (FaultKind::Etcd, other.to_string()),
    };
    let fault = Fault::new(kind, format!("etcd on {host}: {what} failed")).detail(words);
    match kind {
        FaultKind::Denied => fault
            .hint("etcd has users: give the inventory's `etcd:` a `user` with the rights for this, and its `password`"),
        FaultKind::NoSpace => fault.hint("etcd is over its quota: free space, then disarm the alarm"),
        _ => fault,
    }
}

fn kind(status: &tonic::Status) -> FaultKind {
    use tonic::Code::{PermissionDenied, ResourceExhausted, Unauthenticated};
    match status.code() {
        PermissionDenied | Unauthenticated => FaultKind::Denied,
        ResourceExhausted if status.message().contains("database space exceeded") => FaultKind::NoSpace,
        _ if ["user name is empty", "authentication failed"].iter().any(|why| status.message().contains(why)) => {
            FaultKind::Denied
        }
        _ => FaultKind::Etcd,
    }
}

/// Fails to connect: the fault that the tunnel gave, else the words of the whole chain.
pub fn connecting(host: &HostName, error: &(dyn StdError + 'static)) -> Fault {
    carried(Some(error)).unwrap_or_else(|| {
        Fault::new(FaultKind::Etcd, format!("etcd on {host} does not answer")).detail(chain("", error))
    })
}

fn source(error: &Error) -> Option<&(dyn StdError + 'static)> {
    match error {
        Error::GRpcStatus(status) => Some(status),
        Error::TransportError(error) => Some(error),
        Error::IoError(error) => Some(error),
        _ => None,
    }
}

/// The fault that a connector gave, somewhere down the chain.
fn carried(mut error: Option<&(dyn StdError + 'static)>) -> Option<Fault> {
    while let Some(next) = error {
        if let Some(fault) = next.downcast_ref::<Fault>() {
            return Some(fault.clone());
        }
        error = next.source();
    }
    None
}

/// The messages from the outermost to the innermost, each once.
fn chain(first: &str, error: &(dyn StdError + 'static)) -> String {
    let mut words = vec![first.to_owned()];
    let mut next = if first.is_empty() { Some(error) } else { error.source() };
    while let Some(error) = next {
        let text = error.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    words.retain(|word| !word.is_empty());
    words.join(": ")
}
