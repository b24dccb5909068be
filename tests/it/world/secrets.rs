use super::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Looks at every command line of this machine, again and again, until told to stop: whether one held `secret`.
fn watch_arguments(secret: &'static str, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<(u64, Vec<String>)> {
    std::thread::spawn(move || {
        let (mut looks, mut seen) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                if line.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                    seen.push(String::from_utf8_lossy(&line).into_owned());
                }
            }
            looks += 1;
        }
        (looks, seen)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_argument_and_on_no_disk() {
    const SECRET: &str = "correct-horse-battery-staple-4711";
    let bench = Bench::new();
    let host = bench.host().await;
    let stop = Arc::new(AtomicBool::new(false));
    let watch = watch_arguments(SECRET, stop.clone());
    for n in 0..20 {
        let script = Script::new("read -r line; sleep 0.02; [ \"$line$A\" = \"$B$B\" ] && echo same");
        let script = script.stdin(format!("{SECRET}\n")).env("A", SECRET).env("B", SECRET);
        let output = host.act(&numbered("secret", n), script.clone(), &Silent).await.expect("it runs");
        assert_eq!(output.text(), "same");
        assert_eq!(host.probe(script).await.expect("it runs").text(), "same");
    }
    stop.store(true, Ordering::Relaxed);
    let (looks, seen) = watch.join().expect("it ends");
    assert!(looks > 20, "it looked {looks} times");
    assert_eq!(seen, Vec::<String>::new());

    let scratch = said(&*host, "d=$(readlink /proc/$$/fd/1); echo \"${d%/*}\"").await;
    let files: Vec<_> = [Path::new(host.run_dir()), Path::new(&scratch)].into_iter().flat_map(contents).collect();
    assert!(files.len() >= 20 * 4);
    assert!(!files.iter().any(|bytes| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())));
}

#[tokio::test]
async fn what_is_kept_is_for_its_owner_alone() {
    let bench = Bench::new();
    let host = bench.host().await;
    host.act(&id("x"), Script::new("echo x; umask"), &Silent).await.expect("it runs");
    let script = "find \"$0\" -perm /077; find \"$0\" -type f ! -name 'reserve.*' | wc -l";
    let list = said(&*host, &script.replace("$0", host.run_dir())).await;
    assert_eq!(list, "5", "boot, script, state and two outputs, none open to others");
    // Its own umask is the user's.
    let kept = host.attach(&id("x"), None, &Silent).await.expect("known").expect("it ran");
    assert_eq!(kept.text(), format!("x\n{}", said(&*host, "umask").await));
}

/// Every file below a folder; what cannot be read as one (a fifo) is left out.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("there").flatten();
    entries
        .flat_map(|entry| match entry.file_type().expect("known") {
            kind if kind.is_dir() => contents(&entry.path()),
            kind if kind.is_file() => std::fs::read(entry.path()).into_iter().collect(),
            _ => Vec::new(),
        })
        .collect()
}
