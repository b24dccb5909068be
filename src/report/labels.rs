//! The words for what happens: one place, so that lines, the live display and `show` say the same.

use super::safe::{clean, clean_lines};
use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use surefoot_engine::model::{
    Counts, DriftCheck, Fault, FaultKind, Outcome, Stream, TaskEvent, TaskOutcome, TaskState,
};
use surefoot_engine::view::{AttemptOutcome, RunStatus, StatusClass};

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
        TaskEvent::Asked { .. } => ("asks", ODD),
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
        TaskState::Waiting { fault } if fault.kind == FaultKind::Ended => ("ended", ODD),
        state => of_task(state.outcome()),
    }
}

pub fn of_task(outcome: TaskOutcome) -> (&'static str, Style) {
    match outcome {
        TaskOutcome::Pending => ("not started", DIM),
        TaskOutcome::Running => ("running", BOLD),
        TaskOutcome::Changing => ("changing", BOLD),
        TaskOutcome::Waiting => ("between attempts", ODD),
        TaskOutcome::Changed => ("changed", CHANGED),
        TaskOutcome::Done => ("ok", GOOD),
        TaskOutcome::Failed => ("failed", BAD),
        TaskOutcome::Unknown => ("unknown", ODD),
        TaskOutcome::Skipped => ("skipped", DIM),
        TaskOutcome::Unreachable => ("unreachable", ODD),
        TaskOutcome::Undoing => ("undoing", BOLD),
        TaskOutcome::Undone => ("undone", CHANGED),
        TaskOutcome::NotReverted => ("kept", BAD),
        TaskOutcome::Stuck => ("stuck", BAD),
    }
}

/// How many tasks are where: `2 changed, 1 ok, 3 not started`.
pub fn counts(counts: &Counts) -> String {
    let part = |(outcome, count): (TaskOutcome, usize)| {
        let (word, style) = of_task(outcome);
        format!("{style}{count} {word}{style:#}")
    };
    counts.by_outcome().map(part).collect::<Vec<_>>().join(", ")
}

pub fn of_outcome(outcome: Outcome) -> (&'static str, Style) {
    of_status(outcome.into())
}

pub fn of_status(status: RunStatus) -> (&'static str, Style) {
    match status {
        RunStatus::Running => ("running", BOLD),
        RunStatus::RollingBack => ("rolling back", CHANGED),
        RunStatus::WaitingForApproval => ("waiting for approval", ODD),
        RunStatus::Paused => ("paused", ODD),
        RunStatus::Stopping => ("stopping", ODD),
        RunStatus::Crashed => ("crashed", BAD),
        RunStatus::Done => ("done", GOOD),
        RunStatus::Failed => ("failed", BAD),
        RunStatus::Unknown => ("an outcome is unknown", ODD),
        RunStatus::Interrupted => ("interrupted", ODD),
        RunStatus::RolledBack => ("rolled back", CHANGED),
        RunStatus::Stuck => ("rolled back in part", BAD),
    }
}

/// The word for how an attempt ended, and its class in a page.
pub fn of_attempt(outcome: AttemptOutcome) -> (&'static str, StatusClass) {
    match outcome {
        AttemptOutcome::Done => ("ok", StatusClass::Good),
        AttemptOutcome::Changed => ("changed", StatusClass::Change),
        AttemptOutcome::Again => ("again", StatusClass::Open),
        AttemptOutcome::Failed => ("failed", StatusClass::Bad),
        AttemptOutcome::Unknown => ("unknown", StatusClass::Open),
        AttemptOutcome::Skipped => ("skipped", StatusClass::Idle),
        AttemptOutcome::Undone => ("undone", StatusClass::Change),
        AttemptOutcome::Stuck => ("stuck", StatusClass::Bad),
        AttemptOutcome::CutOff => ("cut off", StatusClass::Open),
    }
}

/// The name of a class in our pages.
pub fn class(class: impl Into<StatusClass>) -> &'static str {
    match class.into() {
        StatusClass::Bad => "bad",
        StatusClass::Open => "open",
        StatusClass::Change => "change",
        StatusClass::Good => "good",
        StatusClass::Idle => "idle",
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

/// Which of a command's two outputs.
pub fn stream(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "output",
        Stream::Err => "error output",
    }
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

/// `2026-01-02 03:04:05 CET`: in the operator's time zone, by its name.
pub fn date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A few of these names, and how many more there are.
pub fn named<N: ToString>(names: impl IntoIterator<Item = N>) -> String {
    const NAMED: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let (first, rest) = names.split_at(names.len().min(NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    first.join(", ") + &more
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
