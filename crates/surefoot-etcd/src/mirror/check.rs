//! `etcd.mirror_check`: what a mirror of a cluster would lose.

use crate::client::{self, ANSWER, KeyRange, Member};
use etcd_client::GetOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Keys in one answer; they come without values.
const PAGE: i64 = 5000;

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
        let mut out = leased(&member, cx).await?;
        (out.users, out.roles) = (users.users().to_vec(), roles.roles().to_vec());
        Ok(out)
    }
}

/// Page by page, each at its own newest revision: a count, not a snapshot.
async fn leased(member: &Member, cx: &Cx<'_>) -> Result<MirrorCheckOut, Fault> {
    let mut out = MirrorCheckOut { keys: 0, leased: 0, examples: Vec::new(), users: Vec::new(), roles: Vec::new() };
    let mut from = KeyRange::All.start();
    loop {
        let options = GetOptions::new().with_keys_only().with_limit(PAGE);
        let page = member.get("read", from, KeyRange::All.within(options)).await?;
        out.keys += page.kvs().len() as u64;
        for pair in page.kvs().iter().filter(|pair| pair.lease() != 0) {
            out.leased += 1;
            if out.examples.len() < 10 {
                out.examples.push(String::from_utf8_lossy(pair.key()).into_owned());
            }
        }
        cx.sink.progress(out.keys, None);
        match page.kvs().last().filter(|_| page.more()) {
            Some(last) => from = [last.key(), &[0]].concat(),
            None => return Ok(out),
        }
    }
}
