//! A machine, by whatever road: probes, acts, files and tunnels over persistent shells, one for each user.
//!
//! Invariant: at most one live shell for each user, and all of them belong to the newest connection.

use super::agent_session::{AgentSession, Broken, Hello, NotOpen, random};
use super::fenced::FencedStream;
use super::host::{Host, Incoming, Silent, Sink, Tunnel, WAITING};
use super::lease::{Acquired, Claim, Lease, LeaseStatus, ROOT, Takeover};
use super::quote::quote;
use super::remote_job::{self, RemoteJob};
use super::script::{ActId, Output, Script};
use super::transport::{ConnectProgress, NotBegun, Process, ProcessExit, Transport};
use super::{transfer, wire};
use crate::model::{Fault, FaultKind, HostName, RunId};
use async_trait::async_trait;
use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, debug_span, info, info_span, warn};

/// What was learnt of a machine when it was connected.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineFacts {
    /// A digest of the machine's id: equal for two names of one machine. Empty where it has none.
    pub machine: String,
    /// Differs after a reboot, also of a container.
    pub boot: String,
    /// Whom scripts run as that name no user.
    pub uid: u32,
    pub user: String,
}

/// Probe output above this is refused: it is a file, not an answer.
const MAX_PROBE: usize = 16 << 20;

/// A probe that takes its own shell down does so each time.
const PROBE_TRIES: u32 = 3;

pub struct RemoteHost<R> {
    pub(super) name: HostName,
    pub(super) address: String,
    pub(super) road: R,
    pub(super) setting: HostOptions,
    pub(super) link: Mutex<AgentSessions>,
    /// None where nobody holds this machine: then nothing is checked.
    pub(super) lease: RwLock<Option<Arc<Lease>>>,
    pub(super) first: Hello,
}

/// How long an act that is ended has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long a host may take from the start of ssh to the greeting of its shell.
const GREETING: Duration = Duration::from_secs(30);

/// Each time a connection that is being made has said nothing for so long, that is said.
const SILENCE: Duration = Duration::from_secs(2);

/// What is asked of a host, for the log.
#[derive(Clone, Copy, Debug)]
enum HostCall {
    Probe,
    Act,
    Attach,
    Kill,
    Put,
    Get,
    Open,
    Write,
    Dial,
    Hold,
    Renew,
    Release,
}

/// What stays the same for as long as a machine is used.
pub(super) struct HostOptions {
    pub run: RunId,
    /// Where the host's own rule is not to be used.
    pub run_dir: Option<String>,
    /// Whom scripts run as that name no user; the login user where `None`.
    pub user: Option<String>,
    /// For how long a broken connection is sought again.
    pub patience: Duration,
}

/// The shells of one connection.
#[derive(Default)]
pub(super) struct AgentSessions {
    pub main: Option<Arc<AgentSession>>,
    pub others: HashMap<String, Arc<AgentSession>>,
}

impl<R: Transport> RemoteHost<R> {
    pub(super) async fn join(name: HostName, address: String, road: R, setting: HostOptions) -> Result<Self, Fault> {
        let main = open_main(&name, &road, &setting, None).await?;
        let first = main.hello.clone();
        let link = AgentSessions { main: Some(Arc::new(main)), others: HashMap::new() };
        Ok(RemoteHost { name, address, road, setting, link: Mutex::new(link), lease: RwLock::default(), first })
    }

    pub fn facts(&self) -> MachineFacts {
        let Hello { uid, user, boot, machine, .. } = self.first.clone();
        MachineFacts { machine: digest(&machine), boot, uid, user }
    }

    /// The live shell of a user. Connects again where the connection is broken, for as long as patience lasts.
    pub(super) async fn channel(&self, user: Option<&str>) -> Result<Arc<AgentSession>, Fault> {
        let mut link = self.link.lock().await;
        loop {
            let main = match link.main.clone().filter(|main| main.is_open()) {
                Some(main) => main,
                None => self.renew_link(&mut link).await?,
            };
            let Some(user) = user.filter(|user| self.setting.user.as_deref() != Some(user)) else { return Ok(main) };
            if let Some(other) = link.others.get(user).filter(|other| other.is_open()) {
                return Ok(other.clone());
            }
            // Whoever keeps the lease knows every user whose shell acts under it.
            let keeper = match self.lease().filter(|_| user != ROOT) {
                None => return self.other(&mut link, user).await,
                Some(lease) if lease.as_root => self.other(&mut link, ROOT).await?,
                Some(_) => main,
            };
            let tag = keeper.tag();
            let enlist = keeper.call(tag, wire::enlist(tag, user));
            if let (other, Ok(frame)) = tokio::join!(self.other(&mut link, user), enlist) {
                return self.enlisted(&frame).and(other);
            }
        }
    }

    /// The live shell of a user who is not the main one's.
    async fn other(&self, link: &mut AgentSessions, user: &str) -> Result<Arc<AgentSession>, Fault> {
        if let Some(other) = link.others.get(user).filter(|other| other.is_open()) {
            return Ok(other.clone());
        }
        let process = match self.road.start(&shell(Some(user))).await {
            Err(NotBegun::Gone(_)) => {
                self.renew_link(link).await?;
                self.road.start(&shell(Some(user))).await?
            }
            started => started?,
        };
        let other = Arc::new(self.open_other(user, process).await?);
        link.others.insert(user.to_owned(), other.clone());
        Ok(other)
    }

    /// Connects anew. What waits on the old shells is told that they have ended.
    async fn renew_link(&self, link: &mut AgentSessions) -> Result<Arc<AgentSession>, Fault> {
        *link = AgentSessions::default();
        let main = Arc::new(self.reconnect().await?);
        link.main = Some(main.clone());
        Ok(main)
    }

    /// Connects anew, unless somebody has done so since `main` was the shell of the connection.
    async fn replace(&self, main: &Arc<AgentSession>) -> Result<(), Fault> {
        let mut link = self.link.lock().await;
        match &link.main {
            Some(other) if !Arc::ptr_eq(other, main) => Ok(()),
            _ => self.renew_link(&mut link).await.map(drop),
        }
    }

    async fn open_other(&self, user: &str, process: Process) -> Result<AgentSession, Fault> {
        let lease = self.lease();
        let fence = lease.as_ref().map(|lease| &lease.fence);
        let open = AgentSession::open(process, self.setting.run.as_str(), None, false, fence);
        let open = open.instrument(shell_span(&self.name, Some(user)));
        greeted(&self.name, open).await?.map_err(|why| not_open(&self.name, Some(user), None, why))
    }

    async fn reconnect(&self) -> Result<AgentSession, Fault> {
        let deadline = Instant::now() + self.setting.patience;
        let mut pause = Duration::from_millis(100);
        warn!(host = %self.name, "the connection is broken: connecting again");
        loop {
            match open_main(&self.name, &self.road, &self.setting, self.lease()).await {
                Ok(main) => return Ok(main),
                // A host that is starting may refuse a login that it let in before.
                Err(fault) if matches!(fault.kind, FaultKind::Unreachable | FaultKind::Denied) => {
                    if Instant::now() + pause > deadline {
                        return Err(fault);
                    }
                    tokio::time::sleep(pause).await;
                }
                Err(fault) => return Err(fault),
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// A process of its own over the connection, for a stream of bytes: `script` with its arguments.
    pub(super) async fn stream(&self, user: Option<&str>, script: &str, args: &[&str]) -> Result<Process, Fault> {
        let user = user.or(self.setting.user.as_deref());
        let words: Vec<String> = [script, "sh"].iter().chain(args).map(|word| quote(word)).collect();
        let command = format!("{} -c {}", shell(user), words.join(" "));
        let main = self.channel(None).await?;
        match self.road.start(&command).await {
            Err(NotBegun::Gone(_)) => {
                self.replace(&main).await?;
                Ok(self.road.start(&command).await?)
            }
            started => Ok(started?),
        }
    }

    /// Does what is asked of the host, in a span of its own.
    async fn traced<T>(&self, call: HostCall, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let begun = Instant::now();
        let logged = async {
            let result = work.await;
            match &result {
                Ok(_) => debug!(elapsed = ?begun.elapsed(), "done"),
                Err(fault) => debug!(elapsed = ?begun.elapsed(), kind = ?fault.kind, fault = ?fault.message, "failed"),
            }
            result
        };
        logged.instrument(debug_span!("host_call", host = %self.name, ?call)).await
    }

    async fn probe_script(&self, script: &Script) -> Result<Output, Fault> {
        for _ in 0..PROBE_TRIES {
            // It changes nothing, so it is simply asked again.
            let Ok(frame) = self.probe_once(script).await? else { continue };
            if frame.out.len().max(frame.err.len()) > MAX_PROBE {
                return Err(Fault::refused(format!("{}: a probe's output is longer than 16 MiB", self.name)));
            }
            let code = remote_job::code_of(&self.name, &frame.words, script.timeout)?;
            return Ok(Output { code, stdout: frame.out, stderr: frame.err, truncated: false });
        }
        Err(Fault::new(FaultKind::Unreachable, format!("{}: the connection breaks again and again", self.name)))
    }

    async fn tunnel(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault> {
        let main = self.channel(None).await?;
        self.ours().await?;
        let (host, port) = split_address(address)?;
        let tunnel = match self.road.dial(host, port).await {
            Err(NotBegun::Gone(_)) => {
                self.replace(&main).await?;
                self.road.dial(host, port).await?
            }
            dialled => dialled?,
        };
        Ok(match self.lease() {
            Some(lease) => Box::new(FencedStream { tunnel, lease }),
            None => tunnel,
        })
    }

    async fn probe_once(&self, script: &Script) -> Result<Result<wire::Frame, Broken>, Fault> {
        let channel = self.channel(script.user.as_deref()).await?;
        let tag = channel.tag();
        let call = wire::probe(tag, script)?;
        let mut guard = EndProbe { channel: &channel, tag, armed: true };
        let reply = channel.call(tag, call).await;
        guard.armed = false;
        Ok(reply)
    }
}

/// Ends a probe whose future is dropped.
struct EndProbe<'a> {
    channel: &'a AgentSession,
    tag: wire::Tag,
    armed: bool,
}

impl Drop for EndProbe<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.channel.post(wire::end_probe(self.tag));
        }
    }
}

#[async_trait]
impl<R: Transport> Host for RemoteHost<R> {
    fn name(&self) -> &HostName {
        &self.name
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn run_dir(&self) -> &str {
        &self.first.run_dir
    }

    async fn probe(&self, script: Script) -> Result<Output, Fault> {
        self.traced(HostCall::Probe, self.probe_script(&script)).await
    }

    async fn act(&self, id: &ActId, script: Script, sink: &dyn Sink) -> Result<Output, Fault> {
        let job = RemoteJob::new(self, id, script.user.as_deref(), sink);
        self.traced(HostCall::Act, job.run(&script)).await
    }

    async fn attach(&self, id: &ActId, user: Option<&str>, sink: &dyn Sink) -> Result<Option<Output>, Fault> {
        self.traced(HostCall::Attach, RemoteJob::new(self, id, user, sink).attach()).await
    }

    async fn kill(&self, id: &ActId, user: Option<&str>) -> Result<(), Fault> {
        let kill = async {
            self.ours().await?;
            RemoteJob::new(self, id, user, &Silent).kill(GRACE).await
        };
        self.traced(HostCall::Kill, kill).await
    }

    async fn put(&self, from: &Path, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        self.traced(HostCall::Put, transfer::put(self, from, to, user, sink)).await
    }

    async fn get(&self, from: &str, to: &Path, user: Option<&str>, sink: &dyn Sink) -> Result<(), Fault> {
        self.traced(HostCall::Get, transfer::get(self, from, to, user, sink)).await
    }

    async fn open(&self, from: &str, user: Option<&str>) -> Result<Incoming, Fault> {
        self.traced(HostCall::Open, transfer::open(self, from, user)).await
    }

    async fn write(&self, from: Incoming, to: &str, user: Option<&str>, sink: &dyn Sink) -> Result<String, Fault> {
        self.traced(HostCall::Write, transfer::write(self, from, to, user, sink)).await
    }

    async fn dial(&self, address: &str) -> Result<Box<dyn Tunnel>, Fault> {
        self.traced(HostCall::Dial, self.tunnel(address)).await
    }

    async fn hold(&self, claim: &Claim, ttl: Duration, over: Option<Takeover>) -> Result<Acquired, Fault> {
        self.traced(HostCall::Hold, self.take(claim, ttl, over)).await
    }

    async fn renew(&self) -> Result<(), Fault> {
        self.traced(HostCall::Renew, self.keep()).await
    }

    async fn release(&self) -> Result<(), Fault> {
        self.traced(HostCall::Release, self.release()).await
    }

    fn standing(&self) -> LeaseStatus {
        self.lease().map_or(LeaseStatus::Free, |lease| lease.standing())
    }

    async fn close(&self) {
        *self.link.lock().await = AgentSessions::default();
        self.road.close().await;
    }
}

/// The command that becomes a user's shell.
fn shell(user: Option<&str>) -> String {
    match user {
        None => "exec sh".to_owned(),
        Some(user) => format!("exec sudo -n -H -u {} -- sh", quote(user)),
    }
}

/// Why no connection was made.
enum NotMade {
    /// The handshake was refused, as an sshd does that has too many of them.
    TurnedAway(Fault),
    Other(Fault),
}

impl From<Fault> for NotMade {
    fn from(fault: Fault) -> Self {
        NotMade::Other(fault)
    }
}

/// How often a handshake that was refused is tried again; and the first pause before that, each being twice the one before.
const RETRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Makes the connection and opens its first shell. One that was turned away comes again a little later.
async fn open_main<R: Transport>(
    name: &HostName,
    road: &R,
    setting: &HostOptions,
    lease: Option<Arc<Lease>>,
) -> Result<AgentSession, Fault> {
    let begun = Instant::now();
    let opened = open_patiently(name, road, setting, lease).await;
    match &opened {
        Ok(_) => info!(host = %name, elapsed = ?begun.elapsed(), "connected"),
        Err(fault) => {
            warn!(host = %name, kind = ?fault.kind, fault = ?fault.message, detail = ?fault.detail, "not connected");
        }
    }
    opened
}

async fn open_patiently<R: Transport>(
    name: &HostName,
    road: &R,
    setting: &HostOptions,
    lease: Option<Arc<Lease>>,
) -> Result<AgentSession, Fault> {
    for retry in 0..RETRIES {
        match open_once(name, road, setting, lease.clone()).await {
            Ok(channel) => return Ok(channel),
            Err(NotMade::Other(fault)) => return Err(fault),
            // Those that were refused together should not come together again.
            Err(NotMade::TurnedAway(fault)) => {
                let pause = jittered(FIRST_PAUSE * 2_u32.pow(retry))?;
                warn!(host = %name, retry, ?pause, fault = ?fault.message, detail = ?fault.detail, "handshake refused");
                tokio::time::sleep(pause).await;
            }
        }
    }
    open_once(name, road, setting, lease).await.map_err(|(NotMade::TurnedAway(fault) | NotMade::Other(fault))| fault)
}

/// What a shell does is not part of the task that happened to need it first.
fn shell_span(host: &HostName, user: Option<&str>) -> Span {
    info_span!(parent: None, "shell", %host, user)
}

/// From half of it to one and a half.
fn jittered(pause: Duration) -> Result<Duration, Fault> {
    let percent = random()?.bytes().map(u32::from).sum::<u32>() % 101 + 50;
    Ok(pause * percent / 100)
}

async fn open_once<R: Transport>(
    name: &HostName,
    road: &R,
    setting: &HostOptions,
    lease: Option<Arc<Lease>>,
) -> Result<AgentSession, NotMade> {
    let _turn = road.turn().await;
    let user = setting.user.as_deref();
    let process = road.connect(&shell(user)).await?;
    let fence = lease.as_ref().map(|lease| &lease.fence);
    let open = AgentSession::open(process, setting.run.as_str(), setting.run_dir.as_deref(), user.is_none(), fence);
    let open = announced(name, road, open.instrument(shell_span(name, user)));
    greeted(name, open).await?.map_err(|why| {
        let NotOpen::Ended(ending) = &why else { return NotMade::Other(not_open(name, user, None, why)) };
        match road.explain(ending) {
            Some(fault) if road.is_turned_away(ending) => NotMade::TurnedAway(fault),
            roads => NotMade::Other(not_open(name, user, roads, why)),
        }
    })
}

/// Waits for the first shell of a connection, and says so while it is silent.
async fn announced<R: Transport, T>(name: &HostName, road: &R, open: impl Future<Output = T>) -> T {
    let mut open = pin!(open);
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(SILENCE, &mut open).await {
            Ok(opened) => return opened,
            Err(_) => say_silent(name, road.progress(), begun.elapsed().as_secs()),
        }
    }
}

fn say_silent(host: &HostName, progress: ConnectProgress, seconds: u64) {
    let what = match progress {
        ConnectProgress::NoAnswer => "its address does not answer",
        ConnectProgress::Accepted => "it accepted the connection, and gives no shell yet",
        ConnectProgress::Unknown => "it gives no shell yet",
    };
    warn!(target: WAITING, %host, ?progress, seconds, "waiting for {host} for {seconds} s: {what}");
}

/// Waits for a shell's greeting.
async fn greeted<T>(name: &HostName, open: impl Future<Output = T>) -> Result<T, Fault> {
    tokio::time::timeout(GREETING, open).await.map_err(|_| {
        let message = format!("{name}: it was reached, but gives no shell within {GREETING:?}");
        Fault::new(FaultKind::Unreachable, message).hint("try `ssh HOST sh -c true`: what keeps the login waiting?")
    })
}

fn not_open(name: &HostName, user: Option<&str>, roads: Option<Fault>, why: NotOpen) -> Fault {
    match (roads, why) {
        (Some(fault), _) => fault,
        (None, NotOpen::Unfit(fault)) => Fault { message: format!("{name}: {}", fault.message), ..fault },
        (None, NotOpen::Ended(ending)) => no_shell(name, user, ending),
    }
}

/// The host was reached, and would not give a shell.
fn no_shell(name: &HostName, user: Option<&str>, ending: ProcessExit) -> Fault {
    let Some(user) = user else {
        return Fault::new(FaultKind::Unreachable, format!("{name}: the login ended before it gave a shell"))
            .hint("try `ssh HOST sh -c true`: does the login shell start, and is there a `sh`?")
            .detail(ending.stderr);
    };
    let says = |text: &str| ending.stderr.contains(text);
    let hint = if says("must have a tty") {
        "sudo wants a terminal: `Defaults !requiretty` in a file of /etc/sudoers.d there lets it do without".to_owned()
    } else if says("unknown user") {
        format!("there is no user `{user}` on this host")
    } else if says("not found") {
        format!("install sudo there, or log in as `{user}`")
    } else {
        format!(
            "`LOGIN ALL=({user}) NOPASSWD: ALL` in a file of /etc/sudoers.d there allows it to the user LOGIN that you \
             log in as, and `sudo -n -u {user} true` tries it; or log in as `{user}`"
        )
    };
    Fault::new(FaultKind::Denied, format!("{name}: sudo gives no shell as `{user}`")).hint(hint).detail(ending.stderr)
}

fn digest(machine: &str) -> String {
    use sha2::{Digest, Sha256};
    if machine.is_empty() {
        return String::new();
    }
    let digest = Sha256::digest(format!("surefoot {machine}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// `host:port`, with an IPv6 address in brackets.
fn split_address(address: &str) -> Result<(&str, u16), Fault> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| Fault::value(format!("`{address}` is not `host:port`")))?;
    Ok((host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port))
}
