//! One member of a cluster, and the questions that actions ask it.

use super::fault::fault;
use super::{access, reading, tunnel};
use etcd_client::{AlarmAction, AlarmMember, AlarmType, Channel, Client, GetOptions, HashKvResponse, StatusResponse};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use surefoot_engine::action::Cx;
use surefoot_engine::model::{Fault, FaultKind, HostName};
use surefoot_engine::secret::EtcdLogin;
use surefoot_engine::world::Host;
use tokio::time::Instant;
use tracing::debug;

/// How long a member may take for a small question.
pub const ANSWER: Duration = Duration::from_secs(5);
/// How long a host may take until its etcd is found and connected to. Much longer than any host at work needs.
const REACH: Duration = Duration::from_secs(15);
/// gRPC's own limit is 4 MiB; a page of 500 values of the largest size that etcd takes (1.5 MiB) is just below this.
const DECODE: usize = 1 << 30;

/// A connection to the etcd of one host. Clones share it.
#[derive(Clone)]
pub struct Member {
    pub host: HostName,
    pub client: Client,
    /// Why nobody can log in here now, in etcd's words; none where we are logged in, or have no password.
    shut: Option<String>,
}

/// Which keys a read is about.
#[derive(Clone, Debug)]
pub enum KeyRange {
    /// Every key, also those that do not begin with a slash.
    All,
    Prefix(String),
}

/// For work that takes as long as it takes: until the step's `timeout`, without one a year.
pub fn timeout(cx: &Cx<'_>) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    cx.deadline.map_or(YEAR, |deadline| deadline.saturating_duration_since(tokio::time::Instant::now()))
}

/// A 64-bit id as etcd prints it: lower-case hex without padding.
pub fn hex(id: u64) -> String {
    format!("{id:x}")
}

impl Member {
    /// Finds and connects to the etcd of a host. One that does not answer is a fault of kind `Etcd`, within seconds; a
    /// host that does not answer is a `Timeout`: whether its etcd runs is not known then.
    pub async fn connect(cx: &Cx<'_>, host: &Arc<dyn Host>) -> Result<Member, Fault> {
        let reached = tokio::time::timeout(REACH, Member::reach(cx, host)).await;
        reached.unwrap_or_else(|_| {
            let message = format!("{} did not say within {} s how its etcd is reached", host.name(), REACH.as_secs());
            Err(Fault::new(FaultKind::Timeout, message).hint("is the host frozen, or overloaded?"))
        })
    }

    async fn reach(cx: &Cx<'_>, host: &Arc<dyn Host>) -> Result<Member, Fault> {
        let access = access::find(cx, host.as_ref()).await?;
        let channel = tunnel::open(host, access).await?;
        let channel = if host.looks_only() { reading::only(channel) } else { Channel::Tonic(channel) };
        let client = Client::from_channel(channel, None).await;
        let mut client = client.map_err(|error| fault(host.name(), "connect", &error))?;
        let shut = match cx.world.login(host.name()) {
            Some(login) => log_in(host.name(), &mut client, login).await?,
            None => None,
        };
        Ok(Member { host: host.name().clone(), client, shut })
    }

    /// One call, with an end.
    pub async fn call<T>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        let answer = tokio::time::timeout(limit, call).await;
        let ok = matches!(answer, Ok(Ok(_)));
        debug!(host = %self.host, call = what, ok, elapsed = ?begun.elapsed(), "gRPC call");
        match answer {
            Ok(answer) => answer.map_err(|error| self.explained(fault(&self.host, what, &error))),
            Err(_) => {
                let fault = Fault::new(FaultKind::Etcd, format!("etcd on {}: {what} failed", self.host));
                Err(fault.detail(format!("no answer within {} s", limit.as_secs())))
            }
        }
    }

    /// A stranger is denied; one who could not log in is not, but met an etcd that does not answer.
    fn explained(&self, fault: Fault) -> Fault {
        match &self.shut {
            Some(why) if fault.kind == FaultKind::Denied => {
                let own = Fault::new(FaultKind::Etcd, fault.message).detail(format!("nobody can log in: {why}"));
                own.hint("without a majority, and at a learner, etcd lets no user in")
            }
            _ => fault,
        }
    }

    /// Answered by the member alone, also without quorum. From 3.5.28 on an etcd with users wants a login for it, which
    /// takes a quorum.
    pub async fn status(&self) -> Result<StatusResponse, Fault> {
        let mut client = self.client.clone();
        self.call("status", ANSWER, async move { client.status().await }).await
    }

    /// The members as this one knows them: not linearizable, so the leader's word counts.
    pub async fn members(&self) -> Result<Vec<etcd_client::Member>, Fault> {
        let mut client = self.client.clone();
        let listed = self.call("member list", ANSWER, async move { client.member_list().await }).await?;
        Ok(listed.members().to_vec())
    }

    /// Of the whole cluster. The question goes through raft; without quorum etcd itself gives up after its own time.
    pub async fn alarms(&self) -> Result<Vec<AlarmMember>, Fault> {
        let mut client = self.client.clone();
        let ask = async move { client.alarm(AlarmAction::Get, AlarmType::None, None).await };
        Ok(self.call("alarm list", Duration::from_secs(20), ask).await?.alarms().to_vec())
    }

    /// The hash over all revisions up to this one. The member reads its whole database for it.
    pub async fn hash_kv(&self, revision: i64) -> Result<HashKvResponse, Fault> {
        let mut client = self.client.clone();
        self.call("hash", Duration::from_secs(300), async move { client.hash_kv(revision).await }).await
    }

    /// How many keys there were at a revision, from this member's own data.
    pub async fn count(&self, keys: &KeyRange, revision: i64) -> Result<i64, Fault> {
        let options = GetOptions::new().with_revision(revision).with_serializable().with_count_only();
        Ok(self.get("count", keys.start(), keys.within(options)).await?.count())
    }

    /// A read, with etcd's own options.
    pub async fn get(&self, what: &str, key: Vec<u8>, options: GetOptions) -> Result<etcd_client::GetResponse, Fault> {
        let mut kv = self.client.kv_client().max_decoding_message_size(DECODE);
        self.call(what, Duration::from_secs(30), async move { kv.get(key, Some(options)).await }).await
    }
}

/// Goes on without where nobody can log in now, and says why: an etcd without quorum, a learner, or one that has no users
/// still answers what needs no login.
async fn log_in(host: &HostName, client: &mut Client, login: &EtcdLogin) -> Result<Option<String>, Fault> {
    let credentials = (login.user.clone(), login.password.reveal().to_owned());
    match tokio::time::timeout(ANSWER, client.update_user(Some(credentials))).await {
        Ok(Err(error)) => match fault(host, "login", &error) {
            refused if refused.kind == FaultKind::Denied => Err(refused),
            other => Ok(Some(other.detail.unwrap_or(other.message))),
        },
        Ok(Ok(())) => Ok(None),
        Err(_) => Ok(Some(format!("no answer within {} s", ANSWER.as_secs()))),
    }
}

impl KeyRange {
    /// The first key of the range. `\0` is the least key that there can be.
    pub fn start(&self) -> Vec<u8> {
        match self {
            KeyRange::Prefix(prefix) if !prefix.is_empty() => prefix.clone().into_bytes(),
            _ => vec![0],
        }
    }

    /// The end of the range, exclusive: `\0` stands for no end (etcd's API, RangeRequest.range_end).
    pub fn end(&self) -> Vec<u8> {
        let KeyRange::Prefix(prefix) = self else { return vec![0] };
        let mut end = prefix.clone().into_bytes();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return end;
            }
        }
        vec![0]
    }

    pub fn within(&self, options: GetOptions) -> GetOptions {
        options.with_range(self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_without_padding() {
        assert_eq!((hex(0x02e9_b10f_abc1_6da7), hex(u64::MAX)), ("2e9b10fabc16da7".to_owned(), "f".repeat(16)));
    }

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(KeyRange::Prefix("a/".to_owned()).end(), b"a0");
        assert_eq!((KeyRange::All.start(), KeyRange::All.end()), (vec![0], vec![0]));
        assert_eq!(
            (KeyRange::Prefix(String::new()).start(), KeyRange::Prefix(String::new()).end()),
            (vec![0], vec![0])
        );
    }
}
