//! The words for what happens: one place, so that lines, the live display and `show` say the same.

use super::safe::{clean, clean_lines};
use anstyle::{AnsiColor, Style};
use jiff::SignedDuration;
use surefoot_engine::model::{DriftCheck, Fault, FaultKind, Outcome, TaskEvent, TaskState};

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const ODD: Style = AnsiColor::Magenta.on_default().bold();

/// A word with its colour.
pub fn of_event(what: &TaskEvent) -> (&'static str, Style) {
    match what {
        TaskEvent::Started { .. } => ("started", DIM),
        TaskEvent::Changing { .. } => ("changing", DIM),
        TaskEvent::AfterImage { .. } => ("left", DIM),
        TaskEvent::SetAside { .. } => ("drifted", ODD),
        TaskEvent::Done { changed: true, .. } => ("changed", CHANGED),
        TaskEvent::Done { changed: false, .. } => ("ok", GOOD),
        TaskEvent::Retrying { fault, .. } if fault.kind == FaultKind::Ended => ("ended", ODD),
        TaskEvent::Retrying { .. } => ("again", ODD),
        TaskEvent::Failed { .. } => ("failed", BAD),
        TaskEvent::Unknown { .. } => ("unknown", ODD),
        TaskEvent::Skipped => ("skipped", DIM),
        TaskEvent::Requeued => ("again", ODD),
        TaskEvent::DriftChecked { found: DriftCheck::Drifted { .. } } => ("drifted", ODD),
        TaskEvent::DriftChecked { .. } => ("stands", DIM),
        TaskEvent::Resolved { .. } => ("settled", ODD),
        TaskEvent::Undoing { .. } => ("undoing", DIM),
        TaskEvent::Undone { .. } => ("undone", CHANGED),
        TaskEvent::NotReverted { .. } => ("kept", BAD),
        TaskEvent::Stuck { .. } => ("stuck", BAD),
    }
}

pub fn of_state(state: &TaskState) -> (&'static str, Style) {
    match state {
        TaskState::Pending => ("not started", DIM),
        TaskState::Running => ("running", BOLD),
        TaskState::Changing { .. } => ("changing", BOLD),
        TaskState::Waiting { fault } if fault.kind == FaultKind::Ended => ("ended", ODD),
        TaskState::Waiting { .. } => ("between attempts", ODD),
        TaskState::Done { changed: true, .. } => ("changed", CHANGED),
        TaskState::Done { changed: false, .. } => ("ok", GOOD),
        TaskState::Failed { .. } => ("failed", BAD),
        TaskState::Unknown { .. } => ("unknown", ODD),
        TaskState::Skipped => ("skipped", DIM),
        TaskState::Unreachable => ("unreachable", ODD),
        TaskState::Undoing { .. } => ("undoing", BOLD),
        TaskState::Undone { .. } => ("undone", CHANGED),
        TaskState::NotReverted { .. } => ("kept", BAD),
        TaskState::Stuck { .. } => ("stuck", BAD),
    }
}

pub fn of_outcome(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Done => ("done", GOOD),
        Outcome::Failed => ("failed", BAD),
        Outcome::Unknown => ("an outcome is unknown", ODD),
        Outcome::Interrupted => ("interrupted", ODD),
        Outcome::RolledBack => ("rolled back", CHANGED),
        Outcome::Stuck => ("rolled back in part", BAD),
    }
}

/// The class of a task's word in a page: `good`, `change`, `bad`, `open` or `idle`.
pub fn class(word: &str) -> &'static str {
    match word {
        "done" => "good",
        "changed" | "undone" => "change",
        "failed" | "stuck" | "kept" => "bad",
        "unknown" | "again" | "waiting" | "changing" | "undoing" | "running" => "open",
        _ => "idle",
    }
}

/// The class of several tasks as one: the one that a reader must see first.
pub fn most_severe(classes: impl Iterator<Item = &'static str>) -> &'static str {
    const GRAVEST_FIRST: [&str; 5] = ["bad", "open", "change", "good", "idle"];
    let place = |class: &&'static str| GRAVEST_FIRST.iter().position(|known| known == class);
    classes.min_by_key(|class| place(class)).unwrap_or("idle")
}

/// The class of how a run ended, by the word for it; none where it has not.
pub fn class_of_end(word: Option<&str>) -> &'static str {
    match word {
        Some("done") => "good",
        Some("rolled back") => "change",
        None => "open",
        Some(_) => "bad",
    }
}

/// What kind of fault, before its message.
pub fn of_fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Unreachable => "unreachable",
        FaultKind::Lost => "connection lost",
        FaultKind::Exit => "command failed",
        FaultKind::Timeout => "timeout",
        FaultKind::Refused => "refused",
        FaultKind::Missing => "missing",
        FaultKind::Denied => "denied",
        FaultKind::NoSpace => "no space",
        FaultKind::Etcd => "etcd",
        FaultKind::Value => "value",
        FaultKind::Held => "held by another run",
        FaultKind::Cancelled => "cancelled",
        FaultKind::Ended => "ended",
        FaultKind::Controller => "controller",
    }
}

/// A fault in full, each line behind `indent`.
pub fn fault(fault: &Fault, indent: &str) -> String {
    let mut lines = vec![format!("{BAD}{}{BAD:#}: {}", of_fault(fault.kind), clean_lines(&fault.message))];
    lines.extend(
        fault.detail.iter().flat_map(|detail| detail.lines()).map(|line| format!("  {DIM}|{DIM:#} {}", clean(line))),
    );
    lines.extend(fault.hint.iter().map(|hint| format!("  {BOLD}hint{BOLD:#}: {}", clean_lines(hint))));
    indented(&lines.join("\n"), indent)
}

/// Each line behind `indent`.
pub fn indented(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}{line}\n")).collect()
}

/// `1 task`, `3 tasks`.
pub fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

/// `0.3 s`, `42 s`, `3 m 05 s`, `2 h 04 m`.
pub fn time(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", span.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `812 B`, `4.0 MiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_people_say_them() {
        let spans = [0.25, 42.0, 185.0, 7440.0].map(|s| time(SignedDuration::from_secs_f64(s)));
        assert_eq!(spans, ["0.2 s", "42 s", "3 m 05 s", "2 h 04 m"]);
        assert_eq!([812, 4 << 20, 3 << 40].map(size), ["812 B", "4.0 MiB", "3.0 TiB"]);
    }
}
