//! Where the page is served: an address, or a unix socket that only its owner enters. Connections are bounded.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::Mode;
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
use tokio::sync::Semaphore;

/// More connections wait until another ends. A page takes one or two.
const MOST: usize = 256;

/// A request comes at once; who connects and says nothing is left.
const SAYING: Duration = Duration::from_secs(20);

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

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Door::Tcp(listener, _) => Box::new(listener.accept().await?.0),
            Door::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
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

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

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
    let seats = Arc::new(Semaphore::new(MOST));
    loop {
        let seat = seats.clone().acquire_owned().await.expect("the semaphore is never closed");
        let Ok(stream) = door.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            let connection = server.timer(TokioTimer::new()).header_read_timeout(SAYING);
            // Who goes away in the middle needs no answer.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            drop(seat);
        });
    }
}
