//! A PostgreSQL switchover under a writer that counts what was acknowledged.

use super::scene::Scene;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use surefoot_lab::lab::Lab;

const HOSTS: [&str; 2] = ["db-1", "db-2"];

fn psql(lab: &Lab, host: &str, sql: &str) -> Result<String, String> {
    let words =
        ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql];
    let output = lab.enter(&host.parse().unwrap(), &words).unwrap().current_dir("/").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Writes one row after the other, from this one on, to whoever takes it, until it is told to end; tells of each that was
/// acknowledged.
fn write(lab: &Lab, over: &AtomicBool, from: usize, acknowledged: &Sender<usize>) {
    for row in (from..).take_while(|_| !over.load(Ordering::Relaxed)) {
        let insert = format!("INSERT INTO writes VALUES ({row})");
        if HOSTS.iter().any(|host| psql(lab, host, &insert).is_ok()) {
            acknowledged.send(row).unwrap();
        }
    }
}

/// Does something while rows are written, and until some are written afterwards; then every acknowledged one must be on
/// both hosts.
fn under_writes(scene: &Scene, from: usize, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let rows: Vec<usize> = std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let (lab, over) = (&scene.lab, &over);
        scope.spawn(move || write(lab, over, from, &tell));
        let mut rows = vec![told.recv().unwrap()];
        work();
        rows.extend(told.try_iter());
        rows.extend(told.iter().take(3));
        over.store(true, Ordering::Relaxed);
        rows.extend(told);
        rows
    });
    assert!(rows.len() > 10, "{rows:?}");
    let count = format!("SELECT count(*) FROM writes WHERE id = ANY ('{{{}}}')", list(&rows));
    for host in HOSTS {
        // The standby may be some moments behind.
        let ask = format!("runuser -u postgres -- psql -XAtqd postgres -c \"{count}\"");
        scene.inside(
            host,
            &format!("for n in $(seq 100); do [ \"$({ask})\" = {} ] && exit; sleep 0.1; done; exit 1", rows.len()),
        );
    }
}

fn list(rows: &[usize]) -> String {
    rows.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn is_standby(scene: &Scene, host: &str) -> bool {
    psql(&scene.lab, host, "SELECT pg_is_in_recovery()").unwrap() == "t"
}

#[test]
fn primary_and_standby_change_roles_there_and_back_and_no_acknowledged_write_is_lost() {
    let mut scene = Scene::set("pgswitch", "switch-postgresql");
    under_writes(&scene, 1, || drop(scene.run(&[]).done()));
    assert_eq!(HOSTS.map(|host| is_standby(&scene, host)), [true, false]);

    let refused = scene.run(&[]);
    assert_eq!(refused.code, Some(3), "the roles are bound the wrong way now: {}", refused.story());

    let swapped = ["--bind", "primary=db-2", "--bind", "standby=db-1"];
    under_writes(&scene, 100_000, || drop(scene.run(&swapped).done()));
    assert_eq!(HOSTS.map(|host| is_standby(&scene, host)), [false, true]);

    // A standby that does not come to the end: the old primary serves again.
    scene.alter("for: 60s, every: 250ms", "for: 1s, every: 250ms");
    scene.alter("pg_last_wal_replay_lsn(), '$LAST') > 0", "pg_last_wal_replay_lsn(), '$LAST') > 1000000000");
    under_writes(&scene, 200_000, || assert_eq!(scene.run(&[]).code, Some(3)));
    assert_eq!(HOSTS.map(|host| is_standby(&scene, host)), [false, true]);
}
