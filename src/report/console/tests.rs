//! Frames from states: what stands on the screen at 80 and at 200 columns, with one host and with two hundred.

use super::feed::Feed;
use super::keys::KeyPress;
use super::line::StyledLine;
use super::ui::{ConsolePage, ConsoleRequest, Ui};
use super::view::{ConsoleGate, next_gate};
use super::view::{Moment, Mood, View};
use super::{Size, pages, region};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use surefoot_engine::model::*;
use surefoot_engine::session::{RollbackPreview, RollbackStep};

/// A run of two steps on hosts, as it goes.
struct ScriptedRun {
    state: RunState,
    feed: Feed,
    begun: Instant,
}

impl ScriptedRun {
    fn on(hosts: &[String]) -> ScriptedRun {
        let task = |step: &'static str| {
            move |host: &String| TaskName { step: step.into(), host: host.as_str().into(), item: None }
        };
        let tasks = hosts.iter().map(task("start")).chain(hosts.iter().map(task("check"))).collect();
        let mut script = ScriptedRun { state: RunState::default(), feed: Feed::default(), begun: Instant::now() };
        script.take(Event::RunStarted {
            run: "20260102-030405-abcd".into(),
            runbook: "etcd/restore".into(),
            version: "0".into(),
            operator: "ana@desk".into(),
            inputs: IndexMap::new(),
            tasks,
        });
        script
    }

    fn take(&mut self, event: Event) {
        let stamped = Stamped { seq: self.state.next_seq(), at: Timestamp::UNIX_EPOCH, event };
        self.state.apply(&stamped).unwrap();
        self.feed.history.event(&stamped, &self.state);
    }

    fn task(&mut self, task: &str, what: TaskEvent) {
        self.take(Event::Task { task: task.parse().unwrap(), what });
    }

    /// The first step is at work on all hosts.
    fn started(hosts: &[String]) -> ScriptedRun {
        let mut script = ScriptedRun::on(hosts);
        for host in hosts {
            script.task(&format!("start@{host}"), TaskEvent::Started { attempt: 1 });
            let summary = "start the unit etcd".to_owned();
            script.task(&format!("start@{host}"), TaskEvent::Changing { summary, undo: None });
        }
        script
    }

    fn done(&mut self, task: &str) {
        self.task(task, TaskEvent::Done { changed: true, out: Arc::default(), redacted: false });
    }

    fn after(&self, seconds: u64) -> Moment {
        let passed = Duration::from_secs(seconds);
        Moment { at: Timestamp::UNIX_EPOCH + passed, instant: self.begun + passed }
    }

    fn asks(&mut self, task: &TaskName, question: &str) {
        self.task(&task.to_string(), TaskEvent::Asked { question: question.to_owned() });
    }

    /// So many seconds after it has begun.
    fn view(&self, seconds: u64) -> View {
        let view = View::of(&self.state, &self.feed, self.after(seconds), None);
        let step = |task: &str, undone| RollbackStep {
            task: task.parse().unwrap(),
            undone,
            what: "stop it".into(),
            drift: Vec::new(),
        };
        let steps = vec![step("start@h1", true), step("push@h1", false)];
        let back = RollbackPreview { to: None, wall: None, unknown: Vec::new(), gates: Vec::new(), steps };
        let next_gate = Some("the checkpoint staged".to_owned());
        View { keys: true, back: Some(back), next_gate, elapsed: Duration::from_secs(seconds), ..view }
    }
}

fn hosts(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("h{number}")).collect()
}

const SIZES: [Size; 5] = [
    Size { columns: 80, rows: 24 },
    Size { columns: 200, rows: 60 },
    Size { columns: 80, rows: 10 },
    Size { columns: 40, rows: 5 },
    Size { columns: 20, rows: 4 },
];

fn texts(lines: &[StyledLine]) -> Vec<String> {
    lines.iter().map(|line| line.render(false)).collect()
}

fn drawn(view: &View, size: Size) -> Vec<String> {
    texts(&region::region(view, false, size, 0))
}

fn holds(lines: &[String], words: &[&str]) -> bool {
    lines.iter().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn a_frame_fits_every_screen_whatever_is_in_it() {
    let long = ["host-with-a-very-long-name-in-a-far-away-place.example.org".to_owned(), "主機".to_owned()];
    for hosts in [hosts(1), hosts(200), long.to_vec()] {
        let mut script = ScriptedRun::started(&hosts);
        let task: TaskName = format!("start@{}", hosts[0]).parse().unwrap();
        let evil = "進捗 50 % 👩‍👩‍👧 \x1b[2J\x1b[31m".repeat(20);
        script.feed.output(&task, Stream::Out, evil.as_bytes(), script.begun);
        script.asks(&task, &"Go on? ".repeat(50));
        let view = script.view(3);
        for size in SIZES {
            let pages = [
                ConsolePage::Details,
                ConsolePage::Help,
                ConsolePage::Logs { selected: None },
                ConsolePage::Log(task.clone()),
            ];
            let pages = pages.map(|page| pages::page(&view, &Ui { page, ..Ui::default() }, size).0);
            for (lines, most) in pages
                .into_iter()
                .map(|lines| (lines, size.rows))
                .chain([(region::region(&view, false, size, 50), size.rows - 1)])
            {
                assert!(lines.len() <= most, "{} lines at {size:?}", lines.len());
                let wide = lines.iter().find(|line| line.width() >= size.columns);
                assert!(wide.is_none(), "{wide:?} at {size:?}");
                assert!(texts(&lines).iter().all(|line| !line.contains(char::is_control)));
            }
        }
    }
}

#[test]
fn a_host_shows_its_step_how_long_and_what_it_said_last() {
    let mut script = ScriptedRun::started(&hosts(1));
    assert!(holds(&drawn(&script.view(3), SIZES[0]), &["h1", "start", "3 s", "start the unit etcd"]));
    script.feed.output(&"start@h1".parse().unwrap(), Stream::Err, b"one\ntwo\n", script.begun);
    let lines = drawn(&script.view(75), SIZES[0]);
    assert!(holds(&lines, &["h1", "start", "1 m 15 s", "silent for 1 m 15 s", "two"]), "{lines:#?}");
    script.feed.progress(&"start@h1".parse().unwrap(), 1 << 20, Some(4 << 20), script.begun + Duration::from_secs(74));
    assert!(holds(&drawn(&script.view(75), SIZES[0]), &["h1", "1.0 MiB of 4.0 MiB, 25 %", "two"]));
    assert!(!holds(&drawn(&script.view(75), SIZES[0]), &["silent"]));
}

#[test]
fn what_the_run_comes_to_stands_below_the_hosts() {
    let mut script = ScriptedRun::started(&hosts(3));
    script.done("start@h1");
    let lines = drawn(&script.view(65), SIZES[0]);
    assert!(holds(&lines, &["1 of 6", "1 m 05 s"]), "{lines:#?}");
    assert!(holds(&lines, &["next gate", "the checkpoint staged"]));
    assert!(holds(&lines, &["if you stop now", "1 change can be undone", "the start", "1 stays"]));
    assert!(holds(&lines, &["and 1 more host waits"]), "{lines:#?}");
    let view = View { expected: Some(Duration::from_secs(130)), ..script.view(65) };
    assert!(holds(&drawn(&view, SIZES[0]), &["1 m 05 s of about 2 m 10 s"]));
}

#[test]
fn hosts_that_do_not_fit_are_counted_and_the_odd_ones_are_shown() {
    let mut script = ScriptedRun::started(&hosts(200));
    for host in 1..=7 {
        script.done(&format!("start@h{host}"));
    }
    let fault = Fault::new(FaultKind::Exit, "it said no");
    script.task("start@h150", TaskEvent::Retrying { attempt: 1, fault });
    let lines = drawn(&script.view(3), SIZES[0]);
    assert!(holds(&lines, &["h150", "attempt 1 failed", "it said no"]), "{lines:#?}");
    let shown = lines.iter().filter(|line| line.contains('●') || line.contains('↻')).count();
    assert!(
        holds(&lines, &[&format!("and {} more hosts: {} at start, 7 waiting", 200 - shown, 193 - shown)]),
        "{lines:#?}"
    );
    let tall = drawn(&script.view(3), SIZES[1]);
    assert!(tall.len() > lines.len() && tall.len() <= 40);
}

#[test]
fn it_does_not_shrink_before_lines_make_room() {
    let view = ScriptedRun::started(&hosts(1)).view(3);
    let own = region::region(&view, false, SIZES[0], 0).len();
    let kept = texts(&region::region(&view, false, SIZES[0], own + 3));
    assert_eq!(kept.len(), own + 3);
    assert_eq!(kept.last(), drawn(&view, SIZES[0]).last(), "the keys stay where they are");
}

#[test]
fn the_next_gate_is_the_first_that_is_not_behind() {
    let mut script = ScriptedRun::on(&hosts(2));
    let gate = |step: &str| {
        let tasks = script.state.of_step(step).map(|(name, _)| name.clone()).collect();
        ConsoleGate { tasks, what: step.to_owned() }
    };
    let gates = [gate("start"), gate("check")];
    let next = |script: &ScriptedRun| next_gate(&gates, &script.state).map(|gate| gate.what.clone());
    for (host, after) in [("h1", "start"), ("h2", "check")] {
        script.task(&format!("start@{host}"), TaskEvent::Started { attempt: 1 });
        script.task(&format!("start@{host}"), TaskEvent::Skipped);
        assert_eq!(next(&script).as_deref(), Some(after));
    }
    for host in ["h1", "h2"] {
        script.task(&format!("check@{host}"), TaskEvent::Started { attempt: 1 });
        script.task(&format!("check@{host}"), TaskEvent::Skipped);
    }
    assert_eq!(next(&script), None);
}

#[test]
fn a_paused_run_says_who_and_what_is_still_at_work() {
    let mut script = ScriptedRun::started(&hosts(2));
    script.take(Event::Paused { by: "bert@desk".into() });
    assert_eq!(script.view(3).mood, Mood::Paused { by: "bert@desk".into(), at_work: 2 });
    assert!(holds(&drawn(&script.view(3), SIZES[0]), &["paused", "bert@desk", "2 tasks finish"]));
}

#[test]
fn keys_open_pages_and_ask_before_they_stop() {
    let script = ScriptedRun::started(&hosts(1));
    let (mut ui, view) = (Ui::default(), script.view(3));
    assert_eq!(ui.press(KeyPress::Char('p'), &view), Some(ConsoleRequest::Pause(true)));
    assert_eq!(ui.press(KeyPress::Char('q'), &view), None);
    assert!(ui.confirming);
    assert_eq!(ui.press(KeyPress::Char('n'), &view), None);
    assert!(!ui.confirming);
    ui.press(KeyPress::Char('q'), &view);
    assert_eq!(ui.press(KeyPress::Char('y'), &view), Some(ConsoleRequest::Stop));
    for (key, page) in
        [('d', ConsolePage::Details), ('l', ConsolePage::Logs { selected: None }), ('?', ConsolePage::Help)]
    {
        ui.press(KeyPress::Char(key), &view);
        assert_eq!(ui.page, page);
        ui.press(KeyPress::Escape, &view);
        assert_eq!(ui.page, ConsolePage::Overview);
    }
}

#[test]
fn a_yes_counts_only_where_its_question_stood_on_the_screen() {
    let mut script = ScriptedRun::started(&hosts(1));
    let mut ui = Ui::default();
    assert_eq!(ui.press(KeyPress::Char('y'), &script.view(3)), None);
    let task: TaskName = "start@h1".parse().unwrap();
    script.asks(&task, "Go on?");
    assert!(holds(&drawn(&script.view(3), SIZES[0]), &["Go on?"]));
    assert_eq!(ui.press(KeyPress::Char('y'), &script.view(3)), Some(ConsoleRequest::Answer { task, yes: true }));
    script.done("start@h1");
    assert_eq!(ui.press(KeyPress::Char('y'), &script.view(3)), None, "it has ended");
}

#[test]
fn the_log_of_a_task_is_chosen_with_arrows_and_follows_its_end() {
    let mut script = ScriptedRun::started(&hosts(2));
    let lines: String = (0..100).map(|n| format!("line {n}\n")).collect();
    for host in ["h1", "h2"] {
        let task = format!("start@{host}").parse().unwrap();
        script.feed.output(&task, Stream::Out, format!("{host}\n{lines}").as_bytes(), script.begun);
    }
    let (mut ui, view) = (Ui::default(), script.view(3));
    for key in [KeyPress::Char('l'), KeyPress::Down, KeyPress::Enter] {
        ui.press(key, &view);
    }
    let ConsolePage::Log(task) = ui.page.clone() else { panic!("{:?}", ui.page) };
    assert_eq!(task, view.logs[1].task);
    let view = View::of(&script.state, &script.feed, script.after(0), Some(&task));
    let shown = |ui: &mut Ui| {
        let (lines, farthest) = pages::page(&view, ui, SIZES[0]);
        ui.farthest = farthest;
        texts(&lines)
    };
    assert!(holds(&shown(&mut ui), &["line 99"]));
    ui.press(KeyPress::Home, &view);
    assert!(holds(&shown(&mut ui), &[task.host.as_str()]) && !holds(&shown(&mut ui), &["line 99"]));
    ui.press(KeyPress::End, &view);
    assert!(holds(&shown(&mut ui), &["line 99"]));
    ui.press(KeyPress::Escape, &view);
    assert_eq!(ui.page, ConsolePage::Logs { selected: Some(task) });
}
