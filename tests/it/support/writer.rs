//! A client that writes to an etcd cluster all the time, and knows what it was told is kept.

use super::site::{PASSWORD, Site};
use etcd_client::{Certificate, Client, ConnectOptions, GetOptions, Identity, TlsOptions};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::time::timeout;

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
    /// What came of the writes that were tried in that gap: the member, how long it took, and its word.
    pub in_gap: Vec<String>,
}

/// A client of a site: where its members listen, the folder of its certificates where they have TLS, and whether they
/// ask who it is.
struct Dialling {
    urls: Vec<String>,
    tls: Option<PathBuf>,
    users: bool,
}

impl Dialling {
    /// Certificates are read each time: who rotates them gives the clients theirs by replacing the files.
    async fn connect(&self, urls: &[String]) -> Result<Client, etcd_client::Error> {
        let mut options = ConnectOptions::new();
        if let Some(folder) = &self.tls {
            let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
            let own = Identity::from_pem(file("client.pem"), file("client-key.pem"));
            let ca = Certificate::from_pem(file("ca.pem"));
            options = options.with_tls(TlsOptions::new().ca_certificate(ca).identity(own));
        }
        if self.users {
            options = options.with_user("root", PASSWORD);
        }
        Client::connect(urls, Some(options)).await
    }
}

impl Writer {
    /// With TLS it takes `ca.pem`, `client.pem` and `client-key.pem` of the folder `client`.
    pub fn start(site: &Site) -> Writer {
        let scheme = if site.tls { "https" } else { "http" };
        let url = |host| format!("{scheme}://{}:2379", site.lab.address(host).unwrap());
        let urls = site.members.iter().map(url).collect();
        let dialling = Dialling { urls, tls: site.tls.then(|| site.program.path("client")), users: site.users };
        let end = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let end = end.clone();
            || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(write(dialling, end))
            }
        });
        Writer { end, thread }
    }

    pub fn stop(self) -> Written {
        self.end.store(true, Ordering::Relaxed);
        let written = self.thread.join().unwrap();
        eprintln!("longest gap {:?}, in it {:?}", written.longest_gap, written.in_gap);
        written
    }
}

/// Another member for each attempt, so that one that is down is passed over; so is one that is not ready, as etcd's own
/// clients do: a member that starts or stops takes connections and answers nothing on them.
async fn write(dialling: Dialling, end: Arc<AtomicBool>) -> Written {
    const READY: Duration = Duration::from_millis(500);
    const ANSWER: Duration = Duration::from_secs(2);
    let (mut kept, mut longest_gap, mut last) = (BTreeSet::new(), Duration::ZERO, Instant::now());
    let (mut tried, mut in_gap) = (Vec::new(), Vec::new());
    for (number, url) in (0_u64..).zip(dialling.urls.iter().cycle()) {
        if end.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let put = async {
            let ready = async {
                let mut client = dialling.connect(std::slice::from_ref(url)).await?;
                client.status().await.map(|_| client)
            };
            let mut client = timeout(READY, ready).await.map_err(|_| "not ready".to_owned())?.map_err(told)?;
            let put = client.put(format!("/writer/{number}"), "x", None);
            timeout(ANSWER, put).await.map_err(|_| "no answer".to_owned())?.map_err(told)
        };
        let since = Instant::now();
        if let Err(why) = put.await {
            tried.push(format!("{url}, {} ms: {why}", since.elapsed().as_millis()));
            continue;
        }
        kept.insert(format!("/writer/{number}"));
        if last.elapsed() > longest_gap {
            (longest_gap, in_gap) = (last.elapsed(), std::mem::take(&mut tried));
        }
        tried.clear();
        last = Instant::now();
    }
    let there = read(&dialling).await;
    Written { acknowledged: kept.len(), lost: kept.difference(&there).count(), longest_gap, in_gap }
}

fn told(error: etcd_client::Error) -> String {
    error.to_string()
}

/// What is there, as the first member that answers says: one that was asked may have gone.
async fn read(dialling: &Dialling) -> BTreeSet<String> {
    for url in &dialling.urls {
        let get = async {
            let mut client = dialling.connect(std::slice::from_ref(url)).await?;
            client.get("/writer/", Some(GetOptions::new().with_prefix().with_keys_only())).await
        };
        if let Ok(found) = get.await {
            return found.kvs().iter().map(|kv| kv.key_str().unwrap().to_owned()).collect();
        }
    }
    panic!("none of {:?} answers", dialling.urls);
}
