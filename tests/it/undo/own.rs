//! The steps of an `undo` that a runbook's author wrote: they do not run over what others have changed since.

use super::after;
use crate::support::bed::Bed;

const OWN: &str = "  - id: write
    on: h
    file: { path: $D/kept, content: ours }
    undo: [{ sh: 'rm -f $D/kept; echo ran >>$D/ran' }]";

#[test]
fn steps_of_an_undo_do_not_remove_what_others_have_written() {
    let bed = after(OWN, |bed| bed.write("host/kept", "theirs"));
    let (code, plan) = bed.surefoot(&["rollback", "last", "--plan"]);
    assert!(code == 0 && plan.contains("other size, content"), "{plan}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("kept").as_str(), bed.text("ran").as_str()), (4, "theirs", ""), "{said}");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes", "--set-aside"]);
    assert_eq!((code, bed.at("host/kept").exists(), bed.text("ran").as_str()), (0, false, "ran\n"), "{said}");
    let kept = std::fs::read_dir(bed.at("host")).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_string_lossy().ends_with(".kept.theirs"));
    assert_eq!(kept.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>(), ["theirs"]);
}

#[test]
fn of_a_command_what_it_creates_is_known() {
    let steps = "  - id: make
    on: h
    sh: { run: 'echo ours >$D/made', creates: $D/made }
    undo: [{ sh: 'rm -f $D/made' }]";
    let bed = after(steps, |bed| bed.write("host/made", "theirs"));
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("made").as_str()), (4, "theirs"), "{said}");
    let bed = after(steps, |_| {});
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 0);
    assert!(!bed.at("host/made").exists());
}

/// An undo that writes to nothing needs nobody's word.
#[test]
fn an_undo_that_only_reads_goes_on_over_what_others_have_changed() {
    let steps = "  - { id: write, on: h, file: { path: $D/kept, content: ours }, undo: [{ reads: true, sh: 'true' }] }";
    let bed = after(steps, |bed| bed.write("host/kept", "theirs"));
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.text("kept").as_str()), (0, "theirs"), "{said}");
}

/// What its first steps have changed is nobody else's as it is repeated.
#[test]
fn an_undo_that_failed_in_the_middle_is_repeated() {
    let steps = "  - id: write
    on: h
    file: { path: $D/kept, content: ours }
    undo:
      - sh: echo half >$D/kept
      - sh: test -e $D/go && rm $D/kept";
    let bed: Bed = after(steps, |_| {});
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!(bed.text("kept"), "half\n");
    bed.write("host/go", "");
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.at("host/kept").exists()), (0, false), "{said}");
}
