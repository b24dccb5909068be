//! Plans about units and etcd's settings in many states, on a lab host; then the run. Needs root.

use super::oracle;
use crate::support::etcds::sampled;
use crate::support::program::Program;
use serde_json::Value as Json;
use surefoot_lab::lab::{LabGuard, LabName, LabSpec};

/// Units `a` to `h`: what is done to each, the step about it, and what a plan must say.
const UNITS: [(&str, &str, &str, &str); 12] = [
    ("a", "start", "state: started", "nothing_to_do"),
    ("b", "stop", "state: started", "changes"),
    ("c", "start", "state: stopped", "changes"),
    ("d", "stop", "state: stopped", "nothing_to_do"),
    ("e", "enable", "enabled: true", "nothing_to_do"),
    ("f", "disable", "enabled: true", "changes"),
    ("g", "enable --now", "enabled: false, state: started", "changes"),
    ("h", "mask", "state: started", "fails"),
    ("i", "mask", "masked: false, state: started", "changes"),
    ("j", "start", "state: restarted", "changes"),
    ("k", "stop", "masked: true", "changes"),
    ("none", "", "state: started", "fails"),
];

#[test]
fn a_plan_about_units_and_settings_tells_what_the_run_then_does() {
    let spec = LabSpec::cluster(LabName::of_this_process("plans").unwrap(), 1, sampled());
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap().clone();
    let inside = |script: &str| {
        let output = lab.enter(&host, &["sh", "-ec", script]).unwrap().output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    };
    let mut state = String::new();
    let mut steps = String::new();
    for (unit, done, wanted, _) in UNITS {
        if !done.is_empty() {
            state += &format!(
                "printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' \
                 >/usr/lib/systemd/system/{unit}.service\nsystemctl -q {done} {unit}\n"
            );
        }
        // Unordered, so that each is looked at as it is.
        steps += &format!(
            "  - {{ id: {unit}, needs: [], on: members, on_failure: continue, service: {{ unit: {unit}, {wanted} }} }}\n"
        );
    }
    state += "echo ETCD_HEARTBEAT_INTERVAL=430 >>/etc/default/etcd\n";
    inside(&state);
    for (id, value) in [("same", 430), ("other", 431)] {
        let set = format!("{{ set: {{ heartbeat-interval: {value} }} }}");
        steps += &format!("  - {{ id: {id}, needs: [], on: members, etcd.configure: {set} }}\n");
    }
    steps += "  - { id: after, needs: [b], on: members, service: { unit: b, state: started } }\n";

    let program = Program::new();
    let book = format!("runbook: test/units\nhosts:\n  members: {{ min: 1 }}\nsteps:\n{steps}");
    let book = program.write("book.yaml", &book);
    let inventory = lab.inventory().display().to_string();
    let bind = format!("members={host}");
    let words = ["-i", &inventory, "--bind", &bind];
    let planned = program.call([&["plan", "book.yaml", "--format", "json"], &words[..]].concat());
    let plan: Json = serde_json::from_str(&planned.out).unwrap_or_else(|e| panic!("{e}: {}", planned.err));
    let all = oracle::said(&plan);
    let verdict = |id: &str| all.iter().find(|said| said.task.step.as_str() == id).unwrap();
    for (unit, _, wanted, says) in UNITS {
        assert_eq!(verdict(unit).verdict, says, "{unit}: {wanted}: {}", verdict(unit).json);
    }
    assert_eq!(verdict("b").json["diff"], "-active inactive\n+active active\n");
    assert_eq!((verdict("same").verdict.as_str(), verdict("other").verdict.as_str()), ("nothing_to_do", "changes"));
    let diff = verdict("other").json["diff"].as_str().unwrap();
    assert!(diff.contains("-ETCD_HEARTBEAT_INTERVAL=430") && diff.contains("431"), "{diff}");
    assert_eq!(verdict("after").verdict, "not_known");
    assert_eq!(verdict("after").json["until"], serde_json::json!(["b"]));

    // One after the other: `same` and `other` are about one file.
    let ran = program.run(&book, [&words[..], &["--at-once", "1"]].concat());
    oracle::holds(&plan, &ran);
}
