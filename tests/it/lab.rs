//! The lab itself: real hosts, booted here. Needs root.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::etcds::{NEWEST, sampled};
use crate::support::procedures::full;
use surefoot_lab::lab::{Break, DataDisk, Etcd, HostState, Lab, LabError, LabGuard, LabName, LabSpec};

fn spec(stem: &str, hosts: usize, etcd: Etcd) -> LabSpec {
    LabSpec::cluster(LabName::of_this_process(stem).unwrap(), hosts, etcd)
}

fn up(stem: &str, hosts: usize, etcd: Etcd) -> LabGuard {
    LabGuard::up(&spec(stem, hosts, etcd), &|_| {}).unwrap()
}

fn host(n: usize) -> LabName {
    format!("etcd-{n}").parse().unwrap()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn inside(lab: &Lab, host: &LabName, script: &str) -> String {
    output(&mut lab.enter(host, &["sh", "-c", script]).unwrap())
}

/// What sshd says first, if it says anything within half a second.
fn greeting(lab: &Lab, host: &LabName) -> std::io::Result<String> {
    let wait = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((lab.address(host).unwrap(), 22)), wait)?;
    stream.set_read_timeout(Some(wait))?;
    let mut start = [0; 4];
    stream.read_exact(&mut start)?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}

/// Waits until sshd greets: a host that was just let in again may take its time on a busy machine.
fn greets(lab: &Lab, host: &LabName) {
    let until = Instant::now() + Duration::from_secs(60);
    while greeting(lab, host).ok().as_deref() != Some("SSH-") {
        assert!(Instant::now() < until, "{host} does not greet: {:?}", greeting(lab, host));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// All that stands on this machine under the lab's name: what `down` must remove.
fn traces(lab: &LabName) -> Vec<String> {
    let id = format!("surefoot.{lab}");
    let mine = |path: &String| path.ends_with(&format!("/{id}")) || path.contains(&format!("/{id}."));
    let folder = format!("/var/lib/surefoot/lab/{lab}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut traces: Vec<String> = mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect();
    for place in [
        "/run/netns",
        "/run/systemd/nspawn/propagate",
        "/run/systemd/nspawn/unix-export",
        "/run/systemd/nspawn/locks",
        "/sys/fs/cgroup",
    ] {
        traces.extend(entries(place).into_iter().filter(mine));
    }
    for hierarchy in entries("/sys/fs/cgroup") {
        traces.extend(entries(&hierarchy).into_iter().filter(mine));
    }
    // The command line of a process that is dead and not yet reaped is empty.
    let command_line = |process: &String| fs::read_to_string(format!("{process}/cmdline")).unwrap_or_default();
    traces.extend(entries("/proc").into_iter().filter(|process| command_line(process).contains(&format!("{id}."))));
    traces.extend(entries("/var/lib/surefoot/lab").into_iter().filter(|path| *path == folder));
    traces
}

fn link_of(lab: &Lab) -> String {
    format!("/sys/class/net/surefoot{}", lab.address(&host(1)).unwrap().octets()[2])
}

#[test]
fn two_labs_stand_side_by_side_each_with_its_own_etcd() {
    let (old, new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| up("old", 2, Etcd::V3_4));
        let new = scope.spawn(|| up("new", 2, Etcd::V3_5));
        (old.join().unwrap(), new.join().unwrap())
    });
    for (lab, version) in [(&old, "3.4."), (&new, "3.5.")] {
        let etcd = inside(lab, &host(1), "etcd --version && etcdctl version");
        assert!(etcd.contains(&format!("etcd Version: {version}")), "{etcd}");
        assert!(etcd.contains(&format!("etcdctl version: {version}")), "{etcd}");
        let unit =
            inside(lab, &host(1), "systemctl is-enabled etcd; systemctl is-active etcd; systemctl show -P User etcd");
        assert_eq!(unit, "disabled\ninactive\netcd");
        assert_eq!(inside(lab, &host(1), "stat -c '%U %a' /var/lib/etcd"), "etcd 700");
        inside(lab, &host(1), "systemctl start etcd && etcdctl endpoint health");
        // By name, from one host to the other.
        let greeting = "exec 3<>/dev/tcp/etcd-2/22 && head -c4 <&3";
        assert_eq!(output(&mut lab.enter(&host(1), &["bash", "-c", greeting]).unwrap()), "SSH-");
    }
    let across = format!("</dev/tcp/{}/22", new.address(&host(1)).unwrap());
    let crossed = old.enter(&host(1), &["timeout", "1", "bash", "-c", &across]).unwrap().output().unwrap();
    assert!(!crossed.status.success(), "one lab reaches the other");
}

#[test]
fn a_release_lies_over_debians_etcd() {
    for etcd in NEWEST.into_iter().filter(|etcd| *etcd == sampled() || full()) {
        let version = etcd.to_string();
        let lab = up("other", 1, etcd);
        let said = inside(&lab, &host(1), "etcd --version && etcdctl version && etcdutl version");
        for program in ["etcd Version", "etcdctl version", "etcdutl version"] {
            assert!(said.contains(&format!("{program}: {version}")), "{said}");
        }
        let debian = inside(&lab, &host(1), "dpkg-query -f '${Version}' -W etcd-server");
        let own = said.lines().next().and_then(|line| line.strip_prefix("etcd Version: ")).unwrap();
        assert!(!debian.starts_with(&format!("{own}-")), "{own} is not Debian's {debian}");
        inside(&lab, &host(1), "systemctl start etcd && etcdctl endpoint health");
    }
}

#[test]
fn a_lab_without_etcd_has_none() {
    let lab = up("bare", 1, Etcd::None);
    assert_eq!(inside(&lab, &host(1), "command -v etcd etcdctl || echo none"), "none");
}

#[test]
fn packages_are_there_and_their_services_wait() {
    let mut spec = spec("packages", 1, Etcd::None);
    spec.packages = ["nginx-light", "haproxy"].map(|name| name.parse().unwrap()).into();
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    assert_eq!(inside(&lab, &host(1), "systemctl is-active nginx haproxy ssh || true"), "inactive\ninactive\nactive");
    assert_eq!(
        inside(&lab, &host(1), "systemctl start nginx && curl -so /dev/null -w '%{http_code}' localhost"),
        "200"
    );
}

#[test]
fn systemd_is_process_1_and_every_host_is_itself() {
    let lab = up("systemd", 2, Etcd::V3_5);
    for name in [host(1), host(2)] {
        assert_eq!(
            inside(&lab, &name, "cat /proc/1/comm; systemctl is-system-running; hostname"),
            format!("systemd\nrunning\n{name}")
        );
        assert_eq!(inside(&lab, &name, "systemctl show -P ActiveState ssh dbus systemd-journald | sort -u"), "active");
    }
    let identity = "cat /etc/machine-id /etc/ssh/*.pub; hostname -I";
    assert_ne!(inside(&lab, &host(1), identity), inside(&lab, &host(2), identity));
    // Each systemd keeps to its own services.
    inside(&lab, &host(1), "systemctl restart dbus systemd-journald && systemd-run --quiet --unit=mine sleep 60");
    assert_eq!(inside(&lab, &host(2), "systemctl is-active mine || true"), "inactive");
    assert_eq!(inside(&lab, &host(1), "systemctl is-active mine"), "active");
}

#[test]
fn ssh_reaches_every_host_with_strict_host_keys() {
    let lab = up("ssh", 2, Etcd::V3_4);
    for name in [host(1), host(2)] {
        assert_eq!(output(&mut lab.ssh(&name, &["id -un; hostname"]).unwrap()), format!("root\n{name}"));
        let ops = lab.ssh(&name, &["-l", "ops", "id -un; sudo -n id -un"]).unwrap().output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ops.stdout), "ops\nroot\n");
    }
    let address = lab.address(&host(1)).unwrap().to_string();
    let config = lab.ssh_config();
    assert_eq!(output(Command::new("ssh").arg("-F").arg(&config).args([&address, "hostname"])), "etcd-1");
    // The config asks for known keys: without them, nothing goes.
    let stranger = lab.ssh(&host(1), &["-o", "UserKnownHostsFile=/dev/null", "true"]).unwrap().output().unwrap();
    assert_eq!(stranger.status.code(), Some(255));
    let other = format!("HostName={}", lab.address(&host(2)).unwrap());
    let impostor = lab.ssh(&host(1), &["-o", &other, "-o", "HostKeyAlias=etcd-1", "true"]).unwrap().output().unwrap();
    assert_eq!(impostor.status.code(), Some(255));
}

#[test]
fn what_the_lab_writes_is_for_root_only_and_names_every_host() {
    let lab = up("files", 3, Etcd::None);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(lab.folder()), 0o700);
    for file in [lab.ssh_config(), lab.inventory(), lab.folder().join("id_ed25519"), lab.folder().join("lab.json")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let text = fs::read_to_string(lab.inventory()).unwrap();
    let inventory: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(inventory["groups"]["members"], serde_json::json!(["etcd-1", "etcd-2", "etcd-3"]));
    assert_eq!(inventory["hosts"]["etcd-2"]["address"], lab.address(&host(2)).unwrap().to_string());
    assert_eq!(inventory["defaults"]["ssh_config"], lab.ssh_config().display().to_string());
    assert_eq!(inventory["defaults"]["user"], "root");
}

#[test]
fn down_leaves_nothing_behind() {
    let mut spec = spec("gone", 2, Etcd::V3_4);
    spec.hosts[0].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 8 });
    let lab = Lab::up(&spec, &|_| {}).unwrap();
    let link = link_of(&lab);
    // Two overlays and a disk, three namespaces, two hosts, a folder, and at least one cgroup.
    assert!(traces(lab.name()).len() >= 10, "{:?}", traces(lab.name()));
    assert!(fs::exists(&link).unwrap());
    assert!(Lab::list().unwrap().contains(lab.name()));
    // Also from a state in which hosts do not answer.
    lab.apply(&host(1), Break::Freeze).unwrap();
    lab.apply(&host(2), Break::Kill).unwrap();
    Lab::down(lab.name()).unwrap();
    assert_eq!(traces(lab.name()), Vec::<String>::new());
    assert!(!fs::exists(&link).unwrap());
    assert!(matches!(Lab::open(lab.name()), Err(LabError::NoLab(_))));
    Lab::down(lab.name()).unwrap();
}

#[test]
fn a_lab_that_cannot_come_up_leaves_nothing_behind() {
    let mut spec = spec("broken", 2, Etcd::V3_4);
    spec.hosts[1].disk = Some(DataDisk { path: "/etc/hostname".into(), mebibytes: 8 });
    let refused = Lab::up(&spec, &|_| {});
    assert!(matches!(refused, Err(LabError::Io { .. })), "{refused:?}");
    assert_eq!(traces(&spec.name), Vec::<String>::new());
}

#[test]
fn a_name_is_given_once() {
    let lab = up("once", 1, Etcd::None);
    let again = Lab::up(lab.spec(), &|_| {});
    assert!(matches!(again, Err(LabError::Exists(name)) if name == *lab.name()));
    assert_eq!(lab.state(&host(1)).unwrap(), HostState::Running);
}

#[test]
fn the_lab_of_a_dead_owner_is_reaped_and_that_of_a_living_one_is_not() {
    let living = up("living", 1, Etcd::None);
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let spec = spec("orphan", 1, Etcd::None);
    Lab::up_while(&spec, owner.id(), &|_| {}).unwrap();
    Lab::reap().unwrap();
    assert!(!traces(&spec.name).is_empty());
    owner.kill().unwrap();
    owner.wait().unwrap();
    Lab::reap().unwrap();
    assert_eq!(traces(&spec.name), Vec::<String>::new());
    assert_eq!(living.state(&host(1)).unwrap(), HostState::Running);
}

#[test]
fn what_a_killed_up_had_begun_is_reaped() {
    let name = LabName::of_this_process("halfway").unwrap();
    let mut up = Command::new(env!("CARGO_BIN_EXE_surefoot"))
        .args(["lab", "up", "--lab", name.as_str(), "--hosts", "2", "--etcd", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(up.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("is up"), "{line}");
    up.kill().unwrap();
    up.wait().unwrap();
    Lab::reap().unwrap();
    assert_eq!(traces(&name), Vec::<String>::new());
}

#[test]
fn a_pulled_cable_cuts_the_host_off_and_a_plugged_one_connects_it() {
    let lab = up("link", 2, Etcd::None);
    lab.apply(&host(1), Break::LinkDown).unwrap();
    assert!(greeting(&lab, &host(1)).is_err());
    greets(&lab, &host(2));
    // It runs on, and may be killed and booted like any other.
    lab.apply(&host(1), Break::Kill).unwrap();
    lab.apply(&host(1), Break::Boot).unwrap();
    assert_eq!(inside(&lab, &host(1), "systemctl is-system-running"), "running");
    assert!(greeting(&lab, &host(1)).is_err());
    lab.apply(&host(1), Break::LinkUp).unwrap();
    greets(&lab, &host(1));
}

#[test]
fn a_killed_host_boots_again_as_itself() {
    let mut spec = spec("kill", 2, Etcd::V3_4);
    spec.hosts[0].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 8 });
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let identity = "cat /etc/machine-id /etc/ssh/*.pub; hostname -I";
    let before = (inside(&lab, &host(1), boot_id), inside(&lab, &host(1), identity));
    inside(&lab, &host(1), "echo kept | tee /root/file /var/lib/etcd/file");
    lab.apply(&host(1), Break::Kill).unwrap();
    assert_eq!(lab.state(&host(1)).unwrap(), HostState::Off);
    assert_eq!(lab.state(&host(2)).unwrap(), HostState::Running);
    assert!(greeting(&lab, &host(1)).is_err());
    assert!(matches!(lab.apply(&host(1), Break::Freeze), Err(LabError::Off(_))));
    lab.apply(&host(1), Break::Boot).unwrap();
    assert_ne!(inside(&lab, &host(1), boot_id), before.0);
    assert_eq!(inside(&lab, &host(1), identity), before.1);
    assert_eq!(inside(&lab, &host(1), "cat /root/file /var/lib/etcd/file"), "kept\nkept");
    assert_eq!(output(&mut lab.ssh(&host(1), &["hostname"]).unwrap()), "etcd-1");
    assert!(matches!(lab.apply(&host(1), Break::Boot), Err(LabError::On(_))));
}

#[test]
fn a_stopped_sshd_refuses_until_it_is_started() {
    let lab = up("sshd", 1, Etcd::None);
    lab.apply(&host(1), Break::SshdStop).unwrap();
    assert_eq!(greeting(&lab, &host(1)).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    lab.apply(&host(1), Break::SshdStart).unwrap();
    greets(&lab, &host(1));
}

#[test]
fn a_frozen_host_takes_connections_and_says_nothing() {
    let lab = up("freeze", 1, Etcd::None);
    lab.apply(&host(1), Break::Freeze).unwrap();
    assert_eq!(lab.state(&host(1)).unwrap(), HostState::Frozen);
    assert_eq!(greeting(&lab, &host(1)).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    lab.apply(&host(1), Break::Thaw).unwrap();
    assert_eq!(lab.state(&host(1)).unwrap(), HostState::Running);
    greets(&lab, &host(1));
}

#[test]
fn a_full_data_disk_takes_nothing_until_it_is_freed() {
    let mut spec = spec("full", 2, Etcd::V3_4);
    spec.hosts[0].disk = Some(DataDisk { path: "/var/lib/etcd".into(), mebibytes: 8 });
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    assert_eq!(
        inside(&lab, &host(1), "stat -c '%U %a' /var/lib/etcd; df --output=size -m /var/lib/etcd"),
        "etcd 700\n1M-blocks\n        8"
    );
    let write = "echo x >/var/lib/etcd/x 2>/dev/null && echo written || echo full";
    assert_eq!(inside(&lab, &host(1), write), "written");
    inside(&lab, &host(1), "rm /var/lib/etcd/x");
    lab.apply(&host(1), Break::FillDisk).unwrap();
    assert_eq!(inside(&lab, &host(1), write), "full");
    lab.apply(&host(1), Break::FreeDisk).unwrap();
    assert_eq!(inside(&lab, &host(1), write), "written");
    assert!(matches!(lab.apply(&host(2), Break::FillDisk), Err(LabError::CannotBreak { .. })));
}

#[test]
fn a_slow_disk_takes_its_time_and_is_no_hindrance_to_down() {
    let lab = up("slow", 1, Etcd::None);
    let write = || {
        let start = Instant::now();
        let dd = "dd if=/dev/zero of=/root/x bs=64K count=16 oflag=dsync status=none";
        output(&mut lab.ssh(&host(1), &[dd]).unwrap());
        start.elapsed()
    };
    lab.apply(&host(1), Break::SlowDisk(512 << 10)).unwrap();
    let slow = write();
    assert!(slow >= Duration::from_millis(1800), "a mebibyte at half a mebibyte a second");
    lab.apply(&host(1), Break::FastDisk).unwrap();
    assert!((0..5).any(|_| write() < slow), "it stays slow");
    // A process that waits for a write (the D) cannot be killed.
    let writer = "dd if=/dev/zero of=/root/x bs=1M count=64 conv=notrunc oflag=direct";
    inside(
        &lab,
        &host(1),
        &format!("{writer} 2>/dev/null; systemd-run --quiet --unit=writer sh -c 'while :; do {writer}; done'"),
    );
    lab.apply(&host(1), Break::SlowDisk(1 << 10)).unwrap();
    inside(&lab, &host(1), "timeout 60 sh -c 'until ps -o stat= -C dd | grep -q ^D; do :; done'");
    Lab::down(lab.name()).unwrap();
    assert_eq!(traces(lab.name()), Vec::<String>::new());
}

#[test]
fn a_lab_comes_back_as_it_was_saved() {
    let mut spec = spec("saved", 2, Etcd::None);
    spec.hosts[0].disk = Some(DataDisk { path: "/var/lib".into(), mebibytes: 64 });
    let lab = LabGuard::up(&spec, &|_| {}).unwrap();
    for n in [1, 2] {
        inside(&lab, &host(n), "echo first >/var/lib/kept; echo first >/etc/kept; rm /etc/motd");
    }
    lab.save(&|_| {}).unwrap();
    for round in 0..2 {
        for n in [1, 2] {
            inside(&lab, &host(n), "echo second >/var/lib/kept; rm /etc/kept; touch /etc/motd /var/lib/new");
        }
        // Whatever state they are in.
        let breaks = [Break::Freeze, Break::Kill];
        lab.apply(&host(1), breaks[round]).unwrap();
        lab.apply(&host(2), Break::LinkDown).unwrap();
        lab.rewind(&|_| {}).unwrap();
        for n in [1, 2] {
            assert_eq!(
                inside(&lab, &host(n), "cat /var/lib/kept /etc/kept; ls /etc/motd /var/lib/new 2>&1 | wc -l"),
                "first\nfirst\n2"
            );
            assert_eq!(inside(&lab, &host(n), "ls /etc/motd /var/lib/new 2>/dev/null || :"), "");
            greets(&lab, &host(n));
        }
    }
    let seen = lab.path_of(&host(1), std::path::Path::new("/var/lib/kept")).unwrap();
    assert_eq!(fs::read_to_string(seen).unwrap(), "first\n");
}

#[test]
fn an_sshd_that_is_killed_cuts_its_connections_and_comes_back() {
    let lab = up("sshdkill", 1, Etcd::None);
    let mut session = lab.ssh(&host(1), &["echo up; sleep 60"]).unwrap().stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(session.stdout.take().unwrap()).read_line(&mut line).unwrap();
    lab.apply(&host(1), Break::SshdKill).unwrap();
    assert_eq!(session.wait().unwrap().code(), Some(255));
    greets(&lab, &host(1));
}
