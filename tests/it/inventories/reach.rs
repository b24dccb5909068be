//! How hosts of other inventories are reached: what ssh is told of them.

use super::{groups, loaded};
use crate::support::program::Program;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use surefoot_engine::load::{self, HostEntry};
use surefoot_engine::model::Sources;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

fn codes(given: &Path) -> Vec<&'static str> {
    match load::hosts(given, &mut Sources::default()) {
        Ok(loaded) => loaded.warnings.iter().map(|warning| warning.code).collect(),
        Err(problems) => problems.iter().map(|problem| problem.code).collect(),
    }
}

fn option<'h>(host: &'h HostEntry, name: &str) -> Option<&'h str> {
    host.ssh_options.get(name).map(String::as_str)
}

#[test]
fn options_of_ssh_come_from_ansibles_arguments() {
    let bed = Program::new();
    let args =
        "ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p -q root@192.0.2.1\" -o UserKnownHostsFile=/k -C'";
    let extra = "ansible_ssh_extra_args='-o UserKnownHostsFile=/other -J a,b -F /etc/site.conf'";
    let loaded = loaded(&bed.write("hosts.ini", &format!("[web]\nw1\n[web:vars]\n{args}\n{extra}\n")));
    assert!(loaded.warnings.is_empty(), "{:#?}", loaded.warnings);
    let host = &loaded.inventory.hosts["w1"];
    assert_eq!(option(host, "ProxyCommand"), Some("ssh -W %h:%p -q root@192.0.2.1"));
    assert_eq!(option(host, "UserKnownHostsFile"), Some("/k"), "the first counts");
    assert_eq!((option(host, "Compression"), option(host, "ProxyJump")), (Some("yes"), Some("a,b")));
    assert_eq!(host.ssh_config.as_deref(), Some(Path::new("/etc/site.conf")));
}

#[test]
fn host_keys_are_checked_whatever_an_inventory_says() {
    let bed = Program::new();
    let args = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlPersist=60s -o BatchMode=no";
    let given = bed.write("hosts.ini", &format!("w1 ansible_ssh_common_args='{args}'\n"));
    assert_eq!(codes(&given), ["W0701", "W0701"]);
    assert!(loaded(&given).inventory.hosts["w1"].ssh_options.is_empty());
    let own = bed.write("own.yaml", "hosts: { w1: { ssh_options: { StrictHostKeyChecking: no } } }");
    assert_eq!(codes(&own), ["E0501"]);
}

#[test]
fn options_of_a_host_win_over_the_defaults() {
    let bed = Program::new();
    let defaults = "defaults: { ssh_options: { ProxyJump: gate, Compression: true } }\n";
    let given =
        bed.write("own.yaml", &format!("{defaults}hosts:\n  w1: {{ ssh_options: {{ proxyjump: none }} }}\n  w2:\n"));
    let inventory = loaded(&given).inventory;
    let all =
        |name: &str| inventory.hosts[name].ssh_options.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    assert_eq!(all("w1"), ["proxyjump=none", "Compression=yes"]);
    assert_eq!(all("w2"), ["ProxyJump=gate", "Compression=yes"]);
}

#[test]
fn templates_that_say_how_a_host_is_reached_are_filled_in() {
    let bed = Program::new();
    let given = bed.write(
        "hosts.yml",
        r#"all:
  vars: { domain: example.org, gate: "{{ hostvars['gate'].ansible_host }}", ansible_user: "{{ admin | default('ops') }}" }
  hosts:
    gate: { ansible_host: 192.0.2.1 }
    w1: { ansible_host: "{{ inventory_hostname }}.{{ domain }}", ansible_ssh_common_args: "-J root@{{ gate }}" }
"#,
    );
    let inventory = loaded(&given).inventory;
    let host = &inventory.hosts["w1"];
    assert_eq!((host.address.as_deref(), host.user.as_deref()), (Some("w1.example.org"), Some("ops")));
    assert_eq!(option(host, "ProxyJump"), Some("root@192.0.2.1"));
}

#[test]
fn a_template_that_cannot_be_filled_in_is_an_error() {
    let bed = Program::new();
    for template in ["{{ missing }}", "{{ lookup('env', 'HOST') }}", "{{ ansible_host }}", "{{ ip | ipaddr }}"] {
        let given = bed.write("hosts.ini", &format!("w1 ip=192.0.2.1 ansible_host=\"{template}\"\n"));
        assert_eq!(codes(&given), ["E0711"], "{template}");
    }
}

#[test]
fn a_template_in_what_is_of_no_account_here_hinders_nobody() {
    let bed = Program::new();
    let vars = "ansible_become_password=\"{{ vault_sudo }}\" ansible_python_interpreter=\"{{ playbook_python }}\"";
    let given = bed.write("hosts.ini", &format!("w1 {vars}\n"));
    assert_eq!(codes(&given), ["W0701"]);
    assert!(loaded(&given).inventory.hosts["w1"].vars.is_empty());
}

#[test]
fn what_is_encrypted_or_cannot_be_named_is_left_out_with_a_warning() {
    let bed = Program::new();
    let vault = "!vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          6162\n";
    let given = bed.write(
        "hosts.yml",
        &format!("all:\n  hosts:\n    w1:\n      size: 1\n      secret: {vault}    controller: {{}}\n    w_é: {{}}\n"),
    );
    assert_eq!(codes(&given), ["W0702", "W0702", "W0702"]);
    let inventory = loaded(&given).inventory;
    assert_eq!(inventory.hosts.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["w1"]);
    assert_eq!(inventory.hosts["w1"].vars.keys().collect::<Vec<_>>(), ["size"]);
}

#[test]
fn a_name_of_a_host_and_of_a_group_means_the_group() {
    let bed = Program::new();
    let given = bed.write("hosts.ini", "[bastion]\nbastion\nother\n");
    assert_eq!(codes(&given), ["W0704"]);
    assert_eq!(groups(&loaded(&given).inventory), ["bastion: bastion other"]);
}

#[test]
fn an_ssh_config_is_read_as_ssh_reads_it() {
    let bed = Program::new();
    fs::create_dir_all(bed.path("conf.d/prod")).unwrap();
    bed.write("conf.d/prod/a.conf", "Host two\n");
    bed.write("with space.conf", "Host three\n");
    let folder = bed.path("");
    let text = format!(
        "Include {0}/conf.d/*/*.conf \"{0}/with space.conf\" ~/.no-such-folder/config\nHost one # first of three\n",
        folder.display()
    );
    let given = format!("ssh:{}", bed.write("config", &text).display());
    let inventory = loaded(Path::new(&given)).inventory;
    let names: Vec<&str> = inventory.hosts.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["two", "three", "one"]);
}

#[test]
fn a_command_and_a_folder_with_a_program_list_hosts_and_a_check_runs_neither() {
    let bed = Program::new();
    let given = format!("cmd:touch {} && echo '[web]' && echo w1", bed.path("ran").display());
    assert_eq!(load::hosts_unrun(Path::new(&given), &mut Sources::default()).unwrap().warnings[0].code, "W0703");
    assert!(!bed.path("ran").exists());
    assert_eq!(groups(&loaded(Path::new(&given)).inventory), ["web: w1"]);
    assert!(bed.path("ran").exists());

    fs::create_dir(bed.path("site")).unwrap();
    bed.write("site/10-static.ini", "[web]\nw1\n");
    let program = bed.write("site/20-cloud", "#!/bin/sh\necho '{\"web\": {\"hosts\": [\"w2\"]}}'\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(load::hosts_unrun(&bed.path("site"), &mut Sources::default()).unwrap().warnings[0].code, "W0703");
    assert_eq!(groups(&loaded(&bed.path("site")).inventory), ["web: w1 w2"]);
}

#[test]
fn a_state_of_terraform_gives_its_machines() {
    let bed = Program::new();
    let machine = |index: u32| {
        format!(
            r#"{{ "index_key": {index}, "attributes": {{ "public_ip": "", "private_ip": "192.0.2.{index}", "password": "hush",
               "tags": {{ "Name": "etcd-{index}" }} }} }}"#
        )
    };
    let state =
        |resources: &str| format!(r#"{{ "version": 4, "terraform_version": "1.9.0", "resources": [{resources}] }}"#);
    let machines = format!(
        r#"{{ "mode": "managed", "type": "aws_instance", "name": "members", "instances": [{}, {}] }},
           {{ "mode": "managed", "type": "aws_subnet", "name": "a", "instances": [] }}"#,
        machine(1),
        machine(2)
    );
    let inventory = loaded(&bed.write("terraform.tfstate", &state(&machines))).inventory;
    assert_eq!(groups(&inventory), ["members: etcd-1 etcd-2"]);
    assert_eq!(inventory.hosts["etcd-2"].address.as_deref(), Some("192.0.2.2"));

    let outright = r#"{ "mode": "managed", "type": "ansible_host", "name": "h", "instances": [{ "attributes":
        { "name": "db-1", "groups": ["db"], "variables": { "ansible_host": "192.0.2.9", "rack": "a" } } }] },
        { "mode": "managed", "type": "ansible_group", "name": "g", "instances": [{ "attributes":
        { "name": "prod", "children": ["db"], "variables": { "env": "prod" } } }] }"#;
    let inventory = loaded(&bed.write("terraform.tfstate", &state(&format!("{machines}, {outright}")))).inventory;
    assert_eq!(groups(&inventory), ["db: db-1", "prod: db-1"]);
    assert_eq!(inventory.hosts["db-1"].vars["env"], "prod");
    assert_eq!(codes(&bed.write("empty.tfstate", &state(""))), ["E0710"]);
}

/// The first host is the jump host of the others.
#[test]
fn hosts_behind_a_jump_host_of_an_ansible_inventory_are_reached() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("jmp").unwrap(), 2, Etcd::None), &|_| {}).unwrap();
    let bed = Program::new();
    let config = lab.ssh_config();
    let args = format!(
        "-o ProxyCommand=\"ssh -F {0} -W %h:%p etcd-1\" -F {0} -o StrictHostKeyChecking=accept-new",
        config.display()
    );
    let site = bed.write("hosts.ini", &format!("[members]\netcd-2 ansible_ssh_common_args='{args}'\n"));
    let runbook = bed.write(
        "r.yaml",
        "runbook: test\nhosts: { members: {} }\nsteps:\n  - { id: say, on: members, sh: \"echo $SSH_CONNECTION\", reads: true }\n",
    );
    let ran = bed.run(&runbook, ["-i".into(), site]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let connection = ran.out("say@etcd-2")["stdout"].as_str().unwrap().to_owned();
    let from = connection.split(' ').next().unwrap();
    let jump = lab.enter(lab.hosts().next().unwrap(), &["hostname", "-I"]).unwrap().output().unwrap();
    assert!(String::from_utf8_lossy(&jump.stdout).split_whitespace().any(|address| address == from), "{connection}");
}
