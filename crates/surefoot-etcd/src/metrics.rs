//! `etcd.metrics`: how a member fares over a while, from its own measurements.

mod scrape;

use super::client;
use schemars::JsonSchema;
use scrape::{Histogram, Scrape};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use surefoot_engine::action::{Action, Cx, Inspection, Period, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use tokio::time::{Instant, sleep_until};

/// Reads `/metrics` of the step's own host several times over a while, and says what happened between the first read and
/// the last.
///
/// Quantiles come from the differences of the histograms' buckets, so what was before does not count; within a bucket
/// they are interpolated as Prometheus does, and above the last bound they are that bound. All are in milliseconds;
/// none where nothing was measured meanwhile. What to look at (etcd's hardware guide and alerts): a WAL sync of 10 ms
/// at the 99th percentile is good, 500 ms is an alarm; a backend commit 25 ms and 250 ms; a round trip 150 ms; four
/// changes of leader in a quarter of an hour.
///
/// `etcd` where the member does not answer, `refused` where it was restarted in between.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// From the first read to the last.
    #[serde(default = "default_for", rename = "for")]
    pub window: Period,
    /// How often to read, at least 2, evenly spread.
    #[serde(default = "default_samples")]
    #[schemars(range(min = 2, max = 1000))]
    pub samples: u32,
}

fn default_for() -> Period {
    Period(Duration::from_secs(60))
}

fn default_samples() -> u32 {
    2
}

/// Counts are of the time between; what may go up and down is the worst that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricsOut {
    /// How often this member saw the leader change (`etcd_server_leader_changes_seen_total`).
    pub leader_changes: u64,
    /// Whether it had a leader each time (`etcd_server_has_leader`).
    pub has_leader: bool,
    /// Heartbeats that came too late, mostly for a slow disk (`etcd_server_heartbeat_send_failures_total`).
    pub heartbeat_failures: u64,
    /// `etcd_server_proposals_failed_total`.
    pub proposals_failed: u64,
    /// The most that waited (`etcd_server_proposals_pending`).
    pub proposals_pending: u64,
    /// `etcd_server_slow_apply_total`.
    pub slow_applies: u64,
    /// `etcd_server_slow_read_indexes_total`.
    pub slow_reads: u64,
    /// `etcd_disk_wal_fsync_duration_seconds`.
    pub wal_fsync_p50_ms: Option<f64>,
    pub wal_fsync_p99_ms: Option<f64>,
    pub wal_fsync_p999_ms: Option<f64>,
    /// `etcd_disk_backend_commit_duration_seconds`.
    pub backend_commit_p99_ms: Option<f64>,
    /// To each peer that was measured (`etcd_network_peer_round_trip_time_seconds`; it begins about 30 s after the
    /// start of etcd, and measures every few seconds).
    pub rtt: Vec<RoundTrip>,
    /// What was written, from the member's newest revision (`etcd_debugging_mvcc_current_revision`).
    pub revisions_per_minute: Option<f64>,
    /// The size of the database, in bytes (`etcd_mvcc_db_total_size_in_bytes`).
    pub db_size: u64,
    /// What it may become, in bytes (`etcd_server_quota_backend_bytes`).
    pub quota: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RoundTrip {
    /// The member's id, in hex.
    pub to: String,
    pub mean_ms: f64,
    pub p99_ms: f64,
}

impl Action for Metrics {
    const NAME: &'static str = "etcd.metrics";
    const EXAMPLE: &'static str = "on: members\netcd.metrics: { for: 2s, samples: 3 }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    const LIMITED: bool = false;
    type Out = MetricsOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("measure etcd for a while")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<MetricsOut, Fault> {
        let count = self.samples.max(2);
        let begin = Instant::now();
        let mut all = Vec::new();
        for n in 0..count {
            sleep_until(begin + self.window.0 * n / (count - 1)).await;
            all.push(Scrape::parse(&client::page(cx, cx.host, "/metrics").await?));
        }
        let started = |scrape: &Scrape| scrape.value("process_start_time_seconds");
        if all.iter().any(|scrape| started(scrape) != started(&all[0])) {
            return Err(Fault::refused(format!("etcd on {} was restarted while it was measured", cx.host.name())));
        }
        Ok(out(&all, begin.elapsed()))
    }
}

/// Of reads in order, of one life of the server, which took so long.
fn out(all: &[Scrape], took: Duration) -> MetricsOut {
    let (first, last) = (&all[0], &all[all.len() - 1]);
    let counted = |name: &str| (last.value(name) - first.value(name)).max(0.0) as u64;
    let most = |name: &str| all.iter().map(|scrape| scrape.value(name)).fold(0.0, f64::max) as u64;
    let between = |name: &str| last.histogram(name, "").since(&first.histogram(name, ""));
    let fsync = between("etcd_disk_wal_fsync_duration_seconds");
    let commit = between("etcd_disk_backend_commit_duration_seconds");
    MetricsOut {
        leader_changes: counted("etcd_server_leader_changes_seen_total"),
        has_leader: all.iter().all(|scrape| scrape.value("etcd_server_has_leader") == 1.0),
        heartbeat_failures: counted("etcd_server_heartbeat_send_failures_total"),
        proposals_failed: counted("etcd_server_proposals_failed_total"),
        proposals_pending: most("etcd_server_proposals_pending"),
        slow_applies: counted("etcd_server_slow_apply_total"),
        slow_reads: counted("etcd_server_slow_read_indexes_total"),
        wal_fsync_p50_ms: millis(&fsync, 0.5),
        wal_fsync_p99_ms: millis(&fsync, 0.99),
        wal_fsync_p999_ms: millis(&fsync, 0.999),
        backend_commit_p99_ms: millis(&commit, 0.99),
        rtt: round_trips(first, last),
        revisions_per_minute: per_minute(first, last, took),
        db_size: last.value("etcd_mvcc_db_total_size_in_bytes") as u64,
        quota: last.value("etcd_server_quota_backend_bytes") as u64,
    }
}

/// None where this version does not tell. No store has revision 0.
fn per_minute(first: &Scrape, last: &Scrape, took: Duration) -> Option<f64> {
    let newest = |scrape: &Scrape| scrape.value("etcd_debugging_mvcc_current_revision");
    (newest(first) > 0.0).then(|| (newest(last) - newest(first)) * 60.0 / took.as_secs_f64())
}

fn millis(histogram: &Histogram, share: f64) -> Option<f64> {
    histogram.quantile(share).map(|seconds| seconds * 1000.0)
}

fn round_trips(first: &Scrape, last: &Scrape) -> Vec<RoundTrip> {
    let name = "etcd_network_peer_round_trip_time_seconds";
    let measured = last.labels(name, "To").into_iter().filter_map(|to| {
        let only = format!("To=\"{to}\"");
        let between = last.histogram(name, &only).since(&first.histogram(name, &only));
        Some(RoundTrip { mean_ms: between.mean()? * 1000.0, p99_ms: millis(&between, 0.99)?, to })
    });
    measured.collect()
}
