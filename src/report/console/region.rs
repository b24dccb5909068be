//! What the console shows below the lines of a run: how far it is, what each host does, what comes next, and what
//! stopping now would mean. Pure: a view and a size in, lines out.

use super::Size;
use super::line::{StyledLine, rule, width};
use super::view::{Doing, HostRow, Mood, View};
use crate::report::labels::{self, BAD, BOLD, CHANGED, DIM, GOOD, ODD};
use anstyle::Style;
use jiff::SignedDuration;
use std::collections::HashSet;
use std::time::Duration;
use surefoot_engine::session::RollbackPreview;

/// From here on a host's silence is told.
const SILENCE: Duration = Duration::from_secs(10);

/// Where the values stand behind their names.
const VALUES: usize = 18;

/// At least so many lines as `at_least`, where the screen has them: what shrinks and grows is no calm sight.
pub fn region(view: &View, confirming: bool, size: Size, at_least: usize) -> Vec<StyledLine> {
    let columns = size.columns.saturating_sub(1);
    let most = if size.rows < 24 { size.rows.saturating_sub(2) } else { size.rows * 2 / 3 };
    let mut head = head(view, columns);
    let mut foot = remaining(view);
    // A low screen has room for what matters most.
    let roomy = size.rows >= 16;
    if size.rows < 10 {
        foot.clear();
    }
    if roomy {
        head.push(StyledLine::default());
        foot.insert(0, StyledLine::default());
        foot.push(StyledLine::default());
    }
    foot.extend(keys(view, confirming, columns));
    let room = most.saturating_sub(head.len() + foot.len());
    let mut hosts = hosts(view, columns, room);
    let own = head.len() + hosts.len() + foot.len();
    hosts.resize(hosts.len() + at_least.min(most).saturating_sub(own), StyledLine::default());
    let lines = head.into_iter().chain(hosts).chain(foot).map(|line| line.fit(columns));
    lines.take(size.rows.saturating_sub(1).max(1)).collect()
}

/// The run, its mood, and how far it is.
pub fn head(view: &View, columns: usize) -> Vec<StyledLine> {
    let title = StyledLine::plain(" ").and(BOLD, &view.runbook).and(DIM, &format!("  {}", view.run));
    vec![rule(columns), title.and_right(status_line(&view.mood), columns), bar(view, columns)]
}

fn status_line(mood: &Mood) -> StyledLine {
    let finish = |n: &usize| match n {
        0 => String::new(),
        1 => "; 1 task finishes".to_owned(),
        n => format!("; {n} tasks finish"),
    };
    match mood {
        Mood::Forward => StyledLine::default(),
        Mood::Back => StyledLine::of(CHANGED, "rolling back"),
        Mood::Paused { by, at_work } => StyledLine::of(ODD, "paused").and(DIM, &format!(" by {by}{}", finish(at_work))),
        Mood::Stopping { at_work } => {
            StyledLine::of(ODD, "stopping").and(DIM, &format!(": nothing new starts{}", finish(at_work)))
        }
        Mood::Ending => StyledLine::of(DIM, "ending"),
    }
}

fn bar(view: &View, columns: usize) -> StyledLine {
    let progress = view.progress;
    let long = (columns / 3).clamp(8, 60);
    let done = (progress.done * long).checked_div(progress.all).unwrap_or(0).min(long);
    let style = match (&view.mood, progress.failed) {
        (_, 1..) => BAD,
        (Mood::Back, _) => CHANGED,
        _ => GOOD,
    };
    let word = if view.mood == Mood::Back { " undone" } else { "" };
    let mut line = StyledLine::plain(" ").and(style, &"━".repeat(done)).and(DIM, &"─".repeat(long - done));
    line = line.and(BOLD, &format!("  {} of {}{word}", progress.done, progress.all));
    if progress.failed > 0 {
        line = line.and(BAD, &format!("  {} failed", progress.failed));
    }
    line = line.and(Style::new(), &format!("   {}", time(view.elapsed)));
    match view.expected {
        Some(expected) => line.and(DIM, &format!(" of about {}", time(expected))),
        None => line,
    }
}

/// What comes next, and what stopping would mean.
fn remaining(view: &View) -> Vec<StyledLine> {
    let named = |name: &str, value: StyledLine| StyledLine::of(DIM, &format!(" {name}")).padded(VALUES).join(value);
    let gate = view.next_gate.as_ref().map(|gate| named("next gate", StyledLine::plain(gate)));
    let back = view.back.as_ref().map(|back| named("if you stop now", if_stopped(back)));
    gate.into_iter().chain(back).collect()
}

/// What a rollback would do then.
pub fn if_stopped(back: &RollbackPreview) -> StyledLine {
    let (undone, kept): (Vec<_>, Vec<_>) = back.steps.iter().partition(|step| step.undone);
    let to = back.to.as_deref().unwrap_or("the start");
    let changes = |n: usize| if n == 1 { "1 change".to_owned() } else { format!("{n} changes") };
    let mut line = match undone.len() {
        0 => StyledLine::plain("there is nothing to undo"),
        n => StyledLine::of(GOOD, &changes(n)).and(Style::new(), &format!(" can be undone, back to {to}")),
    };
    if !kept.is_empty() {
        let stay = if kept.len() == 1 { "1 stays".to_owned() } else { format!("{} stay", kept.len()) };
        line = line.and(Style::new(), "; ").and(BAD, &stay);
    }
    if let Some(wall) = &back.wall {
        line = line.and(Style::new(), "; ").and(ODD, &format!("{wall} is final"));
    }
    match back.unknown.first() {
        Some(task) => line.and(Style::new(), "; ").and(ODD, &format!("{task} is unknown")),
        None => line,
    }
}

/// The hosts at work, in so many lines; those that do not fit are counted in the last one.
fn hosts(view: &View, columns: usize, room: usize) -> Vec<StyledLine> {
    let counted = view.waiting > 0 && view.hosts.len() < room;
    let shown = if view.hosts.len() <= room { view.hosts.len() } else { room.saturating_sub(1) };
    let (rows, folded) = worst(&view.hosts, shown);
    let wide =
        |text: fn(&HostRow) -> &str, most: usize| rows.iter().map(|row| width(text(row))).max().unwrap_or(0).min(most);
    let host = wide(|row| row.host.as_str(), (columns / 4).min(24));
    let step = wide(|row| &row.step, (columns * 3 / 10).min(32)) + 3;
    let mut lines: Vec<StyledLine> = rows.iter().map(|row| host_line(row, host, step, columns)).collect();
    if !folded.is_empty() || counted {
        lines.push(fold(&folded, view.waiting, lines.is_empty()));
    }
    if lines.is_empty() && matches!(view.mood, Mood::Paused { .. }) {
        lines.push(StyledLine::of(DIM, "   nothing is at work"));
    }
    lines.truncate(room);
    lines
}

/// So many of the hosts, those first that need looking at; in the order of the run. And the others.
fn worst(hosts: &[HostRow], count: usize) -> (Vec<&HostRow>, Vec<&HostRow>) {
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    order.sort_by_key(|index| {
        let row = &hosts[*index];
        (!matches!(row.doing, Doing::Again(..)), std::cmp::Reverse(row.since.as_secs()), *index)
    });
    let first: HashSet<usize> = order.into_iter().take(count).collect();
    let (shown, folded): (Vec<_>, Vec<_>) = hosts.iter().enumerate().partition(|(index, _)| first.contains(index));
    (shown.into_iter().map(|(_, row)| row).collect(), folded.into_iter().map(|(_, row)| row).collect())
}

/// What a host does. Right for a page of details, too.
pub fn host_line(row: &HostRow, host: usize, step: usize, columns: usize) -> StyledLine {
    let silent = row.silent >= SILENCE;
    let mark = match row.doing {
        Doing::Again(..) => StyledLine::of(ODD, " ↻ "),
        _ if silent => StyledLine::of(DIM, " ○ "),
        _ => StyledLine::of(GOOD, " ● "),
    };
    let name = StyledLine::plain(row.host.as_str()).fit(host).padded(host + 2);
    let others = if row.others > 0 { format!(" +{}", row.others) } else { String::new() };
    let room = step.saturating_sub(width(&others));
    let doing = StyledLine::of(BOLD, &row.step).fit(room).and(DIM, &others).padded(step + 1);
    let since = format!("{:>9}  ", time(row.since));
    mark.join(name).join(doing).and(DIM, &since).join(talk(row, silent)).fit(columns)
}

/// The last that is known of it: what it moves, what it said, or what it is about.
fn talk(row: &HostRow, silent: bool) -> StyledLine {
    let mut line = match &row.doing {
        Doing::Again(attempt, fault) => {
            return StyledLine::of(ODD, &format!("attempt {attempt} failed: ")).and(DIM, fault);
        }
        Doing::Undoing => StyledLine::of(CHANGED, "undoes it  "),
        _ => StyledLine::default(),
    };
    if silent {
        line = line.and(ODD, &format!("silent for {}  ", time(row.silent)));
    }
    match row.moved {
        Some((done, Some(total))) if total > 0 => {
            let text =
                format!("{} of {}, {} %  ", labels::size(done), labels::size(total), done.saturating_mul(100) / total);
            line = line.and(Style::new(), &text);
        }
        Some((done, _)) => line = line.and(Style::new(), &format!("{}  ", labels::size(done))),
        None => {}
    }
    match (&row.said, &row.doing) {
        (Some(said), _) => line.and(DIM, said),
        (None, Doing::Changing(summary)) => line.and(Style::new(), summary),
        (None, Doing::Looking) if !silent && row.moved.is_none() => line.and(DIM, "looks first"),
        _ => line,
    }
}

fn fold(folded: &[&HostRow], waiting: usize, alone: bool) -> StyledLine {
    if folded.is_empty() {
        let (hosts, wait) = if waiting == 1 { ("host", "waits") } else { ("hosts", "wait") };
        let more = if alone { format!("   {waiting} {hosts}") } else { format!("   and {waiting} more {hosts}") };
        return StyledLine::of(DIM, &format!("{more} {wait}"));
    }
    let mut at: Vec<(&str, usize)> = Vec::new();
    for row in folded {
        match at.iter_mut().find(|(step, _)| *step == row.step) {
            Some((_, count)) => *count += 1,
            None => at.push((&row.step, 1)),
        }
    }
    at.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut parts: Vec<String> = at.iter().map(|(step, count)| format!("{count} at {step}")).collect();
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    let count = folded.len() + waiting;
    let more = if alone { format!("   {count} hosts: ") } else { format!("   and {count} more hosts: ") };
    StyledLine::of(DIM, &more).and(Style::new(), &parts.join(", "))
}

/// The question that waits, or what can be pressed.
fn keys(view: &View, confirming: bool, columns: usize) -> Vec<StyledLine> {
    if !view.keys {
        return Vec::new();
    }
    if confirming {
        let what = "Stop safely? What runs is let finish, nothing new starts, `surefoot resume` goes on.";
        return vec![
            StyledLine::of(ODD, " ? ").and(BOLD, what).fit(columns),
            pressed(&[("y", "stop"), ("n", "go on")]),
        ];
    }
    if let Some((task, text)) = &view.asked {
        let more = wrapped(text, columns.saturating_sub(3), 4)
            .into_iter()
            .map(|line| StyledLine::plain(&format!("   {line}")));
        let asks = StyledLine::of(ODD, " ? ").and(BOLD, &task.to_string()).and(ODD, " asks");
        let keys = pressed(&[("y", "yes"), ("n", "no"), ("d", "details"), ("l", "log"), ("?", "help")]);
        return [asks].into_iter().chain(more).chain([keys]).collect();
    }
    let pause = if matches!(view.mood, Mood::Paused { .. }) { "go on" } else { "pause" };
    vec![match view.mood {
        Mood::Stopping { .. } => pressed(&[("d", "details"), ("l", "log"), ("Ctrl-C", "end what runs on the hosts")]),
        Mood::Ending => StyledLine::default(),
        _ => pressed(&[("d", "details"), ("l", "log"), ("p", pause), ("q", "stop"), ("?", "help")]),
    }]
}

/// Keys and what they do.
pub fn pressed(keys: &[(&str, &str)]) -> StyledLine {
    keys.iter().fold(StyledLine::default(), |line, (key, what)| {
        line.and(BOLD, &format!(" {key}")).and(DIM, &format!(" {what}  "))
    })
}

/// Text in so many lines at most, broken between words.
fn wrapped(text: &str, columns: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let may_break = lines.len() < most;
        let last = lines.last_mut().expect("it begins with one line");
        if !last.is_empty() && width(last) + 1 + width(word) > columns && may_break {
            lines.push(word.to_owned());
        } else {
            let blank = if last.is_empty() { "" } else { " " };
            *last += &format!("{blank}{word}");
        }
    }
    lines
}

/// `7 s`, `42 s`, `3 m 05 s`: no faster than seconds.
pub fn time(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..10 => format!("{seconds} s"),
        seconds => labels::time(SignedDuration::from_secs(seconds.try_into().unwrap_or(i64::MAX))),
    }
}
