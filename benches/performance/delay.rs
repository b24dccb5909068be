//! A distance: a TCP proxy through which every byte is under way for a fixed time, however many are.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A port that leads to `port`, `one_way` away. It stands until the process ends.
pub fn before(port: u16, one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            for stream in [&near, &far] {
                stream.set_nodelay(true).expect("a TCP stream");
            }
            let again = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
            carry(again(&near), again(&far), one_way);
            carry(far, near, one_way);
        }
    });
    own
}

/// What is read is written when its time has come.
fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (send, under_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut chunk = [0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            if send.send((Instant::now() + one_way, chunk[..n].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in under_way {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // The other side may have closed first.
        let _ = to.shutdown(Shutdown::Write);
    });
}
