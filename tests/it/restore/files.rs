//! Snapshots that are not what they should be: here, and on one host alone.

use super::guards::{BEFORE, changed_nothing, serving, stopped_by};
use surefoot_engine::model::FaultKind;

#[test]
fn a_file_that_is_no_whole_snapshot_is_refused_before_anything() {
    let site = serving("gfile");
    let whole = std::fs::read(site.program.path("before.db")).unwrap();
    let sidecar = std::fs::read(site.program.path("before.db.json")).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2..][..8].iter_mut().for_each(|byte| *byte ^= 0xff);
    site.snapshot("later.db");
    let later = std::fs::read(site.program.path("later.db")).unwrap();
    let unhashed = &whole[..whole.len() - 32];
    let cases: [(&str, &[u8], &[u8]); 5] = [
        ("flipped.db", &flipped, b""),
        ("short.db", &whole[..whole.len() - 4096], b""),
        ("empty.db", b"", b""),
        ("unhashed.db", unhashed, b""),
        ("foreign.db", &later, &sidecar),
    ];
    let before = site.picture();
    for (name, bytes, sidecar) in cases {
        std::fs::write(site.program.path(name), bytes).unwrap();
        if !sidecar.is_empty() {
            std::fs::write(site.program.path(&format!("{name}.json")), sidecar).unwrap();
        }
        let ran = site.restore(&["-p", &format!("snapshot={name}")]);
        stopped_by(&ran, FaultKind::Refused, &["file@controller"]);
        assert_eq!(ran.words("push"), ["pending"; 3], "{name}");
    }
    assert_eq!(site.picture(), before);
}

#[test]
fn a_file_that_is_another_one_on_a_host_is_refused_there() {
    let site = serving("gother");
    site.snapshot("later.db");
    let [_, odd, _] = &site.members[..] else { unreachable!() };
    site.send("later.db", odd, "/root/later.db");
    let before = (site.picture(), site.look());
    let bitrot = r#"printf surefoot | dd of="$FILE" bs=1 seek=100000 conv=notrunc status=none"#;
    let cases = [
        (bitrot, "there@etcd-2"),
        (r#"truncate -s -4096 "$FILE""#, "there@etcd-2"),
        (r#": >"$FILE""#, "there@etcd-2"),
        (r#"cp /root/later.db "$FILE""#, "same_file@controller"),
    ];
    for (script, task) in cases {
        let ran = site.run(&site.struck("there", odd, script), &[&BEFORE[..], &["--approve", "all"]].concat());
        stopped_by(&ran, FaultKind::Refused, &[task]);
        changed_nothing(&ran);
    }
    assert_eq!((site.picture(), site.look()), before);
}
