//! The tools beside an etcd: which there are, of which version, and what each can do.

use super::versions::{Capability, TABLE, Tool, Version};
use schemars::JsonSchema;
use serde::Serialize;

/// A tool of a host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FoundTool {
    pub tool: Tool,
    /// Such as `/usr/bin/etcdutl`.
    pub path: String,
    /// Such as `3.6.16`; none where it did not say.
    pub version: Option<String>,
    /// What a tool of that version can do.
    pub can: Vec<Capability>,
}

/// Prints a line for each tool: its name, its path, its version. Beside the program `$1`, else in `PATH` or where
/// archives are unpacked.
pub const FIND: &str = r#"PATH=$(dirname "$1"):$PATH:/usr/local/bin:/opt/etcd/bin:/opt/etcd
for tool in etcdutl etcdctl; do
    path=$(command -v "$tool") || continue
    echo "$tool $path $(env -i PATH="$PATH" ETCDCTL_API=3 timeout 10 "$path" version 2>/dev/null | sed -n "s/^$tool version: //p")"
done"#;

/// From what [`FIND`] prints; `etcdutl` comes first.
pub fn found(text: &str) -> Vec<FoundTool> {
    text.lines().filter_map(one).collect()
}

fn one(line: &str) -> Option<FoundTool> {
    let mut words = line.split(' ');
    let tool = match words.next()? {
        "etcdutl" => Tool::Etcdutl,
        "etcdctl" => Tool::Etcdctl,
        _ => return None,
    };
    let path = words.next().filter(|path| path.starts_with('/'))?.to_owned();
    let version: Option<Version> = words.next().and_then(|text| text.parse().ok());
    let can = version.map(|version| TABLE.capabilities(tool, version)).unwrap_or_default();
    Some(FoundTool { tool, path, version: version.map(|version| version.to_string()), can })
}

/// The first that can restore snapshots.
pub fn restorer(tools: &[FoundTool]) -> Option<&FoundTool> {
    tools.iter().find(|tool| tool.can.contains(&Capability::Restore))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_what_its_version_can_do() {
        let paths = |text: &str| restorer(&found(text)).map(|tool| (tool.path.clone(), tool.can.len()));
        let old = "etcdctl /usr/bin/etcdctl 3.4.23";
        assert_eq!(paths(old), Some(("/usr/bin/etcdctl".to_owned(), 1)));
        let both = "etcdutl /opt/etcdutl 3.5.35\netcdctl /opt/etcdctl 3.5.35";
        assert_eq!(paths(both), Some(("/opt/etcdutl".to_owned(), 3)));
        assert_eq!(paths("etcdctl /usr/bin/etcdctl 3.6.16"), None, "etcdctl of 3.6 cannot restore");
        assert_eq!(paths("etcdutl /usr/bin/etcdutl "), None, "it does not say its version");
    }
}
