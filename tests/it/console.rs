//! The console in a real terminal: keys sent, the screen captured.

mod played;

use crate::support::program::Program;
use crate::support::terminal::Terminal;
use std::time::{Duration, Instant};
use surefoot_engine::model::{Event, Outcome};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// On each host a step that talks until it is let go, one that waits for its own word, and one that must not begin.
const STEPS: &str = "runbook: test/console
steps:
  - id: talk
    on: members
    sh: |
      printf 'hello \\033[2J\\033[31mfrom %s\\n' $(hostname); until [ -e /run/go ]; do sleep 0.1; done
    undo: { sh: \"true\" }
  - { id: next, on: members, sh: 'until [ -e /run/go-on ]; do sleep 0.1; done', undo: { sh: \"true\" } }
  - { id: last, on: members, sh: touch /run/last, undo: { sh: rm -f /run/last } }
";

fn words(program: &Program, step: &str) -> Vec<&'static str> {
    program.state().of_step(step).map(|(_, task)| task.state.word()).collect()
}

/// The terminal is the shell's again: it shows what is typed, its cursor, and its own screen.
#[track_caller]
fn assert_whole(terminal: &Terminal, word: &str) {
    let modes = "$(stty -a | tr -d ';' | tr ' ' '\\n' | grep -xE -- '-?(icanon|echo|isig)' | paste -sd= -)";
    terminal.line(&format!("echo {word}-{modes}"));
    terminal.until(&[&format!("echo {word}-$("), &format!("{word}-isig=icanon=echo")]);
    assert_eq!(terminal.modes(), "1 0");
}

#[test]
fn a_run_in_the_lab_is_watched_paused_and_stopped_by_keys() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("console").unwrap(), 2, Etcd::None), &|_| {}).unwrap();
    let hosts: Vec<LabName> = lab.hosts().cloned().collect();
    let touch = |path: &str| {
        for host in &hosts {
            assert!(lab.enter(host, &["touch", path]).unwrap().status().unwrap().success());
        }
    };
    let program = Program::new();
    program.write("book.yaml", STEPS);
    let terminal = Terminal::of(&program, &[], 80, 24);
    terminal.line(&format!("surefoot run book.yaml -i {} --yes; echo code=$?", lab.inventory().display()));

    let rows = hosts.iter().map(|host| format!(" {host} ")).collect::<Vec<_>>();
    let screen = terminal.until(&[&rows[0], &rows[1], "0 of 6", "if you stop now", "q stop"]);
    assert!(screen.contains("started: 6 tasks"), "what a host prints clears no screen: {screen}");
    assert!(screen.lines().all(|line| line.chars().count() <= 80));
    terminal.until(&[&format!("hello from {}", hosts[0])]);

    terminal.press("d");
    terminal.until(&["details", "at work", "2 changing", "2 not started"]);
    assert_eq!(terminal.modes(), "0 1");
    terminal.press("Escape");
    terminal.until(&[&rows[0], "0 of 6"]);
    terminal.press("l");
    terminal.until(&[&format!("talk@{}", hosts[0]), &format!("talk@{}", hosts[1]), "choose"]);
    terminal.press("Enter");
    terminal.until(&["the log of talk@", "hello from"]);
    terminal.press("Escape");
    terminal.until(&["choose"]);
    terminal.press("Escape");
    terminal.until(&[&rows[0], "0 of 6"]);

    terminal.press("p");
    terminal.until(&["paused by", "2 tasks finish", "p go on"]);
    touch("/run/go");
    terminal.until(&["2 of 6", "paused by", "2 hosts wait"]);
    assert_eq!((words(&program, "talk"), words(&program, "next")), (vec!["done"; 2], vec!["pending"; 2]));
    assert!(program.state().paused.is_some());
    assert!(program.call(["show", "last"]).out.contains("paused"));
    terminal.press("p");
    program.until(|state| state.of_step("next").all(|(_, task)| task.state.is_acting()));

    terminal.press("q");
    terminal.until(&["Stop safely?"]);
    terminal.press("n");
    terminal.until_gone(&["Stop safely?"]);
    assert!(!program.state().stopping);
    terminal.press("q");
    terminal.until(&["Stop safely?"]);
    terminal.press("y");
    terminal.until(&["stopping", "2 tasks finish"]);
    touch("/run/go-on");
    terminal.until(&["code=130"]);
    assert_eq!(program.state().outcome, Some(Outcome::Interrupted));
    assert_eq!((words(&program, "next"), words(&program, "last")), (vec!["done"; 2], vec!["pending"; 2]));
    terminal.until_gone(&["if you stop now", "q stop"]);
    assert_whole(&terminal, "stopped");
}

const ASKS: &str = "runbook: test/asks\nsteps:\n  - { id: go, approve: Is it time? }\n  \
                    - { id: after, sh: echo after, irreversible: it prints }\n";

#[test]
fn a_question_is_answered_by_a_key_after_the_terminal_was_resized_and_put_aside() {
    let program = Program::new();
    program.write("book.yaml", ASKS);
    let terminal = Terminal::of(&program, &[("NO_COLOR", "1")], 80, 24);
    terminal.line("surefoot run book.yaml --yes");
    let asked = ["Is it time?", "y yes", "n no"];
    terminal.until(&asked);
    assert!(!terminal.coloured().contains('\x1b'), "NO_COLOR");
    terminal.resize(200, 50);
    let wide = |screen: &str| screen.lines().any(|line| line.starts_with(&"─".repeat(150)));
    let end = Instant::now() + Duration::from_secs(60);
    while !wide(&terminal.screen()) {
        assert!(Instant::now() < end, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(50));
    }
    terminal.until(&asked);

    terminal.press("C-z");
    terminal.until(&["Stopped"]);
    terminal.until_gone(&["y yes"]);
    assert_whole(&terminal, "aside");
    terminal.line("fg; echo code=$?");
    terminal.until(&asked);
    terminal.press("y");
    terminal.until(&["code=0"]);
    assert_whole(&terminal, "ended");
    let mut approved = 0;
    let folder = program.store().find(&program.state().run.unwrap()).unwrap();
    folder.replay(|stamped, _| approved += usize::from(matches!(stamped.event, Event::Approved { .. }))).unwrap();
    assert_eq!(approved, 1);
}

const MANY: &str = "runbook: test/many\nsteps:\n  \
    - { id: first, reads: true, sh: \"for i in $(seq 6000); do test -e $D/go && break; sleep 0.05; done\" }\n  \
    - { id: many, for_each: \"{{ range(60) | list }}\", reads: true, sh: echo a line }\n";

#[test]
fn a_terminal_that_stands_still_holds_up_no_run_and_misses_no_line() {
    let program = Program::new();
    program.write("book.yaml", &MANY.replace("$D", &program.path("").display().to_string()));
    let terminal = Terminal::of(&program, &[], 80, 24);
    terminal.line("stty ixon -ixany; surefoot run book.yaml --yes; echo code=$?");
    terminal.until(&[" controller ", "0 of 61", "q stop"]);
    terminal.press("C-s");
    program.write("go", "");
    program.until(|state| state.outcome == Some(Outcome::Done));
    let screen = terminal.screen();
    assert!(screen.contains("0 of 61") && !screen.contains("code=0"), "nothing more is on it yet: {screen}");
    terminal.press("C-q");
    terminal.until(&["code=0"]);
    terminal.until_gone(&["if you stop now", "q stop"]);
    assert_whole(&terminal, "stood");
    let history = terminal.history();
    for item in 0..60 {
        assert!(history.contains(&format!("many@controller[{item}]")), "{item}: {history}");
    }
}

#[test]
fn twenty_real_hosts_are_watched_on_a_small_screen() {
    if std::env::var_os("SUREFOOT_FULL").is_none() {
        return;
    }
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("wide").unwrap(), 20, Etcd::None), &|_| {}).unwrap();
    let program = Program::new();
    program.write("book.yaml", STEPS);
    let terminal = Terminal::of(&program, &[], 80, 24);
    terminal.line(&format!("surefoot run book.yaml -i {} --yes; echo code=$?", lab.inventory().display()));
    let screen = terminal.until(&["more", "0 of 60", "q stop"]);
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    terminal.press("d");
    terminal.until(&["details", "at work"]);
    terminal.press("End");
    let first = lab.hosts().next().unwrap();
    terminal.until(&[&format!("undoes talk@{first}: ")]);
    terminal.press("Escape");
    terminal.resize(200, 60);
    let rows: Vec<String> = lab.hosts().map(|host| format!(" {host} ")).collect();
    terminal.until(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    for host in lab.hosts() {
        assert!(lab.enter(host, &["touch", "/run/go", "/run/go-on"]).unwrap().status().unwrap().success());
    }
    terminal.until(&["code=0"]);
    terminal.until_gone(&["if you stop now", "q stop"]);
    assert_whole(&terminal, "wide");
}

#[test]
fn without_a_terminal_that_can_be_drawn_on_there_are_lines() {
    let program = Program::new();
    program.write("book.yaml", "runbook: test/lines\nsteps:\n  - { id: one, sh: echo one, reads: true }\n");
    let piped = program.call(["run", "book.yaml", "--yes", "--log", "live"]);
    assert!(piped.code == Some(0) && !piped.err.contains('\x1b') && piped.err.contains("one@controller"), "{piped:?}");
    let terminal = Terminal::of(&program, &[("TERM", "dumb")], 80, 24);
    terminal.line("surefoot run book.yaml --yes; echo code=$?");
    let screen = terminal.until(&["one@controller", "code=0"]);
    assert!(!screen.contains('─'), "{screen}");
}
