//! A cluster's users. The program is told their password by a file.

use super::Site;
use serde_json::json;

/// Of the user `root`.
pub const PASSWORD: &str = "correct horse battery";

impl Site {
    /// From now on etcd asks who it is that asks.
    pub fn add_users(&mut self) {
        let host = &self.members[0];
        let scheme = if self.tls { "https" } else { "http" };
        let address = self.lab.address(host).unwrap();
        let files = "--cacert /etc/etcd/ca.pem --cert /etc/etcd/host.pem --key /etc/etcd/host.key";
        let tls = if self.tls { files } else { "" };
        self.inside(
            host,
            &format!(
                "etcd() {{ ETCDCTL_API=3 etcdctl --endpoints {scheme}://{address}:2379 {tls} \"$@\"; }}
                 etcd user add 'root:{PASSWORD}'; etcd user grant-role root root; etcd auth enable"
            ),
        );
        self.program.write("password", PASSWORD);
        self.users = true;
        self.inventory(&[], json!({}));
    }
}
