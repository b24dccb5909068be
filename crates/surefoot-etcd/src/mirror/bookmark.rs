//! The destination's own note of how far the mirror is: a key that moves in the same transaction as what it tells of.
//!
//! Invariants: what the note says is there, is there, whatever became of the engine or the link. And one hand writes:
//! each transaction asks whether the note is still the one that its writer has left, so what was sent by an engine that
//! is gone, or over a link that was cut, cannot come in late.

use super::batch::{Op, levels};
use crate::client::Member;
use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::Cx;
use surefoot_engine::model::{Fault, FaultKind, RunId};

/// Where it lies, at the destination only. It is never copied, compared or counted.
pub const KEY: &[u8] = b"surefoot/mirror";
/// For one transaction: etcd itself gives up after 7 s.
const WRITE: Duration = Duration::from_secs(15);

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The source's cluster id.
    pub source: String,
    /// Who writes, and since when: no two writers have the same.
    writer: String,
    /// The source's revision that the destination has; none before it has a whole one.
    pub revision: Option<i64>,
}

/// The hand that writes to the destination.
pub struct Hand {
    pub destination: Member,
    note: Bookmark,
}

impl Bookmark {
    /// That of a cluster, where there is one that can be read.
    pub async fn of(member: &Member) -> Result<Option<Bookmark>, Fault> {
        let answer = member.get("read", KEY.to_vec(), GetOptions::new()).await?;
        Ok(answer.kvs().first().and_then(|pair| serde_json::from_slice(pair.value()).ok()))
    }

    /// Whether a step of this run has made it.
    pub fn is_by(&self, run: &RunId) -> bool {
        self.writer.split(' ').next() == Some(run.as_str())
    }

    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("three texts and numbers")
    }
}

impl Hand {
    /// Takes over from whoever wrote before. `from`: the revision that the destination has.
    pub async fn take(cx: &Cx<'_>, destination: Member, source: String, from: Option<i64>) -> Result<Hand, Fault> {
        let writer = format!("{} {} {}", cx.run, cx.task, jiff::Timestamp::now());
        let note = Bookmark { source, writer, revision: from };
        let mut kv = destination.client.kv_client();
        let text = note.text();
        destination.call("write", WRITE, async move { kv.put(KEY, text, None).await }).await?;
        Ok(Hand { destination, note })
    }

    /// Whether what another cluster has is this very note: then it is no other cluster.
    pub fn is_of(&self, other: Option<Bookmark>) -> bool {
        other.as_ref() == Some(&self.note)
    }

    /// Makes changes that complete no revision yet. The note is put anew: what is younger than it is others'.
    pub async fn write(&self, ops: Vec<Op>) -> Result<(), Fault> {
        let note = TxnOp::put(KEY, self.note.text(), None);
        self.commit(ops.into_iter().map(TxnOp::from).chain([note]).collect()).await.map(drop)
    }

    /// Makes changes, with which the destination has this revision.
    pub async fn advance(&mut self, ops: Vec<Op>, revision: i64) -> Result<(), Fault> {
        let next = Bookmark { revision: Some(revision), ..self.note.clone() };
        let note = TxnOp::put(KEY, next.text(), None);
        self.commit(ops.into_iter().map(TxnOp::from).chain([note]).collect()).await?;
        self.note = next;
        Ok(())
    }

    /// Takes the note away: the mirror has ended. Gives the destination's revision by then.
    pub async fn leave(self) -> Result<i64, Fault> {
        self.commit(vec![TxnOp::delete(KEY, None)]).await
    }

    /// Gives the destination's revision by then.
    async fn commit(&self, ops: Vec<TxnOp>) -> Result<i64, Fault> {
        let ours = Compare::value(KEY, CompareOp::Equal, self.note.text());
        let txn = Txn::new().when([ours]).and_then(levels(ops));
        let mut kv = self.destination.client.kv_client();
        match self.destination.call("write", WRITE, async move { kv.txn(txn).await }).await {
            Ok(answer) if answer.succeeded() => {
                Ok(answer.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default())
            }
            Ok(_) => Err(Fault::refused(format!("another mirror writes to the etcd on {} now", self.destination.host))
                .hint("one mirror at a time: the last that began goes on")),
            Err(fault) => Err(bounded(fault)),
        }
    }
}

/// What the destination will never take: no use in trying again.
fn bounded(fault: Fault) -> Fault {
    use crate::client::says;
    let (flag, what) = match &fault {
        fault if says(fault, "request is too large") => ("max-request-bytes", "a value of the source"),
        fault if says(fault, "too many operations") => ("max-txn-ops", "a transaction of a hundred changes"),
        _ => return fault,
    };
    let hint = format!("start its members with a larger `{flag}`, at least the source's");
    Fault { kind: FaultKind::Value, message: format!("{what} is too large for the destination"), ..fault }.hint(hint)
}
