//! What the tool said: the ids that it gave, and what its failure means.

use crate::identity::IdentityOut;
use serde::Deserialize;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Output;

/// The ids in the tool's log are the predicted ones. A tool that tells none leaves it to `etcd.health`.
pub fn agrees(log: &str, predicted: &IdentityOut) -> Result<(), Fault> {
    let mut ids = Vec::new();
    for line in log.lines().filter(|line| line.contains("added member")) {
        let Some(json) = line.find('{').and_then(|at| serde_json::from_str::<Added>(&line[at..]).ok()) else {
            continue;
        };
        if json.cluster_id != predicted.cluster_id {
            let fault = Fault::refused("the restored cluster id is not the predicted one");
            return Err(fault.detail(format!("{}, not {}", json.cluster_id, predicted.cluster_id)));
        }
        ids.push(json.member_id);
    }
    let foreign = predicted.members.iter().filter(|member| !ids.contains(&member.id)).count();
    if ids.is_empty() || (foreign == 0 && ids.len() == predicted.members.len()) {
        return Ok(());
    }
    Err(Fault::refused("the restored members are not the predicted ones").detail(ids.join(", ")))
}

/// Of the tool's log, the same from 3.4 to 3.6.
#[derive(Deserialize)]
struct Added {
    #[serde(rename = "cluster-id")]
    cluster_id: String,
    #[serde(rename = "added-peer-id")]
    member_id: String,
}

/// What the tool's failure means.
pub fn explain(made: Output, into: &str) -> Result<(), Fault> {
    let words = String::from_utf8_lossy(&made.stderr).into_owned();
    let Err(fault) = made.ok("snapshot restore") else { return Ok(()) };
    let has = |text: &str| words.contains(text);
    let kind = match () {
        () if has("No space left") || has("no space left") => FaultKind::NoSpace,
        () if has("ermission denied") => FaultKind::Denied,
        () if has("expected sha256") || has("missing hash") => FaultKind::Refused,
        () => fault.kind,
    };
    let fault = Fault { kind, ..fault };
    Err(match kind {
        FaultKind::NoSpace => fault.hint(format!("free some on the file system of {into}")),
        FaultKind::Denied => fault.hint("let the step `become: root`"),
        FaultKind::Refused if has("missing hash") => {
            fault.hint("for a copy of `member/snap/db` of a stopped etcd, say `skip_hash_check: true`")
        }
        FaultKind::Refused => fault.hint("the snapshot is corrupted: copy it again, or take another"),
        _ => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::identity;

    const LIST: &str = "x=http://10.0.0.1:2380,y=http://10.0.0.2:2380,z=https://10.0.0.3:2380";
    const V34: &str = r#"{"level":"info","ts":1795248794.471371,"caller":"membership/cluster.go:392","msg":"added member","cluster-id":"c12f1fac31701620","local-member-id":"0","added-peer-id":"4733248dcd82b8cc","added-peer-peer-urls":["http://10.0.0.1:2380"]}
{"level":"info","ts":1795248794.4714243,"caller":"membership/cluster.go:392","msg":"added member","cluster-id":"c12f1fac31701620","local-member-id":"0","added-peer-id":"5ec1150adf2b28bc","added-peer-peer-urls":["http://10.0.0.2:2380"]}
{"level":"info","ts":1795248794.4714372,"caller":"membership/cluster.go:392","msg":"added member","cluster-id":"c12f1fac31701620","local-member-id":"0","added-peer-id":"e02055ecf36ce775","added-peer-peer-urls":["https://10.0.0.3:2380"]}"#;
    const V35: &str = "2026-11-21T08:13:14Z\tinfo\tmembership/cluster.go:421\tadded member\t{\"cluster-id\": \"c12f1fac31701620\", \"local-member-id\": \"0\", \"added-peer-id\": \"4733248dcd82b8cc\", \"added-peer-peer-urls\": [\"http://10.0.0.1:2380\"]}";

    #[test]
    fn the_tools_own_words_are_held_against_the_prediction() {
        let predicted = identity(LIST, "restore-1").unwrap();
        assert_eq!(agrees(V34, &predicted), Ok(()));
        assert_eq!(agrees("", &predicted), Ok(()));
        let one = identity("x=http://10.0.0.1:2380", "restore-1").unwrap();
        let kind = |log: &str, ids: &IdentityOut| agrees(log, ids).map_err(|fault| fault.kind);
        assert_eq!(kind(V34, &one), Err(FaultKind::Refused));
        assert_eq!(kind(V35, &predicted), Err(FaultKind::Refused), "a member is missing");
    }
}
