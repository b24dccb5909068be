//! `surefoot completions` and `surefoot man`: what shells and `man` need to know of this program.

use super::args::{Args, Shell};
use super::complete::ASKED;
use super::exit::{CommandResult, Exit};
use clap::CommandFactory;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use std::io;
use std::path::Path;

/// Prints what a shell reads once. From then on it asks the program itself.
pub fn main(shell: Shell) -> CommandResult {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let name = env!("CARGO_PKG_NAME");
    match shell.write_registration(ASKED, name, name, name, &mut io::stdout()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Exit::Failed.because(error)),
    }
}

/// Answers a shell that asks, and ends; otherwise does nothing.
pub fn answer() {
    clap_complete::CompleteEnv::with_factory(Args::command).var(ASKED).complete();
}

/// Writes the page of every command into a folder, or prints that of the program.
pub fn man(folder: Option<&Path>) -> CommandResult {
    let written = match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Args::command(), folder))
        }
        None => clap_mangen::Man::new(Args::command()).render(&mut io::stdout()),
    };
    written?;
    Ok(Exit::Done)
}
