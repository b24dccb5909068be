//! A client on a host of the lab that writes all the time, as a unit that can be stopped, moved and started.

use crate::support::site::Site;
use std::time::Duration;
use surefoot_lab::lab::LabName;

/// The file with its variables.
pub const FILE: &str = "/etc/default/app";

/// Puts one key after the other where its file says, and notes what was acknowledged, and when.
const UNIT: &str = "[Service]\nEnvironmentFile=/etc/default/app\nEnvironment=ETCDCTL_API=3\n\
    ExecStart=/bin/sh -c 'while :; do n=$$(date +%%s%%N); etcdctl --endpoints \"$$ETCD_ENDPOINTS\" put /app/$$n x \
    >/dev/null && echo $$n >>/srv/acknowledged; done'\n";

/// Starts the client, which writes to the first of these hosts that takes it.
pub fn start(site: &Site, client: &LabName, to: &[LabName]) {
    let scheme = if site.tls { "https" } else { "http" };
    let url = |host: &LabName| format!("{scheme}://{}:2379", site.lab.address(host).unwrap());
    let mut file = format!("ETCD_ENDPOINTS={}\n", to.iter().map(url).collect::<Vec<_>>().join(","));
    if site.tls {
        file += "ETCDCTL_CACERT=/etc/etcd/ca.pem\nETCDCTL_CERT=/etc/etcd/host.pem\nETCDCTL_KEY=/etc/etcd/host.key\n";
    }
    site.write(client, FILE, "0644", "root", &file);
    site.write(client, "/etc/systemd/system/app.service", "0644", "root", UNIT);
    site.inside(client, "systemctl daemon-reload; systemctl start app");
}

/// Waits until one more write is acknowledged.
pub fn goes_on(site: &Site, client: &LabName) {
    site.inside(
        client,
        "touch /srv/acknowledged; n=$(wc -l </srv/acknowledged)
         timeout 60 sh -c \"until [ \\$(wc -l </srv/acknowledged) -gt $n ]; do sleep 0.1; done\"",
    );
}

/// Stops it; every write that it was told is kept must be there, where its file says now. Gives the longest time between
/// two.
pub fn nothing_is_lost(site: &Site, client: &LabName) -> Duration {
    let script = "systemctl stop app; set -a; . /etc/default/app; export ETCDCTL_API=3
        etcdctl --endpoints \"$ETCD_ENDPOINTS\" get /app/ --prefix --keys-only | sed -n s,/app/,,p | sort >/root/there
        sort /srv/acknowledged | comm -23 - /root/there";
    assert_eq!(site.inside(client, script), "", "acknowledged, and lost");
    let times = site.inside(client, "cat /srv/acknowledged");
    let times: Vec<u64> = times.lines().map(|line| line.parse().unwrap()).collect();
    assert!(times.len() > 20, "{times:?}");
    Duration::from_nanos(times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap())
}
