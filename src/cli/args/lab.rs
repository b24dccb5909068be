//! Commands of disposable hosts: the lab, and rehearsals in it.

use super::formats::LogFormat;
use crate::cli::complete;
use crate::cli::inventory::DEFAULT_LAB;
use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use surefoot_engine::model::StepId;
use surefoot_lab::lab::{Break, DataDisk, EtcdSource, HostNames, LabName, Package};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
NAME.rehearse.yaml beside the runbook NAME.yaml says which hosts, how its starting state is made (setup), what then
goes wrong (damage) and the parameters. All questions are answered with yes.

Examples:
  surefoot rehearse etcd/restore-cluster
  surefoot rehearse etcd/restore-cluster --etcd 3.4 --hosts 5 --keep
  surefoot rehearse etcd/restore-cluster --faults --sample 20
  surefoot rehearse etcd/restore-cluster --faults --only engine-killed --step restore")]
pub struct Rehearse {
    #[arg(value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub runbook: PathBuf,
    /// Another rehearsal than the one beside the runbook
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// The lab's name
    #[arg(long, value_name = "NAME", default_value = "rehearsal")]
    pub lab: LabName,
    /// Another number of hosts than the rehearsal says
    #[arg(long, value_name = "N")]
    pub hosts: Option<usize>,
    /// Another etcd than the rehearsal says, as `surefoot lab up` takes it
    #[arg(long, value_name = "VERSION|FOLDER")]
    pub etcd: Option<EtcdSource>,
    /// Leave the lab up afterwards
    #[arg(long, conflicts_with = "faults")]
    pub keep: bool,
    #[command(flatten)]
    pub faults: Faults,
    /// How the runs are shown [default: live on a terminal, else lines]
    #[arg(long, value_enum)]
    pub log: Option<LogFormat>,
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
    pub only: Vec<surefoot_lab::rehearse::InjectedFault>,
    /// Only at this step
    #[arg(long, value_name = "ID", requires = "faults")]
    pub step: Option<StepId>,
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

#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  surefoot lab up --hosts 3 --etcd 3.7
  surefoot lab up --lab web --hosts web-1,web-2 --etcd none --package nginx-light
  surefoot hosts -i lab:web
  surefoot lab ssh etcd-1 systemctl status
  surefoot lab break etcd-2 link-down
  surefoot lab down")]
pub enum LabCommand {
    /// Boot hosts, about a second each
    Up {
        #[command(flatten)]
        lab: LabArg,
        /// How many, named etcd-1 and so on, or their names: `web-1,web-2`
        #[arg(long, value_name = "N|NAME,...", default_value = "3")]
        hosts: HostNames,
        /// `3.5`, `3.6` or `3.7` (the newest of each), a release such as `3.5.21`, a folder with etcd, etcdctl and etcdutl,
        /// `3.4` (Debian bookworm's) or `none`
        ///
        /// Releases are built from their Go modules: one to two minutes for the first, and nothing once they are in the
        /// cache. Hosts with them are Debian trixie.
        #[arg(long, value_name = "VERSION|FOLDER", default_value = "3.6")]
        etcd: EtcdSource,
        /// Mount a disk of that size in MiB there on each host
        #[arg(long, value_name = "PATH=MIB")]
        disk: Option<DataDisk>,
        /// Install a Debian package on each host; its service waits until it is started
        #[arg(long = "package", value_name = "NAME")]
        packages: Vec<Package>,
        /// Take down a lab of that name first
        #[arg(long)]
        replace: bool,
    },
    /// Take a lab down and remove all of it
    Down {
        #[command(flatten)]
        lab: LabArg,
    },
    /// List labs
    List,
    /// Show a lab's hosts
    Show {
        #[command(flatten)]
        lab: LabArg,
    },
    /// Open a shell on a host, or run a command there
    Ssh {
        #[command(flatten)]
        lab: LabArg,
        host: LabName,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Break a host, or fix it: link-down link-up kill boot sshd-stop sshd-start sshd-kill freeze thaw
    /// slow-disk=BYTES fast-disk fill-disk free-disk
    Break {
        #[command(flatten)]
        lab: LabArg,
        host: LabName,
        what: Break,
    },
}

#[derive(clap::Args, Debug)]
pub struct LabArg {
    /// Several labs may be up under different names
    #[arg(long = "lab", value_name = "NAME", default_value = DEFAULT_LAB)]
    pub name: LabName,
}
