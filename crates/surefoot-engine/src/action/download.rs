//! `download`: a file from the web to a host.

use super::context::Cx;
use super::copy::Copied;
use super::files::{self, Attributes, Contents, Original, Was};
use super::kind::UndoSupport;
use super::value::{HostPath, Mode};
use super::web::{self, WebTls};
use super::{Action, Change, Inspection, Leftover};
use crate::http::{Response, Url};
use crate::model::{Effect, Fault, FaultKind, HostName};
use crate::world::Script;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use schemars::JsonSchema;
use serde::Deserialize;
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;

/// Downloads a file to a host. It appears there whole, with the checksum that was asked for, mode and owner set, or not
/// at all.
///
/// Nothing is downloaded where the host has the same contents. The host's own curl or wget is used; where it has
/// neither, the controller downloads and sends. Up to 10 redirects are followed, never from https to http.
/// `refused` where the contents have another checksum.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Where from, as seen from the host, or from the controller.
    url: Url,
    /// Where it goes on the host. Its folder must exist.
    to: HostPath,
    /// SHA-256 of the contents, in hex.
    sha256: String,
    /// Who asks the server. `controller`: also where the host could.
    #[serde(default)]
    via: Via,
    /// Its mode. Default: that of the file it replaces; `"0644"` for a new one.
    mode: Option<Mode>,
    /// Its owner, a name or number. Default: that of the file it replaces; the step's user for a new one.
    owner: Option<String>,
    /// Its group, a name or number. Default: that of the file it replaces; the owner's group for a new one.
    group: Option<String>,
    /// Certificates, for `https`, on whom that asks.
    tls: Option<WebTls>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    #[default]
    Host,
    Controller,
}

/// The address comes on standard input, since it may hold a secret; `$1` is the file, then CA, certificate and key.
/// Busybox' wget takes addresses as arguments only, so it counts as none.
const FETCH: &str = r#"
set -eu; umask 077; LC_ALL=C; export LC_ALL
IFS= read -r url
if command -v curl >/dev/null; then
  set -- "$1" ${2:+--cacert "$2"} ${3:+--cert "$3"} ${4:+--key "$4"}; to=$1; shift
  printf 'url = "%s"\n' "$url" |
    curl -q -fsSL --proto =http,https --max-redirs 10 "$@" -o "$to" -K - ${secure:+--proto-redir =https}
elif wget -V >/dev/null 2>&1; then
  set -- "$1" ${2:+--ca-certificate="$2"} ${3:+--certificate="$3"} ${4:+--private-key="$4"}; to=$1; shift
  printf '%s\n' "$url" | wget --no-config -nv --max-redirect=10 "$@" -O "$to" -i - ${secure:+--https-only}
else echo none; exit 0; fi
sync -- "$to" 2>/dev/null || sync
sha256sum <"$to"
"#;

const REDIRECTS: usize = 10;
/// A server that sends nothing for this long has gone.
const STALL: Duration = Duration::from_secs(60);

impl Download {
    fn wanted(&self, was: &Was) -> Attributes {
        let new = matches!(was, Was::Absent).then_some(Mode(0o644));
        Attributes { mode: self.mode.or(new), owner: self.owner.clone(), group: self.group.clone() }
    }

    /// Gives the checksum, which is the one that was asked for.
    async fn arrive(&self, cx: &Cx<'_>, temp: &str) -> Result<String, Fault> {
        let by_host = if self.via == Via::Host { self.by_host(cx, temp).await? } else { None };
        let arrived = match by_host {
            Some(arrived) => arrived,
            None => self.by_controller(cx, temp).await?,
        };
        self.expect(&arrived).map(|()| arrived)
    }

    /// By the host's own tools; none where it has none.
    async fn by_host(&self, cx: &Cx<'_>, temp: &str) -> Result<Option<String>, Fault> {
        let [ca, cert, key] = self.tls.as_ref().map(WebTls::paths).unwrap_or_default();
        let secure = if self.url.is_tls() { "yes" } else { "" };
        let script = Script::new(FETCH).args([temp, ca, cert, key]).env("secure", secure);
        let output = cx.act(script.stdin(format!("{}\n", self.url))).await?;
        let said = files::check(output, &format!("download {}", self.url.shown()))?;
        let text = said.text();
        let first = text.split(' ').next().unwrap_or_default();
        Ok(Some(first.to_owned()).filter(|first| first != "none"))
    }

    /// Through a temporary file of the controller: what has another checksum never gets near the host.
    async fn by_controller(&self, cx: &Cx<'_>, temp: &str) -> Result<String, Fault> {
        let failed = |error: std::io::Error| Fault::controller(format!("a temporary file: {error}"));
        let mut file = NamedTempFile::new().map_err(failed)?;
        let mut answer = self.answer(cx).await?;
        let total = answer.headers().get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
        let mut done = 0;
        while let Some(piece) = stalled(answer.next()).await? {
            file.write_all(&piece).map_err(failed)?;
            done += piece.len() as u64;
            cx.sink.progress(done, total);
        }
        let found = files::look_locally(file.path()).await?.map(|file| file.sha256).unwrap_or_default();
        self.expect(&found)?;
        cx.host.put(file.path(), temp, cx.settings.user.as_deref(), cx.sink).await
    }

    /// Of the last server, once every redirect has been followed.
    async fn answer(&self, cx: &Cx<'_>) -> Result<Response, Fault> {
        let controller = cx.named(&HostName::controller())?;
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS {
            let connection = stalled(web::open(cx, controller.as_ref(), &url, self.tls.as_ref())).await?;
            let answer = stalled(connection.ask(Method::GET, HeaderMap::new(), Bytes::new())).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            let location = answer.headers().get(LOCATION).filter(|_| status.is_redirection());
            let Some(location) = location.and_then(|location| location.to_str().ok()) else {
                return Err(Fault::refused(format!("{} answers {}", url.shown(), status.as_u16())));
            };
            let next = url.join(location).map_err(Fault::value)?;
            if url.is_tls() && !next.is_tls() {
                return Err(Fault::refused(format!("{} leads from https to http", url.shown())));
            }
            url = next;
        }
        Err(Fault::refused(format!("{} leads from one place to the next without end", self.url.shown())))
    }

    fn expect(&self, found: &str) -> Result<(), Fault> {
        if found == self.sha256.to_ascii_lowercase() {
            return Ok(());
        }
        let fault = Fault::refused(format!("{} has other contents than asked for", self.url.shown()));
        Err(fault.detail(format!("expected sha256 {}\nfound           {found}", self.sha256)))
    }

    fn out(&self, size: u64) -> Copied {
        Copied { path: self.to.to_string(), sha256: self.sha256.to_ascii_lowercase(), size }
    }
}

async fn stalled<T>(step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let gone = || Fault::new(FaultKind::Timeout, format!("the server sends nothing for {} seconds", STALL.as_secs()));
    tokio::time::timeout(STALL, step).await.unwrap_or_else(|_| Err(gone()))
}

impl Action for Download {
    const NAME: &'static str = "download";
    const EXAMPLE: &'static str = "on: members\ndownload:\n  url: \"{{ params.mirror }}/tool.tar.gz\"\n  to: /root/tool.tar.gz\n  sha256: \"{{ params.sha256 }}\"";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("puts back the file that was there, or removes the new one");
    type Out = Copied;
    type Before = Original;

    fn validate(&self) -> Result<(), Fault> {
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::value("`sha256` is 64 hex digits"));
        }
        if self.tls.is_some() && !self.url.is_tls() {
            return Err(Fault::value("`tls` is for an address that begins with https://"));
        }
        self.tls.as_ref().map_or(Ok(()), WebTls::validate)
    }

    fn resources(&self) -> Vec<String> {
        vec![self.to.as_str().to_owned()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let to = self.to.as_str();
        let was = files::look_for_room(cx, to, &self.wanted(&Was::Absent)).await?;
        files::regular(to, &was)?;
        let wanted = self.wanted(&was);
        let (summary, diff) = match &was {
            Was::File { owned, sha256, size } if sha256.eq_ignore_ascii_case(&self.sha256) => {
                if wanted.fit(owned) {
                    return Ok(Inspection::Unchanged(self.out(*size)));
                }
                (format!("set mode and owner of {to}"), Some(wanted.difference(owned)))
            }
            Was::File { .. } => (format!("replace {to} by {}", self.url.shown()), None),
            _ => (format!("download {} to {to}", self.url.shown()), None),
        };
        Ok(Inspection::Change(Change { summary, diff, before: Original::of(cx, to, was) }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &Original) -> Result<Copied, Fault> {
        let wanted = self.wanted(&before.was);
        if let Was::File { owned, sha256, size } = &before.was
            && sha256.eq_ignore_ascii_case(&self.sha256)
        {
            files::attributes(cx, before.path(), owned, &wanted).await?;
            return Ok(self.out(*size));
        }
        let temp = files::prepare(cx, before.path()).await?;
        let arrived = files::or_discard(cx, &temp, self.arrive(cx, &temp).await).await?;
        files::install(cx, before, Contents::Staged { at: &temp, sha256: &arrived }, &arrived, &wanted).await?;
        let size = files::look_at(cx, cx.host.as_ref(), before.path()).await?.size;
        Ok(self.out(size))
    }

    fn leaves(before: &Original, done: bool) -> Vec<Leftover> {
        before.leaves(done)
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &Original) -> Vec<String> {
        vec![before.path().to_owned()]
    }

    async fn undo(&self, cx: &Cx<'_>, before: &Original) -> Result<(), Fault> {
        files::restore(cx, before).await
    }
}
