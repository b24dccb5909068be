//! The command that serves the web page.

use crate::cli::serve::Listen;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Shows runs as they go on: the graph of their steps, a timeline of each host, what each task prints, and what a rollback
would do. The page needs no internet. The address that is printed lets its holder in; on a machine that others use, too,
a unix socket lets in nobody but you. From another machine take ssh's port forwarding: what is served is not encrypted.

Examples:
  surefoot serve
  surefoot serve --allow-control
  surefoot serve --listen unix:/run/user/1000/surefoot.sock
  surefoot serve --listen 192.0.2.10:8477 --token-file ~/.config/surefoot/token --name ops.example.net")]
pub struct Serve {
    /// ADDRESS:PORT (port 0: any that is free), or unix:PATH
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:8477")]
    pub listen: Listen,
    /// Let who watches approve, pause, stop and settle; without it the page only shows
    #[arg(long)]
    pub allow_control: bool,
    /// The token that lets a browser in, in a file for you alone; made where it is not there [default: a new one each time]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A name by which browsers reach it, beside addresses, `localhost` and this machine's own
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
}
