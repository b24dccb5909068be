use super::*;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::SshTarget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn refusal(target: SshTarget) -> Fault {
    SshHost::connect(&target, &"refused".into()).await.map(|_| ()).expect_err("no way in")
}

/// What tells one refusal from another is its hint. A host that is there and does not fit is not a host that is missing.
async fn hint(kind: FaultKind, target: SshTarget) -> String {
    let fault = refusal(target).await;
    assert_eq!(fault.kind, kind, "{fault:?}");
    assert!(fault.message.contains("h (127.0.0.1") || fault.message.contains("h (h"), "{}", fault.message);
    assert!(fault.detail.is_some(), "ssh's own words");
    fault.hint.expect("a hint")
}

#[tokio::test]
async fn each_way_of_not_getting_in_has_its_own_hint() {
    let sshd = Sshd::start();
    let good = SshTarget { address: Some("127.0.0.1".into()), port: Some(sshd.port()), ..sshd.target() };
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let config = std::fs::read_to_string(sshd.ssh_config()).expect("there");
    let with = |name: &str, text: String| {
        let path = sshd.path().join(name);
        std::fs::write(&path, text).expect("written");
        SshTarget { ssh_config: Some(path), ..SshTarget::new("h") }
    };

    let refused = hint(FaultKind::Unreachable, SshTarget { port: Some(closed), ..good.clone() }).await;
    let unresolved =
        hint(FaultKind::Unreachable, with("unresolved", config.replace("HostName 127.0.0.1", "HostName h.invalid")))
            .await;
    let denied = hint(FaultKind::Denied, with("denied", config.replace("/id\n", "/host_key\n"))).await;
    let stranger = hint(FaultKind::Denied, with("stranger", config.replace("/known_hosts\n", "/none\n"))).await;
    let broken = hint(FaultKind::Unreachable, with("broken", format!("Nonsense yes\n{config}"))).await;
    sshd.know(&std::fs::read_to_string(sshd.path().join("id.pub")).expect("there"));
    let changed = hint(FaultKind::Denied, sshd.target()).await;

    let mut hints = vec![refused, unresolved, denied, stranger, broken, changed];
    hints.sort();
    hints.dedup();
    assert_eq!(hints.len(), 6, "{hints:#?}");
}

#[tokio::test]
async fn what_the_inventory_says_wins_over_the_configuration() {
    let sshd = Sshd::start();
    let config = std::fs::read_to_string(sshd.ssh_config()).expect("there");
    let wrong = config.replace(&format!("Port {}", sshd.port()), "Port 1").replace("/id\n", "/none\n");
    // For any name: an address is no alias of the configuration.
    std::fs::write(sshd.path().join("wrong"), wrong.replace("Host h\n", "Host *\n")).expect("written");
    let target = SshTarget {
        address: Some("127.0.0.1".into()),
        port: Some(sshd.port()),
        identity: Some(sshd.path().join("id")),
        ssh_config: Some(sshd.path().join("wrong")),
        ..SshTarget::new("n")
    };
    let host = SshHost::connect(&target, &"inventory".into()).await.expect("in");
    assert_eq!((host.name().as_str(), host.address()), ("n", "127.0.0.1"));
}

#[tokio::test]
async fn a_configuration_made_for_people_does_not_get_in_the_way() {
    let sshd = Sshd::start();
    let config = std::fs::read_to_string(sshd.ssh_config()).expect("there");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let chatty = format!(
        "{config}\n  RequestTTY force\n  RemoteCommand echo hello; exec bash -l\n  LocalForward {port} 127.0.0.1:1\n  \
         ExitOnForwardFailure yes\n  ControlMaster auto\n  ControlPath {0}/theirs\n  ControlPersist 60\n  \
         PermitLocalCommand yes\n  LocalCommand touch {0}/local\n",
        sshd.path().display()
    );
    let path = sshd.path().join("chatty");
    std::fs::write(&path, chatty).expect("written");
    let host = SshHost::connect(&SshTarget { ssh_config: Some(path), ..SshTarget::new("h") }, &"people".into()).await;
    assert_eq!(said(&*host.expect("in"), "echo ok").await, "ok");
    assert!(!sshd.path().join("local").exists() && !sshd.path().join("theirs").exists());
}

#[tokio::test]
async fn a_host_tells_who_it_is() {
    let sshd = Sshd::start();
    let (one, other) = (sshd.target(), SshTarget { name: "alias".into(), address: Some("h".into()), ..sshd.target() });
    let one = SshHost::connect(&one, &"facts".into()).await.expect("in");
    let other = SshHost::connect(&other, &"facts".into()).await.expect("in");
    assert_eq!(one.facts(), other.facts());
    assert_eq!(one.facts().uid.to_string(), said(&*one, "id -u").await);
    assert!(one.run_dir().ends_with("/surefoot/facts") && one.run_dir().starts_with('/'));
}

#[tokio::test]
async fn a_user_is_become_for_a_script_or_for_a_whole_host() {
    let bench = Bench::new();
    let host = bench.host().await;
    let who = |user: Option<&str>| Script::new("id -un").user(user.map(str::to_owned));
    let nobody = host.probe(who(Some("nobody"))).await.expect("sudo lets root become anybody");
    assert_eq!(nobody.text(), "nobody");
    assert_eq!(host.act(&id("who"), who(Some("nobody")), &Silent).await.expect("it runs").text(), "nobody");
    assert_ne!(said(&*host, "id -un").await, "nobody");

    let target = SshTarget { become_user: Some("nobody".into()), ..bench.sshd.target() };
    let host = SshHost::connect(&target, &bench.run).await.expect("in");
    assert_eq!((said(&*host, "id -un").await.as_str(), host.facts().user.as_str()), ("nobody", "nobody"));
    // A folder of its own, out of reach of others.
    host.act(&id("own"), Script::new("true"), &Silent).await.expect("it runs");
    assert_eq!(said(&*host, &format!("stat -c '%a %U' {}", host.run_dir())).await, "700 nobody");
}

#[tokio::test]
async fn a_sudo_that_gives_no_shell_is_denied() {
    let bench = Bench::new();
    let host = bench.host().await;
    let fault = host.probe(Script::new("true").user(Some("no-such-user"))).await.expect_err("nobody there");
    assert_eq!(fault.kind, FaultKind::Denied);
    let target = SshTarget { become_user: Some("no-such-user".into()), ..bench.sshd.target() };
    let whole = refusal(target).await;
    assert_eq!(whole.kind, FaultKind::Denied);

    // One that wants a password has another hint. Nobody is in no sudoers file, so sudo asks for one.
    let tools = bench.sshd.path().join("tools");
    std::fs::create_dir(&tools).expect("a new folder");
    let asking = "#!/bin/sh\nexec /usr/bin/sudo -n -u nobody /usr/bin/sudo \"$@\"\n";
    std::fs::write(tools.join("sudo"), asking).expect("written");
    std::fs::set_permissions(tools.join("sudo"), PermissionsExt::from_mode(0o755)).expect("ours");
    let path = format!("SetEnv PATH={}:/usr/sbin:/usr/bin:/sbin:/bin SHLVL=2", tools.display());
    let asking = Bench::with(&path);
    let target = SshTarget { become_user: Some("root".into()), ..asking.sshd.target() };
    let password = refusal(target).await;
    assert_eq!(password.kind, FaultKind::Denied);
    assert!(password.hint.is_some() && password.hint != whole.hint, "{password:?}");
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_a_port_that_refuses_is_missing() {
    let bench = Bench::with("MaxSessions 2");
    let host = bench.host().await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("bound").to_string();
    let echo = tokio::spawn(async move {
        loop {
            let (mut stream, _) = server.accept().await.expect("a connection");
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    // Many at once: tunnels are no sessions.
    let mut tunnels = Vec::new();
    for n in 0..20_u8 {
        let mut tunnel = host.dial(&address).await.expect("it listens");
        tunnel.write_all(&[n; 3]).await.expect("sent");
        tunnels.push(tunnel);
    }
    for (n, tunnel) in tunnels.iter_mut().enumerate() {
        let mut back = [0; 3];
        tunnel.read_exact(&mut back).await.expect("echoed");
        assert_eq!(back, [n as u8; 3]);
    }
    echo.abort();
    assert_eq!(host.dial("127.0.0.1:1").await.map(|_| ()).expect_err("nothing there").kind, FaultKind::Missing);
    assert_eq!(host.dial("nonsense").await.map(|_| ()).expect_err("no address").kind, FaultKind::Value);
}

#[tokio::test]
async fn a_master_that_is_gone_is_replaced() {
    let bench = Bench::new();
    let host = bench.host().await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("bound").to_string();
    let (file, there) =
        (bench.sshd.path().join("id.pub"), |n: u32| format!("{}/sent-{n}", bench.sshd.path().display()));
    for (n, end) in [remove_socket as fn(&Bench), kill_master].into_iter().enumerate() {
        let n = 3 * n as u32;
        end(&bench);
        host.dial(&address).await.expect("a tunnel");
        end(&bench);
        host.put(&file, &there(n), None, &Silent).await.expect("a file");
        end(&bench);
        let nobody = Script::new("id -un").user(Some("nobody"));
        assert_eq!(host.probe(nobody).await.expect("a shell of another user").text(), "nobody");
        // What runs goes on over the new connection.
        let (name, sink) = (numbered("slow", n), Recorder::default());
        let cut = async {
            sink.until("begin").await;
            end(&bench);
            host.dial(&address).await.expect("a tunnel");
        };
        let act = host.act(&name, Script::new("echo begin; sleep 1; exit 7"), &sink);
        assert_eq!(tokio::join!(act, cut).0.expect("it is taken up").code, 7);
    }
}

/// The ssh that holds the connection to a bench's host: its number and its socket.
fn master(bench: &Bench) -> (i32, String) {
    let ours = format!("{}/ssh_config ", bench.sshd.path().display());
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let mut found = processes.filter_map(|entry| {
        let line = String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        let socket = line.strip_prefix("ssh -M -S ")?.split(' ').next()?.to_owned();
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        line.contains(&ours).then_some((pid, socket))
    });
    found.find(|(pid, _)| is_alive(pid.cast_unsigned())).expect("a master")
}

fn remove_socket(bench: &Bench) {
    std::fs::remove_file(master(bench).1).expect("a socket");
}

fn kill_master(bench: &Bench) {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_raw(master(bench).0).expect("not 0"), Signal::KILL).expect("it lives");
}

#[tokio::test]
async fn a_server_that_hangs_up_ends_its_tunnel() {
    let bench = Bench::new();
    let host = bench.host().await;
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut tunnel = host.dial(&server.local_addr().expect("bound").to_string()).await.expect("it listens");
    drop(server.accept().await.expect("a connection"));
    assert_eq!(tunnel.read(&mut [0; 8]).await.expect("an end, not an error"), 0);
}

#[tokio::test]
async fn nothing_is_left_after_close() {
    let bench = Bench::with("SetEnv CLOSED=world-close");
    let host = bench.host().await;
    host.probe(Script::new("true").user(Some("nobody"))).await.expect("it runs");
    host.act(&id("x"), Script::new("true"), &Silent).await.expect("it runs");
    let scratch = said(&*host, "d=$(readlink /proc/$$/fd/1); echo \"${d%/*}\"").await;
    let sockets = control_folders();
    assert!(std::path::Path::new(&scratch).exists() && !sockets.is_empty());
    host.close().await;
    eventually("shells and pumps have ended", || carriers("CLOSED=world-close").is_empty()).await;
    assert!(!std::path::Path::new(&scratch).exists());
    let ours = bench.sshd.path().display().to_string();
    assert!(!masters().iter().any(|line| line.contains(&ours)));
}

#[tokio::test]
async fn what_a_killed_engine_left_is_removed_by_the_next() {
    // The sweep is once for each process, so a process of its own has to do it.
    let place = tempfile::tempdir().expect("a folder");
    let [_, live] = ["stale", "live"].map(|name| {
        let folder = place.path().join(format!("surefoot-ssh-{name}"));
        std::fs::create_dir(&folder).expect("a new folder");
        std::fs::File::create_new(folder.join("lock")).expect("a new file")
    });
    live.lock().expect("nobody else has it");
    let bench = Bench::new();
    let mut engine = crate::support::engine::command("world::outliving::engine_that_connects", &bench.sshd, &bench.run);
    engine.env("XDG_RUNTIME_DIR", place.path());
    crate::support::sshd::run(&mut engine);
    let left = std::fs::read_dir(place.path()).expect("there").flatten().map(|entry| entry.file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["surefoot-ssh-live"], "neither the stale one nor its own");
}

fn control_folders() -> Vec<String> {
    let place = std::env::var("XDG_RUNTIME_DIR").unwrap_or("/tmp".into());
    let names = std::fs::read_dir(place).expect("there").flatten().filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&format!("surefoot-ssh-{}-", std::process::id()))).collect()
}

/// The command lines of every ssh that is a master.
fn masters() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.starts_with("ssh -M ")).collect()
}
