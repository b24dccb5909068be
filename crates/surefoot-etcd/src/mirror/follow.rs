//! Brings the destination what the source is told, revision after revision, from a watch on all of its keys.
//!
//! Each revision of etcd has at least one event, so the watch of all keys tells by itself how far it is: no key needs to
//! be written to the source for that, and no progress report believed (etcd 3.4 before 3.4.25 and 3.5 before 3.5.8 send
//! them before the events: issue 15220).

use super::MirrorTally;
use super::batch::{Op, pack};
use super::bookmark::{Hand, KEY};
use super::copy::newest;
use crate::client::{KeyRange, Member, fault};
use etcd_client::{Event, EventType, WatchOptions, WatchResponse, WatchStream};
use futures_util::FutureExt;
use std::time::Duration;
use surefoot_engine::model::{Fault, FaultKind};
use tokio::time::{Instant, sleep, timeout};

/// A watch that says nothing for this long, of what is known to have happened, is dead: its link was cut without a word.
const SILENCE: Duration = Duration::from_secs(10);
/// How far behind the source a destination may be that has caught up.
const BEHIND: Duration = Duration::from_secs(1);
/// Answers that are taken together, where the source is faster than one transaction after the other.
const TOGETHER: usize = 200;

pub struct Follow<'a> {
    source: &'a Member,
    hand: &'a mut Hand,
    watch: WatchStream,
    /// The last revision that was taken in.
    revision: i64,
}

impl<'a> Follow<'a> {
    /// From the revision after the one that the destination has.
    pub async fn from(source: &'a Member, hand: &'a mut Hand, revision: i64) -> Result<Follow<'a>, Fault> {
        let options = WatchOptions::new().with_range(KeyRange::All.end()).with_start_revision(revision + 1);
        let mut client = source.client.watch_client().max_decoding_message_size(usize::MAX);
        let open = async move { client.watch(KeyRange::All.start(), Some(options)).await };
        let watch = source.call("watch", SILENCE, open).await?;
        Ok(Follow { source, hand, watch, revision })
    }

    pub fn hand(&self) -> &Hand {
        self.hand
    }

    /// Until the destination is less than a second behind.
    pub async fn catch_up(&mut self, tally: &mut MirrorTally<'_>) -> Result<i64, Fault> {
        loop {
            let asked = Instant::now();
            self.reach(newest(self.source).await?, tally).await?;
            if asked.elapsed() < BEHIND {
                return Ok(self.revision);
            }
        }
    }

    /// Until the source has had no new revision for so long, and the destination has the last.
    pub async fn rest(&mut self, quiet: Duration, tally: &mut MirrorTally<'_>) -> Result<i64, Fault> {
        loop {
            let last = self.catch_up(tally).await?;
            sleep(quiet).await;
            if newest(self.source).await? == last {
                return Ok(last);
            }
        }
    }

    /// Until the destination has this revision.
    async fn reach(&mut self, revision: i64, tally: &mut MirrorTally<'_>) -> Result<(), Fault> {
        while self.revision < revision {
            let revisions = self.revisions().await?;
            for piece in pack(revisions) {
                piece.ops.iter().for_each(|op| tally.count(op));
                tally.moved(piece.ops.iter().map(|op| op.bytes() as u64).sum());
                match piece.revision {
                    Some(revision) => self.hand.advance(piece.ops, revision).await?,
                    None => {
                        tally.broken += 1;
                        self.hand.write(piece.ops).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the watch has next, and what has come in behind it meanwhile.
    async fn revisions(&mut self) -> Result<Vec<(i64, Vec<Op>)>, Fault> {
        let mut revisions = Vec::new();
        let mut next = timeout(SILENCE, self.watch.message()).await.map_err(|_| self.silent())?;
        for _ in 0..TOGETHER {
            let answer =
                next.map_err(|error| fault(&self.source.host, "watch", &error))?.ok_or_else(|| self.silent())?;
            check(self.source, &answer)?;
            answer.events().iter().for_each(|event| self.take(event, &mut revisions));
            match self.watch.message().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        Ok(revisions)
    }

    /// Events of one revision come together, in the order of their transaction.
    fn take(&mut self, event: &Event, revisions: &mut Vec<(i64, Vec<Op>)>) {
        let Some(pair) = event.kv() else { return };
        let revision = pair.mod_revision();
        if revisions.last().is_none_or(|(last, _)| *last != revision) {
            revisions.push((revision, Vec::new()));
            self.revision = revision;
        }
        let op = match event.event_type() {
            EventType::Put => Op::Put(pair.key().to_vec(), pair.value().to_vec()),
            EventType::Delete => Op::Delete(pair.key().to_vec()),
        };
        // The source may have been a destination itself.
        if let Some((_, ops)) = revisions.last_mut().filter(|_| op.key() != KEY) {
            ops.push(op);
        }
    }

    fn silent(&self) -> Fault {
        let fault = Fault::new(FaultKind::Etcd, format!("etcd on {}: the watch broke off", self.source.host));
        fault.detail(format!("nothing came after revision {}", self.revision))
    }
}

/// Whether the watch goes on.
fn check(source: &Member, answer: &WatchResponse) -> Result<(), Fault> {
    if !answer.canceled() {
        return Ok(());
    }
    let fault = Fault::new(FaultKind::Etcd, format!("etcd on {}: it ended the watch", source.host));
    Err(match answer.compact_revision() {
        0 if answer.cancel_reason().contains("permission denied") => Fault { kind: FaultKind::Denied, ..fault },
        0 => fault,
        revision => return Err(fault.detail(format!("before revision {revision} its history has been compacted"))),
    }
    .detail(answer.cancel_reason()))
}
