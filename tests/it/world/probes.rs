use super::*;
use bytes::Bytes;
use std::time::{Duration, Instant};
use surefoot_engine::model::FaultKind;

#[tokio::test]
async fn a_probe_gives_code_and_both_outputs() {
    let bench = Bench::new();
    let host = bench.host().await;
    let script = Script::new("cat; printf '%s|' \"$@\" \"$A\" >&2; exit 7").args(["x y", "", "'"]).env("A", "b\n'c");
    let output = host.probe(script.stdin("in\0put\\\n")).await.expect("it runs");
    assert_eq!((output.code, &output.stdout[..], &output.stderr[..]), (7, &b"in\0put\\\n"[..], &b"x y||'|b\n'c|"[..]));
}

#[tokio::test]
async fn five_megabytes_of_any_bytes_pass_a_probe() {
    let bench = Bench::new();
    let host = bench.host().await;
    let bytes: Bytes = noise(5 << 20).into();
    let path = bench.sshd.path().join("noise");
    std::fs::write(&path, &bytes).expect("written");
    let output = host.probe(Script::exec(["cat".to_owned(), path.display().to_string()])).await.expect("it runs");
    assert!(output.stdout == bytes);
}

#[tokio::test]
async fn input_of_any_bytes_reaches_a_script() {
    let bench = Bench::new();
    let host = bench.host().await;
    let bytes: Bytes = noise(1 << 20).into();
    let output = host.probe(Script::exec(["cat"]).stdin(bytes.clone())).await.expect("it runs");
    assert!(output.stdout == bytes);
}

#[tokio::test]
async fn output_above_the_bound_is_refused() {
    let bench = Bench::new();
    let host = bench.host().await;
    let fault = host.probe(Script::new("head -c 16777217 /dev/zero")).await.expect_err("too long");
    assert_eq!(fault.kind, FaultKind::Refused);
    assert_eq!(host.probe(Script::new("head -c 16777216 /dev/zero")).await.expect("it runs").stdout.len(), 16 << 20);
}

#[tokio::test]
async fn probes_run_side_by_side() {
    let bench = Bench::new();
    let host = bench.host().await;
    let begin = fifo(&bench, "begin").display().to_string();
    // Each side of a fifo waits for the other: only together can they end.
    let (read, written) = tokio::join!(
        host.probe(Script::new("cat \"$1\"").arg(&begin)),
        host.probe(Script::new("echo met >\"$1\"").arg(&begin))
    );
    assert_eq!((read.expect("it runs").text().as_ref(), written.expect("it runs").code), ("met", 0));
}

#[tokio::test]
async fn nothing_of_a_probe_is_kept() {
    let bench = Bench::new();
    let host = bench.host().await;
    let scratch = || said(&*host, "d=$(readlink /proc/$$/fd/1); ls \"${d%/*}\"");
    let first = scratch().await;
    for _ in 0..5 {
        host.probe(Script::new("echo x; echo y >&2")).await.expect("it runs");
    }
    let count = |list: &str| list.lines().filter(|line| !line.starts_with(['l', 'r'])).count();
    // Its own two files are there while it looks; the one before it may still be going.
    assert!(count(&scratch().await) <= count(&first) + 2);
    assert!(!std::path::Path::new(host.run_dir()).exists());
}

#[tokio::test]
async fn a_probe_past_its_limit_is_ended_with_its_children() {
    let bench = Bench::new();
    let host = bench.host().await;
    let mark = format!("limit-{}", bench.run);
    let script = Script::new("sleep 1000 & setsid sleep 1000 & wait").env("MARK", &mark);
    let fault = host.probe(script.timeout(Some(Duration::from_millis(300)))).await.expect_err("too slow");
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert!(carriers(&mark).is_empty());
}

#[tokio::test]
async fn a_dropped_probe_is_ended() {
    let bench = Bench::new();
    let host = bench.host().await;
    let mark = format!("drop-{}", bench.run);
    let probe = host.probe(Script::new("sleep 1000").env("MARK", &mark));
    tokio::select! {
        _ = probe => panic!("it sleeps"),
        () = eventually("it runs", || !carriers(&mark).is_empty()) => {}
    }
    eventually("it is ended", || carriers(&mark).is_empty()).await;
}

#[tokio::test]
async fn a_probe_is_asked_again_after_a_cut() {
    let bench = Bench::new();
    let host = bench.host().await;
    let (once, go) = (bench.sshd.path().join("once").display().to_string(), fifo(&bench, "go"));
    // The first time it waits for what never comes, the second time it finds that it was there.
    let script = Script::new("[ ! -e \"$1\" ] || { echo again; exit; }; : >\"$1\"; cat \"$2\"");
    let probe = host.probe(script.arg(&once).arg(go.display().to_string()));
    let cut = async {
        eventually("it runs", || std::path::Path::new(&once).exists()).await;
        bench.sshd.cut();
    };
    assert_eq!(tokio::join!(probe, cut).0.expect("it runs").text(), "again");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_missing() {
    let bench = Bench::new();
    let host = bench.host().await;
    let script = Script { cwd: Some("/nowhere".into()), ..Script::new("pwd") };
    assert_eq!(host.probe(script).await.expect_err("no such folder").kind, FaultKind::Missing);
    let script = Script { cwd: Some("/usr".into()), ..Script::new("pwd") };
    assert_eq!(host.probe(script).await.expect("it runs").text(), "/usr");
}

#[tokio::test]
async fn a_silent_probe_does_not_wait_for_a_look() {
    let bench = Bench::new();
    let host = bench.host().await;
    let mut quickest = Duration::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        host.probe(Script::new("true")).await.expect("it runs");
        quickest = quickest.min(start.elapsed());
    }
    // Not a measure of speed: one that waited for a look would need its 200 ms each time.
    assert!(quickest < Duration::from_millis(200), "{quickest:?}");
}

/// Bytes that hold everything, the same each time.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len / 8).flat_map(|_| next().to_le_bytes()).collect()
}
