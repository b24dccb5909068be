//! What the tests of the procedures on membership share.

use crate::support::site::Site;
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client};
use serde_json::{Map, Value as Json, json};
use surefoot_engine::model::Fault;
use surefoot_lab::lab::LabName;

/// In each cluster at first.
pub const KEYS: u64 = 300;

/// Where clients without TLS reach a member.
pub fn url(site: &Site, host: &LabName) -> String {
    format!("http://{}:2379", site.lab.address(host).unwrap())
}

/// Whether a fault says so in etcd's words or ours.
pub fn says(fault: &Fault, words: &str) -> bool {
    format!("{fault:?}").contains(words)
}

/// What an inventory says of hosts that have no settings of their own.
pub fn described(site: &Site, hosts: &[LabName]) -> Vec<(LabName, Json)> {
    let own = |host: &LabName| {
        let settings = site.node(host, &site.members).own_settings();
        let settings: Map<String, Json> = settings.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        (host.clone(), json!({ "etcd": settings }))
    };
    hosts.iter().map(own).collect()
}

/// From now on these are the cluster.
pub fn is_now(site: &mut Site, members: Vec<LabName>) {
    site.members = members;
    site.inventory(&[], json!({}));
}

/// So many small writes, one after the other: an entry of the log for each.
#[tokio::main(flavor = "current_thread")]
pub async fn put_many(url: &str, count: usize) {
    let mut client = Client::connect([url], None).await.unwrap();
    for number in 0..count {
        client.put(format!("/many/{number}"), "x", None).await.unwrap();
    }
}

/// As etcd itself does where it finds that a member's data differs (`Corrupt`), or has no room (`Nospace`).
#[tokio::main(flavor = "current_thread")]
pub async fn raise_alarm(url: &str, alarm: AlarmType, member: u64) {
    let mut client = Client::connect([url], None).await.unwrap();
    let mut options = AlarmOptions::new();
    options.with_member(member);
    client.alarm(AlarmAction::Activate, alarm, Some(options)).await.unwrap();
}
