//! The addresses in etcd's URLs.

/// Where a URL of etcd points: `https://10.0.0.1:2379`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without brackets: `10.0.0.1`, `::1`, `etcd-1.example`.
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

impl Endpoint {
    /// `None` for what is not TCP (`unix://`) or has no port.
    pub fn parse(url: &str) -> Option<Endpoint> {
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return None,
            None => (false, url),
        };
        let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Endpoint { host: host.to_owned(), port: port.parse().ok()?, tls })
    }

    /// As dialled on the host itself: what listens everywhere is reached on loopback.
    pub fn address(&self) -> String {
        let host = match self.host.as_str() {
            "" | "0.0.0.0" | "localhost" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host == "::1" || self.host.starts_with("127.")
    }
}

/// Whether each host finds only itself there.
pub fn is_local(url: &str) -> bool {
    let anywhere = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
    Endpoint::parse(url).is_some_and(|endpoint| endpoint.is_loopback() || anywhere(&endpoint.host))
}

/// Those that are TCP.
pub fn endpoints(urls: &[String]) -> impl Iterator<Item = Endpoint> {
    urls.iter().filter_map(|url| Endpoint::parse(url))
}

/// The one to dial on the host itself: loopback where etcd listens there.
pub fn loopback_first(urls: &[String]) -> Option<Endpoint> {
    endpoints(urls).find(Endpoint::is_loopback).or_else(|| endpoints(urls).next())
}

/// Each port once, in order.
pub fn ports(urls: &[String]) -> Vec<u16> {
    let mut ports = Vec::new();
    for endpoint in endpoints(urls) {
        if !ports.contains(&endpoint.port) {
            ports.push(endpoint.port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(urls: &[&str]) -> Option<String> {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        loopback_first(&urls).map(|endpoint| endpoint.address())
    }

    #[test]
    fn a_local_url_leads_every_host_to_itself() {
        for local in ["http://localhost:2380", "https://127.0.0.1:2380", "http://[::1]:2380", "http://0.0.0.0:2380"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["http://10.0.0.1:2380", "https://etcd-1:2380", "http://[fd00::1]:2380"] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn loopback_is_dialled_where_etcd_listens_there() {
        assert_eq!(address(&["http://10.0.0.1:2379", "http://127.0.0.1:12379"]).as_deref(), Some("127.0.0.1:12379"));
        assert_eq!(address(&["unix://x", "https://0.0.0.0:2379"]).as_deref(), Some("127.0.0.1:2379"));
        assert_eq!(address(&["https://[::]:2379/"]).as_deref(), Some("[::1]:2379"));
        assert_eq!(address(&["http://10.0.0.1:2379"]).as_deref(), Some("10.0.0.1:2379"));
        assert_eq!(address(&["unix://x", "http://nothing"]), None);
    }
}
