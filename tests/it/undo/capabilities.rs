//! What a file may do by its capabilities outlives a change of it and the way back.

use std::fs;
use std::process::{Command, Stdio};
use surefoot::lab::{Etcd, LabGuard, LabName, LabSpec};

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
    let spec = LabSpec::cluster(LabName::of_this_process("capable").unwrap(), 1, Etcd::None);
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    inside(FILES);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("new"), "ours").unwrap();
    let steps: String =
        ["/srv", "/mnt/other"].map(|dir| STEPS.replace("DIR", dir).replace("id: ", &id_in(dir))).concat();
    let write = |name: &str, steps: &str| {
        let text = format!("runbook: test\nsteps:\n{}", steps.replace("HOST", host.as_str()));
        fs::write(folder.path().join(name), text).unwrap();
    };
    write("r.yaml", &steps);
    let surefoot = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(folder.path()).env("SUREFOOT_STATE", folder.path().join("state")).args(args);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let (inventory, before) = (lab.inventory().display().to_string(), inside(LOOK));
    assert_eq!(before.matches("cap_net_bind_service=ep").count(), 6, "{before}");
    let (code, said) = surefoot(&["run", "r.yaml", "-i", &inventory, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    let changed = inside(LOOK);
    assert_eq!(changed.matches("cap_net_bind_service=ep").count(), 6, "{changed}");
    assert_eq!((changed.matches("ours").count(), changed.matches("attributes root 700").count()), (4, 2), "{changed}");
    let (code, said) = surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, inside(LOOK)), (Some(0), before), "{said}");

    // Nobody but root can give a file capabilities: a plan says so where another user would lose them.
    write("eve.yaml", "  - { id: tool, on: HOST, become: eve, file: { path: /home/eve/tool, content: new } }\n");
    let (code, plan) = surefoot(&["plan", "eve.yaml", "-i", &inventory]);
    assert!(code == Some(0) && plan.contains("/home/eve/tool has file capabilities"), "{plan}");
}

/// Ids of the steps in a folder.
fn id_in(dir: &str) -> String {
    format!("id: in{}_", dir.replace('/', "_"))
}
