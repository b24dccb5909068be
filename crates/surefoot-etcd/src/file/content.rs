//! What a snapshot holds: etcd's buckets within the bbolt database (etcd, server/storage/schema and mvcc/revision.go).

use super::bolt::{Bolt, Bucket, BucketItem, bad};
use serde::Deserialize;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use surefoot_engine::model::Fault;

/// A revision is 8 bytes, `_`, 8 bytes; a tombstone has a `t` behind them.
const REVISION: usize = 17;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotContent {
    /// The newest revision in it; 1 where no key was ever written, as etcd itself counts.
    pub revision: i64,
    /// Keys that live at that revision.
    pub keys: u64,
    /// Records of all buckets and revisions: `totalKey` of `snapshot status` up to 3.5.
    pub total_key: u64,
    /// The revision up to which history was compacted; none where it never was.
    pub compact_revision: Option<i64>,
    /// The last entry of the member's log that is in it; none where it does not say.
    pub consistent_index: Option<u64>,
    /// Of the storage format; etcd writes it since 3.6 (server/storage/schema/migration.go).
    pub storage_version: Option<String>,
    /// The members that it lists.
    pub members: Vec<MemberRecord>,
    /// Alarms that travel inside the file: member id and kind of each.
    pub alarms: Vec<(u64, &'static str)>,
    /// Whether its users are enabled.
    pub auth_enabled: bool,
}

/// Reads the whole database, page by page. `Refused` where a page is damaged.
pub fn content(path: &Path) -> Result<SnapshotContent, Fault> {
    let damaged =
        |error: io::Error| Fault::refused(format!("{} is no sound database", path.display())).detail(error.to_string());
    let bolt = Bolt::open(super::open(path)?).map_err(damaged)?;
    let mut buckets = Vec::new();
    let mut name = |item: BucketItem<'_>| {
        if let BucketItem::Bucket(name, bucket) = item {
            buckets.push((name.to_vec(), bucket));
        }
        Ok(())
    };
    bolt.walk(&bolt.root(), &mut name).map_err(damaged)?;
    if !buckets.iter().any(|(name, _)| name == b"key") {
        return Err(damaged(bad("it has no bucket `key`: not written by etcd")));
    }
    let mut content = SnapshotContent { revision: 1, ..SnapshotContent::default() };
    for (name, bucket) in &buckets {
        content.read(&bolt, name, bucket).map_err(damaged)?;
    }
    Ok(content)
}

impl SnapshotContent {
    fn read(&mut self, bolt: &Bolt, name: &[u8], bucket: &Bucket) -> io::Result<()> {
        let mut live: HashSet<Vec<u8>> = HashSet::new();
        bolt.walk(bucket, &mut |item| {
            let BucketItem::Pair(key, value) = item else { return Ok(()) };
            self.total_key += 1;
            match name {
                b"key" => {
                    self.revision = self.revision.max(revision(key)?);
                    // `--bump-revision` leaves an empty record at the revision that it raised the database to.
                    if value.is_empty() {
                        return Ok(());
                    }
                    let user_key = first_field(value)?;
                    // In the order of revisions: the last record of a key says whether it lives.
                    if key.get(REVISION) == Some(&b't') {
                        live.remove(user_key)
                    } else {
                        live.insert(user_key.to_vec())
                    };
                }
                b"meta" if key == b"finishedCompactRev" => self.compact_revision = Some(revision(value)?),
                b"meta" if key == b"consistent_index" => self.consistent_index = Some(index(value)?),
                b"meta" if key == b"storageVersion" => self.storage_version = text(value),
                b"members" => self.members.push(member(value)?),
                b"alarm" => self.alarms.push(alarm(key)?),
                b"auth" if key == b"authEnabled" => self.auth_enabled = value == [1],
                _ => {}
            }
            Ok(())
        })?;
        self.keys += live.len() as u64;
        Ok(())
    }
}

fn revision(bytes: &[u8]) -> io::Result<i64> {
    let main = bytes.get(..8).filter(|_| bytes.len() >= REVISION).ok_or_else(|| bad("a revision is cut short"))?;
    Ok(i64::from_be_bytes(std::array::from_fn(|i| main[i])))
}

/// As etcd writes it (server/etcdserver/api/membership/member.go). What a later version leaves out has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MemberRecord {
    pub id: u64,
    #[serde(rename = "isLearner")]
    pub is_learner: bool,
    pub name: String,
}

fn member(value: &[u8]) -> io::Result<MemberRecord> {
    serde_json::from_slice(value).map_err(|error| bad(&format!("a member that is not JSON: {error}")))
}

/// A short word; what is none is left out.
fn text(bytes: &[u8]) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+".contains(byte);
    let word = bytes.len() <= 64 && bytes.iter().all(plain);
    word.then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn index(bytes: &[u8]) -> io::Result<u64> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| bad("an index of the log is not 8 bytes"))
}

/// The bytes of field 1 at the start of a protobuf message: the key of a `KeyValue`. The encoder writes fields in
/// order and leaves out empty ones; a key is never empty.
fn first_field(message: &[u8]) -> io::Result<&[u8]> {
    let rest = message.strip_prefix(&[0x0a]).ok_or_else(|| bad("a record without a key"))?;
    let (length, rest) = varint(rest)?;
    usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or_else(|| bad("a key is cut short"))
}

/// An `AlarmMember`: field 1 is the member, field 2 the kind.
fn alarm(message: &[u8]) -> io::Result<(u64, &'static str)> {
    let (mut member, mut kind, mut rest) = (0, "NONE", message);
    while let [tag, after @ ..] = rest {
        let (value, after) = varint(after)?;
        match (tag, value) {
            (0x08, id) => member = id,
            (0x10, 1) => kind = "NOSPACE",
            (0x10, 2) => kind = "CORRUPT",
            _ => {}
        }
        rest = after;
    }
    Ok((member, kind))
}

fn varint(bytes: &[u8]) -> io::Result<(u64, &[u8])> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[i + 1..]));
        }
    }
    Err(bad("a number is cut short"))
}
