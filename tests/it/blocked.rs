//! Displays that nobody reads: a full pipe, a closed one, a terminal after Ctrl-S. The run goes on, and keeps its hosts.

use crate::support::program::{self, Program};
use crate::support::terminal::Terminal;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};
use surefoot_engine::model::{Outcome, Stamped};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// A pipe that takes no more than a few events.
fn nearly_full() -> (PipeReader, PipeWriter) {
    let (from, mut to) = std::io::pipe().unwrap();
    to.write_all(&[b'\n'; 62 << 10]).unwrap();
    (from, to)
}

#[track_caller]
fn exit_code(mut child: Child) -> Option<i32> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < end, "it waits for whoever does not read");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn events(mut pipe: PipeReader) -> Vec<Stamped> {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text.lines().filter(|line| !line.is_empty()).filter_map(program::event).collect()
}

const LONG: &str = "runbook: test/long
steps:
  - { id: first, on: members, for_each: \"{{ range(40) | list }}\", reads: true, sh: 'true' }
  - { id: long, on: members, reads: true, sh: 'touch /run/begun; sleep 12' }
  - { id: last, on: members, reads: true, sh: 'true' }
";

const OTHER: &str = "runbook: test/other\nsteps:\n  - { id: other, on: members, reads: true, sh: 'true' }\n";

#[test]
fn a_run_whose_display_nobody_reads_keeps_its_lease_and_ends() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("blocked").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let inventory = lab.inventory().display().to_string();
    for log in ["json", "lines"] {
        let (program, other) = (Program::new(), Program::new());
        let (book, their) = (program.write("book.yaml", LONG), other.write("book.yaml", OTHER));
        let ((out, to_out), (_err, to_err)) = (nearly_full(), nearly_full());
        let mut command =
            program.command(["run", "--yes", "--verbose", "--lease", "3s", "--log", log, "-i", &inventory]);
        let child = command.arg(book).stdout(to_out).stderr(to_err).spawn().unwrap();
        drop(command);
        program.until_in_flight("long");
        std::thread::sleep(Duration::from_secs(5));
        let refused = other.call(["run", "--yes", "--take-over", "-i", &inventory, &their.display().to_string()]);
        assert_eq!(refused.code, Some(6), "{log}: {refused:?}");
        program.until(|state| state.outcome == Some(Outcome::Done));
        assert_eq!(exit_code(child), Some(0), "{log}");
        assert!(log == "lines" || !events_before_the_cut(out).is_empty());
    }
    a_stopped_terminal_stops_nothing(&inventory);
}

/// What a reader that comes too late still finds in the pipe; the last line may be half of one.
fn events_before_the_cut(mut pipe: PipeReader) -> Vec<Stamped> {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    whole.lines().filter(|line| !line.is_empty()).filter_map(program::event).collect()
}

fn a_stopped_terminal_stops_nothing(inventory: &str) {
    let program = Program::new();
    program.write("book.yaml", LONG);
    let terminal = Terminal::of(&program, &[], 80, 24);
    terminal.line(&format!("surefoot run book.yaml -i {inventory} --yes --lease 3s; echo code=$?"));
    terminal.until(&["if you stop now"]);
    terminal.press("C-s");
    program.until(|state| state.outcome == Some(Outcome::Done));
    // It does not wait for Ctrl-Q for ever.
    std::thread::sleep(Duration::from_secs(16));
    terminal.press("C-q");
    terminal.until(&["code=0"]);
    let modes = "$(stty -a | tr -d ';' | tr ' ' '\\n' | grep -xE -- '-?(icanon|echo)' | paste -sd= -)";
    terminal.line(&format!("echo whole-{modes}"));
    terminal.until(&["whole-icanon=echo"]);
}

const SHORT: &str = "runbook: test/short\nsteps:\n  \
    - { id: many, for_each: \"{{ range(100) | list }}\", reads: true, sh: echo a line }\n";

#[test]
fn a_late_reader_of_the_json_log_misses_no_event() {
    let program = Program::new();
    let book = program.write("book.yaml", SHORT);
    let (out, to_out) = nearly_full();
    let mut command = program.command(["run", "--yes", "--log", "json"]);
    let child = command.arg(book).stdout(to_out).spawn().unwrap();
    drop(command);
    program.until(|state| state.outcome.is_some());
    let seen = events(out);
    assert_eq!(exit_code(child), Some(0));
    assert_eq!(seen.iter().map(|event| event.seq).collect::<Vec<_>>(), program.on_record());
}

#[test]
fn a_display_that_is_closed_ends_no_run() {
    for log in ["json", "lines"] {
        let program = Program::new();
        let book = program.write("book.yaml", SHORT);
        let (out, to_out) = std::io::pipe().unwrap();
        let (err, to_err) = std::io::pipe().unwrap();
        let mut command = program.command(["run", "--yes", "--log", log]);
        let child = command.arg(book).stdout(to_out).stderr(to_err).spawn().unwrap();
        drop((command, out, err));
        assert_eq!(exit_code(child), Some(0), "{log}");
        assert_eq!(program.state().outcome, Some(Outcome::Done), "{log}");
    }
}
