//! Web servers as a host sees them: the connection is the host's own, and so are the certificates.

use super::context::Cx;
use super::read;
use super::value::HostPath;
use crate::http::{self, Connection, Url};
use crate::model::Fault;
use crate::world::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Certificates for `https`, as PEM files on the host that asks. They are read into memory only.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebTls {
    /// The authorities to trust. Default: those that the controller trusts.
    ca: Option<HostPath>,
    /// The certificate to show, with its chain. It needs `key`.
    cert: Option<HostPath>,
    /// The key of `cert`.
    key: Option<HostPath>,
}

/// A connection to the server of an address, opened by a host. Nothing has been asked where this fails. A port that
/// refuses is `missing`, a certificate that is not trusted is `refused`.
pub async fn open(cx: &Cx<'_>, host: &dyn Host, url: &Url, tls: Option<&WebTls>) -> Result<Connection, Fault> {
    let mut stream = host.dial(&url.address()).await?;
    if url.is_tls() {
        let config = tls.cloned().unwrap_or_default().config(cx, host).await?;
        stream = http::agreed(url, stream, config).await?;
    }
    Ok(Connection::over(url.clone(), stream).await?.looking_only(host.looks_only()))
}

impl WebTls {
    pub fn validate(&self) -> Result<(), Fault> {
        match self.cert.is_some() == self.key.is_some() {
            true => Ok(()),
            false => Err(Fault::value("give `cert` and `key`, both or neither")),
        }
    }

    /// CA, certificate and key; empty where they are not given.
    pub fn paths(&self) -> [&str; 3] {
        [&self.ca, &self.cert, &self.key].map(|path| path.as_ref().map_or("", HostPath::as_str))
    }

    async fn config(&self, cx: &Cx<'_>, host: &dyn Host) -> Result<ClientConfig, Fault> {
        let builder = http::config(self.roots(cx, host).await?)?;
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(&pem(cx, host, cert).await?, cert)?;
        let key_pem = pem(cx, host, key).await?;
        let key_der = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| bad(key.as_str(), error))?;
        builder.with_client_auth_cert(chain, key_der).map_err(|error| bad(cert.as_str(), error))
    }

    async fn roots(&self, cx: &Cx<'_>, host: &dyn Host) -> Result<RootCertStore, Fault> {
        let Some(ca) = &self.ca else { return Ok(http::roots()) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&pem(cx, host, ca).await?, ca)? {
            roots.add(certificate).map_err(|error| bad(ca.as_str(), error))?;
        }
        Ok(roots)
    }
}

async fn pem(cx: &Cx<'_>, host: &dyn Host, path: &HostPath) -> Result<Vec<u8>, Fault> {
    let content = read::bytes(cx, host, path.as_str()).await?;
    content.ok_or_else(|| Fault::missing(format!("{path} is not on {}", host.name())))
}

fn certificates(pem: &[u8], path: &HostPath) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| bad(path.as_str(), error))?;
    if all.is_empty() { Err(bad(path.as_str(), "it holds no certificate")) } else { Ok(all) }
}

fn bad(what: &str, why: impl std::fmt::Display) -> Fault {
    Fault::value(format!("{what} cannot be used for TLS")).detail(why.to_string())
}
