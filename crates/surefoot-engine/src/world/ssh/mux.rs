//! The client of an ssh master's control socket, as OpenSSH's `PROTOCOL.mux` (version 4) describes it: new
//! sessions and new tunnels over a connection that stands already, without a process for each.
//!
//! Every request has a control connection of its own. The master ends what belongs to it when it closes.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};

const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const EXIT_MESSAGE: u32 = 0x8000_0004;
const SESSION_OPENED: u32 = 0x8000_0006;

const VERSION: u32 = 4;
const REQUEST: u32 = 1;

/// No reply of a master is longer.
const MAX_PACKET: u32 = 256 << 10;

/// Why a master did not do what was asked.
#[derive(Debug)]
pub(super) enum MuxError {
    /// The other side would not open it: too many sessions, or a port that refuses.
    Peer,
    /// There is no master at the socket: nothing was asked.
    Gone(io::Error),
    /// It does not speak as it should.
    Master(io::Error),
}

impl From<io::Error> for MuxError {
    fn from(error: io::Error) -> Self {
        MuxError::Master(error)
    }
}

/// A remote command with its three streams.
pub(super) struct MuxSession {
    pub stdin: Sender,
    pub stdout: Receiver,
    pub stderr: Receiver,
    pub exit: SessionExit,
}

/// Tells a session's exit code; dropping it ends the session.
pub(super) struct SessionExit(UnixStream);

impl SessionExit {
    /// None where the connection broke first, or a signal ended the command.
    ///
    /// The code comes before the last output has been passed on, so the control connection is read to its end: closing
    /// it early would cut that output off.
    pub async fn code(mut self) -> Option<i32> {
        let mut code = None;
        while let Ok(packet) = read_packet(&mut self.0).await {
            if let [EXIT_MESSAGE, _, number] = packet.numbers() {
                code = i32::try_from(number).ok().filter(|number| *number < 255);
            }
        }
        code
    }
}

pub(super) async fn open_session(control: &Path, command: &str) -> Result<MuxSession, MuxError> {
    let mut stream = connect(control).await?;
    let (stdin, far_stdin) = outward()?;
    let (stdout, far_stdout) = inward()?;
    let (stderr, far_stderr) = inward()?;
    let no = 0;
    let no_escape_character = u32::MAX;
    let request = Packet::new(NEW_SESSION)
        .number(REQUEST)
        .text("")
        .number(no) // a terminal
        .number(no) // X11
        .number(no) // the agent
        .number(no) // a subsystem
        .number(no_escape_character)
        .text("") // TERM
        .text(command);
    request.write(&mut stream).await?;
    open(&mut stream, &[far_stdin, far_stdout, far_stderr]).await?;
    Ok(MuxSession { stdin, stdout, stderr, exit: SessionExit(stream) })
}

/// A connection to a TCP port from the other side, once it stands.
pub(super) struct Forward {
    send: Sender,
    receive: Receiver,
    /// Held because the master closes the tunnel with it.
    _control: UnixStream,
}

pub(super) async fn open_forward(control: &Path, host: &str, port: u16) -> Result<Forward, MuxError> {
    let mut stream = connect(control).await?;
    let (send, far_input) = outward()?;
    let (receive, far_output) = inward()?;
    let request = Packet::new(NEW_STDIO_FORWARD).number(REQUEST).text("").text(host).number(u32::from(port));
    request.write(&mut stream).await?;
    open(&mut stream, &[far_input, far_output]).await?;
    Ok(Forward { send, receive, _control: stream })
}

impl AsyncRead for Forward {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receive).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_shutdown(cx)
    }
}

/// Our writing end of a pipe, and the end for the master to read.
fn outward() -> io::Result<(Sender, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((Sender::from_owned_fd(write.into())?, read.into()))
}

fn inward() -> io::Result<(Receiver, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((Receiver::from_owned_fd(read.into())?, write.into()))
}

async fn connect(control: &Path) -> Result<UnixStream, MuxError> {
    let mut stream = UnixStream::connect(control).await.map_err(MuxError::Gone)?;
    Packet::new(HELLO).number(VERSION).write(&mut stream).await.map_err(MuxError::Gone)?;
    match read_packet(&mut stream).await.map_err(MuxError::Gone)?.numbers() {
        [HELLO, VERSION, _] => Ok(stream),
        other => Err(MuxError::Master(io::Error::other(format!("a greeting of an unknown kind: {other:x?}")))),
    }
}

/// Hands our ends over, and waits for the other side's answer.
async fn open(stream: &mut UnixStream, fds: &[OwnedFd]) -> Result<(), MuxError> {
    for fd in fds {
        send_fd(stream, fd.as_fd()).await?;
    }
    let packet = read_packet(stream).await?;
    match packet.numbers() {
        [SESSION_OPENED, REQUEST, _] => Ok(()),
        [FAILURE, REQUEST, _] if packet.says("refused by peer") => Err(MuxError::Peer),
        [FAILURE | PERMISSION_DENIED, ..] => Err(MuxError::Master(io::Error::other(packet.lossy()))),
        other => Err(MuxError::Master(io::Error::other(format!("an answer of an unknown kind: {other:x?}")))),
    }
}

async fn send_fd(stream: &UnixStream, fd: BorrowedFd<'_>) -> io::Result<()> {
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)), "the space is for one descriptor");
        Ok(sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?)
    };
    stream.async_io(Interest::WRITABLE, send).await.map(drop)
}

/// A length, then numbers and length-prefixed texts, all big-endian.
struct Packet(Vec<u8>);

impl Packet {
    fn new(kind: u32) -> Self {
        Packet(Vec::new()).number(kind)
    }

    fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).expect("a command is shorter than 4 GiB");
        let mut packet = self.number(length);
        packet.0.extend_from_slice(text.as_bytes());
        packet
    }

    async fn write(self, stream: &mut UnixStream) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).expect("a command is shorter than 4 GiB");
        stream.write_all(&[&length.to_be_bytes()[..], &self.0].concat()).await
    }

    /// Its first three numbers; 0 where it is shorter.
    fn numbers(&self) -> [u32; 3] {
        let mut words = self.0.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }

    fn lossy(&self) -> String {
        String::from_utf8_lossy(self.0.get(12..).unwrap_or_default()).into_owned()
    }

    fn says(&self, text: &str) -> bool {
        self.lossy().contains(text)
    }
}

async fn read_packet(stream: &mut UnixStream) -> io::Result<Packet> {
    let length = stream.read_u32().await?;
    if length > MAX_PACKET {
        return Err(io::Error::other("a packet that is too long"));
    }
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await?;
    Ok(Packet(packet))
}
