//! How ssh is to reach a host: what the inventory says of it, and nothing where it says nothing.

use crate::model::HostName;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that is `None` is left to the user's own ssh configuration.
#[derive(Clone, Debug)]
pub struct SshTarget {
    pub name: HostName,
    /// An address or an alias of the ssh configuration; the name where `None`.
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity: Option<PathBuf>,
    /// Instead of the user's own configuration.
    pub ssh_config: Option<PathBuf>,
    /// Further options of ssh by their names, as in ssh_config(5).
    pub ssh_options: IndexMap<String, String>,
    /// Whom scripts run as that name no user, by sudo; the login user where `None`.
    pub become_user: Option<String>,
    /// For how long a broken connection is sought again.
    pub patience: Duration,
}

impl SshTarget {
    /// A host of this name, as the user's own ssh configuration knows it.
    pub fn new(name: impl Into<HostName>) -> Self {
        SshTarget {
            name: name.into(),
            address: None,
            user: None,
            port: None,
            identity: None,
            ssh_config: None,
            ssh_options: IndexMap::new(),
            become_user: None,
            patience: Duration::from_secs(60),
        }
    }

    pub(super) fn address(&self) -> &str {
        self.address.as_deref().unwrap_or(self.name.as_str())
    }

    /// The arguments that make ssh a master for this host, which runs `command` as its own session.
    pub(super) fn master(&self, control: &Path, command: &str) -> Vec<String> {
        let mut args = vec!["-M".to_owned(), "-S".to_owned(), control.display().to_string()];
        args.extend(self.options());
        args.push(command.to_owned());
        args
    }

    /// The arguments that make ssh print the settings by which it would connect.
    pub(super) fn settings(&self) -> Vec<String> {
        let mut args = vec!["-G".to_owned()];
        args.extend(self.options());
        args
    }

    /// What the inventory says, and the host.
    fn options(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut option = |flag: &str, value: Option<String>| {
            args.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        };
        option("-F", self.ssh_config.as_ref().map(|path| path.display().to_string()));
        option("-l", self.user.clone());
        option("-p", self.port.map(|port| port.to_string()));
        option("-i", self.identity.as_ref().map(|path| path.display().to_string()));
        for fixed in FIXED {
            option("-o", Some((*fixed).to_owned()));
        }
        // ssh takes the first value that it is given: these cannot undo what is fixed.
        for (name, value) in &self.ssh_options {
            option("-o", Some(format!("{name}={value}")));
        }
        args.extend(["--".to_owned(), self.address().to_owned()]);
        args
    }
}

/// Given on the command line, so that they win over any configuration.
const FIXED: &[&str] = &[
    // Nobody sits there to answer, and no host key is taken on trust.
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    // A host that does not answer, or falls silent, is noticed in bounded time.
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    // It lives as long as we do.
    "ControlPersist=no",
    // What a configuration may want for people.
    "RequestTTY=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "LogLevel=ERROR",
];

/// Whether an option of ssh is decided here for every host, and so cannot be set: those above, and how a connection is
/// shared.
pub fn is_fixed_option(name: &str) -> bool {
    let fixed = FIXED.iter().filter_map(|option| option.split_once('=')).map(|(name, _)| name);
    fixed.chain(["ControlMaster", "ControlPath"]).any(|fixed| fixed.eq_ignore_ascii_case(name))
}
