//! The rolling restart, under a client that asks all the time.

use super::scene::Scene;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use surefoot_engine::model::TaskEvent;

const SITE: &str = "server {
    listen 80;
    root /var/www/html;
    add_header X-Site new;
    location = /health { if (-f /etc/nginx/drain) { return 404; } return 200; }
}
";

/// Requests a page through the balancer, one after the other, until it is told to end.
struct Client {
    over: Arc<AtomicBool>,
    asks: JoinHandle<(usize, Vec<String>)>,
}

impl Client {
    fn start(balancer: Ipv4Addr) -> Client {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let asks = std::thread::spawn(move || {
            let (mut answered, mut failed) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) {
                match ask(balancer) {
                    Ok(answer) if answer.starts_with("HTTP/1.1 200") => answered += 1,
                    Ok(answer) => failed.push(answer.lines().next().unwrap_or_default().to_owned()),
                    Err(error) => failed.push(error.to_string()),
                }
            }
            (answered, failed)
        });
        Client { over, asks }
    }

    /// Nothing that it asked was left without a good answer.
    #[track_caller]
    fn was_served(self) {
        self.over.store(true, Ordering::Relaxed);
        let (answered, failed) = self.asks.join().unwrap();
        assert!(answered > 50 && failed.is_empty(), "{answered} answered, failed: {failed:?}");
    }
}

fn ask(address: Ipv4Addr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&(address, 80).into(), Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

const WEB: [&str; 3] = ["web-1", "web-2", "web-3"];

/// The servers' processes.
fn pids(scene: &Scene) -> Vec<String> {
    WEB.iter().map(|host| scene.inside(host, "cat /run/nginx.pid")).collect()
}

fn news(scene: &Scene) -> Vec<bool> {
    WEB.iter().map(|host| ask(scene.address(host)).unwrap().contains("X-Site: new")).collect()
}

#[test]
fn a_web_tier_is_restarted_and_rolled_back_without_a_failed_request() {
    let mut scene = Scene::set("webroll", "restart-web-tier");
    let client = Client::start(scene.address("lb-1"));
    scene.program.write("site.conf", SITE);
    let before = pids(&scene);
    scene.run(&["-p", "config=site.conf"]).done();
    assert_eq!(news(&scene), [true; 3]);
    assert!(before.iter().zip(&pids(&scene)).all(|(before, after)| before != after), "each was restarted");
    scene.back();
    assert_eq!(news(&scene), [false; 3]);
    client.was_served();

    // The engine is killed while the second server is away: nobody but that one is out, and the tier serves.
    let client = Client::start(scene.address("lb-1"));
    let mut run = scene.start(&["-p", "config=site.conf"]);
    run.until("stop@web-2", |event| matches!(event, TaskEvent::Done { .. }));
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(scene.inside("web-3", "test -e /etc/nginx/drain || echo in"), "in");
    let resumed = scene.go_on("resume");
    assert_eq!(resumed.code, Some(0), "{}{}", resumed.out, resumed.err);
    assert_eq!(news(&scene), [true; 3]);
    scene.back();

    // A server that works and that the balancer finds ill: its gate fails, it is undone, the others are not touched.
    scene.program.write("ill.conf", &SITE.replace("return 200", "return 500"));
    let processes = pids(&scene);
    let shipped = scene.alter("for: 60s", "for: 3s");
    let failed = scene.run(&["-p", "config=ill.conf"]);
    assert_eq!(failed.code, Some(3), "{}", failed.story());
    assert_eq!(failed.words("in"), ["undone", "pending", "pending"]);
    assert_eq!(news(&scene), [false; 3]);
    assert_eq!(pids(&scene)[1..], processes[1..]);
    scene.runbook = shipped;

    // A configuration that nginx refuses, on the second server only: that one is put back, the third is not touched.
    let bad = SITE.replace("X-Site new", "X-Site $host_is_web_2");
    scene.program.write("bad.conf", &bad);
    for host in ["web-1", "web-3"] {
        scene.inside(host, "echo 'map $host $host_is_web_2 { default new; }' >/etc/nginx/conf.d/known.conf");
    }
    let third = pids(&scene)[2].clone();
    let failed = scene.run(&["-p", "config=bad.conf"]);
    assert_eq!(failed.code, Some(1), "{}", failed.story());
    assert_eq!(failed.words("sound"), ["done", "failed", "pending"]);
    assert_eq!(news(&scene), [true, false, false]);
    assert_eq!(pids(&scene)[2], third);
    client.was_served();
}

#[test]
fn a_server_that_is_out_already_is_not_brought_back_by_a_restart() {
    let scene = Scene::set("webout", "restart-web-tier");
    scene.inside("web-2", "touch /etc/nginx/drain");
    let before = pids(&scene);
    let refused = scene.run(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.story());
    assert_eq!(pids(&scene), before);
}
