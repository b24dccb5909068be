//! What ssh's own words mean, and what the operator can do about it.

use super::target::SshTarget;
use crate::model::{Fault, FaultKind};

/// What keeps a host from being trusted, or us from being let in: it is there, and nobody may go on without it as if it
/// were not.
const DENIALS: &[(&str, &str, &str)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that is known",
        "it was reinstalled, or somebody is in between: compare its key, then remove the old one with `ssh-keygen -R`",
    ),
    (
        "host key is known for",
        "its host key is not known",
        "compare its key with the host's own, then accept it by logging in once with ssh",
    ),
    ("Host key verification failed", "its host key could not be verified", "log in once with ssh to see why"),
    (
        "Too many authentication failures",
        "it refused the login after too many keys",
        "name the key: `identity` in the inventory, or IdentityFile with IdentitiesOnly in the ssh configuration",
    ),
    ("UNPROTECTED PRIVATE KEY", "the private key is readable by others", "chmod 600 the key file"),
    (
        "Permission denied",
        "it refused the login",
        "is the key loaded (`ssh-add -l`) or named, is the user right, and is the key in its authorized_keys?",
    ),
];

/// A part of what ssh says (OpenSSH 7 to 10), what that means, and a hint. The first that fits counts.
const SAYINGS: &[(&str, &str, &str)] = &[
    (
        "Could not resolve hostname",
        "its name is not known",
        "give its `address` in the inventory, or an entry in the ssh configuration",
    ),
    ("Connection refused", "nothing listens there", "is sshd running, and is the port right?"),
    ("No route to host", "there is no way to it", "is it up, and is its network reachable from here?"),
    ("Network is unreachable", "there is no way to it", "is this machine connected to that network?"),
    ("timed out", "it does not answer", "is it up, and does a firewall let ssh pass?"),
    ("Bad configuration option", "the ssh configuration has an error", "try `ssh -G HOST`"),
    ("Bad owner or permissions", "the ssh configuration is not accepted", "it must be yours and writable by you alone"),
    (
        "Connection closed",
        "it closed the connection",
        "sshd may be starting, overloaded (MaxStartups) or refusing this address; its log says why",
    ),
    (
        "Connection reset",
        "it broke the connection off",
        "sshd may be starting, overloaded (MaxStartups) or refusing this address; its log says why",
    ),
];

/// What ssh says where the other side closed the connection before anybody was to log in: an sshd with too many handshakes
/// (`MaxStartups`), one that starts, a bastion that is busy.
const TURNED_AWAY: &[&str] = &["kex_exchange_identification", "Connection closed by", "Connection reset by"];

/// Whether a later handshake may be let in.
pub(super) fn is_turned_away(stderr: &str) -> bool {
    TURNED_AWAY.iter().any(|text| stderr.contains(text)) && !DENIALS.iter().any(|(text, ..)| stderr.contains(text))
}

/// Why no connection to a host could be made.
pub(super) fn refusal(target: &SshTarget, stderr: &str) -> Fault {
    let saying = |sayings: &'static [(&str, &str, &str)]| sayings.iter().find(|(text, _, _)| stderr.contains(text));
    let denial = saying(DENIALS);
    let kind = if denial.is_some() { FaultKind::Denied } else { FaultKind::Unreachable };
    let known = denial.or_else(|| saying(SAYINGS));
    let (_, what, hint) = known.copied().unwrap_or(("", "it cannot be reached", "try `ssh` by hand"));
    let address = match target.port {
        Some(port) => format!("{}:{port}", target.address()),
        None => target.address().to_owned(),
    };
    Fault::new(kind, format!("{} ({address}): {what}", target.name)).hint(hint).detail(stderr)
}
