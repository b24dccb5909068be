//! The keys of an inventory.

use crate::load::shape::{Field, Form, SECRET, Shape, fields};

/// An inventory.
pub static INVENTORY: Shape = Shape {
    name: "inventory",
    what: "an inventory",
    about: "The hosts that runs may touch, their groups, and how to reach them.",
    groups: &[fields! {
        optional "defaults": Form::Shape(&DEFAULTS), "{ user: root, port: 22 }",
            "How hosts are reached that do not say otherwise.";
        required "hosts": Form::Map(HOST_NAME, &Form::Either(&[Form::Null, Form::Shape(&HOST)])), "{ etcd-1: { address: 192.0.2.11 } }",
            "Each host by its name. `controller` is this machine and needs no entry.";
        optional "groups": Form::Map(HOST_NAME, &Form::Set(&Form::Word(""))), "{ members: [etcd-1, etcd-2] }",
            "Hosts by what they have in common. A runbook's role is bound to the group of the same name.";
        optional "etcd": Form::Map("", &Form::Shape(&ETCD)), "{ members: { ca: /etc/etcd/ca.pem } }",
            "How etcd is reached, for `all`, a group or a host; the more exact one counts.";
    }],
};

/// What may name a host or a group.
const HOST_NAME: &str = "^(?!(controller|all)$)[A-Za-z0-9][A-Za-z0-9._:-]*$";

pub(super) static DEFAULTS: Shape = Shape {
    name: "defaults",
    what: "`defaults`",
    about: "How hosts are reached that do not say otherwise.",
    groups: &[REACH],
};

pub(super) static HOST: Shape = Shape {
    name: "host",
    what: "a host",
    about: "How a host is reached, and what is known about it. Without `address` it is reached by its name, as ssh knows it.",
    groups: &[
        fields! {
            optional "address": Form::Word(""), "192.0.2.11",
                "How ssh reaches it: a name, an address, or an alias of your ssh config.";
            optional "vars": Form::Map("", &Form::Any), "{ zone: a }",
                "Values for templates: `{{ host.vars.NAME }}`.";
        },
        REACH,
    ],
};

const REACH: &[Field] = fields! {
    optional "user": Form::Word(""), "root",
        "The user to log in as.";
    optional "port": Form::Whole { least: 1, most: 65535 }, "22",
        "The port of its ssh server.";
    optional "identity": Form::Word(""), "~/.ssh/id_ed25519",
        "A private key. A relative path starts from the inventory's folder.";
    optional "ssh_config": Form::Word(""), "ssh.conf",
        "An ssh config that is used instead of yours.";
    optional "ssh_options": Form::Map("^[A-Za-z0-9]+$", &Form::Either(&[Form::Bool, Form::Word("")])), "{ ProxyJump: admin@bastion }",
        "Options of ssh, as in `man ssh_config`. A host's win over those of `defaults`.";
    optional "become": Form::Either(&[Form::Bool, Form::Word("")]), "true",
        "The user that steps run as, by sudo. `true` is root.";
};

pub(super) static ETCD: Shape = Shape {
    name: "etcd",
    what: "an `etcd` entry",
    about: "How etcd is reached, where that is not found on the host itself.",
    groups: &[fields! {
        optional "ca": Form::Word(CERTIFICATE), "/etc/etcd/ca.pem",
            "The authority that signed the servers' certificates: a file on this machine, or `host:/PATH` on the host.";
        optional "cert": Form::Word(CERTIFICATE), "/etc/etcd/client.pem",
            "The client's certificate. Goes with `key`.";
        optional "key": Form::Word(CERTIFICATE), "/etc/etcd/client-key.pem",
            "The client's key. Goes with `cert`.";
        optional "endpoint": Form::Word(""), "127.0.0.1:2379",
            "Where its etcd answers, seen from the host.";
        optional "user": Form::Word(""), "root",
            "Whom it is asked as, where etcd has users. Goes with `password`.";
        optional "password": SECRET, "env:ETCD_PASSWORD",
            "Where the user's password is found: `env:NAME`, `file:PATH`, `cmd:COMMAND`, or `ask`.";
    }],
};

/// A path on the controller, or `host:` and an absolute one.
const CERTIFICATE: &str = "(?!host:(?!/))";
