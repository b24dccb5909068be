//! Each core action on a real host: what it does, that it is at rest afterwards, and that its undo leads back.

mod commands;
mod env_file;
mod fetch;
mod file;
mod guards;
mod moving;
mod transfer;
mod units;
mod waiting;
