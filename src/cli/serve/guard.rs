//! Who may see the page, and who may do something there.
//!
//! A port, even one of this machine only, is open to every user and to every page that a browser shows: so a token lets in,
//! which becomes a cookie that no script sees and no other site sends. A unix socket has its file's mode instead. A name in
//! `Host` that is not ours is refused, lest another site's name leads here. What changes something must carry a word that
//! only our own page can have read (`X-CSRF-Token`), and come from our own page (`Origin`, `Sec-Fetch-Site`).

use super::listen::{Door, Listen};
use super::people::{self, Person, Who};
use super::seats::Shown;
use crate::cli::args::Serve as Args;
use crate::cli::out::to_file;
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
use surefoot_engine::bounded;
use surefoot_engine::world::random;

/// No file with a token is larger, in bytes.
const LARGEST: u64 = 64 << 10;

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
    /// Who may come in by a token of their own; empty: whoever has the token of all.
    people: Vec<Person>,
    /// In which a proxy names whom it has let in.
    proxy: Option<HeaderName>,
}

impl Guard {
    pub fn new(args: &Args) -> Result<Guard, String> {
        let token = args.token_file.as_deref().map_or_else(fresh, token)?;
        let uname = rustix::system::uname();
        let own = uname.nodename().to_string_lossy().into_owned();
        let names = args.name.iter().cloned().chain(["localhost".to_owned(), own]);
        let names = names.map(|name| name.to_ascii_lowercase()).collect();
        let (session, csrf) = (fresh()?, fresh()?);
        let people = args.people.as_deref().map_or(Ok(Vec::new()), people::read)?;
        let proxy = args.trusted_proxy_header.as_deref().map(|name| proxy(name, &args.listen)).transpose()?;
        let (asks, cookie, control) = (true, String::new(), args.allow_control);
        Ok(Guard { token, session, csrf, asks, cookie, names, control, people, proxy })
    }

    /// The same for a door that is open.
    pub fn at(self, door: &Door) -> Guard {
        let port = door.address().map(|address| address.port());
        Guard {
            asks: port.is_some() || !self.people.is_empty(),
            cookie: format!("surefoot-{}", port.unwrap_or_default()),
            ..self
        }
    }

    /// The token of all, where a browser comes in by that.
    pub fn token(&self) -> Option<&str> {
        (self.people.is_empty() && self.proxy.is_none()).then_some(&self.token)
    }

    /// By what browsers come in, and what our own page must send back.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let sessions = self.people.iter().map(|person| person.session.as_str());
        [&self.token, &self.session, &self.csrf].into_iter().map(String::as_str).chain(sessions)
    }

    /// What our own page must send back.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The cookie for who has a token.
    pub fn let_in(&self, token: &str) -> Option<String> {
        let own = self.people.iter().find(|person| person.has(token)).map(|person| &person.session);
        let session = own.or_else(|| (self.people.is_empty() && same(token, &self.token)).then_some(&self.session))?;
        Some(format!("{}={session}; HttpOnly; SameSite=Strict; Path=/", self.cookie))
    }

    /// Who sends a request; none where nobody may be let in by it.
    fn who(&self, headers: &HeaderMap) -> Option<Who> {
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let shows_token = || bearer.is_some_and(|value| same(value, &self.token));
        if let Some(proxy) = &self.proxy {
            return people::by_proxy(headers, proxy).filter(|_| !self.asks || shows_token());
        }
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let cookie = cookies.flat_map(|line| line.split("; ")).find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        let is_session = |session: &str| cookie.is_some_and(|value| same(value, session));
        if !self.people.is_empty() {
            let is = |person: &&Person| is_session(&person.session) || bearer.is_some_and(|value| person.has(value));
            return self.people.iter().find(is).map(|person| Who::Person(person.name.clone()));
        }
        (!self.asks || is_session(&self.session) || shows_token()).then_some(Who::Server)
    }

    /// An address, or a name that is ours. Which port does not matter: ssh may forward another one.
    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        name.parse::<IpAddr>().is_ok() || self.names.contains(&name.to_ascii_lowercase())
    }

    fn how_in(&self) -> &'static str {
        match &self.proxy {
            Some(_) => "come by the proxy, which names you",
            None if !self.people.is_empty() => "open this address with `#token=` and your token",
            None => "open the address that `surefoot serve` has printed",
        }
    }

    /// Why a request is refused; none where it may pass.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let headers = request.headers();
        let host = text(headers, &header::HOST).unwrap_or_default();
        if !self.knows(host) {
            return Some((StatusCode::MISDIRECTED_REQUEST, "not a name of this server: see `surefoot serve --name`"));
        }
        let path = request.uri().path();
        if path.starts_with("/api/") && self.who(headers).is_none() {
            return Some((StatusCode::UNAUTHORIZED, self.how_in()));
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
pub async fn watch(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let who = guard.who(request.headers());
    who.into_iter().for_each(|who| drop(request.extensions_mut().insert(who)));
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal.into_response(),
        None => {
            if let Some(shown) = request.extensions().get::<Shown>().filter(|_| guard.who(request.headers()).is_some())
            {
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
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The header of a proxy that only it, or who has the token, can reach.
fn proxy(name: &str, listen: &Listen) -> Result<HeaderName, String> {
    match listen {
        Listen::Tcp(address) if !address.ip().is_loopback() => Err(
            "--trusted-proxy-header takes a unix socket or an address of this machine: elsewhere anybody could be the proxy"
                .to_owned(),
        ),
        _ => name.parse().map_err(|_| format!("`{name}` is not the name of a header")),
    }
}

fn fresh() -> Result<String, String> {
    random().map_err(|fault| fault.to_string())
}

/// The token in a file, or a new one that is put there.
fn token(path: &Path) -> Result<String, String> {
    let wrong = |why: String| format!("{}: {why}", path.display());
    match bounded::read_text(path, LARGEST) {
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
    use surefoot_engine::action::sha256;

    fn guard() -> Guard {
        let names = vec!["localhost".to_owned(), "ops.example".to_owned()];
        let word = |text: &str| text.to_owned();
        let (token, session, csrf, cookie) = (word("token"), word("session"), word("csrf"), word("surefoot-1"));
        Guard { token, session, csrf, asks: true, cookie, names, control: true, people: Vec::new(), proxy: None }
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
        assert!(guard.let_in("other").is_none() && guard.who(&headers).is_none());
        let cookie = guard.let_in("token").unwrap();
        assert!(!cookie.contains("token") && cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        let sent = format!("other=1; {}", cookie.split(';').next().unwrap());
        headers.insert(header::COOKIE, sent.parse().unwrap());
        assert!(guard.who(&headers).is_some());
        headers.insert(header::COOKIE, "surefoot-1=token".parse().unwrap());
        assert!(guard.who(&headers).is_none());
    }

    #[test]
    fn a_persons_token_names_the_person_and_no_other_lets_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people");
        std::fs::write(&path, format!("# ours\nana {}\nbob {}\n", sha256("a-token"), sha256("b-token"))).unwrap();
        assert!(people::read(&path).is_err(), "others may read it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let guard = Guard { people: people::read(&path).unwrap(), ..guard() };
        let who = |name: HeaderName, value: &str| {
            guard.who(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]))
        };
        let bob = Some(Who::Person("bob".into()));
        assert_eq!(who(header::AUTHORIZATION, "Bearer b-token"), bob);
        assert_eq!(who(header::COOKIE, guard.let_in("b-token").unwrap().split(';').next().unwrap()), bob);
        assert_eq!(who(header::AUTHORIZATION, "Bearer token"), None);
        assert!(guard.let_in("token").is_none() && guard.token().is_none());
    }

    #[test]
    fn a_proxys_header_counts_only_with_the_token_on_a_port() {
        let proxy = proxy("x-remote-user", &"127.0.0.1:1".parse().unwrap()).unwrap();
        assert!(super::proxy("x-remote-user", &"192.0.2.1:1".parse().unwrap()).is_err());
        let mut guard = Guard { proxy: Some(proxy.clone()), ..guard() };
        let mut headers = HeaderMap::new();
        headers.insert(proxy.clone(), HeaderValue::from_static("ana"));
        assert_eq!(guard.who(&headers), None);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        assert_eq!(guard.who(&headers), Some(Who::Person("ana".into())));
        headers.append(proxy.clone(), HeaderValue::from_static("eve"));
        assert_eq!(guard.who(&headers), None, "two names are none");
        guard.asks = false;
        let one = |name: &'static str| HeaderMap::from_iter([(proxy.clone(), HeaderValue::from_static(name))]);
        assert_eq!(guard.who(&one("ana")), Some(Who::Person("ana".into())));
        assert_eq!(guard.who(&one("ana, approved")), None);
    }
}
