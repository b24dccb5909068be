//! Commands that read the records of runs.

use crate::cli::{complete, durations};
use clap::builder::PossibleValuesParser;
use clap_complete::engine::ArgValueCompleter;
use jiff::Timestamp;
use surefoot_engine::model::{HostName, RunId, TaskName};
use surefoot_engine::view::RunStatus;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  surefoot runs --status failed --status crashed --since 1d
  surefoot runs --runbook etcd/upgrade --host etcd-1
  surefoot runs --json | jq '.runs[].run'")]
pub struct RunsArgs {
    /// Only runs that are so; may be given several times
    #[arg(long = "status", value_name = "STATUS", value_parser = PossibleValuesParser::new(RunStatus::ALL.map(RunStatus::name)))]
    pub statuses: Vec<String>,
    /// Only runs of this runbook
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::names))]
    pub runbook: Option<String>,
    /// Only runs that have a task on this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<HostName>,
    /// Only runs that began since then: a time such as 2026-01-02 or 2026-01-02T03:04, or so long ago, such as 2h or 3d
    #[arg(long, value_name = "TIME", value_parser = durations::moment)]
    pub since: Option<Timestamp>,
    /// Only runs that began before then
    #[arg(long, value_name = "TIME", value_parser = durations::moment)]
    pub until: Option<Timestamp>,
    /// As JSON; `surefoot schema runs` describes it
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
What failed and why comes first, then the commands that lead on, then each task.

Examples:
  surefoot show last
  surefoot show last --failed
  surefoot show last --json | jq '.failures[].cause.message'")]
pub struct ShowArgs {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// Only what failed, and what can be done about it
    #[arg(long)]
    pub failed: bool,
    /// As JSON; `surefoot schema show` describes it
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  surefoot logs last push@etcd-1
  surefoot logs last --follow
  surefoot logs last --engine")]
pub struct LogsArgs {
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// One task; every task where it is left out
    #[arg(value_name = "STEP@HOST", add = ArgValueCompleter::new(complete::tasks))]
    pub task: Option<TaskName>,
    /// Print what comes, too, until the run's engine ends
    #[arg(short, long)]
    pub follow: bool,
    /// Every byte as it came, also what moves a terminal's cursor or hides text
    #[arg(long)]
    pub raw: bool,
    /// A JSON object for each line that was printed; `surefoot schema logs` describes it
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// The engine's own log: connections, leases, attempts, retries and faults
    #[arg(long, conflicts_with_all = ["task", "follow", "json"])]
    pub engine: bool,
}
