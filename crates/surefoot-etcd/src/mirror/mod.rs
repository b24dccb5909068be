//! `etcd.mirror`: the keys of one cluster, all the time, in another.
//!
//! `copy` makes the destination equal to the source at one revision, `follow` brings it what comes after that, `bookmark`
//! is the destination's own note of how far that is, `batch` packs changes into transactions, `written` tells what is
//! the mirror's there. Every session begins with
//! what the bookmark says; so a cut link, a killed engine and a compacted history all end in another session.

mod batch;
mod bookmark;
mod check;
mod copy;
mod follow;
mod written;

pub use check::MirrorCheck;

use super::client::{self, ANSWER, KeyRange, Member, hex, is_silence, says};
use batch::Op;
use bookmark::{Bookmark, Hand, KEY};
use copy::{CopySummary, Equal, copy, newest};
use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, Txn, TxnOp};
use follow::Follow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, Period, UndoSupport};
use surefoot_engine::model::{Effect, Fault, FaultKind, Stream};
use surefoot_engine::world::Sink;
use tokio::time::{Instant, sleep, timeout_at};
use written::Written;

/// How long cut links are fixed without any progress, before it is a fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two sessions.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a compacted history makes it start over before that is a fault.
const STARTS: u32 = 5;
/// How often what was just made equal may differ again.
const LOOKS: usize = 3;

/// Makes one cluster hold the keys of another, and keeps it so: what is missing at the destination is put, what differs
/// is put again, **what the source does not have is deleted**.
///
/// It reads the source page by page at one revision, compares it with the destination, and writes what differs: up to 100
/// keys and 1 MiB in a transaction, eight at once. From the next revision on it follows by a watch. Whoever reads the
/// destination then sees the source as it was at some revision: several revisions may come in at once, one comes in
/// whole, also with thousands of keys (as transactions within a transaction). Only a revision of more than 1 MiB is
/// broken into several transactions (`broken`).
///
/// The key `surefoot/mirror` at the destination says which revision it has, and moves in the same transaction as that. So
/// a link that was cut is fixed, and an engine that was killed goes on, where the destination is; a second mirror to the
/// same destination ends the first. With `until: frozen` it is taken away at the end.
///
/// Not carried, for etcd gives no way: leases (their keys become permanent), revisions and versions, history, users and
/// roles. `etcd.mirror_check` tells what of that there is. Not for Kubernetes, which lives on revisions and leases.
///
/// Nor can a client hold back compaction. Where the source compacts what is still to be read, it starts over at a newer
/// revision (`started_over`), and what is equal by then costs no write; after five times in vain it is `refused`: give
/// the source a longer `auto-compaction-retention` first. A link that is cut is fixed for 60 s without progress; after
/// that it is a fault, and with `retry` goes on where it was. `denied` where users lack rights to all keys, `no_space`
/// where the destination is full, `value` where it takes no requests as large as the source does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The source. Of several members, the first that answers is read.
    pub from: Hosts,
    /// The destination: another cluster. Of several members, the first that answers is written to.
    pub to: Hosts,
    /// When it is done. `caught_up`: the destination is less than a second behind; clients may write to the source.
    /// `frozen`: the source has had no new revision for `quiet`, and a comparison of every key and value finds both
    /// equal; stop the source's clients before.
    pub until: Until,
    /// With `frozen`: how long the source must have had no new revision.
    #[serde(default = "default_quiet")]
    pub quiet: Period,
    /// The destination has what the source had at this revision: it was restored from a snapshot of then, or an earlier
    /// mirror has told it. Nothing is compared before; it follows from the next revision on. Where the destination's own
    /// note is further, that counts.
    #[serde(default)]
    pub after: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    CaughtUp,
    Frozen,
}

fn default_quiet() -> Period {
    Period(Duration::from_secs(5))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MirrorOut {
    /// The source's revision whose keys the destination has.
    pub revision: i64,
    /// Keys of the destination.
    pub keys: u64,
    /// Of both, as `etcd.content` has it. None unless the source is frozen.
    pub digest: Option<String>,
    /// Keys that were put.
    pub puts: u64,
    /// Keys that were deleted.
    pub deletes: u64,
    /// Transactions after which a reader saw a part of a revision.
    pub broken: u64,
    /// How often the source had compacted what was still to be read.
    pub started_over: u32,
}

/// What the destination was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationBefore {
    keys: u64,
    /// Whether an earlier step of this run had begun the mirror: what is there goes with that.
    begun: bool,
}

/// What has been done so far, over all sessions.
pub(super) struct MirrorTally<'a> {
    sink: &'a dyn Sink,
    bytes: u64,
    puts: u64,
    deletes: u64,
    broken: u64,
    started_over: u32,
}

/// With links that are cut.
#[derive(Default)]
struct Patience {
    /// When the first of sessions that came to nothing began to.
    since: Option<Instant>,
}

impl Patience {
    /// Whether to try again after a session that `began` then was cut: `moved`, it had brought something.
    fn tolerates(&mut self, began: Instant, moved: bool) -> bool {
        if moved || began.elapsed() > PATIENCE {
            self.since = None;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

impl<'a> MirrorTally<'a> {
    fn new(sink: &'a dyn Sink) -> MirrorTally<'a> {
        MirrorTally { sink, bytes: 0, puts: 0, deletes: 0, broken: 0, started_over: 0 }
    }

    fn count(&mut self, op: &Op) {
        match op {
            Op::Put(..) => self.puts += 1,
            Op::Delete(_) => self.deletes += 1,
        }
    }

    fn moved(&mut self, bytes: u64) {
        if bytes > 0 {
            self.bytes += bytes;
            self.sink.progress(self.bytes, None);
        }
    }

    /// One line for people.
    fn say(&self, line: String) {
        self.sink.output(Stream::Out, (line + "\n").as_bytes());
    }

    fn out(&self, revision: i64, keys: u64, digest: Option<String>) -> MirrorOut {
        let MirrorTally { puts, deletes, broken, started_over, .. } = *self;
        MirrorOut { revision, keys, digest, puts, deletes, broken, started_over }
    }
}

impl Action for Mirror {
    const NAME: &'static str = "etcd.mirror";
    const EXAMPLE: &'static str = "etcd.mirror: { from: source, to: members, until: caught_up }\ntimeout: 6h";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported(
        "deletes every key of the destination, where it had none before and nobody else has written or deleted there since",
    );
    type Out = MirrorOut;
    type Before = DestinationBefore;

    fn validate(&self) -> Result<(), Fault> {
        match self.after {
            Some(after) if after < 1 => Err(Fault::value("`after` is a revision: 1 or more")),
            _ if self.from.0.iter().any(|host| self.to.0.contains(host)) => {
                Err(Fault::value("a host is in `from` and in `to`: a cluster cannot mirror itself"))
            }
            _ => Ok(()),
        }
    }

    /// The source moves on.
    fn is_stable(&self) -> bool {
        false
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let source = client::any(cx, Some(&self.from)).await?;
        let destination = client::any(cx, Some(&self.to)).await?;
        let (ours, theirs) = (count(&source).await?, count(&destination).await?);
        let begun = begun(&source, &destination).await?;
        let already = match &begun {
            Some(_) => ", where an earlier mirror of it goes on".to_owned(),
            None if theirs == 0 => String::new(),
            None => format!(", and delete what else is among the {theirs} keys there"),
        };
        let summary = format!("mirror {ours} keys of {} to {}{already}", source.host, destination.host);
        let lost = "not carried: leases, revisions, versions, history, users and roles\n".to_owned();
        let before = DestinationBefore { keys: theirs, begun: begun.is_some_and(|note| note.is_by(cx.run)) };
        Ok(Inspection::Change(Change { summary, diff: Some(lost), before }))
    }

    async fn apply(&self, cx: &Cx<'_>, _: &DestinationBefore) -> Result<MirrorOut, Fault> {
        let mut tally = MirrorTally::new(cx.sink);
        let sessions = self.sessions(cx, &mut tally);
        let (out, revision) = match cx.deadline {
            None => sessions.await,
            Some(end) => timeout_at(end, sessions).await.unwrap_or_else(|_| {
                let fault = Fault::new(FaultKind::Timeout, "the mirror did not come to its end in its time");
                Err(fault.hint("it goes on where it is: is the source still written to, faster than it can follow?"))
            }),
        }?;
        let destination = client::any(cx, Some(&self.to)).await?;
        let written = Written { revision, keys: Some(out.keys) };
        written::keep(cx, &cluster_id(&destination).await?, written).await?;
        Ok(out)
    }

    /// What an earlier step had begun goes with that step.
    fn is_back(before: &DestinationBefore, now: &DestinationBefore) -> bool {
        before.begun || before.keys == now.keys
    }

    async fn undo(&self, cx: &Cx<'_>, before: &DestinationBefore) -> Result<(), Fault> {
        match before {
            DestinationBefore { begun: true, .. } => Ok(()),
            DestinationBefore { keys: 0, .. } => clear_own(cx, &client::any(cx, Some(&self.to)).await?).await,
            DestinationBefore { keys, .. } => Err(Fault::refused(format!(
                "the destination had {keys} keys before: which of them were replaced is not known"
            ))),
        }
    }
}

impl Mirror {
    /// One session after the other, until one comes to its end. Gives the destination's revision by then, too.
    async fn sessions(&self, cx: &Cx<'_>, tally: &mut MirrorTally<'_>) -> Result<(MirrorOut, i64), Fault> {
        let (mut afresh, mut patience) = (false, Patience::default());
        loop {
            let (begun, bytes) = (Instant::now(), tally.bytes);
            match self.session(cx, afresh, tally).await {
                Err(fault) if says(&fault, "has been compacted") => {
                    tally.started_over += 1;
                    afresh = true;
                    if tally.started_over > STARTS {
                        return Err(outrun(fault));
                    }
                    tally.say("the history that was still to be read has been compacted: starting over".to_owned());
                }
                Err(fault) if is_passing(&fault) && patience.tolerates(begun, tally.bytes > bytes) => {
                    tally.say(format!("{fault}: trying again"));
                    sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// From what the destination has to the end. `afresh`: whatever it says that it has.
    async fn session(&self, cx: &Cx<'_>, afresh: bool, tally: &mut MirrorTally<'_>) -> Result<(MirrorOut, i64), Fault> {
        let source = client::any(cx, Some(&self.from)).await?;
        let destination = client::any(cx, Some(&self.to)).await?;
        let from = match begun(&source, &destination).await? {
            _ if afresh => None,
            Some(note) => note.revision.max(self.after),
            None => self.after,
        };
        if let Some(revision) = from {
            must_have_had(&source, revision).await?;
        }
        let mut hand = Hand::take(cx, destination, cluster_id(&source).await?, from).await?;
        if hand.is_of(Bookmark::of(&source).await?) {
            hand.leave().await?;
            return Err(Fault::value("`from` and `to` are one cluster: it cannot mirror itself"));
        }
        let revision = match from {
            Some(revision) => revision,
            None => start(&source, &mut hand, tally).await?,
        };
        tally.say(format!("{} has revision {revision} of {}, and follows", hand.destination.host, source.host));
        let mut follow = Follow::from(&source, &mut hand, revision).await?;
        if self.until == Until::CaughtUp {
            let revision = follow.catch_up(tally).await?;
            let keys = count(&hand.destination).await?;
            let written = written::noted(&hand.destination).await?;
            return Ok((tally.out(revision, keys, None), written));
        }
        loop {
            let revision = follow.rest(self.quiet.0, tally).await?;
            let Equal { keys, digest } = prove(&source, revision, follow.hand(), tally).await?;
            if newest(&source).await? == revision {
                drop(follow);
                let written = hand.leave().await?;
                return Ok((tally.out(revision, keys, Some(digest)), written));
            }
        }
    }
}

/// The revision that the destination is said to have.
async fn must_have_had(source: &Member, revision: i64) -> Result<(), Fault> {
    match newest(source).await? {
        newest if revision > newest => Err(Fault::value(format!(
            "the destination is said to have revision {revision}, but {} is at {newest}: is it another cluster?",
            source.host
        ))),
        _ => Ok(()),
    }
}

/// Makes the destination hold what the source holds now; gives the revision.
async fn start(source: &Member, hand: &mut Hand, tally: &mut MirrorTally<'_>) -> Result<i64, Fault> {
    let revision = newest(source).await?;
    copy(source, revision, hand, tally).await?;
    hand.advance(Vec::new(), revision).await?;
    Ok(revision)
}

/// Compares everything once more, and fixes what differs, until nothing does.
async fn prove(source: &Member, revision: i64, hand: &Hand, tally: &mut MirrorTally<'_>) -> Result<Equal, Fault> {
    let mut changes = 0;
    for _ in 0..LOOKS {
        match copy(source, revision, hand, tally).await? {
            CopySummary::Nothing(equal) => return Ok(equal),
            CopySummary::Changed(number) => changes = number,
        }
    }
    let message = format!("{changes} keys of the destination differ again and again: somebody else writes to it");
    Err(Fault::refused(message).hint("no client may write there before the mirror has ended"))
}

/// The note at the destination, where it is of this source.
async fn begun(source: &Member, destination: &Member) -> Result<Option<Bookmark>, Fault> {
    let id = cluster_id(source).await?;
    Ok(Bookmark::of(destination).await?.filter(|note| note.source == id))
}

async fn cluster_id(member: &Member) -> Result<String, Fault> {
    Ok(member.status().await?.header().map(|header| hex(header.cluster_id())).unwrap_or_default())
}

/// Keys now, without the note.
async fn count(member: &Member) -> Result<u64, Fault> {
    let options = || GetOptions::new().with_count_only();
    let all = member.get("count", KeyRange::All.start(), KeyRange::All.within(options())).await?;
    let note = member.get("count", KEY.to_vec(), options()).await?;
    Ok(u64::try_from(all.count() - note.count()).unwrap_or_default())
}

/// Deletes every key, unless somebody else has written or deleted one.
async fn clear_own(cx: &Cx<'_>, destination: &Member) -> Result<(), Fault> {
    let cluster = cluster_id(destination).await?;
    let ours = written::until(cx, destination, &cluster).await?;
    only_ours(destination, ours.revision).await?;
    let deleted = match ours.keys {
        Some(keys) => keys.saturating_sub(count(destination).await?),
        None => 0,
    };
    // Of what is gone there is nothing to keep.
    if deleted > 0 && !cx.set_aside {
        let fault =
            Fault::refused(format!("changed since by others: keys of the destination that were deleted: {deleted}"));
        return Err(fault.hint("nothing was rolled back here; `surefoot rollback --set-aside` deletes the others, too"));
    }
    // The note goes with the keys, perhaps before the last of them.
    written::keep(cx, &cluster, Written { keys: None, ..ours }).await?;
    clear(destination, ours.revision).await
}

/// Refuses where a key is younger than a revision.
async fn only_ours(destination: &Member, revision: i64) -> Result<(), Fault> {
    match written::after(destination, revision).await? {
        None => Ok(()),
        Some(key) => Err(Fault::refused(format!("changed since by others: the key {key} of the destination"))
            .hint("it was not rolled back here: delete by hand what is not to stay")),
    }
}

/// Deletes every key up to a revision, some thousands at a time: etcd answers nobody else meanwhile. What somebody else
/// writes at that very moment stays.
async fn clear(member: &Member, revision: i64) -> Result<(), Fault> {
    loop {
        let options = GetOptions::new().with_keys_only().with_limit(5000);
        let page = member.get("read", KeyRange::All.start(), KeyRange::All.within(options)).await?;
        let Some(last) = page.kvs().last() else { return Ok(()) };
        let (start, end) = (KeyRange::All.start(), [last.key(), &[0]].concat());
        let ours = Compare::mod_revision(start.clone(), CompareOp::Less, revision + 1).with_range(end.clone());
        let delete = TxnOp::delete(start, Some(DeleteOptions::new().with_range(end)));
        let (mut kv, txn) = (member.client.kv_client(), Txn::new().when([ours]).and_then([delete]));
        if !member.call("delete", ANSWER, async move { kv.txn(txn).await }).await?.succeeded() {
            only_ours(member, revision).await?;
        }
    }
}

/// Whether another session may fix it: a silent etcd, a cut link, a token that has grown old.
fn is_passing(fault: &Fault) -> bool {
    let cut = matches!(fault.kind, FaultKind::Unreachable | FaultKind::Lost | FaultKind::Timeout);
    is_silence(fault) || cut || says(fault, "invalid auth token")
}

fn outrun(fault: Fault) -> Fault {
    let fault = Fault { kind: FaultKind::Refused, ..fault };
    let fault = Fault { message: "history is compacted faster than it can be read".to_owned(), ..fault };
    fault.hint("give the source, and the destination, a longer `auto-compaction-retention` for the time of the mirror")
}
