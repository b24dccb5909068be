//! What the wire allows: one persistent `sh` for each host, one round trip for each step, nothing kept of it.

use crate::fleet::Fleet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// So many steps on each host, all hosts at once; the next step when all are done.
pub fn steps(fleet: &Fleet, steps: usize) {
    let mut shells: Vec<Shell> = fleet.names().iter().map(|host| Shell::open(fleet, host)).collect();
    for _ in 0..steps {
        shells.iter_mut().for_each(|shell| shell.stdin.write_all(b"/bin/true; echo $?\n").expect("it listens"));
        for shell in &mut shells {
            let mut line = String::new();
            shell.stdout.read_line(&mut line).expect("it answers");
            assert_eq!(line, "0\n");
        }
    }
    for Shell { mut child, stdin, .. } in shells {
        drop(stdin);
        child.wait().expect("it ends");
    }
}

impl Shell {
    fn open(fleet: &Fleet, host: &str) -> Shell {
        let mut child = Command::new("ssh")
            .arg("-F")
            .arg(fleet.path("ssh_config"))
            .args([host, "exec sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh starts");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Shell { child, stdin, stdout: BufReader::new(stdout) }
    }
}
