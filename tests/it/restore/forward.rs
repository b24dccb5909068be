//! Clusters that come back.

use super::cases::{CASES, Case};
use super::report::{self, Line};
use super::scene::Scene;
use std::time::{SystemTime, UNIX_EPOCH};

/// In what every landing runs.
const SAMPLE: usize = 3;

#[test]
fn clusters_come_back_from_one_snapshot() {
    if std::env::var_os("SUREFOOT_FULL").is_some() {
        return prove_all();
    }
    for case in sample() {
        prove(case);
    }
}

/// One that fails does not keep the others from the table.
fn prove_all() {
    let outcome = |case: &Case| (*case, std::panic::catch_unwind(|| prove(case)).ok());
    let lines: Vec<Line> = CASES.iter().map(outcome).collect();
    report::write(&lines);
    let failed: Vec<String> = lines.iter().filter(|line| line.1.is_none()).map(|line| line.0.to_string()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Cases that differ in whether they are with TLS, so that both are always there.
fn sample() -> Vec<&'static Case> {
    let given = std::env::var("SUREFOOT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 =
        given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    eprintln!("SUREFOOT_SEED={seed}");
    let mut rest = seed;
    let mut pick = |tls: bool| {
        let of_kind: Vec<&Case> = CASES.iter().filter(|case| case.tls == tls).collect();
        let index = rest % of_kind.len() as u64;
        rest /= of_kind.len() as u64;
        of_kind[index as usize]
    };
    [true, false].into_iter().cycle().take(SAMPLE).map(&mut pick).collect()
}

/// Sets the scene, restores, and looks at everything; gives the restore's seconds.
fn prove(case: &Case) -> f64 {
    eprintln!("{}, {} members, {} keys: {case}", case.etcd, case.members, case.keys);
    let scene = Scene::set(case);
    let words: Vec<&str> = scene.words.iter().map(String::as_str).collect();
    let ran = scene.site.restore(&words).done();
    scene.check_run(&ran);
    scene.check_cluster(&ran);
    scene.check_hosts(&ran);
    scene.check_controller();
    ran.state.elapsed().as_secs_f64()
}
