use super::probes::noise;
use super::*;
use futures_util::future::join_all;
use surefoot_engine::model::FaultKind;
use surefoot_engine::world::Silent;

#[tokio::test]
async fn an_act_runs_once_however_often_it_is_asked_for() {
    let bench = Bench::new();
    let (one, other) = tokio::join!(bench.host(), bench.host());
    let log = bench.sshd.path().join("log").display().to_string();
    // 200 starts of 50 ids, from two engines, all at once.
    let starts = (0..200).map(|n| {
        let (host, log) = (if n % 2 == 0 { &one } else { &other }, log.clone());
        async move {
            let script = Script::new("echo \"$2\" >>\"$1\"; echo did \"$2\"").arg(log).arg((n % 50).to_string());
            host.act(&numbered("count", n % 50), script, &Silent).await.expect("it runs")
        }
    });
    let outputs = join_all(starts).await;
    for (n, output) in outputs.iter().enumerate() {
        assert_eq!((output.code, output.text().as_ref()), (0, format!("did {}", n % 50).as_str()));
    }
    let mut ran: Vec<u32> = lines(&log).iter().map(|line| line.parse().expect("a number")).collect();
    ran.sort_unstable();
    assert_eq!(ran, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn five_megabytes_of_any_bytes_pass_an_act() {
    let bench = Bench::new();
    let host = bench.host().await;
    let bytes = noise(5 << 20);
    let path = bench.sshd.path().join("noise");
    std::fs::write(&path, &bytes).expect("written");
    let sink = Recorder::default();
    let script = Script::new("cat \"$1\"; cat \"$1\" >&2; exit 9").arg(path.display().to_string());
    let output = host.act(&id("noise"), script, &sink).await.expect("it runs");
    assert!(sink.out() == bytes && sink.err() == bytes);
    assert_eq!((output.code, output.truncated), (9, true));
    assert!(output.stdout == bytes[..1 << 20] && output.stderr == bytes[..1 << 20]);
}

#[tokio::test]
async fn output_comes_while_it_runs() {
    let bench = Bench::new();
    let host = bench.host().await;
    let go = fifo(&bench, "go");
    let sink = Recorder::default();
    let (name, script) = (id("live"), Script::new("echo first; cat \"$1\"").arg(go.display().to_string()));
    let act = host.act(&name, script, &sink);
    let watch = async {
        sink.until("first\n").await;
        tokio::fs::write(&go, "second\n").await.expect("the script reads it");
    };
    let output = tokio::join!(act, watch).0.expect("it runs");
    assert_eq!((output.text().as_ref(), sink.out()), ("first\nsecond", b"first\nsecond\n".to_vec()));
}

#[tokio::test]
async fn sixty_four_acts_share_a_connection_that_allows_ten_sessions() {
    let bench = Bench::with("MaxSessions 10");
    let host = bench.host().await;
    let met = bench.sshd.path().join("met");
    std::fs::create_dir(&met).expect("a new folder");
    // They end only once all of them are there.
    let script = Script::new(": >\"$1/$2\"; until [ \"$(ls \"$1\" | wc -l)\" = 64 ]; do sleep 0.1; done");
    let acts = (0..64).map(|n| {
        let script = script.clone().arg(met.display().to_string()).arg(n.to_string());
        let host = &host;
        async move { host.act(&numbered("wide", n), script, &Silent).await.expect("it runs").code }
    });
    assert_eq!(join_all(acts).await, [0; 64]);
}

#[tokio::test]
async fn transfers_wait_where_sessions_are_few() {
    let bench = Bench::with("MaxSessions 3");
    let host = bench.host().await;
    let from = bench.sshd.path().join("from");
    std::fs::write(&from, noise(1 << 20)).expect("written");
    let puts = (0..12).map(|n| {
        let to = bench.sshd.path().join(format!("to-{n}")).display().to_string();
        let (host, from) = (&host, &from);
        async move { host.put(from, &to, None, &Silent).await }
    });
    assert!(join_all(puts).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn what_cannot_be_started_leaves_no_claim() {
    let bench = Bench::new();
    let host = bench.host().await;
    let nowhere = Script { cwd: Some("/nowhere".into()), ..Script::new("echo ran") };
    let fault = host.act(&id("where"), nowhere, &Silent).await.expect_err("no such folder");
    assert_eq!(fault.kind, FaultKind::Missing);
    assert_eq!(host.attach(&id("where"), None, &Silent).await, Ok(None));
    let output = host.act(&id("where"), Script::new("echo ran"), &Silent).await.expect("it runs");
    assert_eq!(output.text(), "ran");
}

#[tokio::test]
async fn a_full_disk_refuses_the_start_and_keeps_the_code() {
    let bench = Bench { sshd: Sshd::with_run_disk("size=96k"), run: "full".into() };
    let host = bench.host().await;
    // It fills the disk that its own record is on; then it waits.
    let (name, go) = (id("fill"), fifo(&bench, "go"));
    let script = Script::new("head -c 200000 /dev/zero; cat \"$1\"; exit 5").arg(go.display().to_string());
    let act = host.act(&name, script, &Silent);
    let refused = async {
        let go = tokio::fs::OpenOptions::new().write(true).open(&go).await.expect("the script opens it too");
        let fault = host.act(&id("late"), Script::new("echo ran"), &Silent).await.expect_err("no space");
        drop(go);
        fault
    };
    let (output, fault) = tokio::join!(act, refused);
    assert_eq!(output.expect("it ends").code, 5);
    assert_eq!(fault.kind, FaultKind::NoSpace);
    let record = said(&*host, "ls /var/lib/surefoot/full/jobs | grep -c late").await;
    assert_eq!(record, "0");
}

#[tokio::test]
async fn a_run_folder_that_allows_no_execution_is_enough() {
    let bench = Bench { sshd: Sshd::with_run_disk("noexec,size=1m"), run: "noexec".into() };
    let host = bench.host().await;
    let output = host.act(&id("x"), Script::new("echo ran"), &Silent).await.expect("it runs");
    assert_eq!(output.text(), "ran");
}

fn lines(path: &str) -> Vec<String> {
    std::fs::read_to_string(path).expect("written by the acts").lines().map(str::to_owned).collect()
}
