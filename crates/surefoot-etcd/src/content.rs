//! `etcd.content`: how many keys there are, and a digest of them.

use super::client::{self, KeyRange, Member};
use etcd_client::GetOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};

/// Keys in one answer.
const PAGE: i64 = 500;

/// Counts keys and digests them with their values, at one revision, from the data of one member. Equal digests are equal
/// keys and values, also where revisions differ: of a mirror and its source, or of a restore and what it came from.
///
/// Counts every key, also those that do not begin with a slash or hold a line break. With `on:` a group, each member
/// tells of its own data. `etcd` where it does not answer, or where the revision has been compacted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The first of them that answers is read; without it, the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
    /// Only keys that begin with this.
    #[serde(default)]
    pub prefix: String,
    /// As of this revision; without it, the newest.
    #[serde(default)]
    pub revision: Option<i64>,
    /// Whether to read the values as well.
    #[serde(default = "yes")]
    pub digest: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ContentOut {
    pub keys: u64,
    /// SHA-256 in hex over all keys in their order: for key and value each the length (8 bytes, big-endian) and the
    /// bytes. None without `digest`.
    pub digest: Option<String>,
    /// The revision that was read.
    pub revision: i64,
}

impl Action for Content {
    const NAME: &'static str = "etcd.content";
    const EXAMPLE: &'static str = "etcd.content: { members: members }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = ContentOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("count and digest the keys")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<ContentOut, Fault> {
        let member = client::any(cx, self.members.as_ref()).await?;
        let revision = match self.revision {
            Some(revision) => revision,
            None => member.status().await?.header().map_or(0, etcd_client::ResponseHeader::revision),
        };
        let keys = KeyRange::Prefix(self.prefix.clone());
        if !self.digest {
            let count = member.count(&keys, revision).await?;
            return Ok(ContentOut { keys: u64::try_from(count).unwrap_or_default(), digest: None, revision });
        }
        let progress = |done| cx.sink.progress(done, None);
        let (keys, digest) = digest(&member, &keys, revision, progress).await?;
        Ok(ContentOut { keys, digest: Some(digest), revision })
    }
}

/// A digest over keys that come in their order.
#[derive(Default)]
pub struct Digester(Sha256);

impl Digester {
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        for part in [key, value] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }

    pub fn hex(self) -> String {
        super::file::lower_hex(&self.0.finalize())
    }
}

/// All keys below a prefix as they are now, with their digest.
pub async fn all(member: &Member, prefix: &str) -> Result<(u64, String), Fault> {
    digest(member, &KeyRange::Prefix(prefix.to_owned()), 0, |_| {}).await
}

/// Reads page after page at one revision; `progress` gets the bytes of values read.
async fn digest(
    member: &Member,
    keys: &KeyRange,
    revision: i64,
    progress: impl Fn(u64),
) -> Result<(u64, String), Fault> {
    let (mut from, mut count, mut bytes) = (keys.start(), 0, 0);
    let mut digester = Digester::default();
    loop {
        let options = GetOptions::new().with_revision(revision).with_serializable().with_limit(PAGE);
        let page = member.get("read", from.clone(), keys.within(options)).await?;
        for pair in page.kvs() {
            digester.add(pair.key(), pair.value());
            bytes += pair.value().len() as u64;
        }
        count += page.kvs().len() as u64;
        progress(bytes);
        match page.kvs().last().filter(|_| page.more()) {
            // The least key above the last one.
            Some(last) => from = [last.key(), &[0]].concat(),
            None => return Ok((count, digester.hex())),
        }
    }
}
