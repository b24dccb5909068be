//! A run as a trace: one span for each engine that worked at it, and within it one for each task, forward and back.
//!
//! Everything in it is what the record says: times are those of its events, names and faults are masked as it is. Ids are
//! made from the record, too, so that a trace that is exported again is the same one. The first engine's span is the
//! root; those that take the run up again are its children.

mod otlp;

pub use otlp::{TaskActions, requests};

use crate::report::labels;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use surefoot_engine::model::{Fault, Outcome, TaskName};
use surefoot_engine::view::{
    AttemptOutcome, AttemptSpan, EngineNumber, EngineSpan, EngineStart, Milestone, RunHistory, SpanDirection, TaskNote,
    TaskSpan, TimelineEntry,
};

/// The spans of a run: those of its tasks, then those of its engines.
#[derive(Default)]
pub struct Trace {
    /// 32 hex digits.
    pub id: String,
    /// `user@machine` of the engine that began the run, and the program's version there.
    pub operator: String,
    pub version: String,
    pub spans: Vec<TraceSpan>,
}

pub struct TraceSpan {
    /// 16 hex digits.
    pub id: String,
    pub parent: Option<String>,
    /// None: an engine's.
    pub task: Option<TaskName>,
    pub name: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub facts: Attributes,
    pub moments: Vec<SpanEvent>,
    /// Why it did not come to what it was for.
    pub error: Option<String>,
    pub engine: EngineNumber,
}

/// Something that happened within a span.
pub struct SpanEvent {
    pub at: Timestamp,
    pub name: &'static str,
    pub facts: Attributes,
}

pub type Attributes = Vec<(&'static str, Attribute)>;

pub enum Attribute {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Attribute {
        Attribute::Text(text.to_owned())
    }
}

impl Trace {
    /// All of a run, as far as its history goes.
    pub fn of(history: &RunHistory) -> Trace {
        let Some(EngineSpan { start: EngineStart::Run { run, runbook, operator, version, .. }, from, .. }) =
            history.engines.first()
        else {
            return Trace::default();
        };
        let id = digest(&[run.as_str(), runbook, operator, &from.to_string()], 16);
        let mut trace = Trace { id, operator: operator.clone(), version: version.clone(), spans: Vec::new() };
        for (name, task) in history.tasks() {
            let spans: Vec<TraceSpan> = task.spans.iter().map(|span| trace.task(name, span, history)).collect();
            trace.spans.extend(spans);
        }
        let engines: Vec<TraceSpan> = history.engines.iter().map(|engine| trace.engine(engine, history)).collect();
        trace.spans.extend(engines);
        trace
    }

    fn span_id(&self, seq: u64, what: &str) -> String {
        digest(&[&self.id, &seq.to_string(), what], 8)
    }

    fn engine_id(&self, engine: &EngineSpan) -> String {
        self.span_id(engine.seq, "engine")
    }

    fn engine(&self, engine: &EngineSpan, history: &RunHistory) -> TraceSpan {
        let (name, mut facts) = match &engine.start {
            EngineStart::Run { run, runbook, .. } => {
                let facts = vec![("surefoot.run", run.as_str().into()), ("surefoot.runbook", runbook.as_str().into())];
                (runbook.clone(), facts)
            }
            EngineStart::Resume { forward: true, .. } => ("resume".to_owned(), Attributes::new()),
            EngineStart::Resume { .. } => ("take up".to_owned(), Attributes::new()),
        };
        facts.push(("surefoot.operator", engine.start.operator().into()));
        let outcome = engine.outcome.map(|outcome| labels::of_outcome(outcome).0);
        facts.extend(outcome.map(|word| ("surefoot.outcome", word.into())));
        let root = history.engines.first().filter(|first| first.number != engine.number);
        let own = history.timeline.iter().filter(|entry| entry.engine == engine.number);
        TraceSpan {
            id: self.engine_id(engine),
            parent: root.map(|root| self.engine_id(root)),
            task: None,
            name,
            from: engine.from,
            to: engine.to,
            facts,
            moments: own.filter_map(moment).collect(),
            error: error(engine),
            engine: engine.number,
        }
    }

    fn task(&self, name: &TaskName, span: &TaskSpan, history: &RunHistory) -> TraceSpan {
        let engine = history.engines.iter().find(|engine| engine.number == span.engine);
        let end = span.end.or_else(|| engine.map(|engine| (engine.to, AttemptOutcome::CutOff)));
        let mut facts = attributes(name, span.direction);
        let last = span.attempts.last().and_then(|attempt| attempt.fault.as_ref());
        match end {
            Some((_, AttemptOutcome::CutOff)) => facts.push(("surefoot.cut_off", Attribute::Flag(true))),
            Some((_, outcome)) => {
                facts.push(("surefoot.outcome", labels::of_attempt(outcome).0.into()));
                facts.extend(last.into_iter().flat_map(faulty));
            }
            None => {}
        }
        let is_cut = end.is_some_and(|(_, outcome)| outcome == AttemptOutcome::CutOff);
        TraceSpan {
            id: self.span_id(span.seq, &name.to_string()),
            parent: engine.map(|engine| self.engine_id(engine)),
            task: Some(name.clone()),
            name: match span.direction {
                SpanDirection::Forward => name.step.to_string(),
                SpanDirection::Rollback => format!("undo {}", name.step),
            },
            from: span.from,
            to: end.map_or(span.from, |(at, _)| at),
            facts,
            moments: span.attempts.iter().flat_map(attempt).collect(),
            error: last.filter(|_| !is_cut).map(|fault| fault.message.clone()),
            engine: span.engine,
        }
    }
}

fn attributes(name: &TaskName, direction: SpanDirection) -> Attributes {
    let direction = if direction == SpanDirection::Rollback { "back" } else { "forward" };
    let mut facts = vec![
        ("surefoot.task", Attribute::Text(name.to_string())),
        ("surefoot.step", name.step.as_str().into()),
        ("surefoot.host", name.host.as_str().into()),
        ("surefoot.direction", direction.into()),
    ];
    facts.extend(name.item.map(|item| ("surefoot.item", Attribute::Number(i64::from(item)))));
    facts
}

/// What happened within an attempt. Its end is that of the span, unless another follows.
fn attempt(attempt: &AttemptSpan) -> Vec<SpanEvent> {
    let begun = attempt.number.map(|number| {
        let facts = vec![("surefoot.attempt", Attribute::Number(i64::from(number)))];
        SpanEvent { at: attempt.from, name: "attempt", facts }
    });
    let changing = attempt.changing.as_ref().map(|(at, summary)| SpanEvent {
        at: *at,
        name: "changing",
        facts: vec![("surefoot.summary", summary.as_str().into())],
    });
    let again = attempt.end.filter(|(_, outcome)| *outcome == AttemptOutcome::Again).map(|(at, outcome)| SpanEvent {
        at,
        name: labels::of_attempt(outcome).0,
        facts: attempt.fault.iter().flat_map(faulty).collect(),
    });
    begun.into_iter().chain(changing).chain(again).collect()
}

/// Why an engine's work did not come to what it was for. What the operator has interrupted is no error.
fn error(engine: &EngineSpan) -> Option<String> {
    let good = [Outcome::Done, Outcome::Interrupted];
    let ended =
        engine.outcome.map(|outcome| (!good.contains(&outcome)).then(|| labels::of_outcome(outcome).0.to_owned()));
    ended.unwrap_or_else(|| engine.fenced_off.as_ref().map(|fault| fault.message.clone()))
}

/// Something that happened to the run as a whole; none where a trace does not need it.
fn moment(entry: &TimelineEntry) -> Option<SpanEvent> {
    let of_task = |task: &TaskName| ("surefoot.task", Attribute::Text(task.to_string()));
    let by = |by: &str| ("surefoot.operator", by.into());
    let (name, facts) = match &entry.what {
        Milestone::RollingBack { because, .. } => ("rolling back", because.iter().map(of_task).collect()),
        Milestone::Stopping { because, by: who } => {
            let facts = because.iter().map(of_task).chain(who.iter().map(|who| by(who)));
            ("stopping", facts.collect())
        }
        Milestone::Finishing { .. } => ("finally", Attributes::new()),
        Milestone::Approved { step, by: who } => ("approved", vec![("surefoot.step", step.as_str().into()), by(who)]),
        Milestone::Cancelling { by: who } => ("cancelling", vec![by(who)]),
        Milestone::HostExcluded { host, fault } => {
            let host = ("surefoot.host", host.as_str().into());
            ("left out", [host].into_iter().chain(faulty(fault)).collect())
        }
        Milestone::Task { task, note } => (of_note(note), vec![of_task(task)]),
        _ => return None,
    };
    Some(SpanEvent { at: entry.at, name, facts })
}

fn of_note(note: &TaskNote) -> &'static str {
    match note {
        TaskNote::Drifted { .. } | TaskNote::SetAside { .. } => "drifted",
        TaskNote::Requeued => "again",
        TaskNote::Resolved { .. } => "settled",
        TaskNote::NotReverted { .. } => "kept",
    }
}

fn faulty(fault: &Fault) -> Attributes {
    vec![("error.type", labels::of_fault(fault.kind).into()), ("error.message", fault.message.as_str().into())]
}

/// So many bytes of the parts' checksum, in hex.
fn digest(parts: &[&str], bytes: usize) -> String {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update(part.as_bytes());
        sum.update([0]);
    }
    sum.finalize()[..bytes].iter().map(|byte| format!("{byte:02x}")).collect()
}
