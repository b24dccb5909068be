//! A run as a trace: one span for each engine that worked at it, and within it one for each task, forward and back.
//!
//! Everything in it is what the record says: times are those of its events, names and faults are masked as it is. Ids are
//! made from the record, too, so that a trace that is exported again is the same one. The first engine's span is the
//! root; those that take the run up again are its children.

mod otlp;

pub use otlp::{TaskActions, requests};

use crate::report::labels;
use indexmap::IndexMap;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use surefoot_engine::model::{DriftCheck, Event, Fault, Outcome, Stamped, TaskEvent, TaskName};

/// The spans of a run, in the order in which they ended.
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
    /// Which engine's it is, from 0.
    pub engine: usize,
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

/// Collects a trace while a journal is read.
#[derive(Default)]
pub struct TraceCollector {
    trace: Trace,
    /// The spans of the engines; the last one is at work.
    engines: Vec<TraceSpan>,
    open: IndexMap<TaskName, TraceSpan>,
}

impl TraceCollector {
    pub fn event(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match &stamped.event {
            Event::RunStarted { run, runbook, operator, version, .. } => {
                self.trace.id = digest(&[run.as_str(), runbook, operator, &at.to_string()], 16);
                (self.trace.operator, self.trace.version) = (operator.clone(), version.clone());
                let facts = vec![
                    ("surefoot.run", run.as_str().into()),
                    ("surefoot.runbook", runbook.as_str().into()),
                    ("surefoot.operator", operator.as_str().into()),
                ];
                self.engine(stamped, runbook.clone(), facts);
            }
            Event::RunResumed { operator, forward, .. } => {
                let name = if *forward { "resume" } else { "take up" };
                self.engine(stamped, name.to_owned(), vec![("surefoot.operator", operator.as_str().into())]);
            }
            Event::Task { task, what } => self.task(task, what, stamped),
            // What comes after the end of a run is no part of it.
            Event::CleanupStarted { .. } | Event::CleanedUp { .. } => return,
            event => self.of_run(event, at),
        }
        if let Some(engine) = self.engines.last_mut() {
            engine.to = at;
        }
    }

    /// All of it, as far as it goes. What is under way ends with the last event.
    pub fn trace(mut self) -> Trace {
        self.cut();
        self.trace.spans.append(&mut self.engines);
        self.trace
    }

    fn engine(&mut self, stamped: &Stamped, name: String, facts: Attributes) {
        self.cut();
        let parent = self.engines.first().map(|root| root.id.clone());
        let span = TraceSpan { name, parent, facts, engine: self.engines.len(), ..self.span(stamped, "engine") };
        self.engines.push(span);
    }

    /// What an engine leaves when it goes.
    fn cut(&mut self) {
        let Some(end) = self.engines.last().map(|engine| engine.to) else { return };
        for (_, mut span) in std::mem::take(&mut self.open) {
            span.to = end;
            span.facts.push(("surefoot.cut_off", Attribute::Flag(true)));
            self.trace.spans.push(span);
        }
    }

    fn span(&self, stamped: &Stamped, what: &str) -> TraceSpan {
        TraceSpan {
            id: digest(&[&self.trace.id, &stamped.seq.to_string(), what], 8),
            parent: self.engines.last().map(|engine| engine.id.clone()),
            task: None,
            name: String::new(),
            from: stamped.at,
            to: stamped.at,
            facts: Attributes::new(),
            moments: Vec::new(),
            error: None,
            engine: self.engines.len().saturating_sub(1),
        }
    }

    fn task(&mut self, task: &TaskName, what: &TaskEvent, stamped: &Stamped) {
        let at = stamped.at;
        let facts = match what {
            TaskEvent::Started { attempt } | TaskEvent::Undoing { attempt } => {
                vec![("surefoot.attempt", Attribute::Number(i64::from(*attempt)))]
            }
            TaskEvent::Changing { summary, .. } => vec![("surefoot.summary", summary.as_str().into())],
            TaskEvent::Retrying { fault, .. } => faulty(fault),
            TaskEvent::Done { .. }
            | TaskEvent::Failed { .. }
            | TaskEvent::Unknown { .. }
            | TaskEvent::Skipped
            | TaskEvent::Undone { .. }
            | TaskEvent::Stuck { .. } => return self.end(task, what, stamped),
            TaskEvent::DriftChecked { found: DriftCheck::InSync | DriftCheck::Superseded }
            | TaskEvent::AfterImage { .. } => return,
            TaskEvent::DriftChecked { .. }
            | TaskEvent::Requeued
            | TaskEvent::Resolved { .. }
            | TaskEvent::SetAside { .. }
            | TaskEvent::NotReverted { .. } => {
                let facts = vec![("surefoot.task", Attribute::Text(task.to_string()))];
                return self.moment(at, labels::of_event(what).0, facts);
            }
        };
        let name = match what {
            TaskEvent::Started { .. } | TaskEvent::Undoing { .. } => "attempt",
            _ => labels::of_event(what).0,
        };
        self.open(task, what, stamped).moments.push(SpanEvent { at, name, facts });
    }

    /// The span of a task; what an earlier engine has begun goes on from where this one took it up.
    fn open(&mut self, task: &TaskName, what: &TaskEvent, stamped: &Stamped) -> &mut TraceSpan {
        if !self.open.contains_key(task) {
            let back = matches!(what, TaskEvent::Undoing { .. } | TaskEvent::Undone { .. } | TaskEvent::Stuck { .. });
            let begins = matches!(what, TaskEvent::Started { .. } | TaskEvent::Undoing { .. });
            let mut facts = vec![
                ("surefoot.task", Attribute::Text(task.to_string())),
                ("surefoot.step", task.step.as_str().into()),
                ("surefoot.host", task.host.as_str().into()),
                ("surefoot.direction", if back { "back" } else { "forward" }.into()),
            ];
            facts.extend(task.item.map(|item| ("surefoot.item", Attribute::Number(i64::from(item)))));
            let name = if back { format!("undo {}", task.step) } else { task.step.to_string() };
            let span = self.span(stamped, &task.to_string());
            let from = self.engines.last().filter(|_| !begins).map_or(stamped.at, |engine| engine.from);
            self.open.insert(task.clone(), TraceSpan { task: Some(task.clone()), name, facts, from, ..span });
        }
        &mut self.open[task]
    }

    fn end(&mut self, task: &TaskName, what: &TaskEvent, stamped: &Stamped) {
        self.open(task, what, stamped);
        let Some(mut span) = self.open.shift_remove(task) else { return };
        span.to = stamped.at;
        span.facts.push(("surefoot.outcome", labels::of_event(what).0.into()));
        if let Some(fault) = what.fault() {
            span.facts.extend(faulty(fault));
            span.error = Some(fault.message.clone());
        }
        self.trace.spans.push(span);
    }

    /// Something that happened to the run as a whole.
    fn moment(&mut self, at: Timestamp, name: &'static str, facts: Attributes) {
        if let Some(engine) = self.engines.last_mut() {
            engine.moments.push(SpanEvent { at, name, facts });
        }
    }

    fn of_run(&mut self, event: &Event, at: Timestamp) {
        let task = |task: &Option<TaskName>| {
            task.iter().map(|task| ("surefoot.task", Attribute::Text(task.to_string()))).collect::<Attributes>()
        };
        match event {
            Event::RollingBack { because, .. } => self.moment(at, "rolling back", task(because)),
            Event::Stopping { because, by } => {
                let by = by.iter().map(|by| ("surefoot.operator", Attribute::Text(by.clone())));
                self.moment(at, "stopping", task(because).into_iter().chain(by).collect());
            }
            Event::Finishing { .. } => self.moment(at, "finally", Attributes::new()),
            Event::Approved { step, by } => {
                let facts = vec![("surefoot.step", step.as_str().into()), ("surefoot.operator", by.as_str().into())];
                self.moment(at, "approved", facts);
            }
            Event::Cancelling { by } => self.moment(at, "cancelling", vec![("surefoot.operator", by.as_str().into())]),
            Event::HostExcluded { host, fault } => {
                let host = ("surefoot.host", host.as_str().into());
                self.moment(at, "left out", [host].into_iter().chain(faulty(fault)).collect());
            }
            Event::FencedOff { fault } => {
                if let Some(engine) = self.engines.last_mut() {
                    engine.error = Some(fault.message.clone());
                }
            }
            Event::RunEnded { outcome } => {
                if let Some(engine) = self.engines.last_mut() {
                    let word = labels::of_outcome(*outcome).0;
                    engine.facts.push(("surefoot.outcome", word.into()));
                    // What the operator has interrupted is no error.
                    let good = matches!(outcome, Outcome::Done | Outcome::Interrupted);
                    engine.error = (!good).then(|| word.to_owned());
                }
            }
            _ => {}
        }
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
