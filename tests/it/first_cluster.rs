//! The guide to a first cluster can be followed: its commands run as one script, in a lab.

use crate::support::program::Program;
use surefoot_lab::lab::{Lab, LabName};

const GUIDE: &str = include_str!("../../docs/first-cluster.md");

/// The lab that the guide boots. It is taken down even where the script stops early.
struct GuideLab(LabName);

impl Drop for GuideLab {
    fn drop(&mut self) {
        Lab::down(&self.0).unwrap();
    }
}

fn script() -> String {
    GUIDE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn a_new_user_makes_damages_and_restores_a_cluster() {
    let lab = GuideLab("first".parse().unwrap());
    let program = Program::new();
    let ran = program.script(&script());
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.lines().any(|line| line == "hello"), "the deleted key is back: {}", ran.out);
    assert!(ran.out.lines().any(|line| line == "exit code 1"), "an unreachable host starts nothing: {}", ran.out);
    assert!(program.path("report.html").is_file());
    assert!(!Lab::list().unwrap().contains(&lab.0), "the guide takes its lab down");
}
