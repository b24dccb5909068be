//! Commands for those who write runbooks: no host is touched.

use super::Format;
use crate::schema;
use clap::ValueEnum;
use std::path::PathBuf;

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
