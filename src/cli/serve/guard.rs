//! Who may see the page, and who may do something there.
//!
//! A port, even one of this machine only, is open to every user and to every page that a browser shows: so a token lets in,
//! which becomes a cookie that no script sees and no other site sends. A unix socket has its file's mode instead. A name in
//! `Host` that is not ours is refused, lest another site's name leads here. What changes something must carry a word that
//! only our own page can have read (`X-CSRF-Token`), and come from our own page (`Origin`, `Sec-Fetch-Site`).

use super::listen::Door;
use super::seats::Shown;
use crate::cli::args::Serve as Args;
use crate::cli::out::to_file;
use crate::world::random;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What is shorter can be guessed, in bytes.
const SHORTEST: usize = 16;

/// From a request's head to its answer's.
const ANSWERING: Duration = Duration::from_secs(30);

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Of every answer. Nothing from elsewhere is loaded, and nothing is kept by the browser.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

pub struct Guard {
    token: String,
    /// What the cookie holds: good for as long as this process lives.
    session: String,
    csrf: String,
    /// Whether who connects must show the token.
    asks: bool,
    /// The cookie's name: cookies of one machine are shared by its ports.
    cookie: String,
    names: Vec<String>,
    /// Whether the page may do something.
    pub control: bool,
}

impl Guard {
    pub fn new(args: &Args) -> Result<Guard, String> {
        let token = args.token_file.as_deref().map_or_else(fresh, token)?;
        let uname = rustix::system::uname();
        let own = uname.nodename().to_string_lossy().into_owned();
        let names = args.name.iter().cloned().chain(["localhost".to_owned(), own]);
        let names = names.map(|name| name.to_ascii_lowercase()).collect();
        let (session, csrf) = (fresh()?, fresh()?);
        Ok(Guard { token, session, csrf, asks: true, cookie: String::new(), names, control: args.allow_control })
    }

    /// The same for a door that is open.
    pub fn at(self, door: &Door) -> Guard {
        let port = door.address().map(|address| address.port());
        Guard { asks: port.is_some(), cookie: format!("surefoot-{}", port.unwrap_or_default()), ..self }
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    /// What our own page must send back.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The cookie for who has the token.
    pub fn let_in(&self, token: &str) -> Option<String> {
        let cookie = || format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.session);
        same(token, &self.token).then(cookie)
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let cookie = cookies.flat_map(|line| line.split("; ")).find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        !self.asks
            || cookie.is_some_and(|value| same(value, &self.session))
            || bearer.is_some_and(|value| same(value, &self.token))
    }

    /// An address, or a name that is ours. Which port does not matter: ssh may forward another one.
    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.parse::<IpAddr>().is_ok() || self.names.contains(&name.to_ascii_lowercase())
    }

    /// Why a request is refused; none where it may pass.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        let host = text(headers, &header::HOST).unwrap_or_default();
        if !self.knows(host) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "not a name of this server: see `surefoot serve --name`"));
        }
        let path = request.uri().path();
        if path.starts_with("/api/") && !self.is_in(headers) {
            return Some((StatusCode::UNAUTHORIZED, "open the address that `surefoot serve` has printed"));
        }
        if request.method() == Method::GET {
            return None;
        }
        let from_here = |origin: &str| origin.split_once("://").is_some_and(|(_, place)| place == host);
        let foreign = text(headers, &header::ORIGIN).is_some_and(|origin| !from_here(origin))
            || text(headers, &FETCH_SITE).is_some_and(|site| site != "same-origin");
        let has_word = text(headers, &CSRF).is_some_and(|word| same(word, &self.csrf));
        match path {
            _ if foreign => Some((StatusCode::FORBIDDEN, "it does not come from this server's own page")),
            "/login" => None,
            _ if !has_word => Some((StatusCode::FORBIDDEN, "the word of this server's own page is missing")),
            _ if !self.control => {
                Some((StatusCode::FORBIDDEN, "this page only shows: see `surefoot serve --allow-control`"))
            }
            _ => None,
        }
    }
}

/// Lets a request pass, or refuses it.
pub async fn watch(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => {
            if let Some(shown) = request.extensions().get::<Shown>().filter(|_| guard.is_in(request.headers())) {
                shown.is_let_in();
            }
            answered(request, next).await
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What does not come to an answer, as where the rest of a request never comes, is left. A stream of events has begun then.
async fn answered(request: Request, next: Next) -> Response {
    let late = (StatusCode::REQUEST_TIMEOUT, "the whole of the request did not come in time");
    tokio::time::timeout(ANSWERING, next.run(request)).await.unwrap_or_else(|_| late.into_response())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Takes as long wherever they differ.
fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn fresh() -> Result<String, String> {
    random().map_err(|fault| fault.to_string())
}

/// The token in a file, or a new one that is put there.
fn token(path: &Path) -> Result<String, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = path.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode();
            let token = text.trim().to_owned();
            match () {
                () if mode & 0o077 != 0 => Err(wrong("others may read it: `chmod 600` takes that away".to_owned())),
                () if token.len() < SHORTEST => Err(wrong(format!("a token has {SHORTEST} characters or more"))),
                () => Ok(token),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let token = fresh()?;
            to_file(path, format!("{token}\n").as_bytes()).map_err(|error| wrong(error.to_string()))?;
            Ok(token)
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let names = vec!["localhost".to_owned(), "ops.example".to_owned()];
        let word = |text: &str| text.to_owned();
        let (token, session, csrf, cookie) = (word("token"), word("session"), word("csrf"), word("surefoot-1"));
        Guard { token, session, csrf, asks: true, cookie, names, control: true }
    }

    #[test]
    fn only_addresses_and_own_names_are_known() {
        let known = ["127.0.0.1:8477", "localhost", "LOCALHOST:1", "[::1]:8477", "192.0.2.1", "ops.example:80"];
        let strange = ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8477", "[evil]:1"];
        assert_eq!(known.map(|host| guard().knows(host)), [true; 6]);
        assert_eq!(strange.map(|host| guard().knows(host)), [false; 5]);
    }

    #[test]
    fn the_token_becomes_a_cookie_that_lets_in() {
        let (guard, mut headers) = (guard(), HeaderMap::new());
        assert!(guard.let_in("other").is_none() && !guard.is_in(&headers));
        let cookie = guard.let_in("token").unwrap();
        assert!(!cookie.contains("token") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        let sent = format!("other=1; {}", cookie.split(';').next().unwrap());
        headers.insert(header::COOKIE, sent.parse().unwrap());
        assert!(guard.is_in(&headers));
        headers.insert(header::COOKIE, "surefoot-1=token".parse().unwrap());
        assert!(!guard.is_in(&headers));
    }
}
