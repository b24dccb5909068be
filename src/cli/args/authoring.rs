//! Commands for those who write runbooks: no host is touched.

use super::formats::Format;
use crate::cli::schemas::SCHEMAS;
use crate::cli::{complete, inventory};
use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;
use surefoot_lab::lab::LabName;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  surefoot check etcd/restore-cluster
  surefoot check --fix restore-cluster.yaml
  surefoot check --deny-warnings --format sarif runbooks/*.yaml > check.sarif")]
pub struct CheckArgs {
    /// Runbooks by path or name, their tests (NAME.test.yaml) and rehearsals (NAME.rehearse.yaml)
    #[arg(required = true, value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub runbooks: Vec<PathBuf>,
    /// Lets steps name its hosts and groups beside the runbook's own roles
    #[arg(short, long, value_name = "HOSTS", value_parser = inventory::parser())]
    pub inventory: Option<PathBuf>,
    /// Exit with 2 on warnings, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Fix what can have meant one thing only, such as the slip in a name; show what is left
    #[arg(long)]
    pub fix: bool,
    /// How mistakes are shown
    #[arg(long, value_enum, default_value_t = Findings::Text)]
    pub format: Findings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Findings {
    /// For people, with the lines that they are about
    Text,
    /// One JSON object on each line, for editors and CI
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
A test file says, case by case, what each step is answered and what must then happen: which
tasks run, in which order, what they send, how it ends, what is undone. The engine is the
real one; no host is touched, and no time passes.
Exits with 1 where a case fails, with 2 where a file has mistakes.

Examples:
  surefoot test restore-cluster.test.yaml
  surefoot test etcd/restore-cluster
  surefoot test restore-cluster.test.yaml --only 'space'")]
pub struct Test {
    /// Test files (NAME.test.yaml), or runbooks by name
    #[arg(required = true, value_name = "FILE", add = ArgValueCompleter::new(complete::runbooks))]
    pub files: Vec<PathBuf>,
    /// Only the cases that have this in their name
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// One JSON object on each line, one for each case
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
In the terminal, what changes something stands in a box, what only reads in brackets.

Examples:
  surefoot graph etcd/restore-cluster
  surefoot graph restore-cluster.yaml --format svg > restore-cluster.svg")]
pub struct GraphArgs {
    #[arg(value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub runbook: PathBuf,
    /// Lets steps name its hosts and groups beside the runbook's own roles
    #[arg(short, long, value_name = "HOSTS", value_parser = inventory::parser())]
    pub inventory: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
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
Writes NAME.yaml, NAME.test.yaml and NAME.rehearse.yaml here, and never over a file; schemas/, where their first lines tell
editors to look, where it is not there yet. With --from it is a copy of another runbook under a new name, that uses what
that one uses.

Examples:
  surefoot new rotate-logs
  surefoot new our-backup --from etcd/backup")]
pub struct New {
    pub name: LabName,
    /// Start from this runbook, its test and its rehearsal
    #[arg(long, value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub from: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
An editor with yaml-language-server completes, explains and checks a file whose first line names its schema, by a path from
its own folder:
  # yaml-language-server: $schema=schemas/runbook.json
`surefoot new` and `surefoot runbooks copy` write that line, and the schemas. Each has a version, at the end of its `$id`.

Examples:
  surefoot schema --dir schemas
  surefoot schema > runbook.schema.json
  surefoot schema params --of restore.yaml > restore.params.schema.json")]
pub struct Schema {
    /// `runbook`, `inventory`, `params` (a file for -P), `rehearsal`, `test`, or `action` (one written in YAML); or what
    /// `runs`, `show` or `logs` print with `--json`
    #[arg(value_name = "FILE", default_value = "runbook", value_parser = clap::builder::PossibleValuesParser::new(SCHEMAS.iter().map(|(name, _)| *name)))]
    pub name: String,
    /// Write all of them into this folder, as `runbook.json` and so on
    #[arg(long, value_name = "DIR", conflicts_with_all = ["name", "of"])]
    pub dir: Option<PathBuf>,
    /// With `params`: for the parameters of this runbook; with `runbook`: with the actions in `actions/` beside it
    #[arg(long, value_name = "RUNBOOK", add = ArgValueCompleter::new(complete::runbooks))]
    pub of: Option<PathBuf>,
}
