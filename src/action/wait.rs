//! `wait`: until the world is as it should be.

use super::poll::Pace;
use super::systemd::Unit;
use super::{Action, Cx, HostPath, Period, Seen, Undoing, files, unseen};
use crate::model::{Effect, Fault, FaultKind};
use crate::world::Script;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// Waits until all that it names holds, seen from the host. The step's `timeout` bounds it; without one, 10 minutes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// An address that accepts connections: `127.0.0.1:2379`.
    tcp: Option<String>,
    /// Ports on which nothing on this host listens, at any of its addresses.
    #[serde(default)]
    ports_closed: Vec<u16>,
    /// An `http://` address that answers with a status of 200 to 299.
    http: Option<String>,
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
            missing.extend(self.unit_missing(name, &Unit::look(cx, name).await?)?);
        }
        if !self.ports_closed.is_empty() {
            let output = files::check(cx.probe(Script::new(LISTENING)).await?, "look at ports")?;
            let open: Vec<u16> = output.text().lines().filter_map(|port| u16::from_str_radix(port, 16).ok()).collect();
            let ours = self.ports_closed.iter().filter(|port| open.contains(port));
            missing.extend(ours.map(|port| format!("port {port} is open")));
        }
        if let Some(address) = &self.tcp
            && let Err(why) = bounded(cx.host.dial(address)).await
        {
            missing.push(format!("{address} does not accept connections: {why}"));
        }
        if let Some(url) = &self.http {
            let url = Url::parse(url)?;
            missing
                .extend(bounded(status(cx, &url)).await.map_or_else(|why| Some(why.message), |code| url.refuses(code)));
        }
        Ok(missing)
    }

    fn unit_missing(&self, name: &str, unit: &Unit) -> Result<Option<String>, Fault> {
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

/// The parts of `http://HOST[:PORT]/PATH`.
struct Url<'a> {
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl Url<'_> {
    fn parse(url: &str) -> Result<Url<'_>, Fault> {
        let bad =
            || Fault::value(format!("`{url}` is not an address that can be waited for: write http://HOST:PORT/PATH"));
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
            None => (authority, 80),
        };
        if host.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@') {
            return Err(bad());
        }
        Ok(Url { host, port, path })
    }

    fn refuses(&self, code: u16) -> Option<String> {
        let Url { host, port, path } = self;
        (!(200..300).contains(&code)).then(|| format!("http://{host}:{port}{path} answers {code}"))
    }
}

/// The status that a GET is answered with.
async fn status(cx: &Cx<'_>, url: &Url<'_>) -> Result<u16, Fault> {
    let Url { host, port, path } = url;
    let address = format!("{host}:{port}");
    let broken = |e: std::io::Error| Fault::new(FaultKind::Unreachable, format!("{address} broke off: {e}"));
    let mut stream = cx.host.dial(&address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let code = std::str::from_utf8(&head).ok().and_then(|head| head.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok());
    code.ok_or_else(|| Fault::value(format!("{address} does not speak HTTP")))
}

impl Action for Wait {
    const NAME: &'static str = "wait";
    const EXAMPLE: &'static str =
        "on: members\nwait: { unit: etcd, state: inactive, ports_closed: [2379, 2380] }\ntimeout: 120s";
    const EFFECT: Effect = Effect::Reads;
    const UNDO: Undoing = Undoing::No("it changes nothing");
    const LIMITED: bool = false;
    type Out = ();
    type Before = ();

    fn validate(&self) -> Result<(), Fault> {
        if self.state.is_some() && self.unit.is_none() {
            return Err(Fault::value("`state` needs a `unit`"));
        }
        self.http.as_deref().map_or(Ok(()), |url| Url::parse(url).map(drop))
    }

    async fn inspect(&self, _: &Cx<'_>) -> Result<Seen<Self>, Fault> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        let parts = |url| Url::parse(url).map(|u| (u.host.to_owned(), u.port, u.path.to_owned())).ok();
        assert_eq!(parts("http://127.0.0.1:2381/health"), Some(("127.0.0.1".into(), 2381, "/health".into())));
        assert_eq!(parts("http://[::1]:80"), Some(("[::1]".into(), 80, "/".into())));
        assert_eq!(parts("http://web"), Some(("web".into(), 80, "/".into())));
        for bad in ["https://web/", "http:///x", "http://a:b/", "http://a/\r\nX: y", "web"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
