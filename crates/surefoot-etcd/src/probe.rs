//! `etcd.probe`: a write through each member is read through the others.

use super::client::{self, ANSWER, Member, each};
use etcd_client::{DeleteOptions, GetOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault, FaultKind};

/// Alarms are raised a moment after the write that causes them: the second round finds them.
const BETWEEN: Duration = Duration::from_secs(2);

/// Writes a key of its own through each member, reads it through every other one (linearizable), and deletes it; and
/// all of that again after two seconds. It takes a few revisions, and leaves no key.
///
/// `etcd` or `no_space` where a member does not take the write; `refused` where another reads something else.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The members; without it, the step's own host alone.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// Where its keys are. Outside `/registry`, which Kubernetes reads.
    #[serde(default = "default_prefix")]
    pub prefix: String,
}

fn default_prefix() -> String {
    "surefoot/probe".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProbeOut {
    /// Writes that were read back through every other member.
    pub writes: u64,
    /// Of the last delete.
    pub revision: i64,
}

impl Action for Probe {
    const NAME: &'static str = "etcd.probe";
    const EXAMPLE: &'static str = "etcd.probe: { members: members }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("deletes the probe's keys");
    type Out = ProbeOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let summary = format!("write and delete a key below {} through each member", self.prefix);
        Ok(Inspection::Change(Change { summary, diff: None, before: () }))
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<ProbeOut, Fault> {
        let members = client::connect_all(cx, self.members.as_ref()).await?;
        let mut out = ProbeOut { writes: 0, revision: 0 };
        for round in 0..2 {
            if round > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            for writer in &members {
                let key = format!("{}{}", self.own(cx), writer.host);
                let value = format!("{} {round}", writer.host);
                out.revision = pass(writer, &members, &key, &value).await?;
                out.writes += 1;
            }
        }
        Ok(out)
    }

    async fn undo(&self, cx: &Cx<'_>, (): &()) -> Result<(), Fault> {
        let members = client::connect_all(cx, self.members.as_ref()).await?;
        let member = members.first().ok_or_else(|| Fault::value("`members` names no host"))?;
        delete(member, &self.own(cx), Some(DeleteOptions::new().with_prefix())).await.map(drop)
    }
}

impl Probe {
    /// What keys of this run begin with.
    fn own(&self, cx: &Cx<'_>) -> String {
        format!("{}/{}/", self.prefix.trim_end_matches('/'), cx.run)
    }
}

/// One write, read by all others, deleted. Gives the revision of the delete.
async fn pass(writer: &Member, members: &[Member], key: &str, value: &str) -> Result<i64, Fault> {
    let mut kv = writer.client.kv_client();
    let put = async { kv.put(key, value, None).await };
    writer.call("write", ANSWER, put).await?;
    let mut readers: Vec<Member> = members.iter().filter(|member| member.host != writer.host).cloned().collect();
    if readers.is_empty() {
        readers.push(writer.clone());
    }
    let read = |member: Member| async move {
        let answer = member.get("read", key.into(), GetOptions::new()).await?;
        let seen = answer.kvs().first().map(|kv| kv.value().to_vec());
        if seen.as_deref() == Some(value.as_bytes()) {
            return Ok(());
        }
        let fault = Fault::new(FaultKind::Refused, format!("{} does not read what {} wrote", member.host, writer.host));
        Err(fault.hint("compare the members' data with `etcd.consistent`"))
    };
    let read = each(&readers, read).await;
    let deleted = delete(writer, key, None).await;
    read?;
    deleted
}

async fn delete(member: &Member, key: &str, options: Option<DeleteOptions>) -> Result<i64, Fault> {
    let mut kv = member.client.kv_client();
    let answer = member.call("delete", ANSWER, async { kv.delete(key, options).await }).await?;
    Ok(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
}
