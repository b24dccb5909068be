//! The silent divergence: members that all say that they are healthy and hold different keys. It must not come about,
//! and where it is forced, it must be seen.

use super::guards::{stopped, stopped_by};
use crate::support::site::Site;
use surefoot_engine::model::{FaultKind, TaskState};

/// Swaps the old data back in, as a host does whose swap was undone, or whose disk was rolled back.
const OLD_DATA: &str = r#"mv "$DATA" /root/new && mv "$DATA.before-$RUN" "$DATA""#;

fn restore(site: &Site, runbook: &std::path::Path) -> crate::support::program::Ran {
    site.run(runbook, &["-p", "snapshot=before.db", "--approve", "all"])
}

#[test]
fn a_member_with_old_data_does_not_join() {
    let site = stopped("told");
    let quick = site.struck("start", &site.members[2], OLD_DATA);
    let text = std::fs::read_to_string(&quick).unwrap().replace("for: 60s", "for: 8s");
    std::fs::write(&quick, text).unwrap();
    let ran = restore(&site, &quick);
    let (_, fault) = ran.faults().next().unwrap();
    assert!(fault.detail.as_deref().unwrap_or_default().contains("etcd-3"), "{fault:?}");
    stopped_by(&ran, fault.kind, &["healthy@controller"]);
    assert_eq!(ran.words("writers_back"), ["pending"]);
}

#[test]
fn a_member_with_old_data_that_joins_by_the_old_token_is_seen() {
    let site = stopped("ttoken");
    let struck = site.struck("start", &site.members[2], OLD_DATA);
    let text = std::fs::read_to_string(&struck).unwrap();
    let token = "token: restore-{{ run.id }}";
    assert_eq!(text.matches(token).count(), 1);
    std::fs::write(&struck, text.replace(token, &format!("token: {}", crate::support::site::TOKEN))).unwrap();
    let ran = restore(&site, &struck);
    // They came up as one cluster: only their data tells.
    assert!(matches!(ran.words("healthy")[..], ["done"]), "{}", ran.story());
    stopped_by(&ran, FaultKind::Refused, &["consistent@controller"]);
    assert_eq!(ran.words("writers_back"), ["pending"]);
}

#[test]
fn a_member_made_from_another_snapshot_is_seen() {
    let site = super::guards::serving("tother");
    site.snapshot("later.db");
    site.on_all("systemctl stop etcd");
    site.send("later.db", &site.members[1], "/root/later.db");
    let struck = site.struck("restore", &site.members[1], r#"cp /root/later.db "$FILE""#);
    let ran = restore(&site, &struck);
    assert!(ran.state.of_step("healthy").all(|(_, task)| matches!(task.state, TaskState::Done { .. })));
    stopped_by(&ran, FaultKind::Refused, &["consistent@controller"]);
}
