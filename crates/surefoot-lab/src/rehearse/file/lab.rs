//! `lab` of a rehearsal: which disposable hosts it takes.

use crate::lab::{DataDisk, Etcd, HostSpec, LabError, LabName, LabSpec, Package, Release};
use std::collections::BTreeSet;
use std::str::FromStr;
use surefoot_engine::load::{Fields, Form, Node, NodeValue, Shape, fields};
use surefoot_engine::model::Diagnostic;

/// The hosts that a rehearsal wants.
#[derive(Clone, Debug)]
pub struct LabWish {
    pub hosts: Vec<LabName>,
    pub etcd: Etcd,
    /// Installed on every host.
    pub packages: BTreeSet<Package>,
    /// One of these on every host.
    pub disk: Option<DataDisk>,
    /// Whose programs lie beside the rehearsal's files, as `etcd-3.6`, `etcdctl-3.6` and `etcdutl-3.6`.
    pub programs: Vec<EtcdName>,
}

/// A release as a rehearsal writes it: `3.6`, or `3.5.21`.
#[derive(Clone, Debug)]
pub struct EtcdName {
    pub written: String,
    pub release: Release,
}

impl FromStr for EtcdName {
    type Err = LabError;

    fn from_str(text: &str) -> Result<EtcdName, LabError> {
        match text.parse()? {
            Etcd::Release(release) => Ok(EtcdName { written: text.to_owned(), release }),
            _ => Err(LabError::BadEtcd(text.to_owned())),
        }
    }
}

impl Default for LabWish {
    fn default() -> LabWish {
        LabWish {
            hosts: LabSpec::numbered(3),
            etcd: Etcd::None,
            packages: BTreeSet::new(),
            disk: None,
            programs: Vec::new(),
        }
    }
}

impl LabWish {
    /// The lab of this name that has it all.
    pub fn spec(self, name: LabName) -> LabSpec {
        let host = |name| HostSpec { name, disk: self.disk.clone() };
        LabSpec { name, hosts: self.hosts.into_iter().map(host).collect(), etcd: self.etcd, packages: self.packages }
    }
}

const HOST_NAME: Form = Form::Pattern {
    pattern: "^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$",
    wanted: "A lower-case letter, then at most 23 lower-case letters, digits or dashes.",
    types: &["string"],
};

const PACKAGE: Form = Form::Pattern {
    pattern: "^[a-z0-9][a-z0-9+.-]+$",
    wanted: "The name of a Debian package, without a version.",
    types: &["string"],
};

const ETCD: Form = Form::Pattern {
    pattern: "^(3\\.[4567]|3\\.([5-9]|[1-9][0-9])\\.[0-9]+|none)$",
    wanted: "3.4, 3.5, 3.6, 3.7, a release such as 3.5.21, or none; in quotes.",
    types: &["string"],
};

const RELEASE: Form = Form::Pattern {
    pattern: "^(3\\.[567]|3\\.([5-9]|[1-9][0-9])\\.[0-9]+)$",
    wanted: "3.5, 3.6, 3.7, or a release such as 3.5.21; in quotes.",
    types: &["string"],
};

const DISK: Form =
    Form::Pattern { pattern: "^/[^:,\\\\ =]+=[0-9]+$", wanted: "PATH=MIB, such as /var/log=64.", types: &["string"] };

pub(super) static LAB: Shape = Shape {
    name: "lab",
    what: "`lab`",
    about: "Disposable hosts.",
    groups: &[fields! {
        optional "hosts": Form::Either(&[Form::Whole { least: 1, most: 200 }, Form::Set(&HOST_NAME)]), "3",
            "How many, named etcd-1 and so on, or a list of their names; 3 by default. All are in the group `members`.";
        optional "etcd": ETCD, "\"3.6\"",
            "Which etcd they have: the newest 3.5, 3.6 or 3.7, a release such as 3.5.21, Debian's 3.4, or `none` (the default).";
        optional "programs": Form::Set(&RELEASE), "[\"3.6\"]",
            "Releases of etcd whose programs are put beside the rehearsal's files: `etcd-3.6`, `etcdctl-3.6`, `etcdutl-3.6`.";
        optional "packages": Form::Set(&PACKAGE), "[nginx-light, haproxy]",
            "Debian packages that they have, too. Services of these wait until they are started.";
        optional "disk": DISK, "/var/log=64",
            "A disk of its own for one folder of every host, PATH=MIB, in memory.";
    }],
};

pub(super) fn decode(node: &Node, problems: &mut Vec<Diagnostic>) -> LabWish {
    let mut wish = LabWish::default();
    let Some(mut fields) = Fields::of(node, &LAB, problems) else { return wish };
    let keys = ["hosts", "etcd", "programs", "packages", "disk"];
    let [hosts, etcd, programs, packages, disk] = keys.map(|key| fields.take(key));
    fields.finish(problems);
    if let Some(node) = hosts {
        wish.hosts = match &node.value {
            NodeValue::Seq(names) => names.iter().filter_map(|name| word(name, problems)).collect(),
            _ => numbered(node, problems),
        };
    }
    if let Some(etcd) = etcd.and_then(|node| word(node, problems)) {
        wish.etcd = etcd;
    }
    wish.packages = words("packages", packages, problems).into_iter().collect();
    wish.programs = words("programs", programs, problems);
    wish.disk = disk.and_then(|node| word(node, problems));
    wish
}

fn numbered(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<LabName> {
    let count = match &node.value {
        NodeValue::Number(number) => number.as_u64().and_then(|count| usize::try_from(count).ok()),
        _ => None,
    };
    if count.is_none() {
        let message = format!("`hosts` is a number of hosts or a list of their names, this is {}", node.kind());
        problems.push(wrong(node, message));
    }
    LabSpec::numbered(count.unwrap_or_default())
}

fn words<T: FromStr<Err = LabError>>(key: &str, list: Option<&Node>, problems: &mut Vec<Diagnostic>) -> Vec<T> {
    match list.map(|node| (node, &node.value)) {
        None => Vec::new(),
        Some((_, NodeValue::Seq(nodes))) => nodes.iter().filter_map(|node| word(node, problems)).collect(),
        Some((node, _)) => {
            problems.push(wrong(node, format!("`{key}` is a list of names, this is {}", node.kind())));
            Vec::new()
        }
    }
}

/// A text that the lab has a meaning for.
fn word<T: FromStr<Err = LabError>>(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<T> {
    let parsed = match node.as_str() {
        Some(text) => text.parse().map_err(|error: LabError| error.to_string()),
        None => Err(format!("this is {}, a text is wanted", node.kind())),
    };
    parsed.map_err(|message| problems.push(wrong(node, message))).ok()
}

fn wrong(node: &Node, message: String) -> Diagnostic {
    Diagnostic::error("E0501", node.span, message)
}
