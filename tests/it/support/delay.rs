//! A network with long ways: a TCP proxy that holds each byte back for a while, in both directions.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

pub struct Delay(Option<Runtime>);

impl Delay {
    /// Each address `from` leads to its address `to`, and `each_way` is what one direction takes.
    pub fn between(ways: &[(SocketAddr, SocketAddr)], each_way: Duration) -> Delay {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for (from, to) in ways.iter().copied() {
            let listener = runtime.block_on(TcpListener::bind(from)).unwrap();
            runtime.spawn(async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        let Ok(far) = TcpStream::connect(to).await else { return };
                        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                        tokio::join!(carry(near_in, far_out, each_way), carry(far_in, near_out, each_way));
                    });
                }
            });
        }
        Delay(Some(runtime))
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (send, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delay;
            if send.send((due, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await; // who has gone does not hear it
    };
    tokio::join!(read, write);
}
