//! That a plan changes nothing: shipped runbooks on real hosts, which are the same after it. Needs root.

use crate::procedures::upgrade::programs;
use crate::runbooks::scene::Scene;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use surefoot_lab::lab::Etcd;

/// Every file by name, mode, owner, size and time of change, every unit's state and when it came into it. Left out is
/// what a login writes (who was there, logs), what systemd writes for it, and what a running server keeps writing in its
/// data and its shared memory; and what rehearsals make on purpose: noise, a client that notes what was acknowledged, an
/// API server's stand-in that says whether it is ready.
const LOOK: &str = r#"
LC_ALL=C; export LC_ALL
own='/var/log /run/log /run/systemd /run/user /run/utmp /run/motd.dynamic /run/sudo /var/lib/etcd /var/lib/postgresql /var/lib/systemd /run/kube-apiserver'
prune=; for path in $own; do prune="$prune -path $path -prune -o"; done
find / /run /tmp /dev/shm -xdev $prune ! -type d ! -type s ! -type p ! -name 'PostgreSQL.*' ! -name noise ! -path /srv/acknowledged -printf '%y %p %m %U:%G %s %T@ %l\n'
find / /run /tmp /dev/shm -xdev $prune -type d -printf 'folder %p %m %U:%G\n'
for unit in $(systemctl list-units --all --plain --no-legend --type=service,socket,timer,mount,path | awk '{ print $1 }'); do
  case $unit in user@*|user-runtime-dir@*|run-user-*|session-*|ssh@*|systemd-*|*.mount|noise.service) continue;; esac
  echo "$unit" $(systemctl show "$unit" -p ActiveState,SubState,UnitFileState,MainPID,NRestarts,ActiveEnterTimestampMonotonic)
done
"#;

fn picture(scene: &Scene) -> Vec<BTreeSet<String>> {
    let hosts = scene.lab.hosts().map(|host| scene.inside(host.as_str(), LOOK));
    hosts.map(|lines| lines.lines().map(str::to_owned).collect()).collect()
}

/// A picture of hosts that are at rest: what the starting state set going (a unit that fails and is started again, a
/// kubelet) has come to its end.
fn at_rest(scene: &Scene) -> Vec<BTreeSet<String>> {
    let (mut last, mut moved) = (picture(scene), Vec::new());
    for _ in 0..30 {
        std::thread::sleep(Duration::from_secs(5));
        let now = picture(scene);
        moved = apart(&last, &now);
        if moved.is_empty() {
            return now;
        }
        last = now;
    }
    panic!("the hosts do not come to rest: {moved:#?}");
}

/// What is in one picture only.
fn apart(one: &[BTreeSet<String>], other: &[BTreeSet<String>]) -> Vec<String> {
    one.iter().zip(other).flat_map(|(a, b)| a.symmetric_difference(b).cloned()).collect()
}

/// A shell that is told to go takes its folder with it a moment later.
fn differences(scene: &Scene, before: &[BTreeSet<String>]) -> Vec<String> {
    let mut left = Vec::new();
    for _ in 0..20 {
        left = apart(before, &picture(scene));
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    left
}

#[track_caller]
fn stays_untouched(stem: &str, shipped: &str) {
    stays_so(&Scene::of(stem, shipped), shipped, &[]);
}

#[track_caller]
fn stays_so(scene: &Scene, shipped: &str, given: &[&str]) {
    let before = at_rest(scene);
    assert!(before.iter().all(|host| host.len() > 1000), "every file is looked at");
    let planned = scene.plan(&[given, &["--format", "json"]].concat());
    let plan: serde_json::Value = serde_json::from_str(&planned.out).unwrap_or_else(|e| panic!("{e}: {}", planned.err));
    let left = differences(scene, &before);
    assert!(left.is_empty(), "{shipped}: {left:#?}");
    // It was made, and goes all the way.
    let run = scene.run(given);
    super::oracle::holds(&plan, &run);
}

#[test]
fn a_plan_of_a_roll_over_a_cluster_changes_nothing_and_is_right() {
    stays_untouched("unt", "etcd/tune-leader");
}

#[test]
fn a_plan_of_an_upgrade_changes_nothing_and_is_right() {
    if std::env::var_os("SUREFOOT_FULL").is_none() {
        return;
    }
    let scene = Scene::of("unu", "etcd/upgrade");
    programs(&scene.program, Etcd::V3_5, "3.5");
    stays_so(
        &scene,
        "etcd/upgrade",
        &["-p", "etcd=3.5/etcd", "-p", "etcdctl=3.5/etcdctl", "-p", "etcdutl=3.5/etcdutl"],
    );
}

#[test]
fn plans_of_all_shipped_runbooks_change_nothing_and_are_right() {
    if std::env::var_os("SUREFOOT_FULL").is_none() {
        return;
    }
    let shipped = shipped();
    assert!(shipped.len() > 8, "{shipped:?}");
    // Each has its turn, whatever became of those before it.
    let fails = |(number, runbook): &(usize, &String)| {
        eprintln!("{runbook}");
        std::panic::catch_unwind(|| stays_untouched(&format!("un{number}"), runbook)).is_err()
    };
    let failed: Vec<&String> = shipped.iter().enumerate().filter(fails).map(|(_, runbook)| runbook).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Every shipped runbook that has a rehearsal, such as `etcd/tune-leader`.
fn shipped() -> Vec<String> {
    let mut all = Vec::new();
    for family in ["etcd", "etcd/kubeadm", "examples"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(family);
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        all.extend(names.filter_map(|name| Some(format!("{family}/{}", name.strip_suffix(".rehearse.yaml")?))));
    }
    // It needs programs that its operator has fetched: it has a test of its own.
    all.retain(|name| name != "etcd/upgrade");
    all.sort();
    all
}
