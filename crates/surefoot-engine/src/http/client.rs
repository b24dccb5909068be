//! One question over one connection.

use super::tls;
use super::url::Url;
use crate::model::{Fault, FaultKind};
use crate::world::Tunnel;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, debug};

/// A connection to the server of an address. It is closed when it is dropped.
pub struct Connection {
    url: Url,
    /// Nothing may be ordered over it.
    looks_only: bool,
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

/// An answer whose body is still on its way.
pub struct Response {
    url: Url,
    head: hyper::Response<Incoming>,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// From this machine to the server of an address. Nothing has been asked where this fails.
    pub async fn from_here(url: &Url) -> Result<Connection, Fault> {
        let stream = TcpStream::connect(url.address()).await;
        let gone = |error: std::io::Error| {
            Fault::missing(format!("{} cannot be reached", url.address())).detail(error.to_string())
        };
        let mut stream: Box<dyn Tunnel> = Box::new(stream.map_err(gone)?);
        if url.is_tls() {
            stream = tls::agreed(url, stream, tls::config(tls::roots())?.with_no_client_auth()).await?;
        }
        Connection::over(url.clone(), stream).await
    }

    /// Over a stream that leads to the server already.
    pub async fn over(url: Url, stream: Box<dyn Tunnel>) -> Result<Connection, Fault> {
        let opened = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| broken(&url, &error))?;
        // How it ends, the answer or its body tells.
        let driver = tokio::spawn(async move { drop(connection.await) }.in_current_span());
        Ok(Connection { url, looks_only: false, sender, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Refuses orders from here on, where that is so.
    pub fn looking_only(self, looks_only: bool) -> Connection {
        Connection { looks_only, ..self }
    }

    /// Where this fails, the server may have done what was asked.
    pub async fn ask(mut self, method: Method, headers: HeaderMap, body: Bytes) -> Result<Response, Fault> {
        if self.looks_only && !method.is_safe() {
            return Err(Fault::refused(format!("{method} {} is refused: a plan changes nothing", self.url.shown())));
        }
        // Whoever knows the path of a webhook may post there.
        debug!(%method, to = %self.url.address(), bytes = body.len(), "HTTP request");
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.path().parse().map_err(|_| Fault::value(format!("`{}`", self.url)))?;
        *request.headers_mut() = headers;
        request.headers_mut().entry(HOST).or_insert_with(|| self.url.authority());
        let head = self.sender.send_request(request).await.map_err(|error| broken(&self.url, &error))?;
        debug!(status = %head.status(), "HTTP response");
        Ok(Response { url: self.url, head, _driver: self._driver })
    }
}

impl Response {
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The next piece of the body; none at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(frame) = self.head.body_mut().frame().await {
            if let Ok(data) = frame.map_err(|error| broken(&self.url, &error))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The body, as far as it is not longer than `most`, and whether it is.
    pub async fn body(&mut self, most: usize) -> Result<(Vec<u8>, bool), Fault> {
        let mut body = Vec::new();
        while let Some(piece) = self.next().await? {
            let room = most - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                return Ok((body, true));
            }
        }
        Ok((body, false))
    }
}

fn broken(url: &Url, error: &hyper::Error) -> Fault {
    let fault = match error.is_parse() {
        true => Fault::value(format!("{} does not speak HTTP", url.address())),
        false => Fault::new(FaultKind::Unreachable, format!("{} broke off", url.address())),
    };
    fault.detail(error.to_string())
}
