//! How sites keep their etcd: units, variables, flags, files. Texts in, files of a host out.

use super::node::Node;

/// Where a host has its etcd's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The package's unit and `/etc/default/etcd`.
    Debian,
    /// The same, and systemd starts it again whenever it ends.
    DebianAlways,
    /// The same, with its WAL on another disk's folder.
    DebianWal,
    /// The same, and its data directory is the package's own folder, where a disk may be mounted.
    DebianDisk,
    /// `/opt/etcd`, as in the field notes: a unit whose flags are fed from un-prefixed variables; runs as root.
    Notes,
    /// The same, and systemd starts it again whenever it ends. Its unit lies where systemd cannot mask it.
    NotesAlways,
    /// A unit that names etcd's own YAML file.
    ConfigFile,
}

/// A file of a host: path, mode, text.
pub type HostFile = (&'static str, &'static str, String);

impl Layout {
    pub fn data_dir(self) -> &'static str {
        match self {
            Layout::Debian | Layout::DebianAlways => "/var/lib/etcd/default",
            Layout::DebianWal => "/srv/etcd/data",
            Layout::DebianDisk => "/var/lib/etcd",
            Layout::Notes | Layout::NotesAlways => "/opt/etcd/data",
            Layout::ConfigFile => "/var/lib/etcd/cluster.etcd",
        }
    }

    pub fn wal_dir(self) -> Option<&'static str> {
        (self == Layout::DebianWal).then_some("/srv/wal/etcd")
    }

    pub fn user(self) -> &'static str {
        match self {
            Layout::Notes | Layout::NotesAlways => "root",
            _ => "etcd",
        }
    }

    /// Folders that must be there, the user's own.
    pub fn folders(self) -> &'static [&'static str] {
        match self {
            Layout::DebianWal => &["/srv/etcd", "/srv/wal"],
            Layout::Notes | Layout::NotesAlways => &["/opt/etcd", "/opt/etcd/cfg"],
            _ => &[],
        }
    }

    /// Everything that makes a member of this node.
    pub fn files(self, node: &Node) -> Vec<HostFile> {
        let mut settings = node.settings();
        let fixed = [("data-dir", Some(self.data_dir())), ("wal-dir", self.wal_dir())];
        settings.extend(fixed.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
        match self {
            Layout::Debian | Layout::DebianWal | Layout::DebianDisk => vec![variables(&settings)],
            Layout::DebianAlways => vec![
                variables(&settings),
                ("/etc/systemd/system/etcd.service.d/again.conf", "0644", "[Service]\nRestart=always\n".to_owned()),
            ],
            Layout::Notes => notes(&settings, "on-failure"),
            Layout::NotesAlways => notes(&settings, "always"),
            Layout::ConfigFile => config_file(&settings),
        }
    }
}

type Settings = [(&'static str, String)];

fn variables(settings: &Settings) -> HostFile {
    let line = |(name, value): &(&str, String)| format!("ETCD_{}=\"{value}\"\n", upper(name));
    ("/etc/default/etcd", "0644", format!("# set up by hand\n{}", settings.iter().map(line).collect::<String>()))
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn notes(settings: &Settings, restart: &str) -> Vec<HostFile> {
    let flag = |(name, _): &(&str, String)| format!(" \\\n  --{name}=${{{}}}", upper(name));
    let flags: String = settings.iter().map(flag).collect();
    let line = |(name, value): &(&str, String)| format!("{}=\"{value}\"\n", upper(name));
    let unit = format!(
        "[Unit]\nDescription=Etcd Server\nAfter=network.target\n\n[Service]\nType=notify\n\
         EnvironmentFile=/opt/etcd/cfg/etcd.conf\nExecStart=/usr/bin/etcd{flags}\nRestart={restart}\n\
         LimitNOFILE=65536\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    vec![
        ("/opt/etcd/cfg/etcd.conf", "0644", format!("#[Member]\n{}", settings.iter().map(line).collect::<String>())),
        ("/etc/systemd/system/etcd.service", "0644", unit),
    ]
}

fn config_file(settings: &Settings) -> Vec<HostFile> {
    const TLS: [&str; 4] = ["cert-file", "key-file", "trusted-ca-file", "client-cert-auth"];
    let (mut text, mut client, mut peer) = (String::from("# etcd\n"), String::new(), String::new());
    for (name, value) in settings {
        let of_peer = name.strip_prefix("peer-").filter(|name| TLS.contains(name));
        let (to, key) = match of_peer {
            Some(key) => (&mut peer, format!("  {key}")),
            None if TLS.contains(name) => (&mut client, format!("  {name}")),
            None => (&mut text, (*name).to_owned()),
        };
        let value = if value == "true" { value.clone() } else { format!("'{value}'") };
        *to += &format!("{key}: {value}\n");
    }
    for (block, lines) in [("client", client), ("peer", peer)] {
        if !lines.is_empty() {
            text += &format!("{block}-transport-security:\n{lines}");
        }
    }
    let unit = "[Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd --config-file /etc/etcd/etcd.yaml\n\
                Restart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n";
    vec![("/etc/etcd/etcd.yaml", "0644", text), ("/etc/systemd/system/etcd.service", "0644", unit.to_owned())]
}
