//! Whole screens of the console: the details of a run, the log of a task, the keys. Pure, as the region is.

use super::Size;
use super::line::{StyledLine, rule, width};
use super::region::{head, host_line, if_stopped, pressed, time};
use super::ui::{ConsolePage, Ui, place_of};
use super::view::{HostRow, TaskLog, View};
use crate::report::labels::{self, BAD, BOLD, DIM, GOOD, ODD};
use anstyle::Style;
use surefoot_engine::model::{Stream, TaskName};

/// A page, and how far it can be scrolled.
pub fn page(view: &View, ui: &Ui, size: Size) -> (Vec<StyledLine>, usize) {
    let columns = size.columns.saturating_sub(1);
    let (title, body, keys) = match &ui.page {
        ConsolePage::Logs { selected } => {
            let keys = [("↑↓", "choose"), ("Enter", "show"), ("Esc", "back")];
            ("logs".to_owned(), log_list(view, selected), pressed(&keys))
        }
        ConsolePage::Log(task) => (
            format!("the log of {task}"),
            log(view, task),
            pressed(&[("↑↓", "scroll"), ("End", "follow"), ("Esc", "back")]),
        ),
        ConsolePage::Help => ("keys".to_owned(), help(), pressed(&[("Esc", "back")])),
        ConsolePage::Overview | ConsolePage::Details => {
            ("details".to_owned(), details(view, columns), pressed(&[("↑↓", "scroll"), ("l", "log"), ("Esc", "back")]))
        }
    };
    let waits =
        view.asked.as_ref().map(|(task, _)| StyledLine::of(ODD, &format!("{task} waits for your answer: Esc ")));
    let title = StyledLine::plain(" ").and(BOLD, &title).and(DIM, &format!("  {}", view.runbook));
    let room = size.rows.saturating_sub(3).max(1);
    let farthest = body.len().saturating_sub(room);
    let from = match &ui.page {
        // What is selected stays on the screen.
        ConsolePage::Logs { selected } => (place_of(selected, &view.logs) + 1).saturating_sub(room),
        _ if ui.follows() => farthest - ui.scroll.min(farthest),
        _ => ui.scroll.min(farthest),
    };
    let mut shown: Vec<StyledLine> = body.into_iter().skip(from).take(room).collect();
    shown.resize(room, StyledLine::default());
    let title = title.and_right(waits.unwrap_or_default(), columns);
    let lines = [title, rule(columns)].into_iter().chain(shown).chain([keys]);
    (lines.map(|line| line.fit(columns)).take(size.rows).collect(), farthest)
}

fn heading(text: &str) -> StyledLine {
    StyledLine::of(BOLD, &format!(" {text}"))
}

fn details(view: &View, columns: usize) -> Vec<StyledLine> {
    let mut lines: Vec<StyledLine> = head(view, columns).into_iter().skip(1).collect();
    lines.push(StyledLine::default());
    if !view.hosts.is_empty() {
        lines.push(heading("at work"));
        let wide = |text: fn(&HostRow) -> &str| view.hosts.iter().map(|row| width(text(row))).max().unwrap_or(0);
        let (host, step) = (wide(|row| row.host.as_str()).min(40), wide(|row| &row.step).min(60) + 3);
        lines.extend(view.hosts.iter().map(|row| host_line(row, host, step, columns)));
        lines.push(StyledLine::default());
    }
    lines.push(heading("steps"));
    let wide = view.steps.iter().map(|row| width(row.step.as_str())).max().unwrap_or(0).min(columns / 2);
    for row in &view.steps {
        let name = StyledLine::plain(&format!("   {}", row.step)).fit(wide + 3).padded(wide + 5);
        let states = row.states.iter().fold(StyledLine::default(), |line, (word, (count, state))| {
            let count = if row.all > 1 { format!("{count} {word}  ") } else { format!("{word}  ") };
            line.and(labels::of_state(state).1, &count)
        });
        lines.push(name.join(states));
    }
    if let Some(gate) = &view.next_gate {
        lines.extend([StyledLine::default(), heading("next gate"), StyledLine::plain(&format!("   {gate}"))]);
    }
    if let Some(back) = &view.back {
        lines.extend([
            StyledLine::default(),
            heading("if you stop now"),
            StyledLine::plain("   ").join(if_stopped(back)),
        ]);
        for step in &back.steps {
            let (word, style) = if step.undone { ("undoes", GOOD) } else { ("keeps ", BAD) };
            lines.push(
                StyledLine::of(style, &format!("   {word} "))
                    .and(Style::new(), &format!("{}: {}", step.task, step.what)),
            );
        }
    }
    lines
}

fn log_list(view: &View, selected: &Option<TaskName>) -> Vec<StyledLine> {
    if view.logs.is_empty() {
        return vec![StyledLine::of(DIM, " nothing was printed yet")];
    }
    let place = place_of(selected, &view.logs);
    let line = |(index, log): (usize, &TaskLog)| {
        let (mark, style) = if index == place { (" › ", BOLD) } else { ("   ", Style::new()) };
        let at_work = if log.at_work { StyledLine::of(GOOD, "●  ") } else { StyledLine::plain("   ") };
        let ago = format!("   {} ago", time(log.heard));
        StyledLine::of(ODD, mark).join(at_work).and(style, &log.task.to_string()).and(DIM, &ago)
    };
    view.logs.iter().enumerate().map(line).collect()
}

fn log(view: &View, task: &TaskName) -> Vec<StyledLine> {
    let lines = view.logs.iter().find(|log| log.task == *task).map(|log| &log.lines[..]).unwrap_or_default();
    let line = |(stream, text): &(Stream, String)| match stream {
        Stream::Out => StyledLine::plain(&format!(" {text}")),
        Stream::Err => StyledLine::of(ODD, "▏").and(Style::new(), text),
    };
    lines.iter().map(line).collect()
}

fn help() -> Vec<StyledLine> {
    let keys = [
        ("d", "what every host does, how far each step is, and what a rollback would undo now"),
        ("l", "what tasks have printed lately: choose one with the arrows, Enter shows it as it grows"),
        ("p", "pause before the next step: what runs finishes, nothing else is begun; again: go on"),
        ("q", "stop safely: what runs finishes, nothing new starts; `surefoot resume` goes on"),
        ("y n", "answer a step that asks"),
        ("Ctrl-C", "stop safely, without a question; twice: end what runs on the hosts; three times: leave"),
        ("Ctrl-L", "draw anew"),
        ("Esc", "back"),
    ];
    let mut lines = vec![StyledLine::default()];
    lines.extend(keys.map(|(key, what)| StyledLine::of(BOLD, &format!("   {key}")).padded(12).and(Style::new(), what)));
    let marks = [
        (StyledLine::of(GOOD, "   ●"), "at work, and heard of lately"),
        (StyledLine::of(DIM, "   ○"), "at work, and silent for ten seconds or more"),
        (StyledLine::of(ODD, "   ↻"), "between two attempts"),
        (StyledLine::of(ODD, "   ▏"), "in a log: error output"),
    ];
    lines.push(StyledLine::default());
    lines.extend(marks.map(|(mark, what)| mark.padded(12).and(Style::new(), what)));
    lines
}
