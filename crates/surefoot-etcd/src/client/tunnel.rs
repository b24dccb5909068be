//! A gRPC channel whose every connection is a tunnel of a host, with TLS inside where etcd has it.

use super::access::Access;
use super::certificate;
use super::fault;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::{Host, Tunnel};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// To dial, and to agree on TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// Snapshots are long streams: without these the round trip limits their speed.
const STREAM_WINDOW: u32 = 4 << 20;

/// Connects now, and again by itself when the connection breaks. An etcd that is not there is a fault at once.
pub async fn open(host: &Arc<dyn Host>, access: Access) -> Result<Channel, Fault> {
    let tls = access.tls.as_ref().map(certificate::config).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    // The scheme of the origin reaches etcd in each request: by it etcd knows that there is a certificate to look at.
    // The endpoint's own stays http, because TLS is done here and not by tonic.
    let origin = format!("{scheme}://{}", access.address).parse().map_err(|_| bad_address(&access.address))?;
    let endpoint = Endpoint::from_static("http://etcd")
        .origin(origin)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * 2);
    let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
    let connector = {
        let host = host.clone();
        service_fn(move |_| connect(host.clone(), access.address.clone(), tls.clone()))
    };
    endpoint.connect_with_connector(connector).await.map_err(|error| fault::connecting(host.name(), &error))
}

/// One connection.
pub async fn connect(
    host: Arc<dyn Host>,
    address: String,
    tls: Option<TlsConnector>,
) -> Result<TokioIo<Box<dyn Tunnel>>, Fault> {
    let silent = |why: String| {
        Fault::new(FaultKind::Etcd, format!("etcd on {} does not answer at {address}", host.name())).detail(why)
    };
    let opening = async {
        let stream = host.dial(&address).await.map_err(|fault| match fault.kind {
            FaultKind::Missing => silent(fault.message),
            _ => fault,
        })?;
        let Some(tls) = tls else { return Ok(stream) };
        let name = address.rsplit_once(':').map_or(address.as_str(), |(name, _)| name);
        let name = name.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| bad_address(&address))?;
        let stream = tls.connect(name, stream).await.map_err(|error| silent(error.to_string()))?;
        Ok(Box::new(stream) as Box<dyn Tunnel>)
    };
    let seconds = CONNECT.as_secs();
    let opened = tokio::time::timeout(CONNECT, opening).await;
    opened.unwrap_or_else(|_| Err(silent(format!("no connection within {seconds} s")))).map(TokioIo::new)
}

fn bad_address(address: &str) -> Fault {
    Fault::value(format!("`{address}` is no address of an etcd"))
}
