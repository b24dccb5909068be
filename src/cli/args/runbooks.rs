//! Runbooks by name.

use super::formats::Format;
use crate::cli::complete;
use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
A name stands wherever a command takes a RUNBOOK, and after `use:` in a runbook. It is looked for in this order:
  1. the file of that path, with `.yaml` or without, from the current folder
  2. the folders of SUREFOOT_RUNBOOKS, separated by colons
  3. the folders that `runbooks:` lists in your own file (~/.config/surefoot/config.yaml)
  4. what is built into this program; `builtin:NAME` means this one only

Examples:
  surefoot runbooks
  surefoot runbooks --long
  surefoot runbooks show etcd/backup
  surefoot runbooks copy etcd/restore-cluster my-runbooks
  SUREFOOT_RUNBOOKS=/srv/runbooks surefoot run web/restart -i site.yaml"
)]
pub struct Runbooks {
    #[command(subcommand)]
    pub command: Option<NamedRunbook>,
    /// Show where each is from, and its hash, too
    #[arg(long)]
    pub long: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Subcommand, Debug)]
pub enum NamedRunbook {
    /// Print the text of a runbook
    #[command(after_help = "Example:\n  surefoot runbooks show etcd/backup")]
    Show {
        #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::names))]
        name: String,
    },
    /// Write a runbook, its test, its rehearsal, what it uses, and the schemas for editors into a folder
    ///
    /// Never over another file that is there.
    #[command(after_help = "Example:\n  surefoot runbooks copy etcd/restore-cluster my-runbooks")]
    Copy {
        #[arg(value_name = "NAME", add = ArgValueCompleter::new(complete::names))]
        name: String,
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}
