//! A trace in OTLP's JSON encoding: `ExportTraceServiceRequest`, as its specification of the protocol says
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hex, 64-bit numbers as text, enums as
//! numbers.

use super::{Attribute, Attributes, SpanEvent, Trace, TraceSpan};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use surefoot_engine::model::TaskName;

/// So many spans go into one request: receivers refuse what is too large.
const SPANS: usize = 1000;

/// `SpanKind`: work of its own, neither asked for nor asking.
const INTERNAL: u8 = 1;

/// `StatusCode`.
const ERROR: u8 = 2;

/// The action of each task, where that is known.
pub type TaskActions = HashMap<TaskName, &'static str>;

/// The requests that a trace takes.
pub fn requests(trace: &Trace, actions: &TaskActions) -> Vec<Json> {
    let request = |spans: &[TraceSpan]| {
        let spans: Vec<Json> = spans.iter().map(|one| span(trace, one, actions)).collect();
        let machine =
            trace.operator.split(' ').next().unwrap_or_default().rsplit_once('@').map_or("", |(_, machine)| machine);
        let resource = attributes(&vec![
            ("service.name", "surefoot".into()),
            ("service.version", trace.version.as_str().into()),
            ("host.name", machine.into()),
        ]);
        let scope = json!({ "name": "surefoot", "version": env!("CARGO_PKG_VERSION") });
        let scoped = json!({ "scope": scope, "spans": spans });
        json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [scoped] }] })
    };
    trace.spans.chunks(SPANS).map(request).collect()
}

fn span(trace: &Trace, span: &TraceSpan, actions: &TaskActions) -> Json {
    let mut all = attributes(&span.facts);
    let action = span.task.as_ref().and_then(|task| actions.get(task));
    all.extend(action.map(|action| attribute("surefoot.action", &Attribute::from(*action))));
    let mut json = json!({
        "traceId": trace.id,
        "spanId": span.id,
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": span.from.as_nanosecond().to_string(),
        "endTimeUnixNano": span.to.as_nanosecond().to_string(),
        "attributes": all,
        "events": span.moments.iter().map(event).collect::<Vec<_>>(),
        "status": span.error.as_ref().map_or(json!({}), |why| json!({ "code": ERROR, "message": why })),
    });
    if let Some(parent) = &span.parent {
        json["parentSpanId"] = parent.as_str().into();
    }
    json
}

fn event(moment: &SpanEvent) -> Json {
    json!({
        "timeUnixNano": moment.at.as_nanosecond().to_string(),
        "name": moment.name,
        "attributes": attributes(&moment.facts),
    })
}

fn attributes(facts: &Attributes) -> Vec<Json> {
    facts.iter().map(|(name, fact)| attribute(name, fact)).collect()
}

fn attribute(name: &str, fact: &Attribute) -> Json {
    let value = match fact {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Number(number) => json!({ "intValue": number.to_string() }),
        Attribute::Flag(flag) => json!({ "boolValue": flag }),
    };
    json!({ "key": name, "value": value })
}
