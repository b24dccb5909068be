//! One member's settings, by etcd's names for them.

use super::tls;

/// One member, as its settings need it.
pub struct Node {
    pub name: String,
    pub address: String,
    /// Names and addresses of all.
    pub cluster: Vec<(String, String)>,
    pub tls: bool,
}

impl Node {
    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// What is the member's own, by etcd's names for it.
    pub fn own_settings(&self) -> Vec<(&'static str, String)> {
        let (scheme, address) = (self.scheme(), &self.address);
        let mut settings = vec![
            ("name", self.name.clone()),
            ("initial-advertise-peer-urls", format!("{scheme}://{address}:2380")),
            ("listen-peer-urls", format!("{scheme}://{address}:2380")),
            ("listen-client-urls", format!("{scheme}://{address}:2379,{scheme}://127.0.0.1:2379")),
            ("advertise-client-urls", format!("{scheme}://{address}:2379")),
        ];
        settings.extend(tls::settings().filter(|_| self.tls));
        settings
    }

    /// The same, with what makes the first cluster.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let member = |(name, address): &(String, String)| format!("{name}={}://{address}:2380", self.scheme());
        let mut settings = self.own_settings();
        settings.push(("initial-cluster", self.cluster.iter().map(member).collect::<Vec<_>>().join(",")));
        settings.push(("initial-cluster-token", super::TOKEN.to_owned()));
        settings.push(("initial-cluster-state", "new".to_owned()));
        settings
    }
}
