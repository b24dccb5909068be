//! A certificate's rotation: what is served is what counts.

use super::scene::Scene;
use std::time::{Duration, Instant};

/// The serial number of what a server serves, and of what lies there.
fn serials(scene: &Scene, host: &str) -> Vec<String> {
    let script = "echo | openssl s_client -connect 127.0.0.1:443 2>/dev/null | openssl x509 -noout -serial
        openssl x509 -noout -serial -in /etc/nginx/tls/server.pem; stat -c %a /etc/nginx/tls/server-key.pem; cat /run/nginx.pid";
    scene.inside(host, script).lines().map(str::to_owned).collect()
}

#[test]
fn certificates_are_rotated_and_rotated_back_without_a_restart() {
    let scene = Scene::set("certs", "rotate-certificate");
    let before = ["web-1", "web-2"].map(|host| serials(&scene, host));
    let first = scene.run(&[]).done();
    let after = ["web-1", "web-2"].map(|host| serials(&scene, host));
    for (before, after) in before.iter().zip(&after) {
        assert_ne!(before[0], after[0], "another is served");
        assert_eq!(after[0], after[1]);
        assert_eq!((after[2].as_str(), &after[3]), ("600", &before[3]), "its key is private, its process the same");
    }
    let again = scene.run(&[]).done();
    assert_eq!(again.words("reload"), ["skipped", "skipped"], "one that is good for long is left as it is");

    let back = scene.program.call(["rollback", first.run().as_str(), "--yes"]);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    // After a reload, an old worker may answer a moment longer.
    let end = Instant::now() + Duration::from_secs(30);
    let served = || ["web-1", "web-2"].map(|host| serials(&scene, host));
    let mut last = served();
    while last != before && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(250));
        last = served();
    }
    assert_eq!(last, before, "the old one lies there and is served");
}
