//! Types of parameters that JSON alone has no word for. Each tells the schema its `format`, and the check asks
//! [`parse_format`] whether a literal fits.

use crate::http::Url;
use crate::model::HostName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Whether a literal string fits a schema's `format`; the text says what would.
pub fn parse_format(format: &str, text: &str) -> Result<(), String> {
    match format {
        "duration" => text.parse::<Period>().map(drop),
        "mode" => text.parse::<Mode>().map(drop),
        "host-path" => text.parse::<HostPath>().map(drop),
        "url" => text.parse::<Url>().map(drop),
        "address" => text.parse::<Address>().map(drop),
        _ => Ok(()),
    }
}

/// For editors: a regular expression that fits every text that [`parse_format`] takes, and few others; and what is
/// wanted, in a sentence.
pub fn format_pattern(format: &str) -> Option<(&'static str, &'static str)> {
    match format {
        "duration" => {
            Some((r"^\+?([0-9.].*[A-Za-z0-9]|[Pp].+)$", "A length of time is wanted, such as 500ms, 90s or 1h30m."))
        }
        "mode" => Some(("^[0-7]{3,4}$", "Four octal digits in quotes are wanted, such as \"0600\".")),
        "url" => Some(("^[Hh][Tt][Tt][Pp][Ss]?://", "An http:// or https:// address is wanted.")),
        "address" => Some((r".:[0-9]{1,5}$", "An address with its port is wanted, such as \"127.0.0.1:2379\".")),
        "host-path" => Some((r"^(?!(.*/)?\.\.(/|$))/.*[^/]", "An absolute path on the host is wanted.")),
        _ => None,
    }
}

macro_rules! text_format {
    ($type:ident, $format:literal, $description:literal, $example:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $description, "examples": [$example] })
            }
        }
    };
}

text_format!(Url, "url", "An address: `http://HOST:PORT/PATH` or `https://...`.", "http://127.0.0.1:2381/health");

/// A length of time: `500ms`, `90s`, `1h30m`, `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Period(pub Duration);

text_format!(Period, "duration", "A length of time such as `500ms`, `90s`, `1h30m`.", "90s");

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a length of time: write `500ms`, `90s` or `1h30m`");
        let days = text.strip_suffix('d').and_then(|n| n.parse::<u32>().ok());
        if let Some(days) = days {
            return Ok(Period(Duration::from_secs(u64::from(days) * 86_400)));
        }
        if text.starts_with('-') {
            return Err(bad());
        }
        let span: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
        Duration::try_from(span).map(Period).map_err(|_| bad())
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        let whole = units.into_iter().find(|(length, _)| millis > 0 && millis.is_multiple_of(*length));
        let (length, unit) = whole.unwrap_or((1, "ms"));
        write!(f, "{}{unit}", millis / length)
    }
}

/// Permission bits in octal: `"0600"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

text_format!(Mode, "mode", "Permission bits in octal, quoted: `\"0600\"`.", "0600");

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octal = (3..=4).contains(&text.len()).then(|| u32::from_str_radix(text, 8).ok()).flatten();
        octal
            .map(Mode)
            .ok_or_else(|| format!("`{text}` is not a mode: write four octal digits in quotes, such as \"0600\""))
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Where something listens: `127.0.0.1:2379`, `[::1]:2379`, `db-1:5432`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Address(String);

text_format!(Address, "address", "An address with its port: `127.0.0.1:2379`.", "127.0.0.1:2379");

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        match parts {
            Some(_) => Ok(Address(text.to_owned())),
            None => Err(format!("`{text}` is not an address with a port: write `127.0.0.1:2379`")),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file or folder on the step's host: absolute, so that an undo finds it from anywhere; no `..`, no closing slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HostPath(String);

text_format!(HostPath, "host-path", "An absolute path on the host.", "/etc/default/etcd");

impl HostPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}` is not an absolute path on the host: begin it with `/`"));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.is_empty() || parts.contains(&"..") || text.contains(['\0', '\n']) {
            return Err(format!("`{}` names no file or folder below `/`", text.escape_debug()));
        }
        Ok(HostPath(format!("/{}", parts.join("/"))))
    }
}

impl std::fmt::Display for HostPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! through_text {
    ($type:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

through_text!(Period);
through_text!(Mode);
through_text!(HostPath);
through_text!(Address);

macro_rules! into_text {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    };
}

into_text!(Period);
into_text!(Mode);

/// A file or folder on the controller. The compiler makes a runbook's literals absolute, from its own folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct LocalPath(pub PathBuf);

text_format!(
    LocalPath,
    "local-path",
    "A path on the controller; relative ones are below the runbook's folder.",
    "files/app.conf"
);

/// Hosts of the run: a role, a group, a host, or a list of hosts. The engine has resolved it to host names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hosts(pub Vec<HostName>);

impl JsonSchema for Hosts {
    fn schema_name() -> Cow<'static, str> {
        "Hosts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            "format": "hosts",
            "description": "A role, a group, a host, or a list of hosts."
        })
    }
}

/// A bare expression that must be true or false, with its text for messages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Condition {
    pub source: String,
    pub holds: bool,
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "boolean"],
            "format": "expression",
            "description": "An expression that is true or false, without `{{ }}`."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_units() {
        let seconds = |text: &str| text.parse::<Period>().map(|p| p.0.as_secs_f64());
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("2d"), Ok(172_800.0));
        let shown = |text: &str| text.parse::<Period>().map(|p| p.to_string());
        assert_eq!(
            ["90s", "1h30m", "2d", "1500ms", "0s"].map(|t| shown(t).unwrap()),
            ["90s", "90m", "2d", "1500ms", "0ms"]
        );
        assert!(seconds("10").is_err() && seconds("-3s").is_err() && seconds("soon").is_err());
    }

    #[test]
    fn a_path_on_a_host_is_absolute_and_plain() {
        let path = |text: &str| text.parse::<HostPath>().map(|p| p.0);
        assert_eq!(path("/etc//default/./etcd/"), Ok("/etc/default/etcd".to_owned()));
        assert!(["etcd", "", "/", "/etc/../etc/passwd", "/a\nb"].iter().all(|text| path(text).is_err()));
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let all = ["127.0.0.1:80", "[::1]:80", "db-1:5432", "80", ":80", "db:port", "db:70000", "db"];
        assert_eq!(
            all.map(|text| text.parse::<Address>().is_ok()),
            [true, true, true, false, false, false, false, false]
        );
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!("0600".parse::<Mode>().map(|m| m.to_string()), Ok("0600".to_owned()));
        assert!("0800".parse::<Mode>().is_err() && "rw".parse::<Mode>().is_err() && "600000".parse::<Mode>().is_err());
    }
}
