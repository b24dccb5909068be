//! Files to and from a machine, each over a process of its own.
//!
//! Invariant: a file that is found whole at its name is whole; what is left of a failed transfer is removed
//! by the side that was writing it, also where the connection has gone.

use super::host::{Incoming, Sink};
use super::remote_host::RemoteHost;
use super::transport::{ByteReader, Process, Transport, Writer, read_text};
use crate::model::{Fault, FaultKind, HostName};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

/// `$1` file, `$2` size, `$3` to `$5` the lease, checked as `host.sh` does it, or nothing. Its size tells whether the input
/// came to its end or was cut off. It is read for its checksum while the disk works; openssl takes a fifth of the time of
/// most sha256sums, and longer to start.
const PUT: &str = r#"export LC_ALL=C; umask 077; set -C
if [ "$3" ]; then { [ ! -e "$3/$(($4+1))" ] && read -r a b <"$3/$4" && [ "$a" = "$5" ]; } || exit 75; fi
exec 3>"$1" || exit 1
digest() { if [ "$1" -gt 16777216 ] && command -v openssl >/dev/null; then openssl dgst -sha256 -r; else sha256sum; fi; }
if why=$(dd bs=1048576 2>&1 >&3) && [ "$(wc -c <"$1")" -eq "$2" ]; then
  { sync -- "$1" 2>/dev/null || sync; } & digest "$2" <"$1" && wait $! && exit
fi
rm -f -- "$1"; printf '%s\n' "$why" >&2; exit 1"#;

/// `$1` file. First a line with its size.
const GET: &str = r#"export LC_ALL=C
[ ! -d "$1" ] || { echo "Is a directory" >&2; exit 1; }
exec 3<"$1" || exit 1
wc -c <"$1" && exec cat <&3"#;

/// How [`PUT`] ends where the host is another's.
const FENCED: i32 = 75;

const CHUNK: usize = 512 << 10;

pub(super) async fn put<R: Transport>(
    machine: &RemoteHost<R>,
    from: &Path,
    to: &str,
    user: Option<&str>,
    sink: &dyn Sink,
) -> Result<String, Fault> {
    let file = File::open(from).await.map_err(|error| local(from, &error))?;
    let size = file.metadata().await.map_err(|error| local(from, &error))?.len();
    let incoming = Incoming { name: from.display().to_string(), size, bytes: Box::new(file) };
    write(machine, incoming, to, user, sink).await
}

pub(super) async fn write<R: Transport>(
    machine: &RemoteHost<R>,
    from: Incoming,
    to: &str,
    user: Option<&str>,
    sink: &dyn Sink,
) -> Result<String, Fault> {
    let Incoming { name, size, bytes } = from;
    machine.ours().await?;
    let [place, number, token] = machine.lease().map(|lease| lease.fence.words()).unwrap_or_default();
    let args = [to, &size.to_string(), &place, &number, &token];
    let Process { stdin, stdout, stderr, exit } = machine.stream(user, PUT, &args).await?;
    let (stdout, stderr) = (tokio::spawn(read_text(stdout)), tokio::spawn(read_text(stderr)));
    let sent = send(bytes, size, stdin, sink).await;
    let code = exit.await;
    let (stdout, stderr) = (stdout.await.unwrap_or_default(), stderr.await.unwrap_or_default());
    match (code, sent) {
        (Some(0), Ok(())) => Ok(stdout.split(' ').next().unwrap_or_default().to_owned()),
        // Who has it now, the host tells.
        (Some(FENCED), _) => Err(machine.keep().await.err().unwrap_or_else(|| machine.fenced(b""))),
        (Some(_), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(local(Path::new(&name), &error)),
        (Some(_), _) => Err(remote(&machine.name, to, &stderr)),
        (None, _) => {
            let message = format!("{}: the connection broke while {to} was written", machine.name);
            Err(Fault::new(FaultKind::Lost, message).hint("the host removes what was written of it"))
        }
    }
}

pub(super) async fn open<R: Transport>(
    machine: &RemoteHost<R>,
    from: &str,
    user: Option<&str>,
) -> Result<Incoming, Fault> {
    let Process { stdin, mut stdout, stderr, exit } = machine.stream(user, GET, &[from]).await?;
    let stderr = tokio::spawn(read_text(stderr));
    let name = format!("{}: {from}", machine.name);
    match read_size(&mut stdout).await {
        Ok(Some(size)) => {
            let bytes = Box::new(Bytes { name: name.clone(), left: size, stdout, exit, _stdin: stdin });
            Ok(Incoming { name, size, bytes })
        }
        _ => match exit.await {
            None => Err(cut_off(&name)),
            Some(_) => Err(remote(&machine.name, from, &stderr.await.unwrap_or_default())),
        },
    }
}

pub(super) async fn get<R: Transport>(
    machine: &RemoteHost<R>,
    from: &str,
    to: &Path,
    user: Option<&str>,
    sink: &dyn Sink,
) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).await;
    let partial = Partial { path: to, file: file.map_err(|error| local(to, &error))?, whole: false };
    let incoming = open(machine, from, user).await?;
    partial.fill(incoming, sink).await.map_err(|error| local(to, &error))
}

/// What `GET` sends after the size. Fails where it ends early, and tells why.
struct Bytes {
    name: String,
    left: u64,
    stdout: ByteReader,
    exit: Pin<Box<dyn Future<Output = Option<i32>> + Send>>,
    /// The command ends with its input.
    _stdin: Writer,
}

impl AsyncRead for Bytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stdout).poll_read(cx, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        let fault = match read {
            0 if self.left == 0 => return Poll::Ready(Ok(())),
            0 => match ready!(self.exit.as_mut().poll(cx)) {
                None => cut_off(&self.name),
                Some(_) => changed(&self.name),
            },
            _ if read > self.left => changed(&self.name),
            _ => {
                self.left -= read;
                return Poll::Ready(Ok(()));
            }
        };
        Poll::Ready(Err(io::Error::other(fault)))
    }
}

fn cut_off(name: &str) -> Fault {
    Fault::new(FaultKind::Unreachable, format!("the connection broke while {name} was read"))
}

fn changed(name: &str) -> Fault {
    Fault::refused(format!("{name} changed while it was read"))
}

/// Writes all of a file to `stdin` and closes it.
async fn send(mut from: ByteReader, size: u64, mut stdin: Writer, sink: &dyn Sink) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    sink.progress(0, Some(size));
    loop {
        let n = from.read(&mut chunk).await?;
        if n == 0 {
            return stdin.shutdown().await;
        }
        stdin.write_all(&chunk[..n]).await?;
        done += n as u64;
        sink.progress(done, Some(size));
    }
}

/// A local file that is removed unless it was filled.
struct Partial<'a> {
    path: &'a Path,
    file: File,
    whole: bool,
}

impl Partial<'_> {
    async fn fill(mut self, mut from: Incoming, sink: &dyn Sink) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        sink.progress(0, Some(from.size));
        loop {
            let n = from.bytes.read(&mut chunk).await?;
            if n == 0 {
                break;
            }
            self.file.write_all(&chunk[..n]).await?;
            done += n as u64;
            sink.progress(done, Some(from.size));
        }
        self.file.sync_all().await?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if !self.whole {
            // Nothing more can be done about a file that will not go.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// The first line, a number.
async fn read_size(stdout: &mut ByteReader) -> io::Result<Option<u64>> {
    let mut line = String::new();
    loop {
        match stdout.read_u8().await {
            Ok(b'\n') => return Ok(line.trim().parse().ok()),
            Ok(byte) if line.len() < 32 => line.push(char::from(byte)),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// What this machine said of its own file; or what a host said of its, on the way.
fn local(path: &Path, error: &io::Error) -> Fault {
    if let Some(fault) = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
        return fault.clone();
    }
    let message = format!("{}: {error}", path.display());
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FaultKind::Missing,
        io::ErrorKind::AlreadyExists => FaultKind::Refused,
        io::ErrorKind::PermissionDenied => FaultKind::Denied,
        io::ErrorKind::StorageFull => FaultKind::NoSpace,
        _ => FaultKind::Controller,
    };
    Fault::new(kind, message)
}

/// What the host said of its file; its messages are those of the C locale.
fn remote(host: &HostName, path: &str, stderr: &str) -> Fault {
    let says = |text: &str| stderr.contains(text);
    let (kind, what) = match () {
        () if says("File exists") || says("cannot overwrite") => (FaultKind::Refused, "is there already"),
        () if says("No space left") || says("quota exceeded") => (FaultKind::NoSpace, "does not fit on its disk"),
        () if says("Permission denied") || says("Operation not permitted") || says("Read-only file system") => {
            (FaultKind::Denied, "is not permitted")
        }
        () if says("No such file") || says("Directory nonexistent") || says("Not a directory") => {
            (FaultKind::Missing, "is not there")
        }
        () if says("sudo:") => (FaultKind::Denied, "is not permitted"),
        () => (FaultKind::Refused, "could not be transferred"),
    };
    Fault::new(kind, format!("{host}: {path} {what}")).detail(stderr)
}
