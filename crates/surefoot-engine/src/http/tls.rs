//! TLS towards a web server.

use super::url::Url;
use crate::model::Fault;
use crate::world::Tunnel;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore};

/// The authorities that this machine trusts. What of them cannot be read is not trusted: a server that needs it is
/// refused, and that is told.
pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Trusts these; whether a certificate is shown is still open.
pub fn config(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Fault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Fault::value("TLS cannot be used").detail(error.to_string()))?;
    Ok(builder.with_root_certificates(roots))
}

/// The stream to the server of an address, encrypted. `refused` where its certificate is not trusted.
pub async fn agreed(url: &Url, stream: Box<dyn Tunnel>, config: ClientConfig) -> Result<Box<dyn Tunnel>, Fault> {
    let name = ServerName::try_from(url.name().to_owned())
        .map_err(|_| Fault::value(format!("`{}` is no name that a certificate can have", url.name())))?;
    let agreed = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let agreed = agreed.map_err(|error| {
        Fault::refused(format!("{} and we do not agree on TLS", url.address())).detail(error.to_string())
    })?;
    Ok(Box::new(agreed))
}
