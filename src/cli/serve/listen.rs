//! Where the page is served: an address, or a unix socket that only its owner enters.
//!
//! Connections are bounded, and so is what one may take: a head in size and time, a request until it is answered, an answer
//! that nobody reads. Who has vanished without a word is noticed.

use super::patient::Patient;
use super::seats::{Peer, Seat, Seats};
use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::Mode;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::process::umask;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tower::ServiceExt;

/// A request comes at once; who connects and says nothing, or nothing more, is left.
const SAYING: Duration = Duration::from_secs(20);

/// Who reads nothing of an answer for so long is left; nor does who has vanished hold it up for longer.
const READING: Duration = Duration::from_secs(30);

/// A request's head has no more bytes, and no more lines.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;

/// After a connection could not be taken, as when there are no more files to open.
const BREATH: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("write unix:PATH".to_owned()),
            Some(path) => Ok(Listen::Unix(path.into())),
            None => text.parse().map(Listen::Tcp).map_err(|_| "write ADDRESS:PORT, or unix:PATH".to_owned()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What listens.
pub enum Door {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Door {
    /// None for a unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Door::Tcp(_, address) => Some(*address),
            Door::Unix(..) => None,
        }
    }

    async fn accept(&self) -> io::Result<(Box<dyn Connected>, Peer)> {
        match self {
            Door::Tcp(listener, _) => {
                let (stream, from) = listener.accept().await?;
                set_tcp_user_timeout(&stream, READING.as_millis() as u32)?;
                Ok((Box::new(stream), Peer::at(from.ip())))
            }
            Door::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred().ok().map(|cred| cred.uid());
                Ok((Box::new(stream), Peer::User(user)))
            }
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Tcp(_, address) => address.fmt(f),
            Door::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Door::Unix(_, path) = self {
            let _ = std::fs::remove_file(path); // one that is left behind is in nobody's way
        }
    }
}

trait Connected: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connected for S {}

/// Listens from now on.
pub fn open(listen: &Listen) -> io::Result<Door> {
    match listen {
        Listen::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Door::Tcp(TcpListener::from_std(listener)?, address))
        }
        Listen::Unix(path) => {
            // A dead server's.
            if let Err(error) = std::os::unix::net::UnixStream::connect(path)
                && error.kind() == ErrorKind::ConnectionRefused
            {
                std::fs::remove_file(path)?;
            }
            // Nobody else may enter, from its first moment on.
            let before = umask(Mode::from_raw_mode(0o177));
            let listener = UnixListener::bind(path);
            umask(before);
            Ok(Door::Unix(listener?, path.clone()))
        }
    }
}

/// Serves for ever.
pub async fn serve(door: &Door, routes: Router) {
    let seats = Arc::new(Seats::default());
    loop {
        let Ok((stream, peer)) = door.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        tokio::spawn(attend(stream, seats.take(peer), routes.clone()));
    }
}

/// Serves one connection until it ends, or another takes its seat.
async fn attend(stream: Box<dyn Connected>, seat: Seat, routes: Router) {
    let shown = seat.shown.clone();
    let told = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        request
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(SAYING);
    server.max_buf_size(LONGEST_HEAD).max_headers(MOST_HEADERS);
    let stream = TokioIo::new(Patient::new(stream, READING));
    let connection = server.serve_connection(stream, TowerToHyperService::new(told));
    tokio::select! {
        // Who goes away in the middle needs no answer.
        _ = connection => {}
        () = seat.leave.cancelled() => {}
    }
}
