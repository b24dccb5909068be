//! The decisive line of an etcd's journal.

use serde_json::Value as Json;
use surefoot_engine::action::Cx;
use surefoot_engine::action::systemd::decisive_line;

/// Longer lines are cut, in characters.
const LONGEST: usize = 300;

/// What etcd says when its data cannot be used any more (etcd, server/storage and raft/log.go), or when the others have
/// removed it (rafthttp's `errMemberRemoved`).
const DAMAGE: [&str; 7] = [
    "crc mismatch",
    "corrupt",
    "invalid database",
    "page type",
    "tocommit(",
    "failed to recover v3 backend",
    "permanently removed from the cluster",
];

/// The line of its last run that says why it ended, in etcd's words alone.
pub async fn line(cx: &Cx<'_>, unit: &str) -> Option<String> {
    decisive_line(cx, unit).await.map(|line| words(&line))
}

pub fn tells_of_damage(line: &str) -> bool {
    DAMAGE.iter().any(|word| line.contains(word))
}

/// Of a line in JSON its message and its error, else the line.
fn words(line: &str) -> String {
    let own = line.find('{').and_then(|at| serde_json::from_str::<Json>(line[at..].trim()).ok());
    let field = |name: &str| own.as_ref().and_then(|own| own[name].as_str()).map(str::to_owned);
    let parts: Vec<String> = ["msg", "error"].iter().filter_map(|name| field(name)).collect();
    let text = if parts.is_empty() { line.to_owned() } else { parts.join(": ") };
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_json_gives_its_message_and_its_error() {
        let line =
            r#"2026-01-01T00:00:00+00:00 h etcd[1]: {"level":"fatal","msg":"listener failed","error":"tls: bad"}"#;
        assert_eq!(words(line), "listener failed: tls: bad");
        assert_eq!(
            words("2026-01-01T00:00:00+00:00 h etcd[1]: panic: \u{7}{oh"),
            "2026-01-01T00:00:00+00:00 h etcd[1]: panic: {oh"
        );
    }
}
