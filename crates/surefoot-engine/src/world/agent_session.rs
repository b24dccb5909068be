//! One persistent shell on a machine, running `host.sh`: many calls at once, each with its reply.
//!
//! Knows nothing of acts or ssh. When the shell ends, every call that waits is told so ([`Broken`]); whether
//! a call had reached the host is then not known here.

use super::transport::{Process, ProcessExit, read_text};
use super::wire::{self, Fence, Frame, FrameDecoder, Prologue, Tag};
use crate::model::{Fault, FaultKind};
use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, debug, info, trace};

/// The shell, or the connection to it, has ended.
#[derive(Debug, PartialEq)]
pub(super) struct Broken;

/// What a shell says of itself when it opens.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    pub uid: u32,
    pub user: String,
    pub run_dir: String,
    /// Changes with each boot, also of a container.
    pub boot: String,
    /// `/etc/machine-id`; empty where there is none.
    pub machine: String,
}

pub(super) struct AgentSession {
    pub hello: Hello,
    calls: mpsc::Sender<String>,
    waiting: PendingReplies,
    next: AtomicU64,
}

/// Who waits for which reply; none once the shell has ended.
type PendingReplies = Arc<Mutex<Option<HashMap<Tag, oneshot::Sender<Frame>>>>>;

/// Why a shell did not open.
pub(super) enum NotOpen {
    /// It ended without a greeting.
    Ended(ProcessExit),
    /// It runs, but the machine lacks something.
    Unfit(Fault),
}

impl AgentSession {
    /// Turns a fresh `sh` into the host's side and waits for its greeting: one round trip.
    pub async fn open(
        process: Process,
        run: &str,
        run_dir: Option<&str>,
        own: bool,
        fence: Option<&Fence>,
    ) -> Result<AgentSession, NotOpen> {
        let nonce = random().map_err(NotOpen::Unfit)?;
        let scratch = random().map_err(NotOpen::Unfit)?;
        let prologue = Prologue { nonce: &nonce, scratch: &scratch, run, run_dir, own, fence }.text();

        let (greet, greeting) = oneshot::channel();
        let waiting: PendingReplies = Arc::new(Mutex::new(Some(HashMap::from([(0, greet)]))));
        let (calls, queue) = mpsc::channel(64);
        let ending = spawn(process, FrameDecoder::new(&nonce), prologue, queue, waiting.clone());

        let Ok(frame) = greeting.await else {
            return Err(ending.await.unwrap_or(NotOpen::Ended(ProcessExit { code: None, stderr: String::new() })));
        };
        let hello = read_hello(&frame).map_err(NotOpen::Unfit)?;
        debug!(uid = hello.uid, user = ?hello.user, run_dir = ?hello.run_dir, "the shell is open");
        Ok(AgentSession { hello, calls, waiting, next: AtomicU64::new(1) })
    }

    pub fn is_open(&self) -> bool {
        self.waiting.lock().expect("no panic while it is held").is_some()
    }

    pub fn tag(&self) -> Tag {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a call that was made with `tag` and waits for its reply.
    pub async fn call(&self, tag: Tag, call: String) -> Result<Frame, Broken> {
        trace!(tag, verb = verb(&call), bytes = call.len(), "call");
        let (reply, frame) = oneshot::channel();
        self.waiting.lock().expect("no panic while it is held").as_mut().ok_or(Broken)?.insert(tag, reply);
        self.calls.send(call).await.map_err(|_| Broken)?;
        frame.await.map_err(|_| Broken)
    }

    /// From here on every start is checked against this lease.
    pub async fn fence(&self, fence: &Fence) {
        // A shell that has ended starts nothing more; the next one is opened with its fence.
        let _ = self.calls.send(wire::fence(fence)).await;
    }

    /// Sends a call whose reply nobody awaits, if there is room for it.
    pub fn post(&self, call: String) {
        // Best effort: a shell that has ended, or is too busy, is ended with its probes by `close`.
        let _ = self.calls.try_send(call);
    }
}

/// Writes calls, reads frames, and keeps the error output, until the shell ends, or prints what no reply is. The result
/// is why it would not open.
fn spawn(
    process: Process,
    mut decoder: FrameDecoder,
    prologue: String,
    mut queue: mpsc::Receiver<String>,
    waiting: PendingReplies,
) -> oneshot::Receiver<NotOpen> {
    let Process { mut stdin, mut stdout, stderr, exit } = process;
    let (end, ending) = oneshot::channel();

    let writer = async move {
        let mut call = prologue;
        // A failed write means that the shell has ended: the reader sees that too, and tells.
        while stdin.write_all(call.as_bytes()).await.is_ok() && stdin.flush().await.is_ok() {
            match queue.recv().await {
                Some(next) => call = next,
                None => break,
            }
        }
    };
    let writer = tokio::spawn(writer.in_current_span());
    let reader = async move {
        let stderr = tokio::spawn(read_text(stderr));
        while !decoder.is_flooded()
            && let Ok(1..) = stdout.read_buf(decoder.buffer()).await
        {
            while let Some(frame) = decoder.next() {
                deliver(&waiting, frame);
            }
        }
        waiting.lock().expect("no panic while it is held").take();
        writer.abort();
        let flooded = decoder.is_flooded();
        drop((stdout, decoder));
        // Nobody asks once the shell was open. What prints without end may never end: nobody waits for that.
        let _ = match flooded {
            true => end.send(NotOpen::Unfit(flood())),
            false => {
                let exit = ProcessExit { code: exit.await, stderr: stderr.await.unwrap_or_default() };
                info!(code = exit.code, stderr = ?exit.stderr, "the shell has ended");
                end.send(NotOpen::Ended(exit))
            }
        };
    };
    tokio::spawn(reader.in_current_span());
    ending
}

/// What a call asks for. The rest of it may hold secrets.
fn verb(call: &str) -> &str {
    call.split([' ', '\n']).next().unwrap_or_default()
}

fn flood() -> Fault {
    Fault::new(FaultKind::Unreachable, "it prints without end where it should answer")
        .hint("try `ssh HOST sh -c true`: what does the login shell, or what it reads first, print there?")
}

fn deliver(waiting: &PendingReplies, frame: Frame) {
    trace!(tag = frame.tag, words = ?frame.words, out = frame.out.len(), err = frame.err.len(), "reply");
    let mut waiting = waiting.lock().expect("no panic while it is held");
    if let Some(reply) = waiting.as_mut().and_then(|calls| calls.remove(&frame.tag)) {
        // The caller may have gone away.
        let _ = reply.send(frame);
    }
}

fn read_hello(frame: &Frame) -> Result<Hello, Fault> {
    if let Some(why) = frame.words.strip_prefix("unsafe ") {
        let message = format!("the folder that runs are kept in is not safe: {why}");
        return Err(Fault::new(FaultKind::Denied, message)
            .hint("what is in it may be forged: look who made it, then remove it on that host"));
    }
    if let Some(lack) = frame.words.strip_prefix("failed ") {
        return Err(Fault::missing(format!("the host lacks what a step needs to run: {lack}"))
            .hint("it needs mkfifo, and a writable /run, /dev/shm or /tmp"));
    }
    let text = String::from_utf8_lossy(&frame.out);
    let said = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    if said("setsid").is_empty() {
        return Err(Fault::missing("the host has no `setsid`").hint("install util-linux or busybox there"));
    }
    let uid = said("uid").parse().map_err(|_| Fault::missing("the host has no `id`"))?;
    Ok(Hello { uid, user: said("user"), run_dir: said("run_dir"), boot: said("boot"), machine: said("machine") })
}

/// 128 bits that nobody can guess, in hex.
pub fn random() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Fault::controller(format!("/dev/urandom: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
