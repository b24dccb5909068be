//! The console of an engine whose hosts are played: two hundred of them, and ones that make the program panic. It works in
//! a process of its own, at the terminal of a test.

use super::assert_whole;
use crate::execute::stage::{ACT, Stage, limits, step};
use crate::support::program::Program;
use crate::support::terminal::Terminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use surefoot::report::console::{Console, ConsoleRequest, ConsoleRun};
use surefoot_engine::execute::Signals;
use surefoot_engine::model::{Observer, RunState, Stamped};
use surefoot_engine::session::RollbackPreview;
use tokio::sync::mpsc;

/// How many hosts, what panics at the sight of a file (`console=PATH`, `engine=PATH`), and the words that each host is told.
const CALLED: &str = "SUREFOOT_TEST_CONSOLE";

/// Does its work only when it is called by another test.
#[test]
fn an_engine_at_a_terminal() {
    let Ok(called) = std::env::var(CALLED) else { return };
    let mut words = called.splitn(3, ' ').map(str::to_owned);
    let [hosts, trap, words] = [(); 3].map(|()| words.next().unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(play(hosts.parse().unwrap(), trap, &words));
}

/// Panics in the engine's own loop.
struct Trap(Option<PathBuf>);

impl Observer for Trap {
    fn event(&self, _: &Stamped, _: &RunState) {
        assert!(!self.0.as_ref().is_some_and(|path| path.exists()), "the engine falls, as it was told");
    }
}

async fn play(hosts: usize, trap: String, words: &str) {
    let of = |part: &str| trap.strip_prefix(part).and_then(|rest| rest.strip_prefix('=')).map(PathBuf::from);
    let (in_console, in_engine) = (of("console"), of("engine"));
    let signals = Signals::listen().unwrap();
    let stage = Stage { hosts, limits: limits(1, 256), signals: signals.clone(), ..Stage::default() };
    let back = move |_: &_| {
        assert!(!in_console.as_ref().is_some_and(|path| path.exists()), "the console falls, as it was told");
        RollbackPreview { to: None, wall: None, unknown: Vec::new(), gates: Vec::new(), steps: Vec::new() }
    };
    let (state, back) = (stage.state.clone(), Box::new(back));
    let about = ConsoleRun { state, places: Arc::default(), gates: Vec::new(), expected: None, back };
    let (to, mut wishes) = mpsc::unbounded_channel();
    let (console, open) = Console::open(about, to).unwrap();
    tokio::spawn(async move {
        while let Some(wish) = wishes.recv().await {
            if wish == ConsoleRequest::Stop {
                signals.stop.cancel();
            }
        }
    });
    let observers: Vec<Arc<dyn Observer>> = vec![console, Arc::new(Trap(in_engine))];
    let played = Stage { observers, ..stage }.play(vec![step("talk", &ACT, words), step("next", &ACT, "say x")]).await;
    // Its last lines stand on the terminal before ours.
    assert_eq!(open.close(Duration::from_secs(60)).await, None);
    eprintln!("it came to {:?}", played.result.unwrap());
}

/// Has such an engine at work.
fn call(terminal: &Terminal, hosts: usize, trap: &str, words: &str) {
    let own = std::env::current_exe().unwrap();
    let test = "console::played::an_engine_at_a_terminal";
    let called = format!("RUST_BACKTRACE=0 {CALLED}='{hosts} {trap} {words}'");
    terminal.line(&format!("{called} {} --exact {test} --nocapture >words; echo code=$?", own.display()));
}

#[test]
fn two_hundred_hosts_are_watched_at_any_size_and_stopped() {
    let program = Program::new();
    let terminal = Terminal::of(&program, &[], 80, 24);
    call(&terminal, 200, "none", "print hello hang");
    let screen = terminal.until(&[" a ", "hello", "more", "0 of 400", "q stop"]);
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    terminal.press("d");
    terminal.until(&["at work", " a "]);
    terminal.press("End");
    terminal.until(&["200 changing", "200 not started"]);
    terminal.press("Escape");
    terminal.resize(200, 60);
    terminal.until(&[" a ", " z ", " h30 ", "0 of 400"]);
    terminal.resize(40, 8);
    terminal.until(&["0 of 400"]);
    terminal.resize(80, 24);
    terminal.until(&[" a ", "0 of 400", "q stop"]);
    terminal.press("q");
    terminal.until(&["Stop safely?"]);
    terminal.press("y");
    terminal.until(&["stopping", "200 tasks finish"]);
    terminal.press("C-c");
    terminal.until(&["it came to Interrupted", "code=0"]);
    terminal.until_gone(&["q stop", "stopping:"]);
    assert_whole(&terminal, "wide");
}

#[test]
fn whatever_panics_the_terminal_is_whole_and_the_words_are_readable() {
    let program = Program::new();
    let go = program.path("go").display().to_string();
    for (trap, word, said, end) in [
        (format!("engine={go}"), "say x", "the engine falls, as it was told", "code=101"),
        ("none".to_owned(), "panic", "as it was told", "it came to Unknown"),
    ] {
        let terminal = Terminal::of(&program, &[], 80, 24);
        call(&terminal, 3, &trap, &format!("print hello there {go} {word}"));
        terminal.until(&[" a ", "hello", "q stop"]);
        terminal.press("d");
        terminal.until(&["details", "3 changing"]);
        assert_eq!(terminal.modes(), "0 1");
        std::fs::write(&go, "").unwrap();
        terminal.until(&[end, "code="]);
        let history = terminal.history();
        assert!(history.contains("panicked at") && history.contains(said), "{history}");
        assert_whole(&terminal, "fallen");
        std::fs::remove_file(&go).unwrap();
    }
}

#[test]
fn a_console_that_panics_gives_the_terminal_back_and_the_run_goes_on() {
    let program = Program::new();
    let [trap, go] = ["trap", "go"].map(|name| program.path(name).display().to_string());
    let terminal = Terminal::of(&program, &[], 80, 24);
    call(&terminal, 2, &format!("console={trap}"), &format!("print hello there {go}{{{{ host.name }}}} say x"));
    terminal.until(&[" a ", "hello", "q stop"]);
    terminal.press("d");
    terminal.until(&["details", "2 changing"]);
    std::fs::write(&trap, "").unwrap();
    // With each event it finds out anew what a rollback would do.
    std::fs::write(format!("{go}a"), "").unwrap();
    terminal.until(&["the console falls, as it was told"]);
    assert_eq!(terminal.modes(), "1 0");
    std::fs::write(format!("{go}b"), "").unwrap();
    terminal.until(&["it came to Done", "code=0"]);
    assert_whole(&terminal, "fallen");
}
