//! Sends a run's trace to a receiver of OpenTelemetry, as the usual variables say.

use crate::report::trace::{TaskActions, Trace, requests};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;
use std::error::Error;
use std::time::Duration;
use surefoot_engine::compile::{Program, Task};
use surefoot_engine::http::{Connection, Url};
use surefoot_engine::journal::RunFolder;
use surefoot_engine::model::Fault;
use surefoot_engine::view::RunHistory;

/// For the whole of it: the run that it is about is over, and its operator waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest answer that is read.
const LONGEST: usize = 64 << 10;

/// Where receivers listen by default: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.
const USUAL: &str = "http://localhost:4318";

/// Reads a trace from a run's record.
pub fn of(folder: &RunFolder) -> Result<Trace, Box<dyn Error>> {
    let mut history = RunHistory::default();
    folder.replay(|stamped, state| history.event(stamped, state))?;
    Ok(Trace::of(&history))
}

/// Sends what the last engine of a run did: what those before it did, they have sent.
pub async fn send_last(folder: &RunFolder, url: &Url, actions: &TaskActions) -> Result<(), Box<dyn Error>> {
    let mut trace = of(folder)?;
    let last = trace.spans.iter().map(|span| span.engine).max();
    trace.spans.retain(|span| Some(span.engine) == last);
    Ok(send(url, &trace, actions).await?)
}

/// What the tasks of a program do.
pub fn actions(program: &Program) -> TaskActions {
    let action = |task: &Task| (task.name.clone(), program.steps[task.step as usize].kind.name);
    program.tasks.iter().map(action).collect()
}

/// The receiver that the environment names. The variable for traces is an address as it is, the other a base of several.
pub fn receiver() -> Result<Url, String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        Some(whole) => whole.parse(),
        None => {
            let base = set("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|| USUAL.to_owned());
            format!("{}/v1/traces", base.trim_end_matches('/')).parse()
        }
    }
}

/// Sends all of it, or says why not.
pub async fn send(url: &Url, trace: &Trace, actions: &TaskActions) -> Result<(), Fault> {
    let headers = headers()?;
    let all = async {
        for request in requests(trace, actions) {
            post(url, headers.clone(), &request).await?;
        }
        Ok(())
    };
    let late = || Fault::refused(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| Err(late()))
}

async fn post(url: &Url, headers: HeaderMap, request: &Json) -> Result<(), Fault> {
    let connection = Connection::from_here(url).await?;
    let mut answer = connection.ask(Method::POST, headers, Bytes::from(request.to_string())).await?;
    let status = answer.status();
    let (body, _) = answer.body(LONGEST).await?;
    if !status.is_success() {
        return Err(Fault::refused(format!("it answers {}", status.as_u16())));
    }
    let said: Json = serde_json::from_slice(&body).unwrap_or_default();
    match refused(&said) {
        0 => Ok(()),
        spans => Err(Fault::refused(format!("it refuses {spans} spans"))),
    }
}

/// How many spans a receiver did not take. 64-bit numbers are text in this encoding; some write them as numbers.
fn refused(answer: &Json) -> u64 {
    let spans = &answer["partialSuccess"]["rejectedSpans"];
    spans.as_u64().or_else(|| spans.as_str()?.parse().ok()).unwrap_or(0)
}

/// `OTEL_EXPORTER_OTLP_HEADERS` is `name=value,...`, encoded as in URLs; values often are secrets.
fn headers() -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let given = std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
    for pair in given.split(',').filter(|pair| !pair.trim().is_empty()) {
        let bad = || Fault::value("OTEL_EXPORTER_OTLP_HEADERS is not `name=value,name=value`");
        let (name, value) = pair.split_once('=').ok_or_else(bad)?;
        let mut value = HeaderValue::try_from(decoded(value.trim()).ok_or_else(bad)?).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name.trim()).map_err(|_| bad())?, value);
    }
    Ok(headers)
}

/// With each `%XX` as the byte that it stands for.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(bytes)
}
