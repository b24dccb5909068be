//! A parameter of the network: set and undone, and put back by the host itself where it cut the host off.

use super::scene::Scene;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use surefoot_engine::model::TaskEvent;

const KEEPALIVE: &str = "cat /proc/sys/net/ipv4/tcp_keepalive_time; cat /etc/sysctl.d/90-net.* 2>/dev/null || true";

#[test]
fn a_parameter_is_set_and_undone_and_one_that_cuts_the_host_off_is_put_back_by_the_host() {
    let scene = Scene::set("netparam", "set-network-parameter");
    scene.run(&[]).done();
    for host in ["app-1", "app-2"] {
        assert_eq!(scene.inside(host, KEEPALIVE), "600\nnet.ipv4.tcp_keepalive_time = 600");
    }
    scene.back();
    assert_eq!(scene.inside("app-2", KEEPALIVE), "7200");

    // A host with this value answers no question for its hardware address. Who has it in memory still reaches it, and
    // forgets it within a minute; here that is done at once.
    let cut = ["-p", "name=net.ipv4.conf.all.arp_ignore", "-p", "value=8", "-p", "confirm_within=20", "-p", "watch=3"];
    let mut run = scene.start(&[&cut[..], &["--bind", "targets=app-1"]].concat());
    run.until("set@app-1", |event| matches!(event, TaskEvent::Done { .. }));
    let address = scene.address("app-1").to_string();
    let forget = ["ip", "neigh", "flush", "to", &address];
    assert!(Command::new(forget[0]).args(&forget[1..]).status().unwrap().success());
    assert!(scene.lab.enter(&"client-1".parse().unwrap(), &forget).unwrap().status().unwrap().success());
    let door = (scene.address("app-1"), 22).into();
    assert!(TcpStream::connect_timeout(&door, Duration::from_secs(1)).is_err(), "it is cut off for real");
    let ran = run.end();
    assert_eq!(ran.code, Some(3), "{}", ran.story());
    assert_eq!(ran.words("confirm"), ["pending"]);
    assert_eq!(
        scene.inside("app-1", "cat /proc/sys/net/ipv4/conf/all/arp_ignore; ls /etc/sysctl.d | grep -c ^90 || true"),
        "0\n0"
    );
    scene.run(&[]).done();
}
