//! Commands that plan a run, start one, or go on with one.

use super::formats::{LogFormat, PlanFormat};
use crate::cli::{complete, config, durations, inventory};
use clap_complete::engine::ArgValueCompleter;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_engine::execute::{Limits, Reapply};
use surefoot_engine::model::RunId;
use surefoot_engine::session::Request;

/// What a run is made from.
#[derive(clap::Args, Debug)]
pub struct InputArgs {
    /// A file, or a name that `surefoot runbooks` lists
    #[arg(value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub runbook: PathBuf,
    /// Hosts, groups, and how to reach them; without it only the controller is there
    ///
    /// A file: surefoot's own inventory, or one of Ansible's (INI, or YAML with `all:` or of groups only; group_vars and
    /// host_vars beside it count), or a state of Terraform or OpenTofu. A folder: all of Ansible's inventories in it. An
    /// executable file that is not named like data: a program that prints one as JSON when it is called with `--list`.
    /// `cmd:COMMAND`: what a shell command prints. `ssh:`, or `ssh:FILE`: every host that your ssh config names.
    /// `lab:NAME`: the hosts of a lab. Such as `-i site.yaml`, `-i /etc/ansible/hosts`, `-i inventories/prod`,
    /// `-i ./inventory.py`, `-i terraform.tfstate`, `-i ssh:`, `-i lab:`.
    #[arg(short, long, value_name = "HOSTS", value_parser = inventory::parser())]
    pub inventory: Option<PathBuf>,
    /// One parameter; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE", add = ArgValueCompleter::new(complete::params))]
    pub params: Vec<String>,
    /// A file of parameters
    #[arg(short = 'P', long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// The hosts of a role: a group or hosts [default: the group of the same name]
    #[arg(long, value_name = "ROLE=HOST,...", add = ArgValueCompleter::new(complete::binds))]
    pub bind: Vec<String>,
}

impl InputArgs {
    /// The same for a session; relative paths among the parameters start from `folder`.
    pub fn request(&self, folder: PathBuf) -> Request {
        let InputArgs { runbook, inventory, params, params_file, bind } = self;
        Request {
            runbook: runbook.clone(),
            inventory: inventory.clone(),
            params: params.clone(),
            params_file: params_file.clone(),
            binds: bind.clone(),
            folder,
        }
    }
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A plan connects to the hosts, looks, and changes nothing there: every act that is no read is refused. For each step and
host it says `reads`, `changes` (with the lines of files), `nothing to do`, `fails`, or `not known` until which step.
Of `sh` and `exec` with `reads: true` it takes their author's word, and runs them.

Exit codes: 0 it is made; 1 the run would fail as things are; 7 with --detailed-exitcode: there is something to change.

Examples:
  surefoot plan etcd/restore-cluster -i site.yaml -p snapshot=backup.db
  surefoot plan restore.yaml -i site.yaml -p snapshot=backup.db --html plan.html --out restore.plan
  surefoot plan restore.yaml -i site.yaml -p snapshot=backup.db --offline
  surefoot plan restore.yaml -i site.yaml -p snapshot=backup.db --full | less
  surefoot plan restore.yaml -i site.yaml -p snapshot=backup.db --format markdown   # for a pull request")]
pub struct PlanArgs {
    #[command(flatten)]
    pub inputs: InputArgs,
    /// Do not connect: what depends on hosts stays open
    #[arg(long)]
    pub offline: bool,
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub format: PlanFormat,
    /// Show every step on every host with its parameters, after the outline
    #[arg(long)]
    pub full: bool,
    /// Write the plan as one page, too, that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Save the plan, for `surefoot run FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    pub out: Option<PathBuf>,
    /// Let hosts have secrets whose sudo keeps what it is given (`log_input`)
    #[arg(long)]
    pub allow_sudo_log: bool,
    /// End with 0 where there is nothing to do, with 7 where there is something to change
    #[arg(long, conflicts_with = "offline")]
    pub detailed_exitcode: bool,
    /// Say what is waited for while connecting
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Ctrl-C once: nothing new starts, what runs is let finish. Twice: what runs on the hosts is ended, with every process that
it started. Three times: leaves at once; what runs on the hosts goes on. The run can be resumed after each of them.
`surefoot cancel` does from another terminal what Ctrl-C does twice. A lost terminal ends no run: it goes on, as with
--detach, and `surefoot attach` shows it.
Without `--yes` it looks at the hosts first, shows its plan and asks; without a terminal it refuses. In the place of a
runbook may stand a plan that was saved by `surefoot plan --out`: exactly that is run, once, and without a question.
Where something has moved since (the runbook, its parameters, the inventory, a host), it is refused, and told what.

A run holds its hosts: another one, from any machine, is refused there (exit code 6) and told who has them.

Examples:
  surefoot run etcd/restore-cluster -i site.yaml -p snapshot=backup.db
  surefoot run restore.plan
  surefoot run restore.yaml -i site.yaml -P params.yaml --yes --approve all --log json
  surefoot run restore.yaml -i site.yaml -P params.yaml --take-over   # from a run that died")]
pub struct RunArgs {
    #[command(flatten)]
    pub inputs: InputArgs,
    /// Do not ask before starting
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub manner: RunOptions,
}

/// How a run is shown, answered and limited.
#[derive(clap::Args, Debug)]
pub struct RunOptions {
    /// Approve this step beforehand, or `all`
    #[arg(long, value_name = "STEP", add = ArgValueCompleter::new(complete::approvals))]
    pub approve: Vec<String>,
    /// How the run is shown [default: live on a terminal, else lines]
    #[arg(long, value_enum)]
    pub log: Option<LogFormat>,
    /// Your own file, such as for whom to tell of runs [default: $XDG_CONFIG_HOME/surefoot/config.yaml, else
    /// ~/.config/surefoot/config.yaml, where that is there]
    #[arg(long, value_name = "FILE", env = config::NAMED)]
    pub config: Option<PathBuf>,
    /// Go on in the background once the run has begun, and print its id; `surefoot attach` shows it
    #[arg(long, conflicts_with = "log")]
    pub detach: bool,
    /// Send a trace of the run to OTEL_EXPORTER_OTLP_ENDPOINT once it has ended [default: http://localhost:4318]
    #[arg(long)]
    pub otel: bool,
    /// Show starts, announced changes and repeated attempts too, and what is waited for while connecting
    #[arg(short, long)]
    pub verbose: bool,
    /// Tasks at once on one host
    #[arg(long, value_name = "N", default_value_t = Limits::default().per_host)]
    pub per_host: NonZeroUsize,
    /// How long each host stays held by this run once its engine is silent, in whole seconds
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = durations::ttl)]
    pub lease: Duration,
    /// Take hosts over whose lease has ended without being given back; what their run still does there is ended
    #[arg(long)]
    pub take_over: bool,
    /// Let hosts have secrets whose sudo keeps what it is given (`log_input`)
    #[arg(long)]
    pub allow_sudo_log: bool,
    /// Tasks at once in all
    #[arg(long, value_name = "N", default_value_t = Limits::default().in_all)]
    pub at_once: NonZeroUsize,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Everything that the run needs is in its folder. Steps that are done stay done. What the engine left under way is taken
up where it is, and never started twice; what failed is tried again. A run that was being rolled back goes on with that.

What is done is looked at first, where that changes nothing: what converges, `reconcile`, `assert`. Of steps that touch
the same thing the last one counts. Where something has drifted, nothing is begun: `--reapply` applies the drifted steps
again, each as if it had not been done; steps after it that are done stay done, unless they have drifted, too. `--yes`
goes on and leaves the drift as it is.

Secrets must be those that the run was started with, by their fingerprints; files that the run sends come from its folder.

Examples:
  surefoot resume last
  surefoot resume last --reapply start@web-1
  surefoot resume 20260102-030405-abcd --runbook restore.yaml")]
pub struct Resume {
    /// The run's id, or its end; `last` is the newest
    #[arg(value_name = "RUN", add = ArgValueCompleter::new(complete::runs))]
    pub run: RunId,
    /// A corrected runbook: what is done or under way must stand in it as it was
    #[arg(long, value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub runbook: Option<PathBuf>,
    /// Do not ask: go on without hosts that are missing and may be, and over what has drifted
    #[arg(long)]
    pub yes: bool,
    /// Apply again what is not as it was left: `all`, a step, or one task; may be given several times
    #[arg(long, value_name = "all|STEP|STEP@HOST", add = ArgValueCompleter::new(complete::tasks))]
    pub reapply: Vec<Reapply>,
    /// Go on with another secret than the run had: a parameter, `etcd:HOST` for a password of the inventory, or `all`
    #[arg(long, value_name = "NAME")]
    pub accept_changed: Vec<String>,
    #[command(flatten)]
    pub manner: RunOptions,
}
