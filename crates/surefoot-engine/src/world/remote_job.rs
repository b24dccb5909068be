//! One act on a host: started at most once, watched while it runs, taken up again after a broken connection.
//!
//! Invariant: the sink gets every byte of each stream once and in order, however often the connection breaks.

use super::agent_session::{AgentSession, Broken};
use super::host::Sink;
use super::remote_host::RemoteHost;
use super::script::{ActId, Output, Script};
use super::transport::Transport;
use super::wire::{self, BLOCK, Frame};
use crate::model::Stream;
use crate::model::{Fault, FaultKind, HostName};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Fuse, FusedFuture, FutureExt};
use std::future::{Future, Pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The first look at an act that has not ended yet; then ever more seldom while it is silent.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(1);

/// How much of each stream one look brings at most.
const LOOK_BLOCKS: u64 = 256;

/// How much of each stream `host.sh` sends with the end of an act.
const WITH_REPLY: usize = 64 << 10;

/// How much of each stream an [`Output`] of an act holds.
const KEPT: usize = 1 << 20;

/// Looks at an act that was claimed and not started, before its supervisor is taken for dead.
const CLAIMED_LOOKS: u32 = 20;

pub(super) struct RemoteJob<'a, R> {
    machine: &'a RemoteHost<R>,
    id: &'a ActId,
    user: Option<&'a str>,
    out: Flow,
    err: Flow,
    sink: &'a dyn Sink,
    /// The boot in which it was first asked for; none before.
    boot: Option<String>,
    /// It is known to have been claimed: it must not be started again, and its record must be there.
    claimed: bool,
    /// Nothing of ours can be starting it.
    taking: bool,
}

impl<'a, R: Transport> RemoteJob<'a, R> {
    pub fn new(machine: &'a RemoteHost<R>, id: &'a ActId, user: Option<&'a str>, sink: &'a dyn Sink) -> Self {
        let (out, err) = (Flow::new(Stream::Out), Flow::new(Stream::Err));
        RemoteJob { machine, id, user, out, err, sink, boot: None, claimed: false, taking: false }
    }

    /// Starts it, or takes it up where it was started before.
    pub async fn run(mut self, script: &Script) -> Result<Output, Fault> {
        loop {
            if !self.claimed {
                self.may_start().await?;
            }
            let channel = self.channel().await?;
            let ended = match self.claimed {
                false => self.start(&channel, script).await?,
                true => self.follow(&channel).await,
            };
            match ended {
                Ok(words) if words == wire::SPARED => {}
                Ok(words) => return self.output(&words, Some(script)),
                Err(Broken) => {}
            }
        }
    }

    /// Takes it up; none where it was surely never started.
    pub async fn attach(mut self) -> Result<Option<Output>, Fault> {
        self.taking = true;
        loop {
            let channel = self.channel().await?;
            match self.follow(&channel).await {
                Ok(words) if words == "none" && !self.claimed => return Ok(None),
                Ok(words) => return self.output(&words, None).map(Some),
                Err(Broken) => continue,
            }
        }
    }

    /// Ends it with all that it started, and makes sure that they are gone.
    pub async fn kill(mut self, grace: Duration) -> Result<(), Fault> {
        let left = loop {
            let channel = self.channel().await?;
            let tag = channel.tag();
            match channel.call(tag, wire::end_act(tag, self.id.as_str(), grace)).await {
                Ok(frame) if frame.words == "fenced" => return Err(self.machine.fenced(&frame.out)),
                Ok(frame) => break frame.words.strip_prefix("ended").unwrap_or(&frame.words).trim().to_owned(),
                Err(Broken) => {}
            }
        };
        if left.is_empty() {
            return Ok(());
        }
        let message = format!("{}: processes of {} could not be ended: {left}", self.machine.name, self.id.as_str());
        Err(Fault::new(FaultKind::Denied, message).hint("look at them on the host: do they belong to another user?"))
    }

    /// The lease is ours. Where an earlier connection broke, the act may have been started under it.
    async fn may_start(&self) -> Result<(), Fault> {
        match self.machine.ours().await {
            Err(fault) if self.boot.is_some() => Err(self.lost("the host is not ours any more").detail(fault.message)),
            other => other,
        }
    }

    /// A live shell. Once the act has been asked for, a host that cannot be had again leaves its outcome unknown.
    async fn channel(&mut self) -> Result<Arc<AgentSession>, Fault> {
        let channel = match self.machine.channel(self.user).await {
            Err(fault) if self.boot.is_some() => {
                return Err(self.lost("the host cannot be reached again").detail(fault.message));
            }
            other => other?,
        };
        let boot = self.boot.get_or_insert_with(|| channel.hello.boot.clone());
        // After a reboot it may have run and left no trace.
        self.claimed |= *boot != channel.hello.boot;
        Ok(channel)
    }

    async fn start(&mut self, channel: &AgentSession, script: &Script) -> Result<Result<String, Broken>, Fault> {
        let tag = channel.tag();
        let call = wire::start(tag, self.id.as_str(), script)?;
        Ok(match self.watch(channel, channel.call(tag, call).fuse(), FIRST_LOOK).await {
            Ok(words) if words == "again" => {
                self.claimed = true;
                self.follow(channel).await
            }
            ended => ended,
        })
    }

    /// Watches an act whose reply goes to somebody else.
    async fn follow(&mut self, channel: &AgentSession) -> Result<String, Broken> {
        self.watch(channel, Fuse::<Pending<_>>::terminated(), Duration::ZERO).await
    }

    /// Until it has ended: by its reply, or, where that does not come, by looking. The words say how.
    async fn watch(
        &mut self,
        channel: &AgentSession,
        reply: Fuse<impl Future<Output = Result<Frame, Broken>>>,
        mut pause: Duration,
    ) -> Result<String, Broken> {
        let mut reply = pin!(reply);
        let mut unstarted = 0;
        loop {
            tokio::select! {
                biased;
                frame = &mut reply => {
                    let frame = frame?;
                    if frame.words == "fenced" {
                        return Ok(format!("fenced {}", String::from_utf8_lossy(&frame.out)));
                    }
                    let all = frame.out.len().max(frame.err.len()) < WITH_REPLY;
                    self.feed([0, 0], [frame.out, frame.err]);
                    if all {
                        return Ok(frame.words);
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
            let before = self.out.offset + self.err.offset;
            let (words, more) = self.look(channel).await?;
            match words.as_str() {
                "claimed" if unstarted < CLAIMED_LOOKS => unstarted += 1,
                // A look may overtake the start that it is to look at.
                "none" | "gone" if !reply.is_terminated() && unstarted < CLAIMED_LOOKS => unstarted += 1,
                "running" | "ending" | "orphan" => self.claimed = true,
                _ if !more => return Ok(words),
                _ => {}
            }
            let silent = self.out.offset + self.err.offset == before;
            pause = match (more, silent) {
                (true, _) => Duration::ZERO,
                (false, false) => FIRST_LOOK,
                (false, true) => (pause * 3 / 2).clamp(FIRST_LOOK / 4, SELDOM),
            };
        }
    }

    /// Its state and what it has written since; whether there is more.
    async fn look(&mut self, channel: &AgentSession) -> Result<(String, bool), Broken> {
        let [out, err] = [self.out.offset / BLOCK, self.err.offset / BLOCK];
        let tag = channel.tag();
        let frame = channel.call(tag, wire::poll(tag, self.id.as_str(), [out, err], LOOK_BLOCKS, self.taking)).await?;
        let mut words = frame.words.split(' ');
        let state = words.next().unwrap_or_default().to_owned();
        let gap = |name: &str| words.clone().find_map(|word| Gap::read(word.strip_prefix(name)?));
        let (out_gap, err_gap) = (gap("out="), gap("err="));
        let more_out = self.out.piece(out, frame.out, out_gap, self.sink);
        let more_err = self.err.piece(err, frame.err, err_gap, self.sink);
        Ok((state, more_out || more_err))
    }

    /// Pieces of both streams, and where in them they begin.
    fn feed(&mut self, at: [u64; 2], [out, err]: [Bytes; 2]) {
        self.out.feed(at[0], out, self.sink);
        self.err.feed(at[1], err, self.sink);
    }

    fn output(self, words: &str, script: Option<&Script>) -> Result<Output, Fault> {
        let limit = script.and_then(|script| script.timeout);
        if let Some(claim) = words.strip_prefix("fenced") {
            return Err(self.machine.fenced(claim.as_bytes()));
        }
        let code = match words {
            "none" | "gone" | "lost" | "claimed" => {
                return Err(self.lost("its record on the host is gone or broken off"));
            }
            words => code_of(&self.machine.name, words, limit)?,
        };
        let truncated = self.out.is_truncated() || self.err.is_truncated();
        Ok(Output { code, stdout: self.out.kept.freeze(), stderr: self.err.kept.freeze(), truncated })
    }

    fn lost(&self, why: &str) -> Fault {
        Fault::new(
            FaultKind::Lost,
            format!("{}: what became of {} is not known: {why}", self.machine.name, self.id.as_str()),
        )
    }
}

/// What a shell says of a script that has ended, or was not started.
pub(super) fn code_of(host: &HostName, words: &str, limit: Option<Duration>) -> Result<i32, Fault> {
    let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
    if let Some(code) = word.strip_prefix("rc=").and_then(|code| code.parse().ok()) {
        return Ok(code);
    }
    if let Some(code) = word.strip_prefix("end=").and_then(|code| code.parse().ok()) {
        return Err(ended(host, code));
    }
    Err(match (word, rest) {
        ("timeout", _) => {
            let after = limit.map(|limit| format!(" after {limit:?}")).unwrap_or_default();
            Fault::new(
                FaultKind::Timeout,
                format!("{host}: it had not ended{after}, and was ended with all that it started"),
            )
        }
        ("refused", "folder") => Fault::missing(format!("{host}: the folder that it should run in cannot be entered")),
        ("refused", why) if why == "space" || why.contains("No space left") => {
            Fault::new(FaultKind::NoSpace, format!("{host}: no space left to run anything; nothing was started"))
        }
        ("refused", why) => {
            Fault::new(FaultKind::Denied, format!("{host}: the run's folder cannot be written; nothing was started"))
                .detail(why.strip_prefix("run ").unwrap_or(why))
        }
        _ => Fault::controller(format!("{host}: a reply that this version does not know: {words}")),
    })
}

/// What an act came to that was ended while it ran. Code 0 may mean that it was done, or that it took its end well.
fn ended(host: &HostName, code: i32) -> Fault {
    match code {
        0 => Fault::new(FaultKind::Lost, format!("{host}: it was ended while it ran, and yet says 0: was it done?")),
        code => Fault::new(FaultKind::Ended, format!("{host}: it was ended with all that it started")).code(code),
    }
}

/// What a host has left out of a stream, in blocks: from one to before another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gap {
    from: u64,
    to: u64,
}

impl Gap {
    fn read(text: &str) -> Option<Gap> {
        let (from, to) = text.split_once('-')?;
        let gap = Gap { from: from.parse().ok()?, to: to.parse().ok()? };
        (gap.from < gap.to && gap.to <= u64::MAX / BLOCK).then_some(gap)
    }

    fn holds(self, block: u64) -> bool {
        (self.from..self.to).contains(&block)
    }
}

/// One stream: how much of it has come, and its beginning.
struct Flow {
    stream: Stream,
    offset: u64,
    kept: BytesMut,
}

impl Flow {
    fn new(stream: Stream) -> Self {
        Flow { stream, offset: 0, kept: BytesMut::new() }
    }

    /// A piece that begins at `at`, at or before what has come: only what is new is passed on.
    fn feed(&mut self, at: u64, mut piece: Bytes, sink: &dyn Sink) {
        let known = usize::try_from(self.offset - at).unwrap_or(usize::MAX).min(piece.len());
        bytes::Buf::advance(&mut piece, known);
        if piece.is_empty() {
            return;
        }
        sink.output(self.stream, &piece);
        self.offset += piece.len() as u64;
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The reply to a look from a block on; whether there is more to be looked for.
    fn piece(&mut self, block: u64, piece: Bytes, gap: Option<Gap>, sink: &dyn Sink) -> bool {
        let begin = gap.filter(|gap| gap.holds(block)).map_or(block, |gap| gap.to);
        let (at, length) = (begin * BLOCK, piece.len() as u64);
        if at > self.offset {
            let note = format!("\n[surefoot: {} bytes were left out here]\n", at - self.offset);
            sink.output(self.stream, note.as_bytes());
            self.offset = at;
        }
        self.feed(at, piece, sink);
        length == LOOK_BLOCKS * BLOCK || gap.is_some_and(|gap| at + length == gap.from * BLOCK)
    }

    fn is_truncated(&self) -> bool {
        self.offset > self.kept.len() as u64
    }
}
