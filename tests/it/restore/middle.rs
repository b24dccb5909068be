//! Runs that fail in the middle: what they leave, and how it goes on from there.

use super::guards::{BEFORE, serving, stopped, stopped_by};
use crate::support::site::own;
use surefoot_engine::model::{FaultKind, TaskEvent};
use surefoot_lab::lab::{Break, HostState, LabName};

#[test]
fn a_restore_that_fails_on_one_host_leaves_the_old_cluster_whole() {
    let site = serving("gmiddle");
    let held = site.look();
    // As when the tool is killed in the middle: it has written something, and its exit code is not 0.
    let broken = "#!/bin/sh\ncase \" $* \" in\n*--help*|*status*|*\" version \"*) exec /root/etcdutl \"$@\" ;;\n\
                  *) timeout 0.01 /root/etcdutl \"$@\"; echo Killed >&2; exit 137 ;;\nesac\n";
    site.inside(&site.members[1], "mv /usr/bin/etcdutl /root");
    site.write(&site.members[1], "/usr/bin/etcdutl", "0755", "root", broken);
    let ran = site.restore(&BEFORE);
    stopped_by(&ran, FaultKind::Exit, &["restore@etcd-2"]);
    assert_eq!(ran.words("restore"), ["done", "failed", "done"]);
    assert_eq!(ran.words("set_aside"), ["pending"; 3]);
    let shown = site.program.call(["show", "last"]).out;
    for (task, word) in [("stop@etcd-3", "changed"), ("restore@etcd-2", "failed"), ("set_aside@etcd-1", "not started")]
    {
        assert!(shown.lines().any(|line| line.contains(task) && line.contains(word)), "{task} {word}: {shown}");
    }
    let left = |host: &LabName| site.inside(host, "systemctl is-active etcd || ls /var/lib/etcd");
    assert_eq!(left(&site.members[1]), "inactive\ndefault");
    assert_eq!(left(&site.members[0]), format!("inactive\ndefault\ndefault.new-{}", ran.run()));
    site.on_all("systemctl start --no-block etcd");
    assert_eq!(site.look(), held);

    site.inside(&site.members[1], "mv /root/etcdutl /usr/bin");
    let again = site.restore(&BEFORE).done();
    assert_eq!(site.look().0, again.out("identity@controller")["cluster_id"]);
}

#[test]
fn a_swap_that_breaks_off_is_completed_by_the_next_run() {
    let site = stopped("gswap");
    let old = site.files(&site.members[1], site.layout.data_dir());
    let ran = site.run(
        &site.struck("place", &site.members[1], r#"mkdir "$DATA""#),
        &[&BEFORE[..], &["--approve", "all"]].concat(),
    );
    stopped_by(&ran, FaultKind::Refused, &["place@etcd-2"]);
    assert_eq!(ran.words("start"), ["pending"; 3]);
    assert_eq!(site.files(&site.members[1], &format!("{}.before-{}", site.layout.data_dir(), ran.run())), old);

    let again = site.restore(&BEFORE).done();
    let (id, held) = site.look();
    assert_eq!(id, again.out("identity@controller")["cluster_id"]);
    assert_eq!(held, vec![site.content.clone(); 3]);
}

#[test]
fn a_host_that_freezes_while_the_members_come_up_is_named_and_joins_once_it_thaws() {
    let site = stopped("gfreeze");
    let go = site.program.path("go");
    let hold = format!("  - wait: {{ path: {} }}\n    timeout: 60s\n  - id: healthy\n", go.display());
    let runbook = site.altered("  - id: healthy\n", &hold);
    let text = std::fs::read_to_string(&runbook).unwrap().replace("for: 60s", "for: 18s");
    std::fs::write(&runbook, text).unwrap();
    let words = ["-i", "site.yaml", "--approve", "all", "-p", "snapshot=before.db"];
    let mut running = site.program.start(&runbook, words);
    running.until("stale_alarms@controller", |what| matches!(what, TaskEvent::Done { .. }));
    site.lab.apply(&site.members[2], Break::Freeze).unwrap();
    std::fs::write(&go, "").unwrap();
    let ran = running.end();
    stopped_by(&ran, FaultKind::Timeout, &["healthy@controller"]);
    let (_, fault) = ran.faults().next().unwrap();
    assert!(fault.message.contains("etcd-3"), "{fault:?}");
    assert_eq!(ran.words("writers_back"), ["pending"]);
    site.lab.apply(&site.members[2], Break::Thaw).unwrap();
    assert_eq!(site.lab.state(&site.members[2]).unwrap(), HostState::Running);
    // The run could not give a frozen host back, and nobody takes it but by saying so.
    assert_eq!(site.run(&own("look.yaml"), &[]).code, Some(6));
    assert_eq!(site.look_with(&["--take-over"]).0, ran.out("identity@controller")["cluster_id"]);
}
