//! `become`: whose commands a step's are, and those that belong to it.

use crate::support::bed::Bed;

#[test]
fn what_belongs_to_a_step_runs_as_its_user() {
    let bed = Bed::new();
    let steps = "  - id: one
    on: h
    sh: id -un >>$D/who
    become: nobody
    undo: { sh: id -un >>$D/who }
  - id: two
    on: h
    sh: id -un >>$D/who
    undo:
      - sh: id -un >>$D/who
        become: daemon
  - id: roll
    on: h
    rolling: { batch: 1 }
    become: nobody
    steps:
      - { id: three, sh: id -un >>$D/who, undo: { sh: id -un >>$D/who } }";
    bed.runbook("defaults: { become: root }", steps);
    bed.write("host/who", "");
    let open = |path| std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    [bed.at("host/who"), bed.at("host"), bed.at("")].into_iter().for_each(open);
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bed.text("who").lines().collect::<Vec<_>>(), ["nobody", "root", "nobody", "nobody", "daemon", "nobody"]);
}
