//! `wait`: until the world is as it should be.

use super::context::Cx;
use super::kind::UndoSupport;
use super::poll::Pace;
use super::systemd::UnitStatus;
use super::value::{Address, HostPath, Period};
use super::web::{self, WebTls};
use super::{Action, Inspection, files, unseen};
use crate::http::Url;
use crate::model::{Effect, Fault, FaultKind};
use crate::world::Script;
use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// Waits until all that it names holds, seen from the host. The step's `timeout` bounds it; without one, 10 minutes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// An address that accepts connections: `127.0.0.1:2379`.
    tcp: Option<Address>,
    /// Ports on which nothing on this host listens, at any of its addresses.
    #[serde(default)]
    ports_closed: Vec<u16>,
    /// An address, `http://` or `https://`, that answers a GET with a status of 200 to 299.
    http: Option<Url>,
    /// Certificates for `http`, where its address begins with https://.
    tls: Option<WebTls>,
    /// A file or folder that exists.
    path: Option<HostPath>,
    /// A unit of systemd that is in `state`.
    unit: Option<String>,
    /// What the unit must be: `active`, or `inactive`, which means down with no start or stop of it under way, also
    /// where it failed. Default: `active`.
    state: Option<UnitState>,
    /// A time that must have passed.
    r#for: Option<Period>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    Active,
    Inactive,
}

const DEFAULT_LIMIT: Duration = Duration::from_secs(600);
/// For one attempt to connect or to be answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// Every port that is listened on (state 0A), in hex. Where they cannot be read, that is told: no port is taken for closed.
const LISTENING: &str = r#"
[ -r /proc/net/tcp ] || { echo "there is no /proc/net/tcp" >&2; exit 71; }
for table in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$table" ] || continue
  while read -r _ address _ state _; do [ "$state" != 0A ] || echo "${address##*:}"; done <"$table"
done
"#;

impl Wait {
    /// What does not hold yet, in words; empty where all does.
    async fn missing(&self, cx: &Cx<'_>) -> Result<Vec<String>, Fault> {
        let mut missing = Vec::new();
        if let Some(path) = &self.path
            && files::exist(cx, [path.as_str()]).await? == [false]
        {
            missing.push(format!("{path} does not exist"));
        }
        if let Some(name) = &self.unit {
            missing.extend(self.unit_missing(name, &UnitStatus::look(cx, name).await?)?);
        }
        if !self.ports_closed.is_empty() {
            let output = files::check(cx.probe(Script::new(LISTENING)).await?, "look at ports")?;
            let open: Vec<u16> = output.text().lines().filter_map(|port| u16::from_str_radix(port, 16).ok()).collect();
            let ours = self.ports_closed.iter().filter(|port| open.contains(port));
            missing.extend(ours.map(|port| format!("port {port} is open")));
        }
        if let Some(address) = &self.tcp
            && let Err(why) = bounded(cx.host.dial(address.as_str())).await
        {
            missing.push(format!("{address} does not accept connections: {why}"));
        }
        if let Some(url) = &self.http {
            let answered = bounded(self.status(cx, url)).await;
            missing.extend(answered.map_or_else(|why| Some(why.message), |code| refuses(url, code)));
        }
        Ok(missing)
    }

    fn unit_missing(&self, name: &str, unit: &UnitStatus) -> Result<Option<String>, Fault> {
        if unit.load == "not-found" {
            return Err(Fault::missing(format!("there is no unit {name}")));
        }
        let holds = match self.state.unwrap_or(UnitState::Active) {
            UnitState::Active => unit.up(),
            UnitState::Inactive => unit.down(),
        };
        Ok((!holds).then(|| format!("{name} is {}", unit.words())))
    }
}

async fn bounded<T>(attempt: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = || Fault::new(FaultKind::Timeout, format!("no answer within {} seconds", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(late()))
}

impl Wait {
    /// The status that a GET is answered with.
    async fn status(&self, cx: &Cx<'_>, url: &Url) -> Result<u16, Fault> {
        let connection = web::open(cx, cx.host.as_ref(), url, self.tls.as_ref()).await?;
        let answer = connection.ask(Method::GET, HeaderMap::new(), Bytes::new()).await?;
        Ok(answer.status().as_u16())
    }
}

fn refuses(url: &Url, code: u16) -> Option<String> {
    (!(200..300).contains(&code)).then(|| format!("{} answers {code}", url.shown()))
}

impl Action for Wait {
    const NAME: &'static str = "wait";
    const EXAMPLE: &'static str =
        "on: members\nwait: { unit: etcd, state: inactive, ports_closed: [2379, 2380] }\ntimeout: 120s";
    const WAITS_UNLESS: Option<&'static str> = Some("for");
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = ();
    type Before = ();

    fn validate(&self) -> Result<(), Fault> {
        if self.state.is_some() && self.unit.is_none() {
            return Err(Fault::value("`state` needs a `unit`"));
        }
        if self.tls.is_some() && !self.http.as_ref().is_some_and(Url::is_tls) {
            return Err(Fault::value("`tls` is for an `http` that begins with https://"));
        }
        self.tls.as_ref().map_or(Ok(()), WebTls::validate)
    }

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("wait")
    }

    async fn apply(&self, cx: &Cx<'_>, _: &()) -> Result<(), Fault> {
        let begin = Instant::now();
        let end = cx.deadline.unwrap_or(begin + DEFAULT_LIMIT);
        if let Some(Period(pause)) = self.r#for {
            tokio::time::sleep_until(end.min(begin + pause)).await;
        }
        let mut pace = Pace::until(Some(end));
        loop {
            let mut missing = self.missing(cx).await?;
            missing
                .extend(self.r#for.filter(|pause| begin.elapsed() < pause.0).map(|_| "the time has not passed".into()));
            if missing.is_empty() {
                return Ok(());
            }
            if !pace.pause().await {
                return Err(Fault::new(FaultKind::Timeout, format!("still: {}", missing.join("; "))));
            }
        }
    }
}
