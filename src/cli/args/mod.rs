//! What may be written after `surefoot`.

mod authoring;
mod formats;
mod lab;
mod operating;
mod records;
mod runbooks;
mod running;
mod serving;

use crate::cli::{complete, inventory};
pub use authoring::{CheckArgs, Findings, Fmt, GraphArgs, GraphFormat, New, Schema, Test};
use clap::{Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;
pub use formats::{Format, LogFormat, PlanFormat, Shell};
pub use lab::{LabCommand, Rehearse};
pub use operating::{ApproveArgs, Attach, Cancel, PauseArgs, Report, ResolvedAs, Rollback, SettleArgs, TidyArgs};
pub use records::{LogsArgs, RunsArgs, ShowArgs};
pub use runbooks::{NamedRunbook, Runbooks};
pub use running::{InputArgs, PlanArgs, Resume, RunArgs, RunOptions};
pub use serving::Serve;
use std::path::PathBuf;
use surefoot_engine::model::RunId;

/// Runs procedures written in YAML across hosts over SSH, checkpointed at every step.
#[derive(Parser, Debug)]
#[command(name = "surefoot", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Where runs are kept [default: $XDG_STATE_HOME/surefoot, else ~/.local/state/surefoot]
    #[arg(long, global = true, value_name = "DIR", env = "SUREFOOT_STATE")]
    pub state: Option<PathBuf>,
    /// Append the engine's log to FILE (0600), not to standard error; SUREFOOT_LOG is its filter, such as
    /// `warn,surefoot=debug` [default: warn,surefoot=info]
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  surefoot runbooks
  surefoot plan etcd/restore-cluster -i site.yaml -p snapshot=backup.db --offline
  surefoot run etcd/restore-cluster -i site.yaml -p snapshot=backup.db
  surefoot rehearse etcd/restore-cluster
  surefoot check my-runbook.yaml

Exit codes: 0 done; 1 failed and stopped; 2 wrong input, nothing touched; 3 failed and rolled back;
4 rolled back in part; 5 an outcome is unknown; 6 another run holds a host; 130 interrupted, resumable.";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Find every mistake in runbooks without touching a host
    Check(CheckArgs),
    /// Show what a run would do
    Plan(PlanArgs),
    /// Run a runbook
    Run(RunArgs),
    /// Go on with a run where it stopped
    Resume(Resume),
    /// Walk a run back: undo what it did, the last first
    Rollback(Rollback),
    /// Decide an outcome that cannot be known
    Settle(SettleArgs),
    /// Remove what a run keeps on its hosts: job folders, originals, data set aside
    Tidy(TidyArgs),
    /// Let an `approve` step of a live run pass, from another terminal
    Approve(ApproveArgs),
    /// Have a live run wait before its next step, or let it go on
    Pause(PauseArgs),
    /// Show a run as it goes on, from another terminal
    Attach(Attach),
    /// End what a run does on its hosts, whether its engine lives or not
    Cancel(Cancel),
    /// Try a runbook without hosts, case by case
    Test(Test),
    /// Run a runbook on disposable hosts of this machine first (needs root)
    Rehearse(Rehearse),
    /// List runs, the newest last
    Runs(RunsArgs),
    /// Show one run: what failed and why, what was done, and what was not
    Show(ShowArgs),
    /// Write one account of a run, for its review: a page, a ticket, CI
    Report(Report),
    /// Show runs on a web page, live
    Serve(Serve),
    /// Say whether a run's record is whole
    ///
    /// The record's lines are chained by checksums; the last one seals them all. Noted elsewhere (in the incident's
    /// ticket, say), it proves later that no line was changed, removed or added.
    #[command(after_help = "Example:\n  surefoot verify last --seal 0f343b0931126a20f133d67c2b018a3b")]
    Verify {
        #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
        run: RunId,
        /// The seal that it must end with
        #[arg(long)]
        seal: Option<String>,
    },
    /// Print what tasks printed
    Logs(LogsArgs),
    /// Draw the order of a runbook's steps
    Graph(GraphArgs),
    /// Lay runbooks and inventories out in one style; comments stay
    Fmt(Fmt),
    /// Show which hosts can be reached, as whom, and what runs there
    #[command(after_help = "Nothing is changed on the hosts.\n\nExample:\n  surefoot hosts -i site.yaml")]
    Hosts {
        /// Hosts, groups, and how to reach them
        #[arg(short, long, value_name = "HOSTS", value_parser = inventory::parser())]
        inventory: PathBuf,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Say what is waited for while connecting
        #[arg(short, long)]
        verbose: bool,
    },
    /// Write a first runbook that checks, plans, passes its test and rehearses
    New(New),
    /// List the runbooks that can be run by name; show one, copy one
    Runbooks(Runbooks),
    /// List the actions and the keys of our files, or print the manual of one
    #[command(after_help = "Examples:\n  surefoot actions copy\n  surefoot actions step")]
    Actions {
        /// An action, or one of `runbook`, `params`, `hosts`, `step` and the others at the end of the list
        #[arg(add = ArgValueCompleter::new(complete::actions))]
        name: Option<String>,
    },
    /// Explain a diagnostic code, with an example; without one, list them all
    #[command(after_help = "Example:\n  surefoot explain E0208")]
    Explain {
        #[arg(add = ArgValueCompleter::new(complete::codes))]
        code: Option<String>,
    },
    /// Print the JSON Schema of a kind of file, for editors
    Schema(Schema),
    /// Print what a shell needs to complete commands, and names in runbooks, inventories and runs
    #[command(after_help = "\
Examples:
  echo 'source <(surefoot completions bash)' >> ~/.bashrc
  surefoot completions zsh > \"${fpath[1]}/_surefoot\"
  surefoot completions fish > ~/.config/fish/completions/surefoot.fish")]
    Completions { shell: Shell },
    /// Print the manual page, or write those of all commands into a folder
    #[command(after_help = "Example:\n  surefoot man ~/.local/share/man/man1")]
    Man {
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Disposable hosts on this machine: real Debian, systemd, sshd and etcd (needs root)
    #[command(subcommand)]
    Lab(LabCommand),
}

impl Command {
    /// Whether the engine's log is written.
    pub fn is_logged(&self) -> bool {
        match self {
            Command::Plan(plan) => !plan.offline,
            Command::Run(_) | Command::Resume(_) | Command::Rollback(_) | Command::Tidy(_) | Command::Cancel(_) => true,
            Command::Hosts { .. } | Command::Rehearse(_) | Command::Serve(_) => true,
            _ => false,
        }
    }

    /// Whether the operator wants to see what is waited for.
    pub fn is_verbose(&self) -> bool {
        match self {
            Command::Plan(plan) => plan.verbose,
            Command::Tidy(tidy) => tidy.verbose,
            Command::Cancel(cancel) => cancel.verbose,
            Command::Rehearse(rehearse) => rehearse.verbose,
            Command::Hosts { verbose, .. } => *verbose,
            _ => self.manner().is_some_and(|manner| manner.verbose),
        }
    }

    /// Whether it shows a run on a live console, where the terminal can be drawn on.
    pub fn is_live(&self) -> bool {
        let live = |log: Option<LogFormat>| matches!(log, None | Some(LogFormat::Live));
        match self {
            Command::Rehearse(rehearse) => live(rehearse.log),
            _ => self.manner().is_some_and(|manner| live(manner.log) && !manner.detach),
        }
    }

    fn manner(&self) -> Option<&RunOptions> {
        match self {
            Command::Run(run) => Some(&run.manner),
            Command::Resume(resume) => Some(&resume.manner),
            Command::Rollback(rollback) => Some(&rollback.manner),
            _ => None,
        }
    }
}
