//! `etcd.mirror_check`: what a mirror of a cluster would lose.

use crate::client::{self, ANSWER, KeyRange, Member};
use etcd_client::{GetOptions, LeaseTimeToLiveOptions};
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Keys in one answer; they come without values.
const PAGE: i64 = 5000;

/// Leases that are asked for their keys at once.
const AT_ONCE: usize = 16;

/// Counts what `etcd.mirror` cannot carry: keys with leases, which become permanent, and users and roles, which must be
/// made again. Revisions, versions and history are always lost.
///
/// It reads every key, without its value. `denied` where the inventory's user may not list users: ask as root.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorCheck {
    /// The source. The first of its members that answers is asked.
    pub from: Hosts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MirrorCheckOut {
    pub keys: u64,
    /// Keys with a lease: they would not go by themselves any more.
    pub leased: u64,
    /// The first ten of them.
    pub examples: Vec<String>,
    /// Names of users that must be made again.
    pub users: Vec<String>,
    /// Names of roles that must be made again.
    pub roles: Vec<String>,
}

impl Action for MirrorCheck {
    const NAME: &'static str = "etcd.mirror_check";
    const EXAMPLE: &'static str = "etcd.mirror_check: { from: source }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = MirrorCheckOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("count what a mirror would lose")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<MirrorCheckOut, Fault> {
        let member = client::any(cx, Some(&self.from)).await?;
        let mut auth = member.client.auth_client();
        let users = member.call("user list", ANSWER, async move { auth.user_list().await }).await?;
        let mut auth = member.client.auth_client();
        let roles = member.call("role list", ANSWER, async move { auth.role_list().await }).await?;
        let keys = count(&member, cx).await?;
        let (leased, examples) = leased(&member).await?;
        let (users, roles) = (users.users().to_vec(), roles.roles().to_vec());
        Ok(MirrorCheckOut { keys, leased, examples, users, roles })
    }
}

/// Page by page, each at its own newest revision: a count, not a snapshot.
async fn count(member: &Member, cx: &Cx<'_>) -> Result<u64, Fault> {
    let (mut keys, mut from) = (0, KeyRange::All.start());
    loop {
        let options = GetOptions::new().with_keys_only().with_limit(PAGE);
        let page = member.get("read", from, KeyRange::All.within(options)).await?;
        keys += page.kvs().len() as u64;
        cx.sink.progress(keys, None);
        match page.kvs().last().filter(|_| page.more()) {
            Some(last) => from = [last.key(), &[0]].concat(),
            None => return Ok(keys),
        }
    }
}

/// How many keys have a lease, and the first ten. The leases are asked: since 3.7 a read of keys alone does not say which
/// of them have one (etcd#21791).
async fn leased(member: &Member) -> Result<(u64, Vec<String>), Fault> {
    let mut client = member.client.lease_client();
    let listed = member.call("lease list", ANSWER, async move { client.leases().await }).await?;
    let ids: Vec<i64> = listed.leases().iter().map(etcd_client::LeaseStatus::id).collect();
    let asked = stream::iter(ids).map(|id| keys_of(member, id)).buffer_unordered(AT_ONCE);
    let of_each: Vec<Vec<Vec<u8>>> = asked.try_collect().await?;
    let mut keys = of_each.concat();
    keys.sort_unstable();
    let examples = keys.iter().take(10).map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    Ok((keys.len() as u64, examples))
}

/// None of one that has ended since.
async fn keys_of(member: &Member, lease: i64) -> Result<Vec<Vec<u8>>, Fault> {
    let mut client = member.client.lease_client();
    let options = Some(LeaseTimeToLiveOptions::new().with_keys());
    let answer = member.call("lease", ANSWER, async move { client.time_to_live(lease, options).await }).await?;
    Ok(answer.keys().to_vec())
}
