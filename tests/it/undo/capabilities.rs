//! What a file may do by its capabilities outlives a change of it and the rollback.

use crate::support::lab_bed::LabBed;
use std::fs;
use surefoot_lab::lab::Etcd;

/// Files on the disk of the run's folder and on another.
const FILES: &str = "mkdir /mnt/other; mount -t tmpfs none /mnt/other
for dir in /srv /mnt/other; do
  for name in content copied attributes; do
    echo before >$dir/$name; chown daemon:daemon $dir/$name; chmod 755 $dir/$name; setcap cap_net_bind_service=ep $dir/$name
  done
done
useradd --create-home eve; cp /bin/true /home/eve/tool; chown eve: /home/eve/tool; setcap cap_net_raw=ep /home/eve/tool";

const STEPS: &str = "
  - { id: content, on: HOST, file: { path: DIR/content, content: ours } }
  - { id: copied, on: HOST, copy: { from: new, to: DIR/copied } }
  - { id: attributes, on: HOST, file: { path: DIR/attributes, owner: root, mode: '0700' } }
";

const LOOK: &str = "for dir in /srv /mnt/other; do cd $dir
  for name in content copied attributes; do getcap $name; stat -c '%n %U %a' $name; cat $name; done
done";

#[test]
fn file_capabilities_outlive_a_change_and_its_rollback() {
    let bed = LabBed::new("capable", Etcd::None);
    bed.inside(FILES);
    fs::write(bed.at("new"), "ours").unwrap();
    bed.runbook(&["/srv", "/mnt/other"].map(|dir| STEPS.replace("DIR", dir).replace("id: ", &id_in(dir))).concat());
    let before = bed.inside(LOOK);
    assert_eq!(before.matches("cap_net_bind_service=ep").count(), 6, "{before}");
    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(code, Some(0), "{said}");
    let changed = bed.inside(LOOK);
    assert_eq!(changed.matches("cap_net_bind_service=ep").count(), 6, "{changed}");
    assert_eq!((changed.matches("ours").count(), changed.matches("attributes root 700").count()), (4, 2), "{changed}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.inside(LOOK)), (Some(0), before), "{said}");

    // Nobody but root can give a file capabilities: a plan says so where another user would lose them.
    bed.runbook("  - { id: tool, on: HOST, become: eve, file: { path: /home/eve/tool, content: new } }");
    let (code, plan) = bed.on_host("plan", &[]);
    assert!(code == Some(0) && plan.contains("/home/eve/tool has file capabilities"), "{plan}");
}

/// Ids of the steps in a folder.
fn id_in(dir: &str) -> String {
    format!("id: in{}_", dir.replace('/', "_"))
}
