//! Disk clean-up on a small disk of its own.

use super::scene::Scene;

#[test]
fn a_small_disk_gets_room_and_nothing_else_goes() {
    let scene = Scene::set("cleandisk", "clean-disk");
    let free = || scene.inside("app-1", "df --output=avail -B1 /var/log | tail -n 1").trim().parse::<u64>().unwrap();
    let kept = "cat /var/log/app/ledger; stat -c %s /var/log/app/app.log.1";
    let before = (free(), scene.inside("app-1", kept));

    scene.inside("app-2", "mv /var/log/app /srv/app; ln -s /srv/app /var/log/app");
    for wrong in ["logs=/home", "logs=/var/log/../../home", "logs=/var/log/app"] {
        let refused = scene.run(&["-p", wrong]);
        assert_eq!(refused.code, Some(1), "{wrong}: {}", refused.story());
    }
    assert_eq!(scene.inside("app-1", "ls /var/log/app | wc -l"), "4", "nothing was deleted");

    let ran = scene.run(&["--bind", "targets=app-1"]).done();
    // 30 MB of rotated logs, and the journal's.
    assert!(free() > before.0 + 30_000_000, "{} then {}", before.0, free());
    assert_eq!(scene.inside("app-1", kept), before.1);
    assert_eq!(ran.out("after@app-1")["json"]["apt"], 0);

    let back = scene.program.call(["rollback", "last", "--yes"]);
    assert_ne!(back.code, Some(0), "what is deleted does not come back");
    assert!(back.err.contains("rotated"), "and that is said: {}", back.err);
}
