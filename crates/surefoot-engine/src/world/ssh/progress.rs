//! How far an ssh of ours has come with its connection, as the kernel sees its sockets: ssh itself says nothing until its
//! time is up.

use crate::world::transport::ConnectProgress;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// As much of a table of sockets is read, in bytes.
const LONGEST: u64 = 8 << 20;

/// States of a socket in /proc/net/tcp (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";
const SYN_SENT: &str = "02";

/// Of the ssh with this number. One that goes through a proxy has no socket of its own.
pub(super) fn of(pid: u32) -> ConnectProgress {
    let process = Path::new("/proc").join(pid.to_string());
    let sockets = sockets(&process);
    let states = ["tcp", "tcp6"].into_iter().flat_map(|table| states(&process.join("net").join(table), &sockets));
    states.fold(ConnectProgress::Unknown, |progress, state| match state.as_str() {
        ESTABLISHED => ConnectProgress::Accepted,
        SYN_SENT if progress == ConnectProgress::Unknown => ConnectProgress::NoAnswer,
        _ => progress,
    })
}

/// The inodes of a process's sockets.
fn sockets(process: &Path) -> Vec<String> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let inode = |link: &str| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    open.filter_map(|entry| inode(fs::read_link(entry.path()).ok()?.to_str()?)).collect()
}

/// The states of those sockets that a table has.
fn states(table: &Path, sockets: &[String]) -> Vec<String> {
    let lines = File::open(table).map(|table| BufReader::new(table.take(LONGEST)).lines()).into_iter().flatten();
    let state = |line: String| {
        let mut fields = line.split_ascii_whitespace().skip(3);
        let (state, inode) = (fields.next()?.to_owned(), fields.nth(5)?);
        sockets.iter().any(|socket| socket == inode).then_some(state)
    };
    lines.map_while(Result::ok).filter_map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_that_says_nothing_has_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(of(std::process::id()), ConnectProgress::Accepted);
    }

    #[test]
    fn a_process_without_sockets_has_no_progress_that_can_be_seen() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(of(child.id()), ConnectProgress::Unknown);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
