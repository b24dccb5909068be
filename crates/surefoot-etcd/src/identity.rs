//! `etcd.identity`: the ids that a new or restored cluster will have.

use super::client::hex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use surefoot_engine::action::{Action, Cx, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Works out the ids of a cluster before anything is started: they follow from the peer URLs and the token alone
/// (etcd, server/etcdserver/api/membership: `NewMember`, `genID`). Names are not part of it.
///
/// It holds for a cluster that is bootstrapped or restored. A member that is added later has an id of its time.
/// A list that etcd would refuse is a `value` fault: a URL twice, without port, or with a path.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// As for etcd: `etcd-1=http://10.0.0.1:2380,etcd-2=http://10.0.0.2:2380`.
    pub initial_cluster: String,
    /// `initial-cluster-token`: another one for each new or restored cluster.
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IdentityOut {
    /// In hex.
    pub cluster_id: String,
    /// In the order of their names.
    pub members: Vec<NamedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NamedMember {
    pub name: String,
    /// In hex.
    pub id: String,
    pub peer_urls: Vec<String>,
}

impl Action for Identity {
    const NAME: &'static str = "etcd.identity";
    const EXAMPLE: &'static str = "etcd.identity: { initial_cluster: \"a=http://10.0.0.1:2380\", token: restore-1 }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = IdentityOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("work out the ids of the cluster")
    }

    async fn apply(&self, _: &Cx<'_>, (): &()) -> Result<IdentityOut, Fault> {
        identity(&self.initial_cluster, &self.token)
    }
}

/// The ids of the cluster that this list and token make.
pub fn identity(initial_cluster: &str, token: &str) -> Result<IdentityOut, Fault> {
    let mut members: Vec<(u64, NamedMember)> = Vec::new();
    for (name, mut peer_urls) in parse(initial_cluster)? {
        peer_urls.sort();
        let id = first_u64(Sha1::new().chain_update(peer_urls.concat()).chain_update(token));
        members.push((id, NamedMember { name, id: hex(id), peer_urls }));
    }
    let mut ids: Vec<u64> = members.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    let all = ids.iter().fold(Sha1::new(), |sha, id| sha.chain_update(id.to_be_bytes()));
    Ok(IdentityOut {
        cluster_id: hex(first_u64(all)),
        members: members.into_iter().map(|(_, member)| member).collect(),
    })
}

fn first_u64(sha: Sha1) -> u64 {
    let hash = sha.finalize();
    u64::from_be_bytes(std::array::from_fn(|i| hash[i]))
}

/// Names with their URLs, sorted by name. A member with several URLs comes several times in the list, as with etcd.
fn parse(initial_cluster: &str) -> Result<Vec<(String, Vec<String>)>, Fault> {
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    let bad = |why: String| Fault::value(format!("`initial_cluster` {why}")).detail(initial_cluster);
    for part in initial_cluster.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, url) = part.split_once('=').ok_or_else(|| bad(format!("has `{part}`, which is not NAME=URL")))?;
        if !is_peer_url(url) {
            return Err(bad(format!("has `{url}`, which is no peer URL: write http://HOST:PORT")));
        }
        if members.iter().any(|(_, urls)| urls.iter().any(|known| known == url)) {
            return Err(bad(format!("has {url} twice")));
        }
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, urls)) => urls.push(url.to_owned()),
            None => members.push((name.to_owned(), vec![url.to_owned()])),
        }
    }
    if members.is_empty() {
        return Err(bad("names no member".to_owned()));
    }
    members.sort();
    Ok(members)
}

fn is_peer_url(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let port = rest.and_then(|rest| rest.rsplit_once(':')).filter(|(host, _)| !host.is_empty());
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use surefoot_engine::model::FaultKind;

    /// Printed by `etcdctl snapshot restore` (3.4.23 and 3.5.16, the same) for this list and token.
    #[test]
    fn the_ids_are_those_that_etcd_gives() {
        let list = "x=http://10.0.0.1:2380,y=http://10.0.0.2:2380,z=https://10.0.0.3:2380";
        let out = identity(list, "restore-1").unwrap();
        assert_eq!(out.cluster_id, "c12f1fac31701620");
        let ids: Vec<&str> = out.members.iter().map(|member| member.id.as_str()).collect();
        assert_eq!(ids, ["4733248dcd82b8cc", "5ec1150adf2b28bc", "e02055ecf36ce775"]);
        assert_eq!(identity("one=http://127.0.0.1:12380", "tok-a").unwrap().members[0].id, "22a346c86e2384a1");
        assert_eq!(identity("default=http://localhost:2380", "etcd-cluster").unwrap().cluster_id, "cdf818194e3a8c32");
    }

    #[test]
    fn names_are_no_part_of_it_and_the_token_is() {
        let ids = |list: &str, token: &str| identity(list, token).unwrap().cluster_id;
        assert_eq!(ids("a=http://h:1,b=http://g:1", "t"), ids("q=http://g:1,a=http://h:1", "t"));
        assert_ne!(ids("a=http://h:1", "t"), ids("a=http://h:1", "u"));
    }

    #[test]
    fn lists_that_etcd_refuses_are_refused() {
        for list in ["", "a", "a=10.0.0.1:2380", "a=http://h", "a=http://h:2380/x", "a=http://h:1,b=http://h:1"] {
            assert_eq!(identity(list, "t").unwrap_err().kind, FaultKind::Value, "{list}");
        }
    }
}
