//! What an etcd serves over HTTP on its client port.

use super::{access, certificate, tunnel};
use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use surefoot_engine::action::Cx;
use surefoot_engine::http::{Connection, Url};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Host;
use tokio_rustls::TlsConnector;

/// For the whole page; it comes from memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Its longest page, `/metrics`, has about 100 KiB.
const LONGEST: usize = 8 << 20;

/// A page such as `/metrics`, whole. An etcd that does not answer is a fault of kind `Etcd`.
pub async fn page(cx: &Cx<'_>, host: &Arc<dyn Host>, path: &str) -> Result<String, Fault> {
    let read = tokio::time::timeout(PATIENCE, read(cx, host, path)).await;
    read.unwrap_or_else(|_| Err(silent(host, path, format!("no answer within {} s", PATIENCE.as_secs()))))
}

async fn read(cx: &Cx<'_>, host: &Arc<dyn Host>, path: &str) -> Result<String, Fault> {
    let access = access::find(cx, host.as_ref()).await?;
    let mut tls = access.tls.as_ref().map(certificate::config).transpose()?;
    tls.iter_mut().for_each(|config| config.alpn_protocols = vec![b"http/1.1".to_vec()]);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url: Url = format!("{scheme}://{}{path}", access.address).parse().map_err(Fault::value)?;
    let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
    let stream = tunnel::connect(host.clone(), access.address, tls).await?.into_inner();
    let asked = async {
        let connection = Connection::over(url, stream).await?;
        let mut answer = connection.ask(Method::GET, HeaderMap::new(), Bytes::new()).await?;
        let (body, _) = answer.body(LONGEST).await?;
        Ok::<_, Fault>((answer.status(), body))
    };
    let (status, body) = asked.await.map_err(|fault| silent(host, path, fault.message))?;
    match status.is_success() {
        true => Ok(String::from_utf8_lossy(&body).into_owned()),
        false => Err(silent(host, path, format!("it answers {}", status.as_u16()))),
    }
}

fn silent(host: &Arc<dyn Host>, path: &str, why: String) -> Fault {
    Fault::new(FaultKind::Etcd, format!("etcd on {} does not give {path}", host.name())).detail(why)
}
