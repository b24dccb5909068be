//! A service that is restarted for a setting, on a real host: during the rollback it runs with the old setting again.

use crate::support::program::Program;
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// A unit that does not start with the setting `bad`, and tells which one it started with.
const UNIT: &str = r#"
mkdir -p /etc/kettle
echo WATER=cold >/etc/kettle/env
cat >/etc/systemd/system/kettle.service <<'EOT'
[Service]
Type=notify
NotifyAccess=all
EnvironmentFile=/etc/kettle/env
ExecStart=/bin/sh -c '[ $WATER != bad ] || exit 1; echo $WATER >/run/kettle; systemd-notify --ready; exec sleep infinity'
EOT
systemctl daemon-reload
systemctl start kettle
"#;

const RUNBOOK: &str = r#"
runbook: kettle
params: { water: { type: string } }
hosts: { members: {} }
on_failure: rollback
steps:
  - id: setting
    on: members
    file: { path: /etc/kettle/env, content: "WATER={{ params.water }}\n" }
  - id: restart
    on: members
    service: { unit: kettle, state: restarted }
"#;

#[test]
fn a_service_runs_with_the_old_setting_after_a_rollback() {
    let lab =
        LabGuard::up(&LabSpec::cluster(LabName::of_this_process("kettle").unwrap(), 1, Etcd::None), &|_| {}).unwrap();
    let host = lab.hosts().next().unwrap();
    let inside = |script: &str| {
        let output = lab.enter(host, &["sh", "-c", script]).unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    inside(UNIT);
    let water = || inside("systemctl is-active kettle; cat /run/kettle /etc/kettle/env");
    let cold = "active\ncold\nWATER=cold";
    assert_eq!(water(), cold);
    let program = Program::new();
    let runbook = program.write("kettle.yaml", RUNBOOK);
    let site = lab.inventory();
    let run = |water: &str| {
        let setting = format!("water={water}");
        let words = ["run".as_ref(), runbook.as_os_str(), "-i".as_ref(), site.as_os_str(), "-p".as_ref()];
        program.call(words.into_iter().chain([setting.as_ref(), "--yes".as_ref()]))
    };

    // The new setting keeps it from starting: the rollback puts the old one back before it starts it.
    let failed = run("bad");
    assert_eq!(failed.code, Some(3), "{}{}", failed.out, failed.err);
    assert_eq!(water(), cold);

    let done = run("hot");
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert_eq!(water(), "active\nhot\nWATER=hot");
    let back = program.call(["rollback", "last", "--yes"]);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    assert_eq!(water(), cold);
}
