//! New clusters: what is there in the end, what stops one before anything is changed, and the rollback until the first
//! key is written.

use super::{Kind, kinds, plain, shipped, stopped, stopped_by_all, struck, took};
use crate::support::procedures::{Proof, full};
use crate::support::program::Ran;
use crate::support::site::{Layout, Site};
use serde_json::json;
use surefoot_engine::model::FaultKind;
use surefoot_lab::lab::LabName;

fn tls() -> Kind {
    Kind { tls: true, ..plain() }
}

/// Machines with the package of etcd, as it is installed. What the site would know of TLS is not there yet.
fn machines(kind: Kind, stem: &str) -> Site {
    Kind { tls: false, ..kind }.boot(stem, 3, 0, Layout::Debian)
}

fn bootstrap(site: &Site, words: &[&str]) -> Ran {
    site.run(&shipped("bootstrap"), words)
}

/// etcdctl on a host, with the certificate that was made for it.
fn etcdctl(site: &Site, host: &LabName, kind: Kind, words: &str) -> String {
    let with = if kind.tls { "s --cacert ca.pem --cert client.pem --key client-key.pem" } else { "" };
    let (scheme, with) = with.split_once(' ').unwrap_or_default();
    let script = format!(
        "cd /etc/etcd/tls 2>/dev/null || :; export ETCDCTL_API=3; etcdctl --endpoints http{scheme}://127.0.0.1:2379 {with} {words}"
    );
    site.inside(host, &script)
}

fn is_made_and_undone(kind: Kind) -> Proof {
    let site = machines(kind, "bo");
    let before = site.picture();
    let ran = bootstrap(&site, &["-p", &format!("tls={}", kind.tls)]).done();
    let id = ran.out("identity@controller")["cluster_id"].clone();
    assert_eq!(site.look().0, id);
    site.on_all("grep -x 'ETCD_INITIAL_CLUSTER_STATE=\"\\?existing\"\\?' /etc/default/etcd; systemctl is-enabled etcd");
    if kind.tls {
        let refused = "! curl -sk https://127.0.0.1:2379/version; stat -c '%U %a' /etc/etcd/tls/*-key.pem | sort -u";
        assert_eq!(site.inside(&site.members[1], refused), "etcd 600\nroot 600");
    }

    // With a key it is a cluster with data: no rollback. Without it there is one.
    let [first, second] = [&site.members[0], &site.members[1]];
    etcdctl(&site, first, kind, "put /mine 1");
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(4), "{}", back.story());
    assert_eq!(site.look().0, id);
    assert!(etcdctl(&site, second, kind, "get /mine").contains("/mine"));
    etcdctl(&site, first, kind, "del /mine");
    let back = site.program.follow("rollback", ran.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(site.picture(), before);
    assert!(!site.program.path("pki/ca-key.pem").exists());
    site.on_all("test -s /var/lib/etcd/default.left-*/member/snap/db");
    took(&ran)
}

#[test]
fn a_cluster_is_made_and_undone_while_it_holds_no_key() {
    let kinds = if full() { kinds() } else { vec![tls()] };
    kinds.iter().for_each(|kind| kind.prove("bootstrap", "made, and undone while it holds no key", is_made_and_undone));
}

#[test]
fn machines_without_the_package_get_etcd_from_an_archive() {
    if !full() {
        return;
    }
    tls().prove("bootstrap", "from a release archive", |kind| {
        let site = machines(kind, "boa");
        let pack = "mkdir /root/etcd-v3; cp /usr/bin/etcd /usr/bin/etcdctl /usr/bin/etcdutl /root/etcd-v3; tar -C /root -czf /root/etcd.tar.gz etcd-v3";
        site.inside(&site.members[0], pack);
        site.fetch(&site.members[0], "/root/etcd.tar.gz", "etcd.tar.gz");
        site.on_all("rm /usr/bin/etcd*; rm /usr/lib/systemd/system/etcd* /etc/init.d/etcd; rm -r /etc/default/etcd /var/lib/etcd; userdel etcd; systemctl daemon-reload");
        let before = site.picture();
        let ran = bootstrap(&site, &["-p", "archive=etcd.tar.gz"]).done();
        assert_eq!(site.look().0, ran.out("identity@controller")["cluster_id"]);
        site.on_all("test -d /opt/etcd/data/member; systemctl show etcd -P User | grep -x etcd");
        let back = site.program.follow("rollback", ran.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        assert_eq!(site.picture(), before);
        site.on_all("! id etcd; ! ls /opt/etcd/bin/etcd /etc/systemd/system/etcd.service");
        took(&ran)
    });
}

#[test]
fn a_machine_that_will_not_do_is_named_and_nothing_is_changed() {
    if !full() {
        return;
    }
    plain().prove("bootstrap", "each guard", |kind| {
        let site = machines(kind, "bog");
        let [one, two, three] = [0, 1, 2].map(|n| site.members[n].clone());
        let before = site.picture();
        let guard = |ran: &Ran, task: &str, kind: FaultKind, word: &str| {
            stopped(ran, task, kind, word);
            assert_eq!(ran.words("configure"), ["pending"; 3]);
        };
        let refused = |task: &str, word: &str| guard(&bootstrap(&site, &[]), task, FaultKind::Refused, word);
        let exit = |task: &str, word: &str| guard(&bootstrap(&site, &[]), task, FaultKind::Exit, word);
        let even = bootstrap(&site, &["--bind", "members=etcd-1,etcd-2"]);
        stopped(&even, "count@controller", FaultKind::Refused, "odd");

        site.inside(&one, "ip addr add 10.99.0.1/24 dev $(ip -o -4 addr show scope global | cut -d ' ' -f 2)");
        exit("address@etcd-1", "several addresses");
        site.inventory(&[(one.clone(), json!({ "etcd_address": "10.99.0.2" }))], json!({}));
        exit("address@etcd-1", "none of its own");
        site.inside(&one, "ip addr del 10.99.0.1/24 dev $(ip -o -4 addr show to 10.99.0.1 | cut -d ' ' -f 2)");
        site.inventory(&[], json!({}));

        let later = "#!/bin/sh\nexec /root/date -d '+1 hour' \"$@\"\n";
        site.inside(&two, "mv /usr/bin/date /root");
        site.write(&two, "/usr/bin/date", "0755", "root", later);
        refused("clocks@controller", "etcd-2");
        site.inside(&two, "mv /root/date /usr/bin/date");

        site.inside(&three, "systemd-run --unit=squatter systemd-socket-activate -l 2379 cat; until ss -ltnH | grep -q :2379; do sleep 0.1; done");
        exit("ports@etcd-3", "systemd-socket");
        site.inside(&three, "systemctl stop squatter");
        let address = site.lab.address(&two).unwrap();
        site.inside(&one, &format!("ip route add unreachable {address}/32"));
        let cut = bootstrap(&site, &[]);
        stopped_by_all(&cut, &["reach@etcd-1", "reach@etcd-2"], FaultKind::Exit, "cannot be reached");
        site.inside(&one, &format!("ip route del unreachable {address}/32"));

        let newer = "#!/bin/sh\n[ \"$1\" != --version ] || { echo 'etcd Version: 9.9.9'; exit; }\nexec /root/etcd \"$@\"\n";
        site.inside(&two, "mv /usr/bin/etcd /root");
        site.write(&two, "/usr/bin/etcd", "0755", "root", newer);
        refused("versions@controller", "9.9.9");
        site.inside(&two, "mv /root/etcd /usr/bin/etcd");

        site.inside(&three, "install -d -o etcd -g etcd /var/lib/etcd/default/member");
        exit("empty@etcd-3", "/var/lib/etcd/default");
        site.inside(&three, "rmdir /var/lib/etcd/default/member /var/lib/etcd/default");
        assert_eq!(site.picture(), before);

        let runbook = struck(&site, "bootstrap", "fit", &two, "chown root /etc/etcd/tls/peer-key.pem");
        let ran = site.run(&runbook, &[]);
        guard(&ran, "fit@etcd-2", FaultKind::Exit, "peer-key.pem");
        assert_eq!(site.program.follow("rollback", ran.run(), &["--yes"]).code, Some(0));
        assert_eq!(site.picture(), before);

        // What is there already is not joined, and not disturbed.
        let made = bootstrap(&site, &["-p", "tls=false"]).done();
        refused("none_yet@controller", "etcd-1, etcd-2, etcd-3");
        assert_eq!(site.look().0, made.out("identity@controller")["cluster_id"]);
        took(&made)
    });
}
