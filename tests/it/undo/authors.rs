//! Who has changed what a rollback would put back: a later run, by its id, or others.

use super::after;
use crate::support::bed::Bed;
use std::fs;

/// The id of each run, the first first.
fn runs(bed: &Bed) -> Vec<String> {
    let folders = fs::read_dir(bed.at("state/runs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut runs: Vec<String> = folders.map(|name| name.into_string().unwrap()).collect();
    runs.sort();
    runs
}

/// A run, and a later one that has written to the same file.
fn two_runs() -> (Bed, String, String) {
    let bed = after(super::FILE, |bed| {
        // Ids sort by the second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        bed.runbook("", "  - { id: later, on: h, file: { path: $D/kept, content: later } }");
        let (code, said) = bed.run();
        assert_eq!(code, 0, "{said}");
    });
    let ids = runs(&bed);
    let [first, later] = &ids[..] else { panic!("{ids:?}") };
    let (first, later) = (first.clone(), later.clone());
    (bed, first, later)
}

#[test]
fn a_later_run_that_wrote_the_same_file_is_named() {
    let (bed, first, later) = two_runs();
    let by = format!("changed since by run {later} (later@h): ");
    for words in [&["show", &first][..], &["rollback", &first, "--plan"]] {
        let (code, said) = bed.surefoot(words);
        assert!(code == 0 && said.contains(&by), "{words:?}: {said}");
    }
    assert!(!bed.surefoot(&["show", &later]).1.contains("changed since by"), "nobody has written after it");
    assert_eq!(bed.surefoot(&["rollback", &first, "--yes"]).0, 4);
    assert_eq!(bed.text("kept"), "later");
}

#[test]
fn others_are_told_from_a_later_run() {
    let (bed, first, later) = two_runs();
    bed.write("host/kept", "theirs");
    let (_, said) = bed.surefoot(&["rollback", &first, "--plan"]);
    assert!(said.contains(&format!("changed since by others, and before by run {later} (later@h): ")), "{said}");
    let (_, said) = bed.surefoot(&["rollback", &later, "--plan"]);
    assert!(said.contains("changed since by others: "), "{said}");
}

#[test]
fn a_later_run_that_was_rolled_back_has_left_nothing() {
    let (bed, first, later) = two_runs();
    assert_eq!(bed.surefoot(&["rollback", &later, "--yes"]).0, 0);
    for words in [&["show", &first][..], &["rollback", &first, "--plan"]] {
        let said = bed.surefoot(words).1;
        assert!(!said.contains("changed since by"), "{words:?}: {said}");
    }
    assert_eq!(bed.surefoot(&["rollback", &first, "--yes"]).0, 0);
}

#[test]
fn a_plan_says_which_folder_of_the_run_others_have_filled() {
    let bed = Bed::new();
    let steps = "  - { id: folder, on: h, file: { path: $D/made, state: directory } }\n  \
                 - { id: inside, on: h, file: { path: $D/made/own, content: x } }";
    bed.runbook("", steps);
    let (code, said) = bed.run();
    assert_eq!(code, 0, "{said}");
    let plan = || bed.surefoot(&["rollback", "last", "--plan"]).1;
    assert!(!plan().contains("not empty"), "{}", plan());
    bed.write("host/made/theirs", "precious");
    let path = bed.at("host/made/theirs").display().to_string();
    assert!(plan().contains(&format!("others have made {path}: ")), "{}", plan());
    assert_eq!(bed.surefoot(&["rollback", "last", "--yes"]).0, 4);
    assert_eq!(bed.text("made/theirs"), "precious");
}
