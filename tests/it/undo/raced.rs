//! A rollback in the folder of a user of the host who swaps names there as fast as a shell can: nothing outside changes.

use crate::support::lab_bed::LabBed;
use std::time::{Duration, Instant};
use surefoot_lab::lab::Etcd;

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
    let bed = LabBed::new("raced", Etcd::None);
    bed.inside(PEOPLE);
    let unharmed = bed.inside(LOOK);
    bed.runbook("  - { id: write, on: HOST, file: { path: /home/eve/conf, content: ours, owner: eve } }");
    let time = if std::env::var_os("SUREFOOT_FULL").is_some() { 60 } else { 8 };
    let (end, mut ends) = (Instant::now() + Duration::from_secs(time), Vec::new());
    while Instant::now() < end || ends.len() < 2 {
        bed.inside(
            "rm -rf /home/eve/conf /home/eve/.surefoot-*; echo before >/home/eve/conf; chown eve: /home/eve/conf",
        );
        let (code, said) = bed.on_host("run", &["--yes"]);
        assert_eq!(code, Some(0), "{said}");
        bed.inside("touch /run/race");
        let mut eve = bed.start_as("eve", RACE);
        ends.push(bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]).0);
        bed.inside("rm /run/race");
        eve.wait().unwrap();
        assert_eq!(bed.inside(LOOK), unharmed, "{ends:?}");
    }
    assert!(ends.iter().all(|end| [Some(0), Some(4)].contains(end)), "{ends:?}");
}
