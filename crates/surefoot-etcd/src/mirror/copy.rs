//! Makes the destination hold what the source held at one revision, by comparing both, key by key, in their order.
//!
//! What is equal already costs no write: done a second time, it proves that both are equal.

use super::MirrorTally;
use super::batch::{Op, has_room};
use super::bookmark::{Hand, KEY};
use crate::client::{KeyRange, Member};
use crate::content::Digester;
use etcd_client::{GetOptions, KeyValue};
use futures_util::{TryStreamExt, stream};
use std::cmp::Ordering;
use std::collections::VecDeque;
use surefoot_engine::model::Fault;

/// Transactions on their way at once. They may come in in any order: each key is in one of them only.
const IN_FLIGHT: usize = 8;
/// Keys in the first page, and at most in any.
const FIRST: i64 = 100;
const MOST: i64 = 2000;
/// About how many bytes a page may have; what one key has on average is known after the first.
const PAGE: i64 = 2 << 20;

/// What both hold, where they are equal.
pub struct Equal {
    pub keys: u64,
    /// As `etcd.content` has it.
    pub digest: String,
}

/// What came of it.
pub enum CopySummary {
    /// So many changes were made.
    Changed(u64),
    Nothing(Equal),
}

/// All keys of a member at one revision, in their order.
struct Pages<'a> {
    member: &'a Member,
    revision: i64,
    from: Option<Vec<u8>>,
    limit: i64,
    page: VecDeque<KeyValue>,
}

/// Both sides, next to each other.
struct Comparison<'a, 's> {
    source: Pages<'a>,
    destination: Pages<'a>,
    tally: &'a mut MirrorTally<'s>,
    /// A change that did not fit into the transaction before.
    next: Option<Op>,
    digester: Digester,
    keys: u64,
    changes: u64,
}

/// The source's newest revision, by the word of its majority.
pub async fn newest(member: &Member) -> Result<i64, Fault> {
    let answer = member.get("read", KEY.to_vec(), GetOptions::new().with_count_only()).await?;
    Ok(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
}

/// Compares and writes. A fault says `has been compacted` where a side forgot the revision meanwhile.
pub async fn copy(
    source: &Member,
    revision: i64,
    hand: &Hand,
    tally: &mut MirrorTally<'_>,
) -> Result<CopySummary, Fault> {
    let destination = Pages::of(&hand.destination, newest(&hand.destination).await?);
    let source = Pages::of(source, revision);
    let digester = Digester::default();
    let mut both = Comparison { source, destination, tally, next: None, digester, keys: 0, changes: 0 };
    let batches = stream::try_unfold(&mut both, |both| async move {
        let batch = both.batch().await?;
        Ok((!batch.is_empty()).then_some((batch, both)))
    });
    batches.try_for_each_concurrent(IN_FLIGHT, |batch| hand.write(batch)).await?;
    Ok(match both.changes {
        0 => CopySummary::Nothing(Equal { keys: both.keys, digest: both.digester.hex() }),
        changes => CopySummary::Changed(changes),
    })
}

impl Comparison<'_, '_> {
    /// The next changes for one transaction; none at the end.
    async fn batch(&mut self) -> Result<Vec<Op>, Fault> {
        let (mut ops, mut bytes) = (Vec::new(), 0);
        while let Some(op) = self.next().await? {
            if !has_room(ops.len(), bytes, &op) {
                self.next = Some(op);
                break;
            }
            bytes += op.bytes();
            self.tally.count(&op);
            ops.push(op);
        }
        self.changes += ops.len() as u64;
        Ok(ops)
    }

    async fn next(&mut self) -> Result<Option<Op>, Fault> {
        match self.next.take() {
            Some(op) => Ok(Some(op)),
            None => self.change().await,
        }
    }

    /// The next key in which they differ.
    async fn change(&mut self) -> Result<Option<Op>, Fault> {
        loop {
            self.tally.moved(self.source.fill().await?);
            self.destination.fill().await?;
            let (ours, theirs) = (self.source.page.front(), self.destination.page.front());
            let order = match (ours, theirs) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(ours), Some(theirs)) => ours.key().cmp(theirs.key()),
            };
            // A key of the destination's with a lease would not stay.
            let same = |a: &KeyValue, b: &KeyValue| a.value() == b.value() && b.lease() == 0;
            let equal = ours.zip(theirs).is_some_and(|(ours, theirs)| order.is_eq() && same(ours, theirs));
            let theirs = order.is_ge().then(|| self.destination.page.pop_front()).flatten();
            let ours = order.is_le().then(|| self.source.page.pop_front()).flatten();
            match (ours, theirs) {
                (Some(ours), _) => {
                    self.keys += 1;
                    self.digester.add(ours.key(), ours.value());
                    if !equal {
                        let (key, value) = ours.into_key_value();
                        return Ok(Some(Op::Put(key, value)));
                    }
                }
                (None, theirs) => return Ok(theirs.map(|theirs| Op::Delete(theirs.key().to_vec()))),
            }
        }
    }
}

impl<'a> Pages<'a> {
    fn of(member: &'a Member, revision: i64) -> Pages<'a> {
        let from = Some(KeyRange::All.start());
        Pages { member, revision, from, limit: FIRST, page: VecDeque::new() }
    }

    /// Sees to it that the next key is there, unless there is none. Gives the bytes that came in.
    async fn fill(&mut self) -> Result<u64, Fault> {
        let mut bytes = 0;
        while self.page.is_empty()
            && let Some(from) = self.from.take()
        {
            let options = GetOptions::new().with_revision(self.revision).with_serializable().with_limit(self.limit);
            let mut answer = self.member.get("read", from, KeyRange::All.within(options)).await?;
            let pairs = answer.take_kvs();
            bytes += pairs.iter().map(|pair| (pair.key().len() + pair.value().len()) as u64).sum::<u64>();
            // The least key above the last one.
            self.from = pairs.last().filter(|_| answer.more()).map(|last| [last.key(), &[0]].concat());
            let each = i64::try_from(bytes).unwrap_or(i64::MAX) / (pairs.len() as i64).max(1);
            self.limit = (PAGE / each.max(1)).clamp(1, MOST);
            self.page = pairs.into_iter().filter(|pair| pair.key() != KEY).collect();
        }
        Ok(bytes)
    }
}
