//! An undo that a reboot of its host cuts off is done again, whatever it was at.

use crate::support::lab_bed::LabBed;
use std::fs;
use std::process::{Child, Stdio};
use surefoot_lab::lab::Etcd;

/// A unit that takes its time to start, and says so.
const UNIT: &str = "cat >/etc/systemd/system/slow.service <<'EOT'
[Service]
Type=notify
NotifyAccess=all
ExecStartPre=/bin/sleep 4
ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'
EOT
systemctl daemon-reload; systemctl start slow; echo before >/root/file; mkdir -p /root/tree; echo old >/root/tree/old";

/// The undo of `work` waits for ever when it is done for the first time.
const STEPS: &str = "  - { id: file, on: HOST, file: { path: /root/file, content: ours } }
  - { id: gone, on: HOST, remove: { path: /root/tree } }
  - { id: stop, on: HOST, service: { unit: slow, state: stopped } }
  - id: work
    on: HOST
    sh: touch /root/begun
    undo:
      sh: |
        echo undone >>/root/undone; sync /root/undone
        [ $(wc -l </root/undone) -gt 1 ] || sleep infinity
        rm -f /root/begun
";

const FAILS: &str = "  - { id: fails, on: HOST, reads: true, sh: exit 1 }\n";

/// The undo of `work` is at work.
const AT_WORK: &str = "test -s /root/undone";
/// The unit is being started again.
const STARTING: &str = "systemctl show -P ActiveState slow | grep -q '^activating'";

fn bed(stem: &str, more: &str) -> LabBed {
    let bed = LabBed::new(stem, Etcd::None);
    bed.inside(UNIT);
    bed.runbook(&format!("{STEPS}{more}"));
    bed
}

impl LabBed {
    fn begun(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The host boots while this is so; with the engine, where it dies, too.
    fn rebooted_while(&self, this: &str, mut engine: Child, dies: bool) -> Option<i32> {
        self.until(this);
        self.inside("touch /run/of-this-boot");
        if dies {
            engine.kill().unwrap();
        }
        self.reboot();
        let code = engine.wait().unwrap().code();
        self.until("test ! -e /run/of-this-boot; systemctl is-system-running --wait");
        code
    }

    #[track_caller]
    fn is_back(&self) {
        let now = self.inside("cat /root/file /root/tree/old; systemctl is-active slow; test ! -e /root/begun");
        assert_eq!(now, "before\nold\nactive");
    }
}

#[test]
fn an_undo_that_a_reboot_cuts_off_is_done_again() {
    let bed = bed("reboot", "");
    let (code, said) = bed.on_host("run", &["--yes"]);
    assert_eq!(code, Some(0), "{said}");

    // First in the middle of a command; the engine sees that the host has gone.
    let engine = bed.begun(&["rollback", "last", "--yes"]);
    assert_eq!(bed.rebooted_while(AT_WORK, engine, false), Some(4));
    assert!(bed.surefoot(&["show", "last"]).1.contains("work"), "it is stuck");

    // Then as the unit is started again; the engine dies with the host.
    let engine = bed.begun(&["rollback", "last", "--yes"]);
    assert_eq!(bed.rebooted_while(STARTING, engine, true), None);
    assert_eq!(bed.inside("cat /root/undone"), "undone\nundone");

    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    bed.is_back();
    let (code, said) = bed.surefoot(&["rollback", "last", "--yes"]);
    assert_eq!((code, bed.inside("wc -l </root/undone").as_str()), (Some(0), "2"), "nothing is left to undo: {said}");
}

#[test]
fn a_resume_goes_on_with_a_rollback_that_a_reboot_has_cut_off() {
    let bed = bed("rebootr", FAILS);
    let text = fs::read_to_string(bed.at("r.yaml")).unwrap();
    fs::write(bed.at("r.yaml"), text.replace("runbook: test", "runbook: test\non_failure: rollback")).unwrap();
    let inventory = bed.inventory();
    let engine = bed.begun(&["run", "r.yaml", "-i", &inventory, "--yes"]);
    assert_eq!(bed.rebooted_while(AT_WORK, engine, true), None);
    let (code, said) = bed.surefoot(&["resume", "last", "--yes"]);
    assert_eq!(code, Some(3), "it failed, and all of it is undone: {said}");
    bed.is_back();
}
