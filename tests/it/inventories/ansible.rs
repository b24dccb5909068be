//! Inventories in the shapes that public collections have: the same hosts, groups and variables as `ansible-inventory`
//! finds in them.

use super::loaded;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use surefoot_engine::load::Inventory;

/// It runs on the Python of Debian 12 and of Debian 13.
const RELEASE: &str = "ansible-core==2.19.14";

/// Ansible, installed once for each Python: parts of it are compiled.
fn ansible() -> PathBuf {
    let python = Command::new("python3").arg("--version").output().unwrap().stdout;
    let python = String::from_utf8(python).unwrap().trim().replace(' ', "-");
    let folder = Path::new("/var/cache/surefoot/tools").join(format!("{}-{python}", RELEASE.replace("==", "-")));
    if !folder.exists() {
        let part = tempfile::Builder::new().prefix("ansible").tempdir_in("/var/cache/surefoot").unwrap();
        let mut pip = Command::new("pip3");
        pip.args(["install", "--quiet", "--root-user-action=ignore", "--target"]).arg(part.path()).arg(RELEASE);
        assert!(pip.status().unwrap().success());
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        // Another test run may have been faster.
        if fs::rename(part.path(), &folder).is_ok() {
            let _ = part.keep();
        }
    }
    folder
}

fn listed(inventory: &Path) -> Json {
    let ansible = ansible();
    let output = Command::new(ansible.join("bin/ansible-inventory"))
        .args(["--list", "-i"])
        .arg(inventory)
        .env("PYTHONPATH", &ansible)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

type Vars = BTreeMap<String, Map<String, Json>>;
type Groups = BTreeMap<String, BTreeSet<String>>;

/// What Ansible tells of hosts that ssh leads to: their own variables, without those of Ansible itself.
fn of_ansible(listed: &Json) -> (Vars, Groups) {
    let all = listed["_meta"]["hostvars"].as_object().unwrap();
    let mut vars: Vars = all.iter().filter(|(_, vars)| vars["ansible_connection"] != "local").map(own).collect();
    let groups = listed.as_object().unwrap().iter().filter(|(name, _)| !["_meta", "all"].contains(&name.as_str()));
    let mut groups: Groups = groups.map(|(name, _)| (name.clone(), members(listed, name))).collect();
    for hosts in groups.values_mut() {
        for host in hosts.iter().filter(|host| !all.contains_key(*host)) {
            vars.entry(host.clone()).or_default();
        }
        hosts.retain(|host| vars.contains_key(host));
    }
    groups.retain(|name, hosts| name != "ungrouped" && !hosts.is_empty());
    (vars, groups)
}

fn own((host, vars): (&String, &Json)) -> (String, Map<String, Json>) {
    let vars = vars
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| !name.starts_with("ansible_") && value.get("__ansible_vault").is_none());
    // `!unsafe` is text.
    let plain = |value: &Json| value.get("__ansible_unsafe").unwrap_or(value).clone();
    (host.clone(), vars.map(|(name, value)| (name.clone(), plain(value))).collect())
}

fn members(listed: &Json, group: &str) -> BTreeSet<String> {
    let texts = |key: &str| listed[group][key].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
    let hosts = texts("hosts").map(str::to_owned);
    hosts.chain(texts("children").flat_map(|child| members(listed, child))).collect()
}

fn of_ours(inventory: &Inventory) -> (Vars, Groups) {
    let vars = inventory.hosts.iter().map(|(name, host)| (name.to_string(), host.vars.clone())).collect();
    let names = |hosts: &Vec<_>| hosts.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let groups = inventory.groups.iter().map(|(name, hosts)| (name.clone(), names(hosts)));
    (vars, groups.filter(|(name, hosts)| name != "ungrouped" && !hosts.is_empty()).collect())
}

#[test]
fn inventories_of_every_shape_say_what_ansible_finds_in_them() {
    let shapes = [
        "kubernetes/hosts.ini",
        "cloud-platform/multinode",
        "storage/hosts",
        "platform/hosts.cfg",
        "edge/inventory.yml",
        "streaming/hosts.yml",
        "addresses/hosts",
        "chat/hosts",
        "site",
        "database/inventory",
    ];
    for shape in shapes {
        let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventories").join(shape);
        let (vars, groups) = of_ours(&loaded(&given).inventory);
        let (wanted_vars, wanted_groups) = of_ansible(&listed(&given));
        assert_eq!(groups, wanted_groups, "{shape}");
        for (host, wanted) in &wanted_vars {
            assert_eq!(vars.get(host), Some(wanted), "{shape}: {host}");
        }
        assert_eq!(vars.keys().collect::<Vec<_>>(), wanted_vars.keys().collect::<Vec<_>>(), "{shape}");
    }
}
