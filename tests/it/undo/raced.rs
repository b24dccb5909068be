//! A rollback in the folder of a user of the host who swaps names there as fast as a shell can: nothing outside changes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use surefoot::lab::{Etcd, LabGuard, LabName, LabSpec};

const PEOPLE: &str = "useradd --create-home --shell /bin/sh eve; cd /home/eve
install -d -m 700 /root/own; echo \"root's own\" >/root/own/secret; chmod 600 /root/own/secret";

/// What eve does until `/run/race` is gone: what we write to is a link to root's for a moment, and so is what is ours there.
const RACE: &str = "cd /home/eve
while [ -e /run/race ]; do
  for target in /root/own/secret /root/own; do
    mv -T conf real && ln -s $target conf; rm -f conf; mv -T real conf
    for ours in .surefoot-*; do
      [ -e \"$ours\" ] || continue
      mv -T \"$ours\" aside && ln -s $target \"$ours\"; rm -f \"$ours\"; mv -T aside \"$ours\"
    done
  done
done 2>/dev/null";

/// Root's, as they must stay; and every file of eve's that has root's text in it.
const LOOK: &str = "stat -c '%n %U %a' /root/own /root/own/*; cat /root/own/secret
find /home/eve -type f -user eve -exec grep -l \"root's own\" {} + || :";

#[test]
fn a_rollback_of_a_file_in_the_folder_of_a_hostile_user_touches_nothing_of_roots() {
    let spec = LabSpec::cluster(LabName::of_this_process("raced").unwrap(), 1, Etcd::None);
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    inside(PEOPLE);
    let unharmed = inside(LOOK);
    let folder = tempfile::tempdir().unwrap();
    let step = "{ id: write, on: HOST, file: { path: /home/eve/conf, content: ours, owner: eve } }";
    let runbook = format!("runbook: test\nsteps:\n  - {}\n", step.replace("HOST", host.as_str()));
    fs::write(folder.path().join("r.yaml"), runbook).unwrap();
    let inventory = lab.inventory().display().to_string();
    let surefoot = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_surefoot"));
        command.current_dir(folder.path()).env("SUREFOOT_STATE", folder.path().join("state")).args(args);
        command.stdin(Stdio::null()).output().unwrap().status.code()
    };
    let time = if std::env::var_os("SUREFOOT_FULL").is_some() { 60 } else { 8 };
    let (end, mut ends) = (Instant::now() + Duration::from_secs(time), Vec::new());
    while Instant::now() < end || ends.len() < 2 {
        inside("rm -rf /home/eve/conf /home/eve/.surefoot-*; echo before >/home/eve/conf; chown eve: /home/eve/conf");
        assert_eq!(surefoot(&["run", "r.yaml", "-i", &inventory, "--yes"]), Some(0));
        inside("touch /run/race");
        let words = ["setpriv", "--reuid=eve", "--regid=eve", "--clear-groups", "sh", "-c", RACE];
        let mut eve = lab.enter(&host, &words).unwrap().stdin(Stdio::null()).spawn().unwrap();
        ends.push(surefoot(&["rollback", "last", "--yes", "--set-aside"]));
        inside("rm /run/race");
        eve.wait().unwrap();
        assert_eq!(inside(LOOK), unharmed, "{ends:?}");
    }
    assert!(ends.iter().all(|end| [Some(0), Some(4)].contains(end)), "{ends:?}");
}
