//! Which machine a connection goes through, and how many may be made through it at a time.
//!
//! An sshd drops handshakes at random once ten are going on (`MaxStartups 10:30:100`). A host of its own has one from us;
//! a jump host has those of all that are behind it.

use super::target::SshTarget;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Handshakes at a time through one jump host: less than ten, since others log in there, too.
const HANDSHAKES: usize = 8;

/// Whose turn it is at the machine that connections to this target go through; none where they go straight to it.
pub(super) async fn turns(target: &SshTarget) -> Option<Arc<Semaphore>> {
    // One more than there are turns does no harm: a run on one host has no need to ask.
    static SECOND: AtomicBool = AtomicBool::new(false);
    if !SECOND.swap(true, Ordering::Relaxed) {
        return None;
    }
    static JUMPS: Mutex<Option<HashMap<String, Arc<Semaphore>>>> = Mutex::new(None);
    let jump = through(target).await?;
    let mut jumps = JUMPS.lock().unwrap_or_else(PoisonError::into_inner);
    let turns = jumps.get_or_insert_default().entry(jump).or_insert_with(|| Arc::new(Semaphore::new(HANDSHAKES)));
    Some(turns.clone())
}

/// As ssh itself reads its configuration. What it cannot tell, the connection itself will complain of.
async fn through(target: &SshTarget) -> Option<String> {
    let asked = Command::new("ssh").args(target.settings()).stdin(Stdio::null()).kill_on_drop(true).output().await;
    jump_of(&String::from_utf8_lossy(&asked.ok()?.stdout))
}

/// The first machine on the way, in what `ssh -G` prints.
fn jump_of(settings: &str) -> Option<String> {
    let value = |name: &str| {
        let line = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.filter(|value| *value != "none")
    };
    let first = value("proxyjump").and_then(|jumps| jumps.split(',').next());
    first.or_else(|| value("proxycommand")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::jump_of;

    #[test]
    fn the_first_machine_on_the_way_counts() {
        let of = |settings: &str| jump_of(&format!("host h\n{settings}\nport 22\n"));
        assert_eq!(of("proxyjump none"), None);
        assert_eq!(of("proxyjump a,b").as_deref(), Some("a"));
        assert_eq!(of("proxycommand ssh -W %h:%p bastion").as_deref(), Some("ssh -W %h:%p bastion"));
        assert_eq!(of("proxycommandx y"), None);
    }
}
