//! Each core action on a real host: what it does, that it is at rest afterwards, and that its undo leads back.

mod commands;
mod download;
mod env_file;
mod fetch;
mod file;
mod flags;
mod guards;
mod hostile;
mod moving;
mod sending;
mod tls;
mod transfer;
mod unarchive;
mod units;
mod waiting;
mod web;

/// Whether an action refuses these parameters by themselves, before it is asked to do anything.
fn refuses(kind: &str, parameters: serde_json::Value) -> bool {
    let kind = surefoot::cli::ACTIONS.find(kind).expect("a kind of that name");
    (kind.decode)(parameters).is_err()
}
