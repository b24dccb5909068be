//! A mirror of one etcd in another, on two hosts of a lab: surefoot beside `etcdctl make-mirror`.

use crate::contest::{Way, medians};
use crate::surefoot;
use crate::table::Row;
use ::surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};
use etcd_client::{Client, Txn, TxnOp};
use futures_util::{StreamExt, stream};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;

/// make-mirror takes half a minute.
const ROUNDS: usize = 3;
const KEYS: usize = 24_172;
const SIZE: usize = 1024;

/// make-mirror does not end: it is ended once the destination has as many keys. It runs on the destination's own host.
const MAKE_MIRROR: &str = r#"
etcdctl make-mirror --endpoints "$1" "$2" >/dev/null 2>&1 & mirror=$!
until etcdctl get '' --prefix --count-only -w fields | grep -q '"Count" : '"$3"; do sleep 0.1; done
kill $mirror"#;

const EMPTY: &str = r#"etcdctl del '' --prefix >/dev/null; etcdctl compact "$(etcdctl get x -w json | sed 's/.*"revision":\([0-9]*\).*/\1/')" >/dev/null; etcdctl defrag >/dev/null"#;

/// Two etcds of one member each.
struct Two {
    lab: LabGuard,
    names: [LabName; 2],
    folder: TempDir,
}

impl Two {
    fn up() -> Two {
        let spec = LabSpec::cluster(LabName::of_this_process("bench").expect("a name"), 2, Etcd::V3_5);
        let lab = LabGuard::up(&spec, &|_| {}).expect("a lab");
        let names: Vec<LabName> = lab.hosts().cloned().collect();
        let names = names.try_into().expect("two hosts");
        let folder = tempfile::Builder::new().prefix("surefoot-bench-").tempdir().expect("a folder");
        let two = Two { lab, names, folder };
        for name in &two.names {
            let url = two.url(name);
            let settings =
                format!("ETCD_LISTEN_CLIENT_URLS={url},http://127.0.0.1:2379\nETCD_ADVERTISE_CLIENT_URLS={url}\n");
            two.inside(name, "printf %s \"$1\" >>/etc/default/etcd; systemctl start etcd", &[&settings]);
        }
        two
    }

    fn url(&self, name: &LabName) -> String {
        format!("http://{}:2379", self.lab.address(name).expect("it is up"))
    }

    fn inside(&self, name: &LabName, script: &str, words: &[&str]) {
        let script = format!("export ETCDCTL_API=3; {script}");
        let words = [&["bash", "-euc", script.as_str(), "bash"], words].concat();
        let ended = self.lab.enter(name, &words).expect("it is up").stdin(Stdio::null()).status();
        assert!(ended.expect("it starts").success(), "{script}");
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn run(&self, step: &str) {
        let text = format!("runbook: mirror\nsummary: A mirror.\nsteps:\n  - {step}\n");
        let runbook = self.write("mirror.yaml", &text);
        surefoot::run(&runbook, &self.lab.inventory(), &self.folder.path().join("state"));
    }
}

/// Puts of the same size from memory, without ssh: 100 in a transaction, eight at once.
async fn batched_puts(url: &str) {
    let client = Client::connect([url], None).await.expect("it answers");
    let put = |number: usize| TxnOp::put(format!("/load/{number:08}"), vec![b'x'; SIZE], None);
    let batches = (0..KEYS).step_by(100).map(|from| (from..KEYS.min(from + 100)).map(put).collect::<Vec<_>>());
    stream::iter(batches)
        .for_each_concurrent(8, |batch| {
            let mut kv = client.kv_client();
            async move { drop(kv.txn(Txn::new().and_then(batch)).await.expect("taken")) }
        })
        .await;
}

/// From an empty destination to one that has caught up.
pub fn mirror() -> Vec<Row> {
    let two = Two::up();
    let [source, destination] = &two.names;
    let [from, to] = [two.url(source), two.url(destination)];
    two.run(&format!(
        "{{ id: fill, etcd.put: {{ members: {source}, fill: {{ count: {KEYS}, size: {SIZE}, prefix: /load/ }} }} }}"
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ways: Vec<Way> = vec![
        Box::new(|| two.inside(destination, MAKE_MIRROR, &[&from, &to, &KEYS.to_string()])),
        Box::new(|| runtime.block_on(batched_puts(&to))),
        Box::new(|| {
            two.run(&format!(
                "{{ id: mirror, etcd.mirror: {{ from: {source}, to: {destination}, until: caught_up }} }}"
            ));
        }),
    ];
    let empty = || two.inside(destination, EMPTY, &[]);
    let [make_mirror, puts, ours] = medians(ROUNDS, &empty, ways)[..] else { unreachable!("a time for each way") };
    let work = "mirror: 24,172 keys of 1 KiB to an empty etcd; raw: `etcdctl make-mirror`; ceiling: puts in batches";
    let met = |[raw, ceiling]: [f64; 2]| raw <= 0.1 && ceiling <= 1.5;
    vec![Row::beside_raw(work, [Some(make_mirror), Some(puts)], ours, "0.10 of raw, 1.50 of ceiling", met)]
}
