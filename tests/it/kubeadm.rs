//! `runbooks/etcd/kubeadm/` on real etcds that run from kubeadm's manifests. The kubelet, crictl and the API server are
//! stand-ins, which `lab-cluster.yaml` puts there and tells of.

mod killed;

use crate::support::etcds::{minor, sampled};
use crate::support::procedures::{Proof, full, prove};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use serde_json::json;
use std::path::{Path, PathBuf};
use surefoot_lab::lab::{Etcd, LabName, LabSpec};

const MANIFESTS: &str = "/etc/kubernetes/manifests";

fn runbook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("runbooks/etcd/kubeadm/{name}.yaml"))
}

/// Three control planes with 200 keys, and one more key that is not in `before.db`.
fn control_planes(stem: &str, etcd: Etcd, quota: u64) -> Site {
    let spec = LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 3, etcd);
    let site = Site::boot(&spec, 3, Layout::Debian, false);
    let quota = format!("quota={quota}");
    site.run(&runbook("lab-cluster"), &["-p", "keys=200", "-p", &quota]).done();
    site.snapshot("before.db");
    etcdctl(&site, &site.members[0], "put /after x");
    site
}

fn etcdctl(site: &Site, host: &LabName, words: &str) -> String {
    let script = format!(
        "cd /etc/kubernetes/pki/etcd
         ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=ca.crt --cert=server.crt --key=server.key {words}"
    );
    site.inside(host, &script)
}

/// What the kubelet of each host sees: files with their sums, those with a dot in front too.
fn manifests(site: &Site) -> Vec<String> {
    let look = format!("cd {MANIFESTS} && ls -A && sha256sum *.yaml");
    site.members.iter().map(|host| site.inside(host, &look)).collect()
}

fn initial_cluster(site: &Site, host: &LabName) -> String {
    site.inside(host, &format!("sed -n 's/.*--initial-cluster=//p' {MANIFESTS}/etcd.yaml"))
}

/// Runs without a pod's answer: what was refused touched nothing.
#[track_caller]
fn refused(site: &Site, ran: &Ran, by: &str) {
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    let failed: Vec<&str> = ran.faults().map(|(task, _)| task.step.as_str()).collect();
    assert!(!failed.is_empty() && failed.iter().all(|step| *step == by), "{by}: {}", ran.story());
    assert!(site.members.iter().all(|host| site.inside(host, "ls /etc/kubernetes") == "manifests\npki"));
}

/// Nothing else is left where the kubelet looks, and what was there before lies elsewhere with its certificates.
fn only_manifests(site: &Site, host: &LabName) {
    let names = "etcd.yaml\nkube-apiserver.yaml\nkube-controller-manager.yaml\nkube-scheduler.yaml";
    assert_eq!(site.inside(host, &format!("ls -A {MANIFESTS}")), names);
    let kept = "cd /etc/kubernetes/backup-*/copy && ls manifests && stat -c %a .. && ls pki/etcd/ca.crt";
    assert_eq!(site.inside(host, kept), format!("{names}\n700\npki/etcd/ca.crt"));
    site.inside(host, "curl -skf https://127.0.0.1:6443/readyz");
}

fn proof(ran: &Ran) -> Proof {
    Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
}

const RESTORE: [&str; 4] = ["-p", "snapshot=before.db", "--approve", "all"];

/// What the first manifest lists is not the cluster; the engine is killed at some steps, or none.
fn restored(site: &Site, words: &[&str], killed_at: Option<&[&str]>) -> Ran {
    let partial = initial_cluster(site, &site.members[0]);
    assert!(!partial.contains(','), "the first manifest lists only itself: {partial}");
    let words = [&RESTORE, words].concat();
    let ran = match killed_at {
        Some(steps) => killed::killed(site, "restore", &words, steps),
        None => site.run(&runbook("restore"), &words).done(),
    };
    for host in &site.members {
        assert_eq!(initial_cluster(site, host).matches("https://").count(), 3);
        only_manifests(site, host);
        assert_eq!(etcdctl(site, host, "get /registry/load/ --prefix --keys-only | grep -c ."), "200");
        assert_eq!(etcdctl(site, host, "get /after"), "", "what came after the snapshot is gone");
        assert_ne!(site.inside(host, "crictl ps --label io.kubernetes.container.name=kube-apiserver -q"), "");
    }
    ran
}

#[test]
fn a_control_plane_is_restored_and_a_stray_manifest_stops_it_first() {
    prove(
        "etcd/kubeadm/restore",
        &minor(sampled()),
        "TLS, stand-ins for the kubelet and crictl; a stray file, then forward, the engine killed thrice",
        || {
            let site = control_planes("kubres", sampled(), 2 << 30);
            let stray = format!("{MANIFESTS}/etcd.yaml.bak");
            site.inside(&site.members[1], &format!("touch {stray}"));
            let before = manifests(&site);
            refused(&site, &site.run(&runbook("restore"), &RESTORE), "host");
            assert_eq!(manifests(&site), before);
            site.inside(&site.members[1], &format!("rm {stray}"));
            proof(&restored(&site, &[], Some(&["etcd_out", "configure", "apiserver_in"])))
        },
    );
}

#[test]
fn a_restore_on_3_4_goes_without_bump() {
    if !full() {
        return;
    }
    prove(
        "etcd/kubeadm/restore",
        "3.4",
        "TLS, stand-ins for the kubelet and crictl; the bump refused, then without",
        || {
            let site = control_planes("kubr34", Etcd::V3_4, 2 << 30);
            refused(&site, &site.run(&runbook("restore"), &RESTORE), "host");
            proof(&restored(&site, &["-p", "bump=0"], None))
        },
    );
}

#[test]
fn a_restore_that_is_not_let_in_is_rolled_back() {
    if !full() {
        return;
    }
    prove(
        "etcd/kubeadm/restore",
        &minor(sampled()),
        "TLS, stand-ins; failing before the API servers, rolled back",
        || {
            let site = control_planes("kubbak", sampled(), 2 << 30);
            let (old, _) = site.look();
            let before = manifests(&site);
            let text = std::fs::read_to_string(runbook("restore")).unwrap();
            let place = "  - id: let_in\n";
            assert_eq!(text.matches(place).count(), 1);
            let strike = json!({ "id": "strike", "sh": "exit 9", "reads": true });
            let altered = site.program.write("altered.yaml", &text.replace(place, &format!("  - {strike}\n{place}")));
            let ran = site.run(&altered, &RESTORE);
            assert_eq!(ran.code, Some(1), "{}", ran.story());
            assert_ne!(site.look().0, old, "the new cluster runs");
            let back = site.program.follow("rollback", ran.run(), &["--to", "staged", "--yes"]);
            assert_eq!(back.code, Some(0), "{}", back.story());
            assert_eq!(site.look().0, old);
            assert_eq!(manifests(&site), before, "byte for byte, and nothing else");
            assert_eq!(etcdctl(&site, &site.members[2], "get /after --print-value-only"), "x");
            proof(&back)
        },
    );
}

#[test]
fn a_quota_is_raised_and_lowered_again() {
    if !full() {
        return;
    }
    prove(
        "etcd/kubeadm/raise-quota",
        &minor(sampled()),
        "TLS, stand-ins; too low a quota refused, forward, rolled back",
        || {
            let site = control_planes("kubquo", sampled(), 64 << 20);
            let raise = |quota: &str| {
                let quota = format!("quota={quota}");
                site.run(
                    &runbook("raise-quota"),
                    &["--approve", "all", "-p", "settle=1s", "-p", "watch=1s", "-p", &quota],
                )
            };
            for wrong in ["1000", "8589934593"] {
                refused(&site, &raise(wrong), "sane");
            }
            let before = manifests(&site);
            let ran = raise("134217728").done();
            let quota = |host: &LabName| {
                site.inside(host, "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID pod-etcd)/cmdline | sed -n s/--quota-backend-bytes=//p")
            };
            assert!(site.members.iter().all(|host| quota(host) == "134217728"));
            site.members.iter().for_each(|host| only_manifests(&site, host));
            let back = site.program.follow("rollback", ran.run(), &["--yes"]);
            assert_eq!(back.code, Some(0), "{}", back.story());
            assert!(site.members.iter().all(|host| quota(host) == "67108864"));
            assert_eq!(manifests(&site), before);
            proof(&ran)
        },
    );
}

const REPLACE: [&str; 6] = ["--bind", "members=etcd-1,etcd-2", "--bind", "broken=etcd-3", "--approve", "all"];

fn lose_data(site: &Site, host: &LabName) {
    let script = "mv /etc/kubernetes/manifests/etcd.yaml /root/
        while [ -n \"$(crictl ps --label io.kubernetes.container.name=etcd -q)\" ]; do sleep 0.2; done
        rm -rf /var/lib/etcd/member; mv /root/etcd.yaml /etc/kubernetes/manifests/";
    site.inside(host, script);
}

fn is_replaced(site: &Site, host: &LabName) {
    site.look();
    assert_eq!(initial_cluster(site, host).matches("https://").count(), 3);
    assert_eq!(etcdctl(site, host, "get /after --print-value-only"), "x");
    only_manifests(site, host);
}

#[test]
fn a_broken_member_is_replaced_while_the_others_have_the_majority() {
    if !full() {
        return;
    }
    for (etcd, version) in [(sampled(), minor(sampled())), (Etcd::V3_4, "3.4".to_owned())] {
        prove(
            "etcd/kubeadm/replace-member",
            &version,
            "TLS, stand-ins; no majority refused, then lost data replaced",
            || {
                let site = control_planes("kubrep", etcd, 2 << 30);
                let [second, third] = [&site.members[1], &site.members[2]];
                let replace = || site.run(&runbook("replace-member"), &REPLACE);
                lose_data(&site, third);
                site.inside(second, "systemctl stop pod-etcd");
                let (was, alone) = (manifests(&site), replace());
                refused(&site, &alone, "enough");
                assert_eq!(manifests(&site), was);
                site.inside(second, "rm /run/pods/etcd"); // the stand-in starts what it does not know of
                let ran = replace().done();
                is_replaced(&site, third);
                proof(&ran)
            },
        );
    }
}
