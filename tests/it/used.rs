//! A runbook that uses another, on real hosts: run, killed in the middle, taken up again, rolled back.

use crate::support::program::Program;
use std::fs;
use surefoot_engine::model::TaskEvent;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

const USED: &str = r#"
runbook: lib/stop
params:
  unit: { type: string }
  note: { type: string }
hosts:
  machines: { min: 1 }
steps:
  - id: stop
    on: machines
    service: { unit: "{{ params.unit }}", state: stopped }
  - id: hold
    on: machines
    sh: |
      echo start >>/starts
      until [ -e /go ]; do sleep 0.05; done
    undo: { sh: rm -f /starts }
  - id: each
    on: machines
    rolling: { batch: 1 }
    steps:
      - { id: mark, sh: "echo {{ batch.index }} >/mark", undo: { sh: rm -f /mark } }
verify:
  - { id: gone, on: machines, reads: true, sh: "! systemctl is-active -q {{ params.unit }}" }
finally:
  - { id: swept, on: machines, sh: "echo {{ params.unit }} >>/swept" }
out:
  stopped: "{{ steps.stop.all | selectattr('changed') | map(attribute='host') | list }}"
  note: "{{ params.note }} in {{ run.id }}"
"#;

const OUTER: &str = r#"
runbook: outer
hosts: { members: {} }
steps:
  - { id: who, sh: printf Ada, reads: true }
  - id: first
    use: lib/stop.yaml
    with: { unit: up, note: "{{ steps.who.out.stdout }}" }
    bind: { machines: members }
  - id: other
    use: lib/stop.yaml
    when: not steps.first.changed
    with: { unit: down, note: never }
    bind: { machines: members }
  - id: tell
    on: members
    file:
      path: /told
      content: "{{ steps.first.out.stopped | join(',') }}: {{ steps.first.out.note }}, {{ steps.other.skipped }}"
"#;

#[test]
fn a_used_runbook_is_run_killed_taken_up_and_rolled_back() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("used").unwrap(), 2, Etcd::None), &|_| {}).unwrap();
    let hosts: Vec<_> = lab.hosts().cloned().collect();
    let on_all = |script: &str| -> Vec<String> {
        let output = hosts.iter().map(|host| lab.enter(host, &["sh", "-c", script]).unwrap().output().unwrap().stdout);
        output.map(|text| String::from_utf8(text).unwrap().trim().to_owned()).collect()
    };
    on_all(
        "for u in up down; do printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' >/etc/systemd/system/$u.service; done
         systemctl daemon-reload; systemctl start up down",
    );
    let program = Program::new();
    fs::create_dir(program.path("lib")).unwrap();
    program.write("lib/stop.yaml", USED);
    let runbook = program.write("outer.yaml", OUTER);

    let mut running = program.start(&runbook, ["-i".into(), lab.inventory()]);
    running.until("first.hold@etcd-1", |what| matches!(what, TaskEvent::Changing { .. }));
    running.until("first.hold@etcd-2", |what| matches!(what, TaskEvent::Changing { .. }));
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // The run has its own copies.
    fs::remove_dir_all(program.path("lib")).unwrap();
    on_all("touch /go");
    let resumed = program.call(["resume", "last"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let run = &program.store().runs().unwrap()[0];
    assert_eq!(
        on_all("cat /told"),
        [format!("etcd-1,etcd-2: Ada in {run}, true"), format!("etcd-1,etcd-2: Ada in {run}, true")]
    );
    assert_eq!(on_all("cat /starts"), ["start", "start"], "it was taken up, and not begun again");
    let mut marks = on_all("cat /mark");
    marks.sort();
    assert_ne!(marks[0], marks[1], "its roll went over the hosts of the bound role, one by one");
    assert_eq!(on_all("systemctl is-active up down"), ["inactive\nactive", "inactive\nactive"]);
    assert_eq!(on_all("cat /swept"), ["up", "up"], "only what was begun is swept");

    let back = program.call(["rollback", "last", "--yes"]);
    assert_eq!(back.code, Some(0), "{}", back.err);
    assert_eq!(on_all("systemctl is-active up down"), ["active\nactive", "active\nactive"]);
    assert_eq!(on_all("ls /told /starts /mark 2>/dev/null"), ["", ""]);
}

#[test]
fn a_late_parameter_of_the_wrong_type_fails_the_steps_that_it_is_for() {
    let program = Program::new();
    let used = "runbook: lib/wait\nparams: { tries: { type: int } }\nsteps:\n  - { id: say, sh: \"echo {{ params.tries }}\", reads: true }\n";
    program.write("wait.yaml", used);
    let outer = |word: &str| {
        format!(
            "runbook: outer\nsteps:\n  - {{ id: count, sh: \"echo '{word}'\", reads: true }}\n  \
             - {{ id: wait, use: wait.yaml, with: {{ tries: \"{{{{ steps.count.out.json }}}}\" }} }}\n"
        )
    };
    let ran = program.run(&program.write("outer.yaml", &outer("[3]")), Vec::<String>::new());
    let failed: Vec<String> = ran.faults().map(|(task, fault)| format!("{task}: {}", fault.message)).collect();
    assert_eq!(ran.code, Some(1));
    assert_eq!(failed, ["wait.say@controller: the parameter `tries`: a whole number is wanted, this is a list"]);
    let ran = program.run(&program.write("outer.yaml", &outer("3")), Vec::<String>::new()).done();
    assert_eq!(ran.out("wait.say@controller")["stdout"], "3");
}

#[test]
fn a_failure_takes_back_all_of_a_used_runbook_that_says_so_and_nothing_else() {
    let program = Program::new();
    let touch = |name: &str| {
        format!(
            "{{ id: {name}, sh: touch {name}, cwd: \"{}\", undo: {{ sh: rm {name}, cwd: \"{0}\" }} }}",
            program.path("").display()
        )
    };
    let used = format!(
        "runbook: lib/part\non_failure: rollback\nsteps:\n  - {}\n  - {}\n  - {{ id: bad, sh: 'false', reads: true }}\n",
        touch("a"),
        touch("b")
    );
    program.write("part.yaml", &used);
    let outer = format!("runbook: outer\nsteps:\n  - {}\n  - {{ id: part, use: part.yaml }}\n", touch("before"));
    let ran = program.run(&program.write("outer.yaml", &outer), Vec::<String>::new());
    assert_eq!(ran.code, Some(1), "what was done before stays: {}", ran.story());
    assert!(program.path("before").exists());
    assert!(!program.path("a").exists() && !program.path("b").exists());
}
