//! Hosts from the inventories that people have: Ansible's in all its forms, an ssh config, a program.

mod ansible;
mod reach;

use crate::support::program::Program;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use surefoot_engine::load::{self, Inventory, LoadedInventory};
use surefoot_engine::model::Sources;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

fn loaded(given: &Path) -> LoadedInventory {
    load::hosts(given, &mut Sources::default()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// `GROUP: HOST HOST`, in order.
fn groups(inventory: &Inventory) -> Vec<String> {
    let line = |(name, hosts): (&String, &Vec<_>)| {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        format!("{name}: {}", hosts.join(" "))
    };
    inventory.groups.iter().map(line).collect()
}

const INI: &str = r#"
bastion.example.org ansible_port=2222

[web]
web[01:03].example.org http_port=80 proxy=True

[db]
db-a ansible_host=192.0.2.10 ansible_user=dba role="primary one"   # the first
db-b ansible_host=192.0.2.11

[prod:children]
web
db

[prod:vars]
env=production
http_port=8080

[db:vars]
ansible_become=yes
ansible_become_user=postgres
port_list=[5432, 5433]
"#;

const YAML: &str = r#"
all:
  hosts:
    bastion.example.org: { ansible_port: 2222 }
  children:
    prod:
      vars: { env: production, http_port: 8080 }
      children:
        web:
          hosts:
            web[01:03].example.org: { http_port: 80, proxy: true }
        db:
          vars: { ansible_become: yes, ansible_become_user: postgres, port_list: [5432, 5433] }
          hosts:
            db-a: { ansible_host: 192.0.2.10, ansible_user: dba, role: primary one }
            db-b: { ansible_host: 192.0.2.11 }
"#;

const JSON: &str = r#"{
  "all": { "children": ["prod"] },
  "ungrouped": { "hosts": ["bastion.example.org"] },
  "prod": { "children": ["web", "db"], "vars": { "env": "production", "http_port": 8080 } },
  "web": ["web01.example.org", "web02.example.org", "web03.example.org"],
  "db": { "hosts": ["db-a", "db-b"],
          "vars": { "ansible_become": true, "ansible_become_user": "postgres", "port_list": [5432, 5433] } },
  "_meta": { "hostvars": {
    "bastion.example.org": { "ansible_port": 2222 },
    "web01.example.org": { "http_port": 80, "proxy": true },
    "web02.example.org": { "http_port": 80, "proxy": true },
    "web03.example.org": { "http_port": 80, "proxy": true },
    "db-a": { "ansible_host": "192.0.2.10", "ansible_user": "dba", "role": "primary one" },
    "db-b": { "ansible_host": "192.0.2.11" } } }
}"#;

/// The same site in each form.
#[test]
fn ini_yaml_and_the_json_of_a_program_say_the_same() {
    let bed = Program::new();
    let script = bed.write("inventory.py", &format!("#!/bin/sh\ntest \"$1\" = --list && cat <<'END'\n{JSON}\nEND\n"));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for given in [bed.write("hosts", INI), bed.write("hosts.yml", YAML), script] {
        let LoadedInventory { inventory, native, translated, warnings, .. } = loaded(&given);
        assert!(warnings.is_empty() && translated, "{warnings:#?}");
        check_site(&inventory, &given);
        let kept = bed.write("kept.yaml", &native.unwrap());
        check_site(&load::inventory(&kept, &mut Sources::default()).unwrap(), &kept);
    }
}

fn check_site(inventory: &Inventory, given: &Path) {
    let mut groups = groups(inventory);
    groups.sort();
    let wanted = [
        "db: db-a db-b",
        "prod: web01.example.org web02.example.org web03.example.org db-a db-b",
        "web: web01.example.org web02.example.org web03.example.org",
    ];
    let named: Vec<&String> = groups.iter().filter(|line| !line.starts_with("ungrouped")).collect();
    assert_eq!(named, wanted, "{}", given.display());
    let host = |name: &str| &inventory.hosts[name];
    assert_eq!(host("bastion.example.org").port, Some(2222));
    let (a, b, web) = (host("db-a"), host("db-b"), host("web02.example.org"));
    assert_eq!((a.address.as_deref(), a.user.as_deref()), (Some("192.0.2.10"), Some("dba")));
    assert_eq!((&b.become_user, &b.user), (&Some("postgres".to_owned()), &None));
    assert_eq!(
        serde_json::Value::Object(a.vars.clone()),
        serde_json::json!(
            { "env": "production", "http_port": 8080, "port_list": [5432, 5433], "role": "primary one" }
        )
    );
    assert_eq!(web.vars["http_port"], 80, "the host wins over its group");
    assert_eq!(web.vars["proxy"], true);
}

#[test]
fn files_beside_the_inventory_win_over_it_and_the_host_over_its_groups() {
    let bed = Program::new();
    for folder in ["group_vars/db", "host_vars"] {
        fs::create_dir_all(bed.path(folder)).unwrap();
    }
    bed.write("group_vars/all.yml", "env: lab\ncolour: red\nansible_user: admin\n");
    bed.write("group_vars/db/main.yml", "colour: green\nshape: round\n");
    bed.write("group_vars/db/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n");
    bed.write("host_vars/db-b.yaml", "shape: square\n");
    let loaded = loaded(&bed.write("hosts.ini", INI));
    let codes: Vec<&str> = loaded.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["W0702"], "an encrypted file is said to be left out");
    let var = |host: &str, name: &str| loaded.inventory.hosts[host].vars[name].clone();
    assert_eq!(
        (var("db-a", "env"), var("db-a", "colour"), var("db-a", "shape")),
        ("lab".into(), "green".into(), "round".into())
    );
    assert_eq!((var("db-b", "shape"), var("bastion.example.org", "colour")), ("square".into(), "red".into()));
    assert_eq!(loaded.inventory.hosts["db-a"].user.as_deref(), Some("dba"));
    assert_eq!(loaded.inventory.hosts["db-b"].user.as_deref(), Some("admin"));
}

#[test]
fn an_ssh_config_gives_the_hosts_that_it_names() {
    let bed = Program::new();
    let more = bed.write("more.conf", "Host two three\n  User x\n");
    let config =
        bed.write("config", &format!("Include {}\nHost *\n  Port 22\nHost one *.lan !no\nhost=four\n", more.display()));
    let given = format!("ssh:{}", config.display());
    let inventory = loaded(Path::new(&given)).inventory;
    let names: Vec<&str> = inventory.hosts.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["two", "three", "one", "four"]);
    assert!(inventory.hosts.values().all(|host| host.ssh_config.as_deref() == Some(&config) && host.address.is_none()));
}

#[test]
fn a_program_that_fails_is_an_error_with_its_name() {
    let bed = Program::new();
    let script = bed.write("inventory", "#!/bin/sh\nexit 3\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let problems = load::hosts(&script, &mut Sources::default()).unwrap_err();
    assert_eq!(problems[0].code, "E0712");
}

#[test]
fn a_run_from_an_ansible_inventory_goes_on_without_it() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("ini").unwrap(), 2, Etcd::None), &|_| {}).unwrap();
    let bed = Program::new();
    let hosts: Vec<String> = lab.hosts().map(|host| format!("{host} nick=the-{host} rank=1")).collect();
    let reach = format!("ansible_user=root\nansible_ssh_common_args='-F {}'", lab.ssh_config().display());
    let site = bed.write("hosts.ini", &format!("[machines]\n{}\n[machines:vars]\n{reach}\n", hosts.join("\n")));
    let runbook = bed.write(
        "r.yaml",
        "runbook: test\nhosts: { machines: {} }\nsteps:
  - { id: say, on: machines, sh: \"echo {{ host.vars.nick }} $(hostname)\", reads: true }
  - { id: late, on: machines, sh: test -e /go, reads: true }\n",
    );
    let ran = bed.run(&runbook, ["-i".into(), site.clone()]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert_eq!(ran.out("say@etcd-2")["stdout"], "the-etcd-2 etcd-2");
    fs::remove_file(site).unwrap();
    lab.hosts().for_each(|host| drop(lab.enter(host, &["touch", "/go"]).unwrap().output().unwrap()));
    let resumed = bed.call(["resume", "last"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
}
