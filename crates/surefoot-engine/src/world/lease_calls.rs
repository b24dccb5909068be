//! How a machine's lease is taken, kept and given back: calls to `host.sh`, asked again over a new connection where one
//! breaks, since each of them may come twice.

use super::agent_session::{AgentSession, Broken, random};
use super::lease::{Acquired, Claim, Lease, LeaseInfo, LeaseStatus, ROOT, Takeover, clock};
use super::remote_host::RemoteHost;
use super::remote_job;
use super::transport::Transport;
use super::wire::{self, Fence, Frame, Tag, User};
use crate::model::{Fault, FaultKind};
use std::sync::Arc;
use std::time::Duration;

/// How long the steps of another run have to end, for each user. That user could stop the shell that ends them.
const EVICTION: Duration = Duration::from_secs(60);

impl<R: Transport> RemoteHost<R> {
    pub(super) async fn take(&self, claim: &Claim, ttl: Duration, over: Option<Takeover>) -> Result<Acquired, Fault> {
        let as_root = self.becomes_root().await?;
        let login = as_root.then(|| self.login());
        let (token, text) = (random()?, serde_json::to_string(claim).expect("a claim has text for keys"));
        let (frame, asked) = loop {
            let channel = self.lease_channel(as_root).await?;
            let (tag, asked) = (channel.tag(), clock());
            let call = wire::hold(tag, &token, ttl, over, &text, login.as_ref())?;
            match channel.call(tag, call).await {
                Ok(frame) if frame.words != wire::SPARED => break (frame, asked),
                _ => {}
            }
        };
        let words: Vec<&str> = frame.words.split(' ').collect();
        match words[..] {
            ["won", number, place] => {
                let number = number.parse().map_err(|_| self.strange(&frame.words))?;
                let fence = Fence { place: place.to_owned(), number, token };
                self.fence(Arc::new(Lease::new(fence, as_root, ttl, asked))).await?;
                // A claim that comes with the lease was not given back.
                let left_over = !frame.out.trim_ascii().is_empty();
                Ok(Acquired::Won { number, ended: if left_over { self.evict().await? } else { 0 } })
            }
            ["held", number, left] => {
                let (number, left) = number.parse().ok().zip(left.parse().ok()).ok_or(self.strange(&frame.words))?;
                Ok(Acquired::Held(LeaseInfo { number, left, claim: serde_json::from_slice(&frame.out).ok() }))
            }
            ["refused", ..] => Err(refused(remote_job::code_of(&self.name, &frame.words, None))),
            _ => Err(self.strange(&frame.words)),
        }
    }

    /// Whether the lease is to be kept by root's shell, though another logged in: wherever sudo gives one.
    async fn becomes_root(&self) -> Result<bool, Fault> {
        if self.facts().uid == 0 {
            return Ok(false);
        }
        match self.channel(Some(ROOT)).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == FaultKind::Denied => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Whose shell the main one is.
    fn login(&self) -> User {
        let folder = self.first.run_dir.rsplit_once('/').map_or("", |(folder, _)| folder);
        User { name: self.first.user.clone(), folder: folder.to_owned() }
    }

    /// Makes every shell check its starts from here on.
    async fn fence(&self, lease: Arc<Lease>) -> Result<(), Fault> {
        let users: Vec<String> = {
            let link = self.link.lock().await;
            *self.lease.write().expect("no panic while it is held") = Some(lease.clone());
            for channel in link.main.iter().chain(link.others.values()) {
                channel.fence(&lease.fence).await;
            }
            link.others.keys().cloned().collect()
        };
        for user in users.iter().filter(|user| *user != ROOT) {
            self.ask(|tag| wire::enlist(tag, user)).await.and_then(|frame| self.enlisted(&frame))?;
        }
        Ok(())
    }

    /// What the keeper of the lease says of a user whose shell is about to act under it.
    pub(super) fn enlisted(&self, frame: &Frame) -> Result<(), Fault> {
        match frame.words.as_str() {
            "enlisted" => Ok(()),
            "fenced" => Err(self.fenced(&frame.out)),
            words => Err(refused(remote_job::code_of(&self.name, words, None))),
        }
    }

    /// Ends what other runs still do here: each user's shell what is that user's. So what a user has written, whatever it
    /// says, can end nothing that this user could not end without us.
    async fn evict(&self) -> Result<u32, Fault> {
        let keeper = self.ask(|tag| wire::evict(tag, "")).await?;
        let mut ended = self.evicted(&keeper)?;
        for line in String::from_utf8_lossy(&keeper.out).lines() {
            let (user, folder) = line.split_once(' ').unwrap_or((line, ""));
            ended += self.evict_of(user, folder).await?;
        }
        Ok(ended)
    }

    async fn evict_of(&self, user: &str, folder: &str) -> Result<u32, Fault> {
        let evict = async {
            let user = (user != self.first.user).then_some(user);
            loop {
                let channel = self.channel(user).await?;
                let tag = channel.tag();
                if let Ok(frame) = channel.call(tag, wire::evict(tag, folder)).await {
                    return self.evicted(&frame);
                }
            }
        };
        let message = || format!("{}: what {user} still runs there was not ended within {EVICTION:?}", self.name);
        let late = || Fault::new(FaultKind::Denied, message()).hint("end it by hand; then take the host over again");
        tokio::time::timeout(EVICTION, evict).await.map_err(|_| late())?
    }

    fn evicted(&self, frame: &Frame) -> Result<u32, Fault> {
        let mut words = frame.words.split(' ');
        let (word, ended, left) = (words.next(), words.next(), words.collect::<Vec<_>>());
        match (word, ended.and_then(|ended| ended.parse().ok())) {
            (Some("evicted"), Some(ended)) if left.is_empty() => Ok(ended),
            (Some("evicted"), Some(_)) => {
                let message = format!("{}: processes of another run could not be ended: {}", self.name, left.join(" "));
                Err(Fault::new(FaultKind::Denied, message).hint("look at them on the host; then take it over again"))
            }
            (Some("refused"), _) => Err(refused(remote_job::code_of(&self.name, &frame.words, None))),
            _ => Err(self.strange(&frame.words)),
        }
    }

    pub(super) async fn keep(&self) -> Result<(), Fault> {
        let Some(lease) = self.lease() else { return Ok(()) };
        if let LeaseStatus::Lost(fault) = lease.standing() {
            return Err(fault);
        }
        let asked = clock();
        let frame = self.ask(wire::renew).await?;
        match frame.words.as_str() {
            "renewed" => {
                lease.renewed(asked);
                Ok(())
            }
            "fenced" => Err(lease.lose(&self.name, &frame.out)),
            words => Err(refused(remote_job::code_of(&self.name, words, None))),
        }
    }

    pub(super) async fn release(&self) -> Result<(), Fault> {
        match self.lease() {
            Some(_) => self.ask(wire::release).await.map(drop),
            None => Ok(()),
        }
    }

    /// Ok: this engine may act here now. It asks the host only where its lease may have run out.
    pub(super) async fn ours(&self) -> Result<(), Fault> {
        match self.lease().map(|lease| lease.standing()) {
            None | Some(LeaseStatus::Held | LeaseStatus::Free) => Ok(()),
            Some(LeaseStatus::Lost(fault)) => Err(fault),
            Some(LeaseStatus::Doubtful) => self.keep().await,
        }
    }

    /// What the host says where it refuses to act for us: its words after `fenced`.
    pub(super) fn fenced(&self, claim: &[u8]) -> Fault {
        match self.lease() {
            Some(lease) => lease.lose(&self.name, claim),
            None => Fault::new(FaultKind::Held, format!("{} is held by another run", self.name)),
        }
    }

    pub(super) fn lease(&self) -> Option<Arc<Lease>> {
        self.lease.read().expect("no panic while it is held").clone()
    }

    /// A call about the lease that we have. Its reply may come under a later connection.
    async fn ask(&self, call: impl Fn(Tag) -> String) -> Result<Frame, Fault> {
        let as_root = self.lease().is_some_and(|lease| lease.as_root);
        loop {
            let channel = self.lease_channel(as_root).await?;
            let tag = channel.tag();
            match channel.call(tag, call(tag)).await {
                Ok(frame) => return Ok(frame),
                Err(Broken) => continue,
            }
        }
    }

    /// The shell whose place the lease is kept in.
    async fn lease_channel(&self, as_root: bool) -> Result<Arc<AgentSession>, Fault> {
        self.channel(as_root.then_some(ROOT)).await
    }

    fn strange(&self, words: &str) -> Fault {
        Fault::controller(format!("{}: a reply that this version does not know: {words}", self.name))
    }
}

/// Why a host could not write what it should.
fn refused(code: Result<i32, Fault>) -> Fault {
    code.err().unwrap_or_else(|| Fault::controller("a lease ends with no exit code"))
}
