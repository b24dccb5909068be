//! An address on the web.

use hyper::Uri;
use hyper::header::HeaderValue;
use serde::{Deserialize, Deserializer};
use std::str::FromStr;

/// `http://HOST[:PORT]/PATH` or `https://...`, without a user in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no address: write http://HOST:PORT/PATH or https://HOST:PORT/PATH");
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or_else(bad)?;
        // A colon without a number behind it is no port.
        let whole = !authority.host().is_empty() && !authority.as_str().ends_with(':');
        let port = authority.as_str()[authority.host().len()..].is_empty() || authority.port_u16().is_some();
        if known && whole && port && !authority.as_str().contains('@') { Ok(Url(uri)) } else { Err(bad()) }
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Url {
    pub fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// As it is dialled: `127.0.0.1:2379`, `[::1]:80`.
    pub fn address(&self) -> String {
        let port = self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 });
        format!("{}:{port}", self.0.host().unwrap_or_default())
    }

    /// The name or address that a certificate must be for, without brackets.
    pub fn name(&self) -> &str {
        self.0.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// For the `Host` header.
    pub fn authority(&self) -> HeaderValue {
        let text = self.0.authority().map_or("", |authority| authority.as_str());
        HeaderValue::from_str(text).expect("an authority has no other characters")
    }

    /// Path and query, as the request line has them.
    pub fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Where a redirect leads: another address, or a path on this one.
    pub fn join(&self, location: &str) -> Result<Url, String> {
        if location.starts_with('/') && !location.starts_with("//") {
            let scheme = self.0.scheme_str().unwrap_or_default();
            let authority = self.0.authority().map_or("", |authority| authority.as_str());
            return format!("{scheme}://{authority}{location}").parse();
        }
        location.parse()
    }

    /// Without its query, which may hold a secret: for people.
    pub fn shown(&self) -> String {
        let text = self.0.to_string();
        text.split_once('?').map_or(text.clone(), |(before, _)| format!("{before}?..."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        let parts = |url: &str| url.parse::<Url>().map(|u| (u.address(), u.path().to_owned())).ok();
        let is = |address: &str, path: &str| Some((address.to_owned(), path.to_owned()));
        assert_eq!(parts("http://127.0.0.1:2381/health?x=1"), is("127.0.0.1:2381", "/health?x=1"));
        assert_eq!(parts("http://[::1]:80"), is("[::1]:80", "/"));
        assert_eq!(parts("https://web"), is("web:443", "/"));
        for bad in ["http:///x", "http://a:b/", "http://a:/", "http://a/\r\nX: y", "web", "ftp://a/", "http://u:p@a/"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_redirect_leads_to_a_path_or_elsewhere() {
        let from: Url = "https://a:8443/x?y".parse().unwrap();
        assert_eq!(from.join("/z").unwrap().to_string(), "https://a:8443/z");
        assert_eq!(from.join("http://b/").unwrap().to_string(), "http://b/");
        assert!(from.join("//b/").is_err());
    }
}
