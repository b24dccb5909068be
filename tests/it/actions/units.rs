//! `service`, and `wait` for a unit, on a lab host with a real systemd. Needs root.

use super::refuses;
use crate::support::bench::{Bench, Step};
use serde_json::{Value as Json, json};
use std::time::Duration;
use surefoot_engine::action::CommandSettings;
use surefoot_engine::model::{FaultKind, RunId};
use surefoot_engine::world::{SshHost, SshTarget};
use surefoot_lab::lab::{Etcd, LabGuard, LabName, LabSpec};

/// One host in a lab of its own.
struct Scene {
    lab: LabGuard,
    host: LabName,
    bench: Bench,
}

impl Scene {
    async fn set(stem: &str) -> Scene {
        let lab =
            LabGuard::up(&LabSpec::cluster(LabName::of_this_process(stem).unwrap(), 1, Etcd::None), &|_| {}).unwrap();
        let host = lab.hosts().next().unwrap().clone();
        let target = SshTarget { ssh_config: Some(lab.ssh_config()), ..SshTarget::new(host.as_str()) };
        let run = RunId::from("20260101-000000-abcd");
        let remote = SshHost::connect(&target, &run).await.unwrap();
        Scene { lab, host, bench: Bench::on(remote, run, tempfile::tempdir().unwrap()) }
    }

    /// Runs it inside the host, past all that is tested here; its output.
    fn inside(&self, script: &str) -> String {
        let output = self.lab.enter(&self.host, &["sh", "-c", script]).unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A service `demo` with these lines, in the folder of packages, so that it can be masked.
    fn unit(&self, lines: &str) {
        let text = format!("[Service]\n{lines}\n[Install]\nWantedBy=multi-user.target\n");
        self.write("/usr/lib/systemd/system/demo.service", &text);
        self.inside("systemctl daemon-reload");
    }

    fn write(&self, path: &str, text: &str) {
        self.inside(&format!("cat >{path} <<'EOF'\n{text}\nEOF"));
    }

    fn step(&self, parameters: Json) -> Step<'_> {
        self.bench.step("service", parameters)
    }

    /// Active, enabled.
    fn state(&self) -> String {
        self.inside("systemctl is-active demo; systemctl is-enabled demo").replace('\n', " ")
    }
}

/// Comes up a moment after it was started, and says so.
const SLOW: &str = "Type=notify\nNotifyAccess=all\n\
    ExecStart=/bin/sh -c 'sleep 0.5; systemd-notify --ready; exec sleep infinity'";

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_nobody_awaited_is_undone_down_to_the_end() {
    let scene = Scene::set("unwait").await;
    scene.unit("ExecStart=/usr/bin/sleep infinity\nExecStop=/usr/bin/sleep 3");
    let start = scene.step(json!({ "unit": "demo", "state": "started", "wait": false }));
    let (stopped, _) = start.run().await.unwrap();
    start.undo(&stopped).await.unwrap();
    assert_eq!(scene.state(), "inactive disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_goes_up_and_down_and_back() {
    let scene = Scene::set("updown").await;
    scene.unit(SLOW);
    let start = scene.step(json!({ "unit": "demo", "state": "started", "enabled": true }));
    let (stopped, out) = start.run().await.unwrap();
    assert_eq!((out["active"].as_str(), out["file"].as_str()), (Some("active"), Some("enabled")));
    assert_eq!(out["pid"].to_string(), scene.inside("systemctl show -P MainPID demo"));
    assert!(start.is_clean().await);

    let stop = scene.step(json!({ "unit": "demo", "state": "stopped", "enabled": false, "masked": true }));
    let (started, out) = stop.run().await.unwrap();
    assert_eq!((out["active"].as_str(), out["file"].as_str()), (Some("inactive"), Some("masked")));
    assert_eq!(start.inspect().await.unwrap_err().kind, FaultKind::Refused);
    assert!(stop.is_clean().await);

    for _ in 0..2 {
        stop.undo(&started).await.unwrap();
        assert_eq!(scene.state(), "active enabled");
    }
    for _ in 0..2 {
        start.undo(&stopped).await.unwrap();
        assert_eq!(scene.state(), "inactive disabled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_can_be_issued_now_and_awaited_later() {
    let scene = Scene::set("later").await;
    scene.unit(SLOW);
    let (_, out) = scene.step(json!({ "unit": "demo", "state": "started", "wait": false })).run().await.unwrap();
    assert_eq!(out["active"], "activating");
    scene.bench.step("wait", json!({ "unit": "demo" })).read().await.unwrap();
    assert_eq!(scene.state(), "active disabled");

    scene.step(json!({ "unit": "demo", "state": "stopped", "wait": false })).run().await.unwrap();
    scene.bench.step("wait", json!({ "unit": "demo", "state": "inactive" })).read().await.unwrap();
    assert_eq!(scene.state(), "inactive disabled");
    let none = scene.bench.step("wait", json!({ "unit": "no-such-unit" })).read().await;
    assert_eq!(none.unwrap_err().kind, FaultKind::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_tells_the_journal_and_a_later_one_may_succeed() {
    let scene = Scene::set("failing").await;
    let command = "[ -e /run/disk ] || { echo no disk today; exit 3; }";
    scene.unit(&format!("Type=oneshot\nExecStart=/bin/sh -c '{command}'\nStartLimitBurst=1"));
    let start = scene.step(json!({ "unit": "demo", "state": "started" }));
    for _ in 0..2 {
        let fault = start.run().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Exit);
        assert!(fault.detail.as_deref().unwrap_or_default().contains("no disk today"), "{fault:?}");
    }
    assert!(scene.step(json!({ "unit": "demo", "state": "stopped" })).is_clean().await);

    scene.inside("touch /run/disk");
    start.run().await.unwrap();

    scene.unit("Type=notify\nExecStart=/bin/sh -c 'echo thinking; exec sleep infinity'");
    let scene = Scene { bench: scene.bench.within(Duration::from_secs(8)), ..scene };
    let fault = scene.step(json!({ "unit": "demo", "state": "started" })).run().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert!(fault.detail.as_deref().unwrap_or_default().contains("thinking"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_files_of_a_unit_take_effect_with_its_restart() {
    let scene = Scene::set("restart").await;
    scene.unit("ExecStart=/bin/sleep 1111\nExecReload=/bin/test -e /run/reload-works");
    scene.step(json!({ "unit": "demo", "state": "started" })).run().await.unwrap();
    scene.write("/usr/lib/systemd/system/demo.service", "[Service]\nExecStart=/bin/sleep 2222");
    let restart = scene.step(json!({ "unit": "demo", "state": "restarted" }));
    let (before, out) = restart.run().await.unwrap();
    let command = || scene.inside("tr '\\0' ' ' </proc/$(systemctl show -P MainPID demo)/cmdline");
    assert_eq!((command().as_str(), out["active"].as_str()), ("/bin/sleep 2222", Some("active")));
    assert!(!restart.is_clean().await);

    scene.write("/usr/lib/systemd/system/demo.service", "[Service]\nExecStart=/bin/sleep 3333");
    restart.undo(&before).await.unwrap();
    assert_eq!(command(), "/bin/sleep 3333");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_is_a_fault() {
    let scene = Scene::set("reload").await;
    scene.unit("ExecStart=/bin/sleep 1111\nExecReload=/bin/test -e /run/reload-works");
    let reload = scene.step(json!({ "unit": "demo", "state": "reloaded" }));
    assert!(reload.run().await.is_err(), "what is down cannot be reloaded");
    scene.step(json!({ "unit": "demo", "state": "started" })).run().await.unwrap();
    assert_eq!(reload.run().await.unwrap_err().kind, FaultKind::Exit);
    scene.inside("touch /run/reload-works");
    reload.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_systemd_cannot_do_is_refused() {
    let scene = Scene::set("refused").await;
    let kind = async |parameters: Json| scene.step(parameters).run().await.unwrap_err().kind;
    assert_eq!(kind(json!({ "unit": "no-such-unit", "state": "started" })).await, FaultKind::Missing);
    assert_eq!(kind(json!({ "unit": "dbus", "enabled": true })).await, FaultKind::Refused);
    assert!(refuses("service", json!({ "unit": "ssh", "state": "started", "masked": true })));
    assert!(refuses("service", json!({ "unit": "ssh" })));

    scene.write("/etc/systemd/system/own.service", "[Service]\nExecStart=/bin/sleep 1111");
    scene.inside("systemctl start own");
    assert_eq!(kind(json!({ "unit": "own", "state": "stopped", "masked": true })).await, FaultKind::Refused);
    assert_eq!(scene.inside("systemctl is-active own"), "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_reads_what_env_file_writes() {
    let scene = Scene::set("environment").await;
    let value = "a 'b' \"c\" $d `e` \\ \\n # ; = \u{e9}";
    let set = json!({ "ODD": value, "LINES": "1\n2", "PLAIN": "x=y,z", "EMPTY": "" });
    scene.write("/etc/demo", "# comment\nOTHER='it is' \"well\"\n; more");
    scene.bench.step("env_file", json!({ "path": "/etc/demo", "set": set })).run().await.unwrap();
    scene.unit("Type=oneshot\nEnvironmentFile=/etc/demo\nExecStart=/bin/sh -c 'env -0 >/run/environment'");
    scene.step(json!({ "unit": "demo", "state": "started" })).run().await.unwrap();
    let environment = scene.inside("cat /run/environment");
    let seen = |name: &str| environment.split('\0').find_map(|line| line.strip_prefix(&format!("{name}=")));
    assert_eq!(seen("ODD"), Some(value));
    assert_eq!((seen("LINES"), seen("PLAIN"), seen("EMPTY")), (Some("1\n2"), Some("x=y,z"), Some("")));
    assert_eq!(seen("OTHER"), Some("it iswell"));
}

/// Says with which words it was started.
const SAY: &str = "/usr/local/bin/say";

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_runs_with_what_flags_writes() {
    let scene = Scene::set("flags").await;
    scene.write(SAY, "#!/bin/sh\nprintf '%s\\n' \"$@\" >/run/words");
    scene.write("/etc/demo", "NAME=one\nOPTS=--in=side");
    scene.inside(&format!("chmod 755 {SAY}"));
    scene.unit("Type=oneshot\nExecStart=/bin/false --name=no");
    let drop_in = "/etc/systemd/system/demo.service.d/own.conf";
    let lines = "[Service]\nEnvironmentFile=/etc/demo\nExecStart=\nExecStart=/usr/local/bin/say \\\n  --name=${NAME} \\\n\
        # of old\n  --debug \\\n  --beat 100 $OPTS";
    scene.inside("mkdir -p /etc/systemd/system/demo.service.d");
    scene.write(drop_in, lines);
    scene.inside(&format!("chown 7:9 {drop_in}; chmod 640 {drop_in}; systemctl daemon-reload"));
    let look =
        || scene.inside(&format!("cat {drop_in} /usr/lib/systemd/system/demo.service; stat -c '%a %u %g' {drop_in}"));
    let original = look();
    let odd = "50% of $NAME \"x\" \\ 'y'";
    let set = json!({ "name": "one", "beat": 430, "odd": odd, "fast": true });
    let step = scene.bench.step("flags", json!({ "unit": "demo", "set": set, "remove": ["debug"] }));
    let change = step.change().await;
    assert!(change.diff.unwrap().contains("+  --beat 430 $OPTS"));
    step.apply(&change.before).await.unwrap();
    assert!(step.is_clean().await);
    assert_eq!(scene.inside("systemctl show -P NeedDaemonReload demo"), "no");
    scene.step(json!({ "unit": "demo", "state": "started" })).run().await.unwrap();
    let words = ["--name=one", "--beat", "430", "--in=side", &format!("--odd={odd}"), "--fast"];
    assert_eq!(scene.inside("cat /run/words"), words.join("\n"));
    let inner = scene.bench.step("flags", json!({ "unit": "demo", "set": { "in": "x" } }));
    assert_eq!(inner.inspect().await.unwrap_err().kind, FaultKind::Refused);
    for _ in 0..2 {
        step.undo(&change.before).await.unwrap();
        assert_eq!(look(), original);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_of_a_package_is_copied_and_systemd_told() {
    let scene = Scene::set("flagscopy").await;
    scene.unit("Type=oneshot\nExecStart=/bin/echo --a=1");
    let step = scene.bench.step("flags", json!({ "unit": "demo", "set": { "a": 2 } }));
    let (_, out) = step.run().await.unwrap();
    assert_eq!(out["file"], "/etc/systemd/system/demo.service");
    assert!(scene.inside("systemctl show -P ExecStart demo").contains("--a=2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_keeps_its_own_originals() {
    let mut scene = Scene::set("become").await;
    scene.inside("useradd -m worker; echo old >/home/worker/conf; chown worker: /home/worker/conf");
    scene.bench.settings = CommandSettings { user: Some("worker".into()), ..CommandSettings::default() };
    let step = scene.bench.step("file", json!({ "path": "/home/worker/conf", "content": "new" }));
    let (before, _) = step.run().await.unwrap();
    let look = || scene.inside("stat -c %U /home/worker/conf; cat /home/worker/conf");
    assert_eq!(look(), "worker\nnew");
    step.undo(&before).await.unwrap();
    assert_eq!(look(), "worker\nold");

    std::fs::write(scene.bench.path("local"), "sent").unwrap();
    let copy = scene.bench.step("copy", json!({ "from": scene.bench.at("local"), "to": "/home/worker/conf" }));
    copy.run().await.unwrap();
    assert_eq!(look(), "worker\nsent");
    let elsewhere = scene.bench.step("file", json!({ "path": "/etc/conf", "content": "new" }));
    assert_eq!(elsewhere.run().await.unwrap_err().kind, FaultKind::Denied);
}
