//! What may be written after `surefoot`.

use crate::execute::Limits;
use crate::model::{RunId, StepId, TaskName};
use crate::schema;
use clap::{Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Runs procedures written in YAML across hosts over SSH, checkpointed at every step.
#[derive(Parser, Debug)]
#[command(name = "surefoot", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// Where runs are kept [default: $XDG_STATE_HOME/surefoot, else ~/.local/state/surefoot]
    #[arg(long, global = true, value_name = "DIR", env = "SUREFOOT_STATE")]
    pub state: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  surefoot check runbooks/etcd/*.yaml
  surefoot plan runbooks/etcd/restore-cluster.yaml -i site.yaml -p snapshot=backup.db --offline
  surefoot run runbooks/etcd/restore-cluster.yaml -i site.yaml -p snapshot=backup.db
  surefoot rehearse runbooks/etcd/restore-cluster.yaml

Exit codes: 0 done; 1 failed and stopped; 2 wrong input, nothing touched; 3 failed and rolled back;
4 rolled back in part; 5 an outcome is unknown; 6 another run holds a host; 130 interrupted, resumable.";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Find every mistake in runbooks without touching a host
    Check(Check),
    /// Show what a run would do
    Plan(Plan),
    /// Run a runbook
    Run(Run),
    /// Go on with a run where it stopped
    Resume(Resume),
    /// Walk a run back: undo what it did, the last first
    Rollback(Rollback),
    /// Decide an outcome that cannot be known
    Settle(Settle),
    /// Remove what a run keeps on its hosts: job folders, originals, data set aside
    Tidy(Tidy),
    /// Let an `approve` step of a live run pass, from another terminal
    Approve(Approve),
    /// Run a runbook on throw-away hosts of this machine first (needs root)
    Rehearse(Rehearse),
    /// List runs, the newest last
    Runs,
    /// Show one run: what was done, and what was not
    Show {
        /// The run's id, or its end; `last` is the newest
        #[arg(value_name = "RUN")]
        run: RunId,
    },
    /// Say whether a run's record is whole
    ///
    /// The record's lines are chained by checksums; the last one seals them all. Noted elsewhere (in the incident's
    /// ticket, say), it proves later that no line was changed, removed or added.
    #[command(after_help = "Example:\n  surefoot verify last --seal 0f343b0931126a20f133d67c2b018a3b")]
    Verify {
        #[arg(value_name = "RUN")]
        run: RunId,
        /// The seal that it must end with
        #[arg(long)]
        seal: Option<String>,
    },
    /// Print what tasks printed
    #[command(after_help = "Example:\n  surefoot logs last push@etcd-1")]
    Logs {
        #[arg(value_name = "RUN")]
        run: RunId,
        /// One task; every task where it is left out
        #[arg(value_name = "STEP@HOST")]
        task: Option<TaskName>,
    },
    /// Draw the order of a runbook's steps
    Graph(Graph),
    /// Lay runbooks and inventories out in one style; comments stay
    Fmt(Fmt),
    /// Show which hosts can be reached, as whom, and what runs there
    #[command(after_help = "Nothing is changed on the hosts.\n\nExample:\n  surefoot hosts -i site.yaml")]
    Hosts {
        /// Hosts, groups, and how to reach them
        #[arg(short, long, value_name = "FILE")]
        inventory: PathBuf,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write a first runbook that checks, plans and rehearses
    #[command(
        after_help = "Writes NAME.yaml and NAME.rehearse.yaml here, and never over a file.\n\nExample:\n  surefoot new rotate-logs"
    )]
    New { name: crate::lab::Name },
    /// List the actions, or print one action's manual
    Actions { name: Option<String> },
    /// Explain a diagnostic code, with an example; without one, list them all
    #[command(after_help = "Example:\n  surefoot explain E0208")]
    Explain { code: Option<String> },
    /// Print the JSON Schema of a kind of file, for editors
    Schema(Schema),
    /// Throw-away hosts on this machine: real Debian, systemd, sshd and etcd (needs root)
    #[command(subcommand)]
    Lab(Lab),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  surefoot check runbooks/etcd/restore-cluster.yaml")]
pub struct Check {
    /// Runbooks, and rehearsals (NAME.rehearse.yaml)
    #[arg(required = true, value_name = "RUNBOOK")]
    pub runbooks: Vec<PathBuf>,
    /// Lets steps name its hosts and groups beside the runbook's own roles
    #[arg(short, long, value_name = "HOSTS")]
    pub inventory: Option<PathBuf>,
    /// One JSON object on each line, for editors and CI
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
In the terminal, what changes something stands in a box, what only reads in brackets.

Examples:
  surefoot graph restore-cluster.yaml
  surefoot graph restore-cluster.yaml --format svg > restore-cluster.svg")]
pub struct Graph {
    #[arg(value_name = "RUNBOOK")]
    pub runbook: PathBuf,
    /// Lets steps name its hosts and groups beside the runbook's own roles
    #[arg(short, long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Picture::Text)]
    pub format: Picture,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// For the terminal
    Text,
    /// A picture that needs nothing else, light or dark as its viewer is
    Svg,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    Json,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A file that is no YAML is left alone, and so is one whose meaning would change.

Examples:
  surefoot fmt restore-cluster.yaml
  surefoot fmt --check runbooks/etcd/*.yaml
  surefoot fmt - < draft.yaml")]
pub struct Fmt {
    /// Files, or `-` for standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing; exit with 1 where a file would change
    #[arg(long)]
    pub check: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
An editor with yaml-language-server completes, explains and checks a file whose first line names its schema:
  # yaml-language-server: $schema=schemas/runbook.json

Examples:
  surefoot schema > runbook.schema.json
  surefoot schema params --of restore.yaml > restore.params.schema.json")]
pub struct Schema {
    /// `runbook`, `inventory`, `params` (a file for -P) or `rehearsal`
    #[arg(value_name = "FILE", default_value = "runbook", value_parser = clap::builder::PossibleValuesParser::new(schema::SCHEMAS.iter().map(|(name, _)| *name)))]
    pub name: String,
    /// With `params`: for the parameters of this runbook, by their names and types
    #[arg(long, value_name = "RUNBOOK")]
    pub of: Option<PathBuf>,
}

/// What a run is made from.
#[derive(clap::Args, Debug)]
pub struct Inputs {
    #[arg(value_name = "RUNBOOK")]
    pub runbook: PathBuf,
    /// Hosts, groups, and how to reach them; without it only the controller is there
    ///
    /// A file: surefoot's own inventory, or one of Ansible's (INI, or YAML with `all:` or of groups only; group_vars and
    /// host_vars beside it count). An executable file that is not named like data: a program that prints one as JSON when
    /// it is called with `--list`. `ssh:`, or `ssh:FILE`: every host that your ssh config names. Such as `-i site.yaml`,
    /// `-i /etc/ansible/hosts`, `-i ./inventory.py`, `-i ssh:`.
    #[arg(short, long, value_name = "HOSTS")]
    pub inventory: Option<PathBuf>,
    /// One parameter; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// A file of parameters
    #[arg(short = 'P', long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// The hosts of a role: a group or hosts [default: the group of the same name]
    #[arg(long, value_name = "ROLE=HOST,...")]
    pub bind: Vec<String>,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  surefoot plan restore.yaml -i site.yaml -p snapshot=backup.db --offline")]
pub struct Plan {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Do not connect: what depends on hosts stays open. The only kind of plan so far
    #[arg(long, required = true)]
    pub offline: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Ctrl-C once: nothing new starts, what runs is let finish. Twice: leaves at once; the run can be resumed.
A run holds its hosts: another one, from any machine, is refused there (exit code 6) and told who has them.

Examples:
  surefoot run restore.yaml -i site.yaml -p snapshot=backup.db
  surefoot run restore.yaml -i site.yaml -P params.yaml --yes --approve all --log json
  surefoot run restore.yaml -i site.yaml -P params.yaml --take-over   # from a run that died")]
pub struct Run {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Do not ask before starting
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub manner: Manner,
}

/// How a run is shown, answered and limited.
#[derive(clap::Args, Debug)]
pub struct Manner {
    /// Approve this step beforehand, or `all`
    #[arg(long, value_name = "STEP")]
    pub approve: Vec<String>,
    /// How the run is shown [default: live on a terminal, else lines]
    #[arg(long, value_enum)]
    pub log: Option<Log>,
    /// Show starts, announced changes and repeated attempts too
    #[arg(short, long)]
    pub verbose: bool,
    /// Tasks at once on one host
    #[arg(long, value_name = "N", default_value_t = Limits::default().per_host)]
    pub per_host: NonZeroUsize,
    /// How long each host stays held by this run once its engine is silent, in whole seconds
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::lease::ttl)]
    pub lease: Duration,
    /// Take hosts over whose lease has ended without being given back; what their run still does there is ended
    #[arg(long)]
    pub take_over: bool,
    /// Tasks at once in all
    #[arg(long, value_name = "N", default_value_t = Limits::default().in_all)]
    pub at_once: NonZeroUsize,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Everything that the run needs is in its folder. Steps that are done stay done. What the engine left under way is taken
up where it is, and never started twice; what failed is tried again. A run that was being walked back goes on with that.

What is done is looked at first, where that changes nothing: what converges, `reconcile`, `assert`. Of steps that touch
the same thing the last one counts. Where something is not as it was left, nothing is begun without `--yes` or consent;
it is not mended.

Examples:
  surefoot resume last
  surefoot resume 20260102-030405-abcd --runbook restore.yaml")]
pub struct Resume {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    /// A corrected runbook: what is done or under way must stand in it as it was
    #[arg(long, value_name = "FILE")]
    pub runbook: Option<PathBuf>,
    /// Do not ask: go on without hosts that are missing and may be, and over what is not as it was left
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub manner: Manner,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A step is taken back once all that came after it is; what nothing can take back is named at the end. A walk that was
cut off goes on. From a checkpoint `surefoot resume` goes forward again.

Examples:
  surefoot rollback last --plan
  surefoot rollback last --to staged --yes")]
pub struct Rollback {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    /// The checkpoint to walk back to [default: the start, or where a walk that was cut off leads]
    #[arg(long, value_name = "CHECKPOINT")]
    pub to: Option<String>,
    /// Only show the way
    #[arg(long)]
    pub plan: bool,
    /// Cross points of no return: what lies there stays as it is
    #[arg(long)]
    pub force: bool,
    /// Do not ask before starting
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub manner: Manner,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Look at the host first. What is settled is on record with your name; `surefoot resume` or `rollback` goes on from it.

Example:
  surefoot settle last migrate@db-1 undone")]
pub struct Settle {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    #[arg(value_name = "STEP@HOST")]
    pub task: TaskName,
    pub verdict: Verdict,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Shows first what goes away on each host, and how large it is. Afterwards the run can neither go on nor be walked back;
its record stays. What the runbook itself has moved or made is never touched. A host that cannot be reached is named:
the next `surefoot tidy` goes on there.

Examples:
  surefoot tidy last
  surefoot tidy 20260102-030405-abcd --yes")]
pub struct Tidy {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    /// Also of a run that could go on, or is walked back in part only
    #[arg(long)]
    pub force: bool,
    /// Do not ask before removing anything
    #[arg(long)]
    pub yes: bool,
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
pub struct Approve {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: RunId,
    pub step: StepId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// It took effect
    Done,
    /// Nothing of it is there
    Undone,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
NAME.rehearse.yaml beside the runbook NAME.yaml says which hosts, how its starting state is made (setup), what then
goes wrong (damage) and the parameters. All questions are answered with yes.

Examples:
  surefoot rehearse runbooks/etcd/restore-cluster.yaml
  surefoot rehearse runbooks/etcd/restore-cluster.yaml --etcd 3.4 --hosts 5 --keep
  surefoot rehearse runbooks/etcd/restore-cluster.yaml --faults --sample 20
  surefoot rehearse runbooks/etcd/restore-cluster.yaml --faults --only engine-killed --step restore")]
pub struct Rehearse {
    #[arg(value_name = "RUNBOOK")]
    pub runbook: PathBuf,
    /// Another rehearsal than the one beside the runbook
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// The lab's name
    #[arg(long, value_name = "NAME", default_value = "rehearsal")]
    pub lab: crate::lab::Name,
    /// Another number of hosts than the rehearsal says
    #[arg(long, value_name = "N")]
    pub hosts: Option<usize>,
    /// Another etcd than the rehearsal says: `3.4`, `3.5`
    #[arg(long)]
    pub etcd: Option<crate::lab::Etcd>,
    /// Leave the lab up afterwards
    #[arg(long, conflicts_with = "faults")]
    pub keep: bool,
    #[command(flatten)]
    pub faults: Faults,
    /// How the runs are shown [default: live on a terminal, else lines]
    #[arg(long, value_enum)]
    pub log: Option<Log>,
    /// Show starts, announced changes and repeated attempts too
    #[arg(short, long)]
    pub verbose: bool,
}

/// The fault matrix.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Faults")]
pub struct Faults {
    /// Run it again and again, with one fault at a time: at the start and in the middle of every step
    ///
    /// After each run an operator is played (resume, rollback, settle), and the hosts are looked at: was anything lost,
    /// started twice, or told that is not so? Ends with 1 where that is so.
    #[arg(long)]
    pub faults: bool,
    /// Only this fault: engine-killed link-cut link-lost sshd-killed host-killed step-fails stopped
    /// second-engine engine-frozen record-disk-full host-disk-full
    #[arg(long, value_name = "FAULT", requires = "faults")]
    pub only: Vec<crate::rehearse::Fault>,
    /// Only at this step
    #[arg(long, value_name = "ID", requires = "faults")]
    pub step: Option<crate::model::StepId>,
    /// Only so many cases, chosen at random
    #[arg(long, value_name = "N", requires = "faults")]
    pub sample: Option<usize>,
    /// Repeats a choice [default: another each time, and printed]
    #[arg(long, value_name = "S", requires = "sample")]
    pub seed: Option<u64>,
    /// Cases at once, each on a lab of its own
    #[arg(long, value_name = "N", requires = "faults", default_value = "2")]
    pub labs: NonZeroUsize,
    /// Keep each result here as it comes, and leave out the cases that have passed already
    #[arg(long, value_name = "FILE", requires = "faults")]
    pub results: Option<PathBuf>,
    /// Write all results as a table (Markdown)
    #[arg(long, value_name = "FILE", requires = "faults")]
    pub table: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// One line for each thing that happens
    Lines,
    /// One JSON event on each line of standard output
    Json,
    /// Lines that move
    Live,
    /// Nothing; the exit code tells
    Quiet,
}

#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  surefoot lab up --hosts 3 --etcd 3.5
  surefoot lab ssh etcd-1 systemctl status
  surefoot lab break etcd-2 link-down
  surefoot lab down")]
pub enum Lab {
    /// Boot hosts etcd-1 to etcd-N, about a second each
    Up {
        #[command(flatten)]
        lab: LabName,
        #[arg(long, default_value_t = 3)]
        hosts: usize,
        /// `3.4` (Debian bookworm), `3.5` (Debian trixie) or `none`
        #[arg(long, default_value = "3.5")]
        etcd: crate::lab::Etcd,
        /// Mount a disk of that size in MiB there on each host
        #[arg(long, value_name = "PATH=MIB")]
        disk: Option<crate::lab::DataDisk>,
        /// Take down a lab of that name first
        #[arg(long)]
        replace: bool,
    },
    /// Take a lab down and remove all of it
    Down {
        #[command(flatten)]
        lab: LabName,
    },
    /// List labs
    List,
    /// Show a lab's hosts
    Show {
        #[command(flatten)]
        lab: LabName,
    },
    /// Open a shell on a host, or run a command there
    Ssh {
        #[command(flatten)]
        lab: LabName,
        host: crate::lab::Name,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Break a host, or mend it: link-down link-up kill boot sshd-stop sshd-start sshd-kill freeze thaw
    /// slow-disk=BYTES fast-disk fill-disk free-disk
    Break {
        #[command(flatten)]
        lab: LabName,
        host: crate::lab::Name,
        what: crate::lab::Break,
    },
}

#[derive(clap::Args, Debug)]
pub struct LabName {
    /// Several labs may be up under different names
    #[arg(long = "lab", value_name = "NAME", default_value = "lab")]
    pub name: crate::lab::Name,
}
