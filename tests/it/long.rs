//! A long step with much output, over links that break: what arrives, and what the engine needs for it.
//!
//! A landing runs a short one; `SUREFOOT_FULL=1` five minutes and 200 MB.

use crate::support::program::Program;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use surefoot_lab::lab::{Break, Etcd, LabGuard, LabName, LabSpec};

struct Length {
    seconds: u64,
    lines: u64,
    /// How long each of the three cuts lasts.
    cut: Duration,
}

/// Bytes of each line.
const WIDTH: u64 = 100;

/// Of memory, in KiB: some times what an engine needs that does nothing; far from the output's size.
const MEMORY: u64 = 64 << 10;

fn length() -> Length {
    match std::env::var_os("SUREFOOT_FULL") {
        Some(_) => Length { seconds: 300, lines: 2_000_000, cut: Duration::from_secs(20) },
        None => Length { seconds: 15, lines: 400_000, cut: Duration::from_secs(1) },
    }
}

#[test]
fn much_output_of_a_long_step_comes_whole_and_in_order_and_needs_little_memory() {
    let Length { seconds, lines, cut } = length();
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("long").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let program = Program::new();
    let runbook = program.write(
        "long.yaml",
        &format!(
            "runbook: long\nsteps:\n  - id: long\n    on: {host}\n    reads: false\n    irreversible: a test\n    sh: |\n      \
             echo x >>/var/lib/starts\n      for part in $(seq 1 {seconds}); do\n        \
             seq -f '%099.0f' $(((part - 1) * {each} + 1)) $((part * {each}))\n        sleep 1\n      done\n",
            each = lines / seconds
        ),
    );
    let inventory = lab.inventory().display().to_string();
    let running = program.start(&runbook, ["-i", &inventory]);
    let pid = running.child.id();
    // Read on, or the program waits for us.
    let end = std::thread::spawn(move || running.end());
    let whole = lines / seconds * seconds * WIDTH;
    let mut memory = 0;
    for quarter in 1..=3 {
        await_output(&program, whole * quarter / 4, &mut memory, pid);
        match quarter {
            2 => lab.apply(&host, Break::SshdKill).unwrap(),
            _ => {
                lab.apply(&host, Break::LinkDown).unwrap();
                std::thread::sleep(cut);
                lab.apply(&host, Break::LinkUp).unwrap();
            }
        }
    }
    await_output(&program, whole, &mut memory, pid);
    let ran = end.join().unwrap().done();
    let output = output_of(&program).unwrap();
    assert_eq!(fs::metadata(&output).unwrap().len(), whole);
    assert_in_order(&output);
    let starts = lab.enter(&host, &["cat", "/var/lib/starts"]).unwrap().output().unwrap();
    assert_eq!(starts.stdout, b"x\n", "{}", ran.story());
    eprintln!(
        "{} MB in {:.0} s; the engine needed {} KiB",
        whole / 1_000_000,
        ran.state.elapsed().as_secs_f64(),
        memory
    );
    assert!((1..MEMORY).contains(&memory), "{memory} KiB");
}

fn output_of(program: &Program) -> Option<PathBuf> {
    let run = program.store().runs().ok()?.pop()?;
    Some(program.store().folder_of(&run).join("outputs/long@etcd-1.1.out")).filter(|path| path.exists())
}

/// Until so much of the output has come; notes the engine's peak.
fn await_output(program: &Program, bytes: u64, memory: &mut u64, pid: u32) {
    let until = Instant::now() + Duration::from_secs(390);
    let come = || output_of(program).and_then(|path| fs::metadata(path).ok()).map_or(0, |meta| meta.len());
    while come() < bytes {
        *memory = peak(pid).unwrap_or(*memory);
        assert!(Instant::now() < until, "{} of {bytes} bytes have come", come());
        std::thread::sleep(Duration::from_millis(20));
    }
    *memory = peak(pid).unwrap_or(*memory);
}

/// VmHWM, see proc(5).
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn assert_in_order(path: &Path) {
    let lines = BufReader::new(fs::File::open(path).unwrap()).lines();
    for (index, line) in lines.enumerate() {
        assert_eq!(line.unwrap().parse::<u64>().unwrap(), index as u64 + 1);
    }
}
