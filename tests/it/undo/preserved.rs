//! What a file is beside its content, its mode and its owner outlives a change of it, and is back after the rollback: the
//! SELinux label, hard links, the time of its last change, and holes.

use crate::support::lab_bed::LabBed;
use std::fs;
use surefoot_lab::lab::Etcd;

/// On the disk of the run's folder and on another. A label is only kept here: no host of a lab has SELinux to read it.
const FILES: &str = "mkdir /mnt/other; mount -t tmpfs none /mnt/other; mkdir -p /srv/theirs; chown daemon: /srv/theirs
chcon system_u:object_r:home_t:s0 /srv/theirs
for dir in /srv /mnt/other; do
  cd $dir; mkdir folder
  for name in content copied attributes removed; do
    truncate -s 16M $name; echo end >>$name; chmod 640 $name; ln $name $name.twin
  done
  chcon system_u:object_r:etc_t:s0 content copied attributes removed folder
  touch -d 2001-02-03T04:05:06 content copied attributes removed
done";

const STEPS: &str = "  - { id: inDcontent, on: HOST, file: { path: DIR/content, content: ours } }
  - { id: inDcopied, on: HOST, copy: { from: new, to: DIR/copied } }
  - { id: inDattributes, on: HOST, file: { path: DIR/attributes, mode: '0600', owner: daemon } }
  - { id: inDremoved, on: HOST, remove: { path: DIR/removed } }
  - { id: inDfolder, on: HOST, file: { path: DIR/folder, mode: '0711' } }
";

const LOOK: &str = "for name in content copied attributes removed folder; do stat -c '%n %a %U %C %s %y' $name; done
for name in content copied attributes removed; do [ $(stat -c %b $name) -lt 1000 ]; sha256sum <$name; done";

const LABELS: &str = "stat -c '%n %C' content copied attributes folder";
const LINKED: &str =
    "for name in content copied attributes removed; do [ $name -ef $name.twin ] && echo $name; done || :";

fn bed(stem: &str) -> LabBed {
    let bed = LabBed::new(stem, Etcd::None);
    bed.inside(FILES);
    fs::write(bed.at("new"), "ours").unwrap();
    let in_dir = |(letter, dir): (&str, &str)| STEPS.replace("inD", letter).replace("DIR", dir);
    bed.runbook(&[("a_", "/srv"), ("b_", "/mnt/other")].map(in_dir).concat());
    bed
}

impl LabBed {
    fn in_each(&self, script: &str) -> [String; 2] {
        ["/srv", "/mnt/other"].map(|dir| self.inside(&format!("cd {dir}; {script}")))
    }
}

#[test]
fn labels_links_times_and_holes_are_back_after_a_rollback() {
    let bed = bed("preserve");
    let (before, labels) = (bed.in_each(LOOK), bed.in_each(LABELS));
    assert!(labels.iter().all(|all| all.matches(":etc_t:").count() == 4), "{labels:?}");
    let (code, plan) = bed.on_host("plan", &[]);
    assert!(code == Some(0) && plan.contains("/mnt/other/content has other hard links"), "{plan}");
    assert!(plan.contains("no undo can join them again") && plan.contains("an undo joins them again"), "{plan}");

    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        bed.in_each("cat content copied; stat -c %a attributes folder"),
        ["oursours600\n711", "oursours600\n711"]
    );
    assert_eq!(bed.in_each(LABELS), labels, "what replaces a file has its label");

    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.in_each(LOOK)), (Some(0), before), "{said}");
    let all = "content\ncopied\nattributes\nremoved";
    assert_eq!(bed.in_each(LINKED), [all, "attributes\nremoved"], "as the plan says");
}

#[test]
fn another_label_is_others_work() {
    let bed = bed("label");
    let before = bed.in_each(LOOK);
    assert_eq!(bed.on_host("run", &["--yes"]).0, Some(0));
    bed.in_each("chcon system_u:object_r:usr_t:s0 content attributes folder");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    let stuck = ["content", "attributes", "folder"].map(|name| said.matches(&format!("_{name}@")).count() > 0);
    assert!(code == Some(4) && stuck == [true; 3], "{said}");
    assert!(bed.in_each(LABELS).iter().all(|all| all.matches(":usr_t:").count() == 3));
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!((code, bed.in_each(LOOK)), (Some(0), before), "{said}");
}

#[test]
fn what_comes_to_a_folder_of_another_user_has_the_label_of_that_folder() {
    let bed = bed("labelled");
    bed.runbook("  - { id: sent, on: HOST, copy: { from: large, to: /srv/theirs/sent } }");
    fs::write(bed.at("large"), vec![b'x'; 1 << 20]).unwrap();
    // What the run keeps before it is sent has another.
    bed.inside("mkdir -p -m 711 /var/lib/surefoot; chcon system_u:object_r:var_lib_t:s0 /var/lib/surefoot");
    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(
        (code, bed.inside("stat -c %C /srv/theirs/sent").as_str()),
        (Some(0), "system_u:object_r:home_t:s0"),
        "{said}"
    );
    // Nobody but root is sure to keep a label that its folder would not give.
    bed.inside(
        "useradd --create-home eve; cd /home/eve; touch odd; chown eve: odd; chcon system_u:object_r:etc_t:s0 odd",
    );
    bed.runbook("  - { id: odd, on: HOST, become: eve, file: { path: /home/eve/odd, content: new } }");
    let (code, plan) = bed.on_host("plan", &[]);
    assert!(code == Some(0) && plan.contains("/home/eve/odd has the SELinux label"), "{plan}");
}
