//! A tunnel that carries nothing any more once the lease of its host may have run out: what goes through it (etcd's own
//! API) no host can fence.

use super::host::Tunnel;
use super::lease::{Lease, LeaseStatus};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct FencedStream {
    pub tunnel: Box<dyn Tunnel>,
    pub lease: Arc<Lease>,
}

impl AsyncRead for FencedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tunnel).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FencedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.lease.standing() {
            LeaseStatus::Held => Pin::new(&mut self.tunnel).poll_write(cx, bytes),
            _ => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the lease of the host may have run out"))),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tunnel).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tunnel).poll_shutdown(cx)
    }
}
