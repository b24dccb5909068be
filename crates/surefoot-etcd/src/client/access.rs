//! Where a host's etcd listens and which certificates open it: from the inventory's `etcd:` entry, else from the
//! running process. Keys are read into memory only.

use crate::layout::{self, EtcdProcess};
use surefoot_engine::action::Cx;
use surefoot_engine::action::read;
use surefoot_engine::bounded;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{EtcdAccess, Host};

/// How one etcd is reached.
pub struct Access {
    /// As dialled on the host: `127.0.0.1:2379`.
    pub address: String,
    pub tls: Option<PemFiles>,
}

/// PEM texts.
pub struct PemFiles {
    pub trust: Trust,
    /// Certificate chain and key of the client.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// What makes a server's certificate good.
pub enum Trust {
    /// It is the very one that lies on the host, which was read over the host's own connection.
    Same { certificate: Vec<u8> },
    /// It is signed by this authority for one of these names.
    Authority { ca: Vec<u8>, names: Vec<String> },
}

/// Finds it. A host without a running etcd, and without an entry that says where to look, is a fault of kind `Etcd`.
pub async fn find(cx: &Cx<'_>, host: &dyn Host) -> Result<Access, Fault> {
    let given = cx.world.etcd(host.name()).cloned().unwrap_or_default();
    if let Some(endpoint) = &given.endpoint {
        return entry(cx, host, &given, endpoint).await;
    }
    let process = layout::running(cx, host).await?.ok_or_else(|| {
        let fault = Fault::new(FaultKind::Etcd, format!("etcd on {} does not answer", host.name()));
        fault.detail("no process there is called etcd")
    })?;
    of_process(cx, host, &given, &process).await
}

/// All from the inventory: TLS where it names any certificate.
async fn entry(cx: &Cx<'_>, host: &dyn Host, given: &EtcdAccess, endpoint: &str) -> Result<Access, Fault> {
    let target = layout::Endpoint::parse(endpoint).ok_or_else(|| {
        let fault = Fault::value(format!("`{endpoint}` is no address of an etcd: {}", host.name()));
        fault.hint("write `endpoint: 127.0.0.1:2379` in the inventory's `etcd:`")
    })?;
    if !target.tls && given.ca.is_none() && given.cert.is_none() {
        return Ok(Access { address: target.address(), tls: None });
    }
    let Some(ca) = &given.ca else {
        let fault = Fault::value(format!("the etcd of {} needs a `ca` in the inventory", host.name()));
        return Err(fault.hint("with an `endpoint` and TLS, say which `ca` signed its certificate"));
    };
    let names = vec![target.host.clone(), "127.0.0.1".to_owned(), host.name().to_string()];
    let trust = Trust::Authority { ca: pem(cx, host, ca).await?, names };
    Ok(Access { address: target.address(), tls: Some(PemFiles { trust, identity: identity(cx, host, given).await? }) })
}

/// From what runs; certificates of the inventory stand above it.
async fn of_process(cx: &Cx<'_>, host: &dyn Host, given: &EtcdAccess, process: &EtcdProcess) -> Result<Access, Fault> {
    let settings = &process.settings;
    let listen = layout::ResolvedSettings(settings).listen_client();
    let target = layout::loopback_first(&listen)
        .ok_or_else(|| Fault::value(format!("etcd on {} listens on no TCP port: {}", host.name(), listen.join(","))))?;
    let address = target.address();
    if !target.tls {
        return Ok(Access { address, tls: None });
    }
    let on_host = |setting: &str| settings.path(setting).map(|path| format!("host:{}", process.path(&path)));
    let trust = match (&given.ca, on_host("cert-file")) {
        (Some(ca), _) => Trust::Authority { ca: pem(cx, host, ca).await?, names: names(host, settings) },
        (None, Some(own)) => Trust::Same { certificate: pem(cx, host, &own).await? },
        (None, None) => {
            let fault = Fault::value(format!("etcd on {} has TLS without a `cert-file`", host.name()));
            return Err(fault.hint("say in the inventory's `etcd:` which `ca` signed its certificate"));
        }
    };
    let asks = settings.is_true("client-cert-auth") || settings.get("trusted-ca-file").is_some();
    let given = match (&given.cert, asks) {
        (None, true) => EtcdAccess {
            cert: on_host("client-cert-file").or_else(|| on_host("cert-file")),
            key: on_host("client-key-file").or_else(|| on_host("key-file")),
            ..EtcdAccess::default()
        },
        _ => given.clone(),
    };
    Ok(Access { address, tls: Some(PemFiles { trust, identity: identity(cx, host, &given).await? }) })
}

/// The names by which a host's etcd goes.
fn names(host: &dyn Host, settings: &layout::EtcdSettings) -> Vec<String> {
    let defaults = layout::ResolvedSettings(settings);
    let urls = [defaults.listen_client(), defaults.advertise_client()].concat();
    let mut names = vec!["127.0.0.1".to_owned(), "localhost".to_owned(), host.name().to_string()];
    names.extend(layout::endpoints(&urls).map(|endpoint| endpoint.host));
    names
}

async fn identity(cx: &Cx<'_>, host: &dyn Host, given: &EtcdAccess) -> Result<Option<(Vec<u8>, Vec<u8>)>, Fault> {
    match (&given.cert, &given.key) {
        (Some(cert), Some(key)) => Ok(Some((pem(cx, host, cert).await?, pem(cx, host, key).await?))),
        (None, None) => Ok(None),
        _ => Err(Fault::value(format!("the etcd of {} needs `cert` and `key`, both or neither", host.name()))),
    }
}

/// No certificate or key is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// A file of the host where its path begins with `host:`, else of the controller.
async fn pem(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Vec<u8>, Fault> {
    match path.strip_prefix("host:") {
        Some(path) => {
            let content = read::bytes(cx, host, path).await?;
            content.ok_or_else(|| Fault::missing(format!("{path} is not on {}", host.name())))
        }
        None => bounded::read(&cx.local(path.as_ref()), LARGEST)
            .map_err(|error| Fault::missing(format!("{path} cannot be read here")).detail(error.to_string())),
    }
}
