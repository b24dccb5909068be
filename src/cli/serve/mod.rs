//! `surefoot serve`: a web page for those who watch.
//!
//! It reads the folders of runs as any other command does, and holds none of them: an engine never waits for it. Each run
//! that somebody watches is followed once, however many watch it. Does not know what a run means (`report::watch`), nor how
//! the page looks (`page/`).

mod assets;
mod control;
mod follow;
mod guard;
mod list;
pub mod listen;
mod output;
mod patient;
mod people;
mod routes;
mod seats;

use super::args::Serve as Args;
use super::engine_log;
use super::exit::{CommandResult, Exit};
use super::out::say;
use super::session::{in_runtime, store};
use guard::Guard;
use listen::{Door, open};
use std::path::PathBuf;
use std::sync::Arc;
use surefoot_engine::secret::Masks;
use tokio::signal::unix::{SignalKind, signal};

pub fn main(state: &Option<PathBuf>, args: &Args) -> CommandResult {
    let store = store(state).map_err(|error| Exit::WrongInput.because(error))?;
    let guard = Guard::new(args).map_err(|error| Exit::WrongInput.because(error))?;
    let masks = Masks::default();
    guard.secrets().for_each(|secret| masks.learn(secret));
    engine_log::mask(&masks);
    in_runtime(async {
        let door = open(&args.listen).map_err(|error| Exit::Failed.because(format!("{}: {error}", args.listen)))?;
        let guard = Arc::new(guard.at(&door));
        invite(&door, &guard);
        let routes = routes::all(store, guard);
        tokio::select! {
            () = listen::serve(&door, routes) => Err(Exit::Failed.because("no more connections can be taken")),
            () = asked_to_end() => Ok(Exit::Done),
        }
    })
}

/// Says where it can be watched.
fn invite(door: &Door, guard: &Guard) {
    match door.address() {
        None => say!("{door}\n"),
        Some(address) => {
            if !address.ip().is_loopback() {
                crate::cli::out::tell_line!("note: what is served is not encrypted: whoever is on the way can read it");
            }
            match guard.token() {
                Some(token) => say!("http://{address}/#token={token}\n"),
                None => say!("http://{address}/\n"),
            }
        }
    }
}

async fn asked_to_end() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return std::future::pending().await; // then the signals do what they do by themselves
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
