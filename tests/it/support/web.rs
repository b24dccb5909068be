//! A small web server, plain or with TLS, that answers as a test says and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What it was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `GET /x HTTP/1.1`.
    pub line: String,
    pub headers: String,
    pub body: String,
}

/// An answer: its status line, further header lines, and body. An empty status breaks the connection off.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: &'static str,
    pub headers: String,
    pub body: Vec<u8>,
}

pub fn reply(status: &'static str, headers: &str, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: headers.to_owned(), body: body.into() }
}

pub struct Web {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Web {
    /// At a free port of this address.
    pub async fn at(
        ip: &str,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Web {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, kept, answer) = (tls.clone(), kept.clone(), answer.clone());
                tokio::spawn(async move {
                    match tls {
                        // A handshake that fails is the client's to tell.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &kept, &*answer).await;
                            }
                        }
                        None => serve(stream, &kept, &*answer).await,
                    }
                });
            }
        });
        Web { address, asked, _serving: AbortOnDropHandle::new(serving) }
    }

    pub async fn plain(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Web {
        Web::at("127.0.0.1", None, answer).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: &Mutex<Vec<Asked>>,
    answer: &impl Fn(&Asked) -> Reply,
) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let length = headers.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < end + 4 + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    let asked = Asked { line: line.to_owned(), headers: headers.to_owned(), body };
    kept.lock().unwrap().push(asked.clone());
    let Reply { status, headers, body } = answer(&asked);
    if status.is_empty() {
        return;
    }
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    // A client that has seen enough may have gone.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}
