//! `etcd.put`: one key, or many of them at once.

use super::client::{self, ANSWER, Member};
use super::content::Digester;
use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, Txn, TxnOp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault};

/// Puts in one transaction. etcd takes 128 unless told otherwise (`max-txn-ops`).
const AT_ONCE: u64 = 100;

/// Writes one key with a value, or fills a prefix with many keys whose values follow from their numbers: for a
/// rehearsal, a load, or a sentinel. `value` where neither or both are given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The first of them that answers takes the write; without it, the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub value: Option<String>,
    #[serde(default)]
    pub fill: Option<Fill>,
}

/// Many keys: `PREFIX00000000` and on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    pub count: u64,
    /// Of each value, in bytes.
    pub size: usize,
    #[serde(default = "default_prefix")]
    pub prefix: String,
}

fn default_prefix() -> String {
    "load/".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PutOut {
    /// Keys that were written, or had their value already.
    pub keys: u64,
    /// Of a fill's keys and values, as `etcd.content` has it. None of one key: its value may be a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What the keys were.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeysBefore {
    /// The revision at which the old value can still be read, as long as it is not compacted; none where there was none.
    replaced: Option<i64>,
    /// Keys that were below the prefix of a fill.
    keys: u64,
}

impl Action for Put {
    const NAME: &'static str = "etcd.put";
    const EXAMPLE: &'static str = "etcd.put: { members: members, fill: { count: 24172, size: 1024, prefix: /load/ } }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::Supported("deletes its keys, or puts back the value that the history still has");
    type Out = PutOut;
    type Before = KeysBefore;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let wanted = self.pairs()?;
        let member = client::any(cx, self.members.as_ref()).await?;
        let last = wanted.len() as u64;
        let (present, replaced) = self.present(&member).await?;
        if present == wanted.digest() && last > 0 {
            return Ok(Inspection::Unchanged(wanted.out()));
        }
        let summary = match &self.fill {
            Some(Fill { count, prefix, .. }) => format!("write {count} keys below {prefix}"),
            None => format!("write {}", self.key.as_deref().unwrap_or_default()),
        };
        Ok(Inspection::Change(Change { summary, diff: None, before: KeysBefore { replaced, keys: present.0 } }))
    }

    async fn apply(&self, cx: &Cx<'_>, _: &KeysBefore) -> Result<PutOut, Fault> {
        let wanted = self.pairs()?;
        let member = client::any(cx, self.members.as_ref()).await?;
        let count = wanted.len() as u64;
        for from in (0..count).step_by(AT_ONCE as usize) {
            let to = count.min(from + AT_ONCE);
            let puts: Vec<TxnOp> =
                (from..to).map(|n| wanted.pair(n)).map(|(key, value)| TxnOp::put(key, value, None)).collect();
            let mut kv = member.client.kv_client();
            member.call("write", ANSWER, async move { kv.txn(Txn::new().and_then(puts)).await }).await?;
            cx.sink.progress(to, Some(count));
        }
        Ok(wanted.out())
    }

    /// A value that was put back has a revision of its own.
    fn is_back(before: &KeysBefore, now: &KeysBefore) -> bool {
        before.keys == now.keys && before.replaced.is_some() == now.replaced.is_some()
    }

    async fn undo(&self, cx: &Cx<'_>, before: &KeysBefore) -> Result<(), Fault> {
        let member = client::any(cx, self.members.as_ref()).await?;
        match self.pairs()? {
            Pairs::Fill(_) if before.keys > 0 => {
                Err(Fault::refused("there were keys below the prefix before: which of them were replaced is not known"))
            }
            Pairs::Fill(fill) => {
                delete_own(&member, &Pairs::Fill(fill)).await?;
                match self.present(&member).await?.0.0 {
                    0 => Ok(()),
                    left => Err(Fault::refused(format!("changed since by others: {left} keys below {}", fill.prefix))),
                }
            }
            Pairs::One(key, value) => put_back(&member, (key, value), before.replaced).await,
        }
    }
}

/// Deletes each key that still has its value; what else is there is others'.
async fn delete_own(member: &Member, pairs: &Pairs<'_>) -> Result<(), Fault> {
    let count = pairs.len() as u64;
    for from in (0..count).step_by(AT_ONCE as usize) {
        let own = (from..count.min(from + AT_ONCE)).map(|n| pairs.pair(n)).map(|(key, value)| {
            let ours = Compare::value(key.as_str(), CompareOp::Equal, value);
            TxnOp::txn(Txn::new().when([ours]).and_then([TxnOp::delete(key, None)]))
        });
        let (own, mut kv): (Vec<TxnOp>, _) = (own.collect(), member.client.kv_client());
        member.call("delete", ANSWER, async move { kv.txn(Txn::new().and_then(own)).await }).await?;
    }
    Ok(())
}

/// The value that was replaced at a revision, or no key, in the place of ours; what others have written there stays.
async fn put_back(member: &Member, (key, ours): (&str, &str), replaced: Option<i64>) -> Result<(), Fault> {
    let old = match replaced {
        Some(revision) => value_of(member, key, GetOptions::new().with_revision(revision)).await?,
        None => None,
    };
    let still_ours = Compare::value(key, CompareOp::Equal, ours);
    let back = match &old {
        Some(value) => TxnOp::put(key, value.clone(), None),
        None => TxnOp::delete(key, None),
    };
    let (txn, mut kv) = (Txn::new().when([still_ours]).and_then([back]), member.client.kv_client());
    let answer = member.call("write", ANSWER, async move { kv.txn(txn).await }).await?;
    match answer.succeeded() || value_of(member, key, GetOptions::new()).await? == old {
        true => Ok(()),
        false => Err(Fault::refused(format!("changed since by others: the key {key}"))),
    }
}

async fn value_of(member: &Member, key: &str, options: GetOptions) -> Result<Option<Vec<u8>>, Fault> {
    let answer = member.get("read", key.into(), options).await?;
    Ok(answer.kvs().first().map(|pair| pair.value().to_vec()))
}

/// What is to be there.
enum Pairs<'a> {
    One(&'a str, &'a str),
    Fill(&'a Fill),
}

impl Put {
    fn pairs(&self) -> Result<Pairs<'_>, Fault> {
        match (&self.key, &self.value, &self.fill) {
            (Some(key), Some(value), None) if !key.is_empty() => Ok(Pairs::One(key, value)),
            (None, None, Some(fill)) if !fill.prefix.is_empty() => Ok(Pairs::Fill(fill)),
            _ => Err(Fault::value("`etcd.put` takes either a `key` with its `value`, or `fill`")),
        }
    }

    /// Keys that are there now with their digest, and the revision of the one key's value.
    async fn present(&self, member: &Member) -> Result<((u64, String), Option<i64>), Fault> {
        match self.pairs()? {
            Pairs::One(key, _) => {
                let answer = member.get("read", key.into(), GetOptions::new()).await?;
                let mut digester = Digester::default();
                answer.kvs().iter().for_each(|pair| digester.add(pair.key(), pair.value()));
                let revision = answer.kvs().first().map(KeyValue::mod_revision);
                Ok(((answer.kvs().len() as u64, digester.hex()), revision))
            }
            Pairs::Fill(fill) => Ok((super::content::all(member, &fill.prefix).await?, None)),
        }
    }
}

impl Pairs<'_> {
    fn len(&self) -> usize {
        match self {
            Pairs::One(..) => 1,
            Pairs::Fill(fill) => usize::try_from(fill.count).unwrap_or(usize::MAX),
        }
    }

    fn pair(&self, n: u64) -> (String, Vec<u8>) {
        match self {
            Pairs::One(key, value) => ((*key).to_owned(), value.as_bytes().to_vec()),
            Pairs::Fill(fill) => (format!("{}{n:08}", fill.prefix), value(n, fill.size)),
        }
    }

    fn out(&self) -> PutOut {
        let (keys, digest) = self.digest();
        PutOut { keys, digest: Some(digest).filter(|_| matches!(self, Pairs::Fill(_))) }
    }

    fn digest(&self) -> (u64, String) {
        let mut digester = Digester::default();
        let count = self.len() as u64;
        for (key, value) in (0..count).map(|n| self.pair(n)) {
            digester.add(key.as_bytes(), &value);
        }
        (count, digester.hex())
    }
}

/// Text that follows from the number and no two numbers share.
fn value(n: u64, size: usize) -> Vec<u8> {
    let seed = super::file::lower_hex(&Sha256::digest(n.to_be_bytes()));
    seed.bytes().cycle().take(size).collect()
}
