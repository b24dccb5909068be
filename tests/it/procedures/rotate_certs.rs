//! Certificates, replaced under a client that writes all the time: of the same authority, and of another.

use super::{Kind, altered, kinds, plain, shipped, stopped};
use crate::support::procedures::{Proof, full};
use crate::support::program::{Ran, Running};
use crate::support::site::{Layout, Site};
use crate::support::writer::Writer;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::path::Path;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::LabName;

fn tls() -> Kind {
    Kind { tls: true, ..plain() }
}
const WORDS: [&str; 6] = ["-i", "site.yaml", "--approve", "go", "-p", "settle=1s"];
/// The authority that the site has signed with.
const SAME: [&str; 4] = ["-p", "ca=client/ca.pem", "-p", "ca_key=client/ca-key.pem"];
const OTHER: [&str; 4] = ["-p", "ca=other/ca.pem", "-p", "ca_key=other/ca-key.pem"];

/// Serial numbers of what each member shows to its clients and to its peers.
fn shown(site: &Site) -> Vec<String> {
    let serial = |host: &LabName| {
        let address = site.lab.address(host).unwrap();
        let one = |port| {
            format!("echo | openssl s_client -connect {address}:{port} 2>/dev/null | openssl x509 -noout -serial;")
        };
        site.inside(host, &format!("{}{}", one(2379), one(2380)))
    };
    site.members.iter().map(serial).collect()
}

/// Kills the engine while a second member is down in that roll.
fn kill_at(mut running: Running, stop: &str) -> Ran {
    let mut stops = 0;
    running.until_task(|task, what| {
        stops += usize::from(task.step.as_str() == stop && matches!(what, TaskEvent::Done { .. }));
        stops == 2
    });
    running.signal(Signal::KILL);
    running.end()
}

fn stops(ran: &Ran) -> usize {
    ran.state.of_step("renew_stop").filter(|(_, record)| record.state.word() == "done").count()
}

fn of_the_same_authority(kind: Kind) -> Proof {
    let site = kind.serving("rc", 200, 0);
    let (leader, before) = (site.leader(), shown(&site));
    let writer = Writer::start(&site);
    let cut = kill_at(site.program.start(&shipped("rotate-certs"), [&WORDS[..], &SAME].concat()), "renew_stop");
    let resumed = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.story());
    let after = shown(&site);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    assert_eq!((stops(&resumed), site.leader() == leader), (3, false), "the leader last, and handed over");
    assert!(resumed.words("forget_stop").iter().all(|word| *word == "skipped"));
    if full() {
        let back = site.program.follow("rollback", cut.run(), &["--yes"]);
        assert_eq!(back.code, Some(0), "{}", back.story());
        assert_eq!(shown(&site), before);
    }
    let written = writer.stop();
    assert_eq!(written.lost, 0, "{written:?}");
    assert!(written.acknowledged > 30, "{written:?}");
    Proof { seconds: resumed.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn every_member_shows_its_new_certificate_under_a_writing_client() {
    let all: Vec<Kind> = kinds().into_iter().filter(|kind| kind.tls).collect();
    let kinds = if full() { all } else { vec![tls()] };
    let case = "same authority, the engine killed, resumed, and rolled back";
    kinds.iter().for_each(|kind| kind.prove("rotate-certs", case, of_the_same_authority));
}

/// Gives the writing client these files, each at once.
fn give(site: &Site, files: &[(&str, String)]) {
    for (name, text) in files {
        let new = site.program.write("new", text);
        std::fs::rename(new, site.program.path(&format!("client/{name}"))).unwrap();
    }
}

fn read(site: &Site, name: &str) -> String {
    std::fs::read_to_string(site.program.path(name)).unwrap()
}

/// As an operator does it: clients trust both first, and get their own new certificate before the old one is refused.
fn of_another_authority(kind: Kind) -> Proof {
    let site = kind.serving("rco", 200, 0);
    let authority =
        "runbook: authority\nsteps:\n  - { id: ca, tls.ca: { cert: other/ca.pem, key: other/ca-key.pem } }\n";
    site.program.run(&site.program.write("authority.yaml", authority), Vec::<String>::new()).done();
    let before = shown(&site);
    let old = ["ca.pem", "client.pem", "client-key.pem"].map(|name| (name, read(&site, &format!("client/{name}"))));
    give(&site, &[("ca.pem", format!("{}{}", old[0].1, read(&site, "other/ca.pem")))]);
    let writer = Writer::start(&site);
    let words = [&WORDS[..], &OTHER].concat();
    let cut = kill_at(site.program.start(&shipped("rotate-certs"), &words), "trust_stop");
    let cut = site.program.follow("resume", cut.run(), &["--approve", "go"]);
    stopped(&cut, "drop@controller", FaultKind::Cancelled, "not approved");
    let renewed = shown(&site);
    assert!(before.iter().zip(&renewed).all(|(before, now)| before != now));

    let host = &site.members[2];
    let own = |name: &str| site.inside(host, &format!("cat /etc/etcd/{name}")) + "\n";
    give(&site, &[("client.pem", own("host.pem")), ("client-key.pem", own("host.key"))]);
    let done = site.program.follow("resume", cut.run(), &["--approve", "all"]);
    assert_eq!(done.code, Some(0), "{}", done.story());
    let written = writer.stop();
    assert_eq!(written.lost, 0, "{written:?}");
    assert_eq!(shown(&site), renewed);
    site.look();

    // What the old authority has signed is worth nothing now.
    for (name, text) in &old {
        site.write(host, &format!("/root/{name}"), "0600", "root", text);
    }
    let address = site.lab.address(&site.members[0]).unwrap();
    let ask = |with: &str| format!("curl -s --cacert /etc/etcd/ca.pem {with} https://{address}:2379/version");
    site.inside(host, &ask("--cert /etc/etcd/host.pem --key /etc/etcd/host.key"));
    site.inside(host, &format!("! {}", ask("--cert /root/client.pem --key /root/client-key.pem")));

    let back = site.program.follow("rollback", cut.run(), &["--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.story());
    assert_eq!(shown(&site), before);
    Proof { seconds: done.state.elapsed().as_secs_f64(), gap: Some(written.longest_gap) }
}

#[test]
fn another_authority_takes_over_in_three_rolls() {
    let kinds = kinds().into_iter().filter(|kind| kind.tls && full());
    let case = "another authority, the engine killed, resumed, and rolled back";
    kinds.for_each(|kind| kind.prove("rotate-certs", case, of_another_authority));
}

#[test]
fn certificates_that_would_not_do_are_not_given_out() {
    if !full() {
        return;
    }
    tls().prove("rotate-certs", "each guard", |kind| {
        let plain = plain().serving("rcp", 50, 0);
        let ran = plain.run(&shipped("rotate-certs"), &["--approve", "go"]);
        stopped(&ran, "has_tls@controller", FaultKind::Refused, "nothing to rotate");
        drop(plain);

        let site = kind.serving("rcg", 50, 0);
        // A member that lets everybody in; it is asked with the authority's certificate from here.
        let open = &site.members[1];
        site.inside(open, "cp /etc/default/etcd /root; sed -i '/^ETCD_TRUSTED_CA\\|^ETCD_CLIENT_CERT/d' /etc/default/etcd; systemctl restart etcd");
        let mut inventory: Json = serde_json::from_slice(&std::fs::read(site.program.path("site.yaml")).unwrap()).unwrap();
        inventory["etcd"] = json!({ "all": { "ca": "client/ca.pem" } });
        site.program.write("open.yaml", &inventory.to_string());
        let ran = site.program.run(&shipped("rotate-certs"), ["-i", "open.yaml", "--approve", "go"]);
        stopped(&ran, "has_tls@controller", FaultKind::Refused, "anybody's certificate will do");
        site.inside(open, "cp /root/etcd /etc/default/etcd; systemctl restart etcd");
        site.look();
        let before = shown(&site);
        let rotate = |runbook: &Path, words: &[&str]| site.program.run(runbook, [&WORDS[..], words].concat());
        let short = "runbook: authority\nsteps:\n  - { id: ca, tls.ca: { cert: other/ca.pem, key: other/ca-key.pem, valid: 60d } }\n";
        site.program.run(&site.program.write("authority.yaml", short), Vec::<String>::new()).done();
        let ran = rotate(&shipped("rotate-certs"), &OTHER);
        stopped(&ran, "ca@controller", FaultKind::Refused, "expires");
        // A member that goes on with its old certificate is put back, and the next one is not touched.
        let place = "      - id: renew_start\n        service: { unit: \"{{ params.unit }}\", state: started }\n";
        let strike = "      - { id: strike, sh: \"openssl ecparam -name prime256v1 -genkey -noout -out /etc/etcd/host.key\", undo: [{ sh: \"true\" }] }\n";
        let runbook = altered(&site, "rotate-certs", place, &format!("{strike}{place}        timeout: 20s\n"));
        let ran = rotate(&runbook, &SAME);
        assert_eq!(ran.code, Some(3), "{}", ran.story());
        assert_eq!(shown(&site), before);
        site.look();
        let ran = rotate(&shipped("rotate-certs"), &SAME).done();
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
    });
}

#[test]
fn a_cluster_of_bootstrap_gets_all_of_its_certificates_anew() {
    if !full() {
        return;
    }
    tls().prove("rotate-certs", "as bootstrap has made it, with a client's own", |kind| {
        let site = Kind { tls: false, ..kind }.boot("rcb", 3, 0, Layout::Debian);
        site.run(&shipped("bootstrap"), &[]).done();
        let all = "sha256sum /etc/etcd/tls/*.pem | sort -k 2";
        let before: Vec<String> = site.members.iter().map(|host| site.inside(host, all)).collect();
        let ran = site.program.run(&shipped("rotate-certs"), WORDS).done();
        for (host, before) in site.members.iter().zip(&before) {
            let after = site.inside(host, all);
            let differing = before.lines().zip(after.lines()).filter(|(before, after)| before != after).count();
            assert_eq!((before.lines().count(), differing), (7, 6), "all but the authority's: {after}");
        }
        Proof { seconds: ran.state.elapsed().as_secs_f64(), gap: None }
    });
}
