//! The command that serves the web page.

use crate::cli::serve::listen::Listen;
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
  surefoot serve --allow-control --people ~/.config/surefoot/people
  surefoot serve --listen unix:/run/surefoot/page --allow-control --trusted-proxy-header X-Remote-User
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
    /// Who may come in, each by a token of their own: a file for you alone with lines `NAME SHA256`, of the token. Their names
    /// go on record with what they do; the token of all is none then
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    pub people: Option<PathBuf>,
    /// The header in which a proxy before us names the person whom it has let in. Only with a unix socket, or an address of
    /// this machine: there the proxy must show the token, too, as `Authorization: Bearer`
    #[arg(long, value_name = "NAME", conflicts_with = "people")]
    pub trusted_proxy_header: Option<String>,
    /// A name by which browsers reach it, beside addresses, `localhost` and this machine's own
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
}
