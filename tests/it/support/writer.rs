//! A client that writes to an etcd cluster all the time, and knows what it was told is kept.

use super::site::Site;
use etcd_client::Client;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub struct Writer {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
}

#[derive(Debug)]
pub struct Written {
    pub acknowledged: usize,
    /// Acknowledged, and not there.
    pub lost: usize,
    /// Between two writes that were acknowledged.
    pub longest_gap: Duration,
}

impl Writer {
    pub fn start(site: &Site) -> Writer {
        let urls = site.members.iter().map(|host| format!("http://{}:2379", site.lab.address(host).unwrap())).collect();
        let end = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let end = end.clone();
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write(urls, end))
        });
        Writer { end, thread }
    }

    pub fn stop(self) -> Written {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Another member for each attempt, so that one that is down is passed over.
async fn write(urls: Vec<String>, end: Arc<AtomicBool>) -> Written {
    const ANSWER: Duration = Duration::from_secs(2);
    let (mut kept, mut longest_gap, mut last) = (BTreeSet::new(), Duration::ZERO, Instant::now());
    for (number, url) in (0_u64..).zip(urls.iter().cycle()) {
        if end.load(Ordering::Relaxed) {
            break;
        }
        let put = async {
            let mut client = Client::connect([url], None).await?;
            client.put(format!("/writer/{number}"), "x", None).await
        };
        if matches!(tokio::time::timeout(ANSWER, put).await, Ok(Ok(_))) {
            kept.insert(format!("/writer/{number}"));
            longest_gap = longest_gap.max(last.elapsed());
            last = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut client = Client::connect(&urls, None).await.unwrap();
    let options = etcd_client::GetOptions::new().with_prefix().with_keys_only();
    let there = client.get("/writer/", Some(options)).await.unwrap();
    let there: BTreeSet<String> = there.kvs().iter().map(|kv| kv.key_str().unwrap().to_owned()).collect();
    Written { acknowledged: kept.len(), lost: kept.difference(&there).count(), longest_gap }
}
