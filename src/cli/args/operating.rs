//! Commands for a run that is there: roll it back, decide, approve, pause, cancel, clean up.

use super::formats::LogFormat;
use super::running::RunOptions;
use crate::cli::{complete, durations};
use clap::{ArgGroup, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_engine::model::{RunId, StepId, TaskName};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A step is undone once all that came after it is; what nothing can undo is named at the end. A walk that was
cut off goes on. From a checkpoint `surefoot resume` goes forward again.

Examples:
  surefoot rollback last --plan
  surefoot rollback last --to staged --yes")]
pub struct Rollback {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// The checkpoint to roll back to [default: the start, or where a walk that was cut off leads]
    #[arg(long, value_name = "CHECKPOINT", add = ArgValueCompleter::new(complete::checkpoints))]
    pub to: Option<String>,
    /// Only show the way
    #[arg(long)]
    pub plan: bool,
    /// Cross points of no return: what lies there stays as it is
    #[arg(long)]
    pub force: bool,
    /// Also undo what others have changed since: their version is kept beside, under a name with the run's id
    #[arg(long)]
    pub set_aside: bool,
    /// Do not ask before starting
    #[arg(long)]
    pub yes: bool,
    /// Go on with another secret than the run had: a parameter, `etcd:HOST` for a password of the inventory, or `all`
    #[arg(long, value_name = "NAME")]
    pub accept_changed: Vec<String>,
    #[command(flatten)]
    pub manner: RunOptions,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Look at the host first. What is settled is on record with your name; `surefoot resume` or `rollback` goes on from it.

Example:
  surefoot settle last migrate@db-1 undone")]
pub struct SettleArgs {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    #[arg(value_name = "STEP@HOST", add = ArgValueCompleter::new(complete::tasks))]
    pub task: TaskName,
    pub verdict: ResolvedAs,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Shows first what goes away on each host, and how large it is. Afterwards the run can neither go on nor be rolled back;
its record stays. What the runbook itself has moved or made is never touched. A host that cannot be reached is named:
the next `surefoot tidy` goes on there.

With `--older` it is every run that is over (done, or rolled back) and was so that long ago, and its record goes away, too.
It stays where a host cannot be tidied, and where something is there that the run has set aside.

Examples:
  surefoot tidy last
  surefoot tidy --older 30d
  surefoot tidy 20260102-030405-abcd --yes")]
pub struct TidyArgs {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", required_unless_present = "older", add = ArgValueCompleter::new(complete::runs))]
    pub run: Option<RunId>,
    /// Every run that is over for longer than that, and its record, too
    #[arg(long, value_name = "TIME", value_parser = durations::age, conflicts_with_all = ["run", "force", "take_over"])]
    pub older: Option<Duration>,
    /// Also of a run that could go on, or is rolled back in part only
    #[arg(long)]
    pub force: bool,
    /// Do not ask before removing anything
    #[arg(long)]
    pub yes: bool,
    /// Say what is waited for while connecting
    #[arg(short, long)]
    pub verbose: bool,
    /// Take hosts over whose lease has ended without being given back; what their run still does there is ended
    #[arg(long)]
    pub take_over: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Your name goes on record. The run must be alive and waiting at the step; a run that has stopped is gone on with by
`surefoot resume RUN --approve STEP`.

Example:
  surefoot approve last go-ahead")]
pub struct ApproveArgs {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    #[arg(add = ArgValueCompleter::new(complete::steps))]
    pub step: StepId,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
What is at work is let finish, with its further attempts; no other task is begun, forward or back. The engine stays and
keeps its hosts. Your name goes on record, and `surefoot show` says that the run is paused. Where the engine dies
meanwhile, `surefoot resume` simply goes on.

Examples:
  surefoot pause last
  surefoot pause last --go-on")]
pub struct PauseArgs {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// Let a paused run go on
    #[arg(long)]
    pub go_on: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Shows what has happened so far, then what happens, until the engine ends; the exit code is that of the run. At a terminal
it is the same view as where the run was started: `y` and `n` answer a step that asks, `p` pauses, `q` stops the run safely
after a question. Ctrl-C leaves the view, and the run goes on.

Examples:
  surefoot attach last
  surefoot attach last --log json | jq .")]
pub struct Attach {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// How the run is shown [default: live on a terminal, else lines]
    #[arg(long, value_enum)]
    pub log: Option<LogFormat>,
    /// Show starts, announced changes and repeated attempts too
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
The same as Ctrl-C twice where the run was started: nothing new starts, and every process that its steps have started on
their hosts is ended and seen to be gone. Where the engine is dead, this takes the hosts as `surefoot resume` does, ends
what still runs there, and starts nothing. What had ended by itself meanwhile counts as what it came to.

Your name goes on record. Afterwards `surefoot resume` goes on with the run, and `surefoot rollback` rolls it back.

Exit codes: 0 nothing of the run is at work any more, and what became of each step is on record; 5 that is not known of
a step, which is named; 6 another run holds a host. The run itself ends with 130.

Examples:
  surefoot cancel last
  surefoot cancel 20260102-030405-abcd")]
pub struct Cancel {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    /// Take hosts over whose lease has ended without being given back; what their run still does there is ended
    #[arg(long)]
    pub take_over: bool,
    /// Say what is waited for while connecting
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(clap::Args, Debug)]
#[command(group(ArgGroup::new("forms").required(true).multiple(true).args(["html", "markdown", "junit", "json", "otlp"])))]
#[command(after_help = "\
Who, what and when; parameters; what became of each task, with its command, its output and its undo; faults and how they
were met; and the seal of the record, which is checked first. Secrets are masked, as they are on record. The page needs
nothing but itself. `-` in the place of a file is standard output.

A trace has a span for each engine that worked at the run, and in it one for each task, forward and back. It is sent as
OTLP over HTTP in its JSON encoding, with the headers of OTEL_EXPORTER_OTLP_HEADERS; a file holds one request on each line.

Examples:
  surefoot report last --html incident.html
  surefoot report last --markdown - --junit run.xml
  surefoot report last --otlp http://localhost:4318/v1/traces")]
pub struct Report {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// One page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// For a ticket
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// For CI: each task is a case
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// For programs
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// As a trace of OpenTelemetry: sent to a receiver, or written to a file
    #[arg(long, value_name = "URL|FILE")]
    pub otlp: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResolvedAs {
    /// It took effect
    Done,
    /// Nothing of it is there
    Undone,
}
