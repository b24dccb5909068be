//! etcd's own configuration file (YAML), flattened to the names of its flags, and a change of one line of it.
//!
//! The `client-transport-security` and `peer-transport-security` blocks are the TLS flags under other names
//! (etcd, server/embed/config.go).

use indexmap::IndexMap;
use serde_json::Value as Json;
use surefoot_engine::model::Fault;

const CLIENT: &str = "client-transport-security";
const PEER: &str = "peer-transport-security";
/// Keys of the two blocks.
const TLS: &[&str] = &["cert-file", "key-file", "client-cert-auth", "trusted-ca-file", "auto-tls"];

/// Every setting by its flag's name. `path` is for messages.
pub fn parse(path: &str, text: &str) -> Result<IndexMap<String, String>, Fault> {
    let bad =
        |e: &dyn std::fmt::Display| Fault::value(format!("{path} is no configuration of etcd")).detail(e.to_string());
    let json: Json = serde_saphyr::from_str(text).map_err(|e| bad(&e))?;
    let map = match json {
        Json::Object(map) => map,
        Json::Null => return Ok(IndexMap::new()),
        _ => return Err(bad(&"it is not a map")),
    };
    let mut settings = IndexMap::new();
    for (key, value) in map {
        match (key.as_str(), value) {
            (CLIENT, Json::Object(block)) => {
                settings.extend(block.iter().filter_map(|(k, v)| Some((k.clone(), scalar(v)?))))
            }
            (PEER, Json::Object(block)) => {
                settings.extend(block.iter().filter_map(|(k, v)| Some((format!("peer-{k}"), scalar(v)?))));
            }
            (_, value) => settings.extend(scalar(&value).map(|text| (key.clone(), text))),
        }
    }
    Ok(settings)
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The text with the setting in its own line changed, or with a new line. Refuses what spans lines.
pub fn set(path: &str, text: &str, setting: &str, value: &str) -> Result<String, Fault> {
    let line = |indent: &str, key: &str| format!("{indent}{key}: {}\n", written(value));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (block, key) = place(setting);
    let (from, to) = match block {
        None => (0, lines.len()),
        Some(block) => match lines.iter().position(|line| key_of(line) == Some(("", block))) {
            Some(head) => (head + 1, head + 1 + lines[head + 1..].iter().take_while(|l| !starts_a_key(l)).count()),
            None => return Ok(format!("{}{block}:\n{}", ended(text), line("  ", key))),
        },
    };
    let own = |l: &&str| key_of(l).is_some_and(|(indent, name)| name == key && indent.is_empty() == block.is_none());
    let Some(at) = (from..to).find(|&i| own(&lines[i])) else {
        let indent = lines[from..to].iter().find_map(|l| key_of(l)).map_or("", |(indent, _)| indent);
        let (before, after) = if block.is_none() {
            (ended(text), String::new())
        } else {
            (lines[..from].concat(), lines[from..].concat())
        };
        let indent = if block.is_some() && indent.is_empty() { "  " } else { indent };
        return Ok(format!("{before}{}{after}", line(indent, key)));
    };
    let (indent, _) = key_of(lines[at]).unwrap_or_default();
    let spans = lines.get(at + 1).is_some_and(|next| {
        let deeper = next.len() - next.trim_start().len() > indent.len();
        deeper && !next.trim().is_empty() && !next.trim_start().starts_with('#')
    });
    if spans {
        let message = format!("{setting} spans several lines of {path}");
        return Err(Fault::refused(message).hint(format!("write `{key}` as one line, then run this again")));
    }
    Ok(format!("{}{}{}", lines[..at].concat(), line(indent, key), lines[at + 1..].concat()))
}

/// Numbers and booleans are bare: etcd reads them into a text where it wants one, but no text into a number.
fn written(value: &str) -> String {
    let bare = value.parse::<u64>().is_ok() || value == "true" || value == "false";
    if bare { value.to_owned() } else { Json::from(value).to_string() }
}

/// The block and key that a flag has in the file.
fn place(setting: &str) -> (Option<&'static str>, &str) {
    match setting.strip_prefix("peer-") {
        Some(key) if TLS.contains(&key) => (Some(PEER), key),
        _ if TLS.contains(&setting) => (Some(CLIENT), setting),
        _ => (None, setting),
    }
}

/// Indentation and key of a line `key: ...`.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let trimmed = line.trim_start();
    let (key, _) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('#'))?;
    Some((&line[..line.len() - trimmed.len()], key.trim_end().trim_matches(['"', '\''])))
}

fn starts_a_key(line: &str) -> bool {
    matches!(key_of(line), Some(("", _)))
}

fn ended(text: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# This is the configuration file for the etcd server.\nname: 'etcd-1'\ndata-dir: /opt/etcd/data # here\nquota-backend-bytes: 0\nclient-transport-security:\n  # Path\n  cert-file: /c.crt\n  client-cert-auth: true\npeer-transport-security:\n  cert-file: /p.crt\nlog-level: info\n";

    #[test]
    fn tls_blocks_are_the_flags_under_other_names() {
        let settings = parse("etcd.yml", FILE).unwrap();
        assert_eq!((settings["name"].as_str(), settings["quota-backend-bytes"].as_str()), ("etcd-1", "0"));
        assert_eq!((settings["cert-file"].as_str(), settings["client-cert-auth"].as_str()), ("/c.crt", "true"));
        assert_eq!(settings["peer-cert-file"], "/p.crt");
    }

    #[test]
    fn one_line_changes_and_the_file_reads_back() {
        for (name, value) in [
            ("name", "two: x"),
            ("cert-file", "/new"),
            ("peer-key-file", "/k"),
            ("heartbeat-interval", "100"),
            ("log-level", "warn"),
        ] {
            let changed = set("etcd.yml", FILE, name, value).unwrap();
            assert_eq!(parse("etcd.yml", &changed).unwrap()[name], value, "{changed}");
            let kept = FILE.lines().filter(|line| !changed.contains(line)).count();
            assert!(kept <= 1, "{changed}");
        }
        let fresh = set("etcd.yml", "name: a", "peer-cert-file", "/p").unwrap();
        assert_eq!(fresh, "name: a\npeer-transport-security:\n  cert-file: \"/p\"\n");
    }

    #[test]
    fn a_value_on_several_lines_is_refused() {
        let fault = set("etcd.yml", "initial-cluster: >\n  a=b,\n  c=d\n", "initial-cluster", "x").unwrap_err();
        assert_eq!(fault.kind, surefoot_engine::model::FaultKind::Refused);
    }
}
