//! The command line around a run: exit codes, Ctrl-C, questions without a terminal, and what the record says. The program
//! itself, on this machine alone.

use crate::support::program::{Program, Ran, event};
use rustix::process::Signal;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use surefoot_engine::model::{FaultKind, Outcome, Stamped};

/// A runbook of these steps.
fn runbook(program: &Program, steps: &str) -> std::path::PathBuf {
    program.write("book.yaml", &format!("runbook: test/cli\nsteps:\n{steps}"))
}

const NONE: [&str; 0] = [];

/// Two steps that print, one that reads them.
const GOOD: &str = "  - id: hello\n    sh: echo hello; echo to you >&2\n    irreversible: it prints\n  \
                    - id: again\n    sh: echo again\n    irreversible: it prints\n";

/// The journal's events of the newest run.
fn journal(program: &Program) -> Vec<Stamped> {
    let run = program.store().runs().unwrap().pop().unwrap();
    let mut events = Vec::new();
    program.store().find(&run).unwrap().replay(|stamped, _| events.push(stamped.clone())).unwrap();
    events
}

#[test]
fn the_json_log_is_the_journal() {
    let program = Program::new();
    let book = runbook(&program, GOOD);
    let called = program.call([Path::new("run"), &book, "--yes".as_ref(), "--log".as_ref(), "json".as_ref()]);
    assert_eq!((called.code, called.err.as_str()), (Some(0), ""));
    let events: Vec<Stamped> = called.out.lines().filter_map(event).collect();
    assert!(events.len() >= 8 && events == journal(&program));
}

#[test]
fn what_a_run_did_is_said_afterwards() {
    let program = Program::new();
    let ran = program.run(&runbook(&program, GOOD), NONE).done();
    let failed =
        program.run(&runbook(&program, "  - id: bad\n    sh: echo no; exit 7\n    irreversible: gone\n"), NONE);
    assert_eq!((failed.code, failed.state.outcome), (Some(1), Some(Outcome::Failed)));
    assert_eq!(failed.faults().next().unwrap().1.code, Some(7));

    let runs = program.call(["runs"]);
    let lines: Vec<&str> = runs.out.lines().collect();
    assert_eq!((runs.code, lines.len()), (Some(0), 2));
    assert!(lines[0].starts_with(ran.run().as_str()) && lines[1].starts_with(failed.run().as_str()), "{lines:?}");
    let shown = program.call(["show", ran.run().as_str()]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.out.contains("hello@controller") && shown.out.contains("again@controller"), "{}", shown.out);
    assert_eq!(program.call(["show", "last"]).out, program.call(["show", failed.run().as_str()]).out);
    let of_one = program.call(["logs", ran.run().as_str(), "hello@controller"]);
    assert_eq!((of_one.code, of_one.out.as_str()), (Some(0), "hello\nto you\n"));
    let of_all = program.call(["logs", ran.run().as_str()]).out;
    assert!(
        of_all.contains("hello\n") && of_all.contains("again\n") && of_all.contains("again@controller"),
        "{of_all}"
    );
    for unknown in [&["show", "nothing"][..], &["logs", "last", "no@host"], &["logs", "nothing"]] {
        assert_eq!(program.call(unknown).code, Some(1), "{unknown:?}");
    }
}

#[test]
fn wrong_input_touches_nothing() {
    let program = Program::new();
    let wrong = runbook(&program, "  - id: a\n    no_such_action: {}\n");
    let asked = program.run(&wrong, NONE);
    assert_eq!((asked.code, asked.events.len()), (Some(2), 0));
    let good = runbook(&program, GOOD);
    assert_eq!(program.run(&good, ["-p", "unknown=1"]).code, Some(2));
    assert_eq!(program.run(&good, ["-i", "no-such-file.yaml"]).code, Some(2));
    assert_eq!(program.call(["run"]).code, Some(2));
    assert!(!program.state_folder().exists());
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let program = Program::new();
    let refused = program.call([Path::new("run"), &runbook(&program, GOOD)]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert!(!program.state_folder().exists());

    let book =
        runbook(&program, "  - id: sure\n    approve: Go on?\n  - id: after\n    sh: echo x\n    irreversible: x\n");
    let no = program.run(&book, NONE);
    assert_eq!((no.code, no.words("after")), (Some(1), vec!["pending"]));
    let (task, fault) = no.faults().next().unwrap();
    assert_eq!((task.to_string().as_str(), fault.kind), ("sure@controller", FaultKind::Cancelled));
    assert!(fault.hint.as_deref().unwrap_or_default().contains("--approve sure"), "{fault:?}");
    assert!(no.err.contains("note: ") && no.err.contains("--approve sure"), "told before it begins: {}", no.err);
    let planned = program.call([Path::new("plan"), &book]);
    assert!(planned.out.contains("--approve sure"), "{}", planned.out);
    assert_eq!(program.run(&book, ["--approve", "other"]).code, Some(1));
    for approve in ["sure", "all"] {
        let yes = program.run(&book, ["--approve", approve]).done();
        assert_eq!(yes.state.approved.len(), 1);
        assert!(!yes.err.contains("note: "), "{}", yes.err);
    }
}

/// Starts a run whose first step waits for a file, and interrupts it there so many times. `deaf`: the step takes no notice
/// of SIGTERM.
fn interrupted(program: &Program, times: usize, deaf: &str) -> (Ran, std::fs::File) {
    // A fifo: the step tells that it runs by opening it, and ends once something is written.
    let fifo = program.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let steps = format!(
        "  - id: slow\n    sh: {deaf} read line <{}; echo \"got $line\"\n    irreversible: x\n  \
         - id: after\n    sh: echo after\n    irreversible: x\n",
        fifo.display()
    );
    let mut running = program.start(&runbook(program, &steps), NONE);
    let mut write = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    running.signal(Signal::INT);
    running.until_stopping();
    if times == 1 {
        write.write_all(b"it\n").unwrap();
    }
    // Each once the one before is heard: two at once would be one.
    if times > 1 {
        running.signal(Signal::INT);
        running.until_cancelling();
    }
    if times > 2 {
        running.signal(Signal::INT);
    }
    (running.end(), write)
}

#[test]
fn one_interrupt_lets_what_runs_finish() {
    let program = Program::new();
    let (ran, _) = interrupted(&program, 1, "");
    assert_eq!((ran.code, ran.state.outcome), (Some(130), Some(Outcome::Interrupted)));
    assert_eq!((ran.words("slow"), ran.words("after")), (vec!["done"], vec!["pending"]));
    assert_eq!(ran.out("slow@controller")["stdout"], "got it");
    assert_eq!(ran.events, journal(&program));
}

#[test]
fn two_interrupts_end_what_runs_and_the_run_goes_on_from_there() {
    let program = Program::new();
    let (ran, mut write) = interrupted(&program, 2, "");
    assert_eq!((ran.code, ran.state.outcome), (Some(130), Some(Outcome::Interrupted)), "{}", ran.err);
    assert_eq!((ran.words("slow"), ran.words("after")), (vec!["waiting"], vec!["pending"]));
    assert_eq!(ran.events, journal(&program));
    // Nobody reads any more.
    assert_eq!(write.write_all(b"late\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(write);
    let resumed = program.command(["resume", "last"]).stderr(Stdio::null()).spawn().unwrap();
    std::fs::write(program.path("fifo"), "again\n").unwrap();
    assert!(resumed.wait_with_output().unwrap().status.success());
    assert!(program.call(["logs", "last", "slow@controller"]).out.contains("got again"));
}

#[test]
fn three_interrupts_leave_at_once_and_the_record_opens() {
    let program = Program::new();
    let (ran, mut write) = interrupted(&program, 3, "trap '' TERM;");
    assert_eq!((ran.code, ran.state.outcome), (Some(130), None));
    assert_eq!(ran.words("slow"), ["changing"]);
    assert_eq!(ran.events, journal(&program));
    // What it left behind is let go.
    let _ = write.write_all(b"late\n");
    let shown = program.call(["show", "last"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
}

#[test]
fn only_the_operator_can_read_what_is_kept() {
    let program = Program::new();
    program.run(&runbook(&program, GOOD), NONE).done();
    let mut folders = vec![program.state_folder()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            seen += 1;
            if path.is_dir() { folders.push(path) } else { assert_eq!(mode(&path), 0o600, "{}", path.display()) }
        }
    }
    assert!(seen > 5);
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn finally_runs_however_it_ended_and_its_failure_hides_nothing() {
    let program = Program::new();
    let book = |work: &str, last: &str| {
        let step = |id, sh: &str| format!("  - id: {id}\n    sh: {sh}\n    irreversible: x\n");
        let last = format!("finally:\n  - id: last\n    sh: {last}\n");
        runbook(&program, &format!("{}{last}", step("work", work)))
    };
    let cases = [("true", "true", 0), ("exit 7", "true", 1), ("true", "exit 7", 1), ("exit 7", "exit 8", 1)];
    for (work, last, code) in cases {
        let ran = program.run(&book(work, last), NONE);
        assert_eq!(ran.code, Some(code), "{work}, then {last}");
        let failed = [work, last].iter().filter(|words| words.starts_with("exit")).count();
        assert_eq!((ran.faults().count(), ran.state.counts().pending), (failed, 0));
    }
    let planned = program.call(["plan", "book.yaml", "--offline"]);
    assert!(planned.out.contains("finally"), "{}", planned.out);
}

/// Whoever reads may leave (`| head`); a disk that is full is told, lest half a file pass for a whole one.
#[test]
fn an_output_that_nobody_reads_is_let_go_and_one_that_cannot_be_written_is_a_failure() {
    let program = Program::new();
    let (unread, pipe) = std::io::pipe().unwrap();
    drop(unread);
    let mut left = program.command(["schema"]);
    assert_eq!(left.stdout(pipe).status().unwrap().code(), Some(0));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut full_up = program.command(["schema"]);
    assert_eq!(full_up.stdout(full).stderr(std::process::Stdio::null()).status().unwrap().code(), Some(1));
}

#[test]
fn every_action_and_the_keys_of_steps_have_a_page() {
    let program = Program::new();
    let list = program.call(["actions"]).out;
    let names: Vec<&str> =
        list.lines().filter_map(|line| line.split("  ").next()).filter(|name| !name.contains(' ')).collect();
    assert!(
        names.len() > 40 && ["step", "rolling", "use", "service"].iter().all(|name| names.contains(name)),
        "{names:?}"
    );
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        assert_eq!(program.call(["actions", name]).code, Some(0), "{name}");
    }
}
