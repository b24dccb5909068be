//! `http`: a question to a web server, or an order.

use super::context::Cx;
use super::kind::UndoSupport;
use super::web::{self, WebTls};
use super::{Action, Inspection, unseen};
use crate::http::Url;
use crate::model::{Effect, Fault, FaultKind};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::time::Duration;
use tokio::time::Instant;

/// Asks a web server, from the step's host (without `on`: from the controller). Nothing is needed on the host.
///
/// `GET` and `HEAD` read: they may be repeated and need no undo. Any other method is opaque, as a command is: give the
/// step an `id`, and an `undo` or `irreversible`. Redirects are not followed. Headers and body are never in an argument
/// of a program.
///
/// `missing` where nothing listens, `refused` where the status is not a wanted one or the certificate is not trusted,
/// `timeout` where the answer takes longer than the step's `timeout` (without one, 30 seconds). Where the connection
/// breaks under an order, its outcome is unknown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The address, as seen from the host.
    url: Url,
    #[serde(default)]
    method: Verb,
    /// Headers by name.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    headers: IndexMap<String, String>,
    /// What is sent, as it is.
    #[schemars(extend("x-secret" = true))]
    body: Option<String>,
    /// What is sent, as JSON with its `Content-Type`.
    #[schemars(extend("x-secret" = true))]
    json: Option<Json>,
    /// The status that it must answer with, or a list of them. Default: 200 to 299.
    status: Option<Statuses>,
    /// Certificates, for `https`.
    tls: Option<WebTls>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// One status, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Statuses {
    One(u16),
    Several(Vec<u16>),
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HttpOut {
    /// Such as 200.
    status: u16,
    /// By their names in lower case; of those that came several times, joined by `, `.
    headers: IndexMap<String, String>,
    /// At most its first MiB.
    body: String,
    /// The body as a value, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Json>,
    /// Whether the body is longer than what is given here.
    truncated: bool,
}

const LIMIT: Duration = Duration::from_secs(30);
const LONGEST: usize = 1 << 20;

impl Http {
    fn method(&self) -> Method {
        match self.method {
            Verb::Get => Method::GET,
            Verb::Head => Method::HEAD,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        }
    }

    fn reads(&self) -> bool {
        matches!(self.method, Verb::Get | Verb::Head)
    }

    fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        if self.json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let bad = || Fault::value(format!("`{name}` cannot be a header with that value"));
            let key = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    fn sent(&self) -> Bytes {
        match (&self.body, &self.json) {
            (Some(body), _) => Bytes::from(body.clone()),
            (None, Some(json)) => Bytes::from(json.to_string()),
            (None, None) => Bytes::new(),
        }
    }

    fn expects(&self, status: u16) -> bool {
        match &self.status {
            None => (200..300).contains(&status),
            Some(Statuses::One(one)) => *one == status,
            Some(Statuses::Several(all)) => all.contains(&status),
        }
    }

    /// What is asked, for people.
    fn shown(&self) -> String {
        format!("{} {}", self.method(), self.url.shown())
    }

    async fn ask(&self, cx: &Cx<'_>) -> Result<HttpOut, Fault> {
        let connection = web::open(cx, cx.host.as_ref(), &self.url, self.tls.as_ref()).await?;
        if !self.reads() {
            cx.begin().await?;
        }
        let mut answer =
            connection.ask(self.method(), self.headers()?, self.sent()).await.map_err(|fault| self.after(fault))?;
        let (body, truncated) = answer.body(LONGEST).await.map_err(|fault| self.after(fault))?;
        let mut headers = IndexMap::<String, String>::new();
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            let held = headers.entry(name.to_string()).or_default();
            *held = if held.is_empty() { value.into_owned() } else { format!("{held}, {value}") };
        }
        let json = if truncated { None } else { serde_json::from_slice(&body).ok() };
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(HttpOut { status: answer.status().as_u16(), headers, body, json, truncated })
    }

    /// What went wrong once the request was on its way: an order may have been carried out.
    fn after(&self, fault: Fault) -> Fault {
        match (self.reads(), fault.kind) {
            (false, FaultKind::Unreachable) => Fault { kind: FaultKind::Lost, ..fault },
            _ => fault,
        }
    }
}

impl Action for Http {
    const NAME: &'static str = "http";
    const EXAMPLE: &'static str =
        "on: members\nhttp: { url: \"http://127.0.0.1:2379/health\" }\nretry: { for: 30s, every: 1s }";
    const EFFECT: Effect = Effect::ReadOnly;
    const READ_ONLY_WITH: Option<(&'static str, &'static [&'static str])> = Some(("method", &["GET", "HEAD"]));
    const UNDO: UndoSupport =
        UndoSupport::Unsupported("only its author knows what an order does: give the step an `undo`");
    type Out = HttpOut;
    type Before = ();

    fn validate(&self) -> Result<(), Fault> {
        self.headers()?;
        if self.tls.is_some() && !self.url.is_tls() {
            return Err(Fault::value("`tls` is for an address that begins with https://"));
        }
        if self.body.is_some() && self.json.is_some() {
            return Err(Fault::value("give either `body` or `json`"));
        }
        self.tls.as_ref().map_or(Ok(()), WebTls::validate)
    }

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen(self.shown())
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<HttpOut, Fault> {
        let end = cx.deadline.unwrap_or_else(|| Instant::now() + LIMIT);
        let out = tokio::time::timeout_at(end, self.ask(cx)).await.unwrap_or_else(|_| {
            let late = Fault::new(FaultKind::Timeout, format!("{}: no answer in time", self.shown()));
            Err(if self.reads() { late } else { Fault { kind: FaultKind::Lost, ..late } })
        })?;
        if self.expects(out.status) {
            return Ok(out);
        }
        let first: String = out.body.chars().take(1000).collect();
        Err(Fault::refused(format!("{} answers {}", self.shown(), out.status)).detail(first))
    }
}
