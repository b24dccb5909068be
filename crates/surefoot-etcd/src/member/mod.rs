//! `etcd.member`: who belongs to a cluster.
//!
//! `listed` compares the leader's list with what is wanted; here it is asked for and changed.

mod listed;

use super::client::{self, ANSWER, Member as Connection, hex};
use super::status::statuses;
use etcd_client::MemberAddOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, Stays, UndoSupport};
use surefoot_engine::model::{Effect, Fault, FaultKind};

/// Adds a member to a cluster, as a learner or a voter; promotes a learner; removes a member; gives one another peer URL
/// (`was`). The leader is asked.
///
/// A member is known by its peer URL, and by its name once it has started: both must fit, so that no other is removed.
/// Add as `learner`, start it, then `promoted` with `retry`: a learner that has not caught up cannot be promoted, and a
/// voter that never comes counts against the quorum (in a cluster of one it blocks every write at once).
/// What is given for a new member's configuration: `initial_cluster`, with `initial-cluster-state: existing`.
///
/// Another peer URL is only told to the cluster: the member listens there once it is configured and started so.
///
/// `refused` where etcd's own guards say no: a member is not healthy (`unhealthy cluster`: retry, it wants all voters up
/// for 5 seconds), there is a learner already (one at a time), the learner is not in sync, the quorum would be lost; and
/// where the URL's scheme is not that of the others, or name and URL are of two members. `etcd` where none answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberAction {
    /// Members of the cluster that run, to be asked.
    pub members: Hosts,
    /// The member's name (`ETCD_NAME`).
    pub name: String,
    /// Where its peers reach it: `http://10.0.0.14:2380`, or a list of such.
    pub peer_urls: Urls,
    /// Where they have reached it until now, where that changes. With `state: present` only.
    #[serde(default)]
    pub was: Option<Urls>,
    #[serde(default)]
    pub state: MemberState,
}

/// One address, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Urls {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// It is listed with these peer URLs, as a voter or a learner; a new one is added as a voter.
    #[default]
    Present,
    /// It is listed; a new one is added as a learner.
    Learner,
    /// It is listed and votes; a learner is promoted. A new one is not added.
    Promoted,
    /// It is not listed. Its identity is banned for ever: to come back, it must be added anew with empty data.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemberOut {
    /// In hex; none where it is not listed.
    pub member_id: Option<String>,
    /// Whether it is a learner.
    pub is_learner: bool,
    /// Whether it has started as a member of this cluster: it tells its name through the leader then.
    pub started: bool,
    /// `NAME=URL` of every member, as `initial-cluster` has it.
    pub initial_cluster: String,
    /// How many vote.
    pub voters: u64,
}

/// What is to be done, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum MembershipBefore {
    /// The ids that were listed, in hex: a new one with the URL is ours.
    Add {
        listed: Vec<String>,
    },
    Promote {
        id: String,
    },
    Remove {
        id: String,
    },
    /// The peer URLs that it had.
    Update {
        id: String,
        urls: Vec<String>,
    },
}

impl Urls {
    /// Sorted, as etcd lists them.
    pub(super) fn all(&self) -> Vec<String> {
        let mut urls = match self {
            Urls::One(url) => vec![url.clone()],
            Urls::Several(urls) => urls.clone(),
        };
        urls.sort();
        urls
    }
}

impl MemberAction {
    fn urls(&self) -> Vec<String> {
        self.peer_urls.all()
    }

    /// The leader's client, and the members as the leader lists them.
    async fn ask(&self, cx: &Cx<'_>) -> Result<(Connection, Vec<etcd_client::Member>), Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let all = statuses(cx, &hosts).await?;
        let leads = all.iter().find(|member| member.leader.is_some() && member.leader == member.member_id);
        let Some(leader) = leads else {
            let why: Vec<String> =
                all.iter().filter_map(|m| Some(format!("{}: {}", m.host, m.why.as_ref()?))).collect();
            let fault = Fault::new(FaultKind::Etcd, "none of the members leads the cluster");
            return Err(fault.detail(why.join("\n")).hint("name all running members in `members`"));
        };
        let host = hosts.iter().find(|host| host.name().as_str() == leader.host).expect("it is one of those asked");
        let connection = Connection::connect(cx, host).await?;
        let members = connection.members().await?;
        Ok((connection, members))
    }

    async fn carry_out(&self, connection: &Connection, before: &MembershipBefore) -> Result<(), Fault> {
        let mut client = connection.client.clone();
        match before {
            MembershipBefore::Add { .. } => {
                let mut options = MemberAddOptions::new();
                if self.state == MemberState::Learner {
                    options = options.with_is_learner();
                }
                let urls = self.urls();
                let add = async move { client.member_add(urls, Some(options)).await };
                connection.call("member add", ANSWER, add).await.map(drop)
            }
            MembershipBefore::Promote { id } => {
                let id = number(id)?;
                let promote = async move { client.member_promote(id).await };
                connection.call("member promote", ANSWER, promote).await.map(drop)
            }
            MembershipBefore::Remove { id } => remove(connection, number(id)?).await,
            MembershipBefore::Update { id, .. } => update(connection, number(id)?, self.urls()).await,
        }
    }
}

async fn update(connection: &Connection, id: u64, urls: Vec<String>) -> Result<(), Fault> {
    let mut client = connection.client.clone();
    connection.call("member update", ANSWER, async move { client.member_update(id, urls).await }).await.map(drop)
}

async fn remove(connection: &Connection, id: u64) -> Result<(), Fault> {
    let mut client = connection.client.clone();
    connection.call("member remove", ANSWER, async move { client.member_remove(id).await }).await.map(drop)
}

fn number(id: &str) -> Result<u64, Fault> {
    u64::from_str_radix(id, 16).map_err(|_| Fault::value(format!("`{id}` is no id of a member")))
}

/// What etcd's own guards refuse (etcd, api/v3rpc/rpctypes/error.go) is `refused` and not a failing etcd.
fn guarded(fault: Fault) -> Fault {
    let says = |words: &str| fault.detail.as_deref().is_some_and(|detail| detail.contains(words));
    let hint = match () {
        () if says("unhealthy cluster") => "every voter must have been up for 5 seconds: retry",
        () if says("too many learner") => "promote or remove the other learner first",
        () if says("in sync with leader") => "it has not caught up yet: retry",
        () if says("not enough started members") => "start the members that are down first",
        () if says("Peer URLs already exists") || says("member ID already exist") => "its URL is that of a member",
        () => return fault,
    };
    Fault { kind: FaultKind::Refused, ..fault }.hint(hint)
}

impl Action for MemberAction {
    const NAME: &'static str = "etcd.member";
    const EXAMPLE: &'static str =
        "etcd.member: { members: members, name: etcd-4, peer_urls: \"http://10.0.0.14:2380\", state: absent }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::Supported("removes the member that was added, or gives it the peer URLs that it had");
    const STAYS: Option<Stays> = Some(Stays {
        with: "state",
        values: &["promoted", "absent"],
        why: "a member that was removed or promoted cannot be made what it was",
    });
    type Out = MemberOut;
    type Before = MembershipBefore;

    fn validate(&self) -> Result<(), Fault> {
        let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        match (self.urls(), &self.was) {
            (urls, _) if urls.is_empty() || !urls.iter().all(is_url) => {
                Err(Fault::value("`peer_urls` begin with http:// or https://"))
            }
            (_, Some(_)) if self.state != MemberState::Present => Err(Fault::value("`was` is for `state: present`")),
            _ => Ok(()),
        }
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let (_, listed) = self.ask(cx).await?;
        Ok(match self.work(&listed)? {
            None => Inspection::Unchanged(self.out(&listed)?),
            Some((summary, before)) => Inspection::Change(Change { summary, diff: None, before }),
        })
    }

    async fn apply(&self, cx: &Cx<'_>, _: &MembershipBefore) -> Result<MemberOut, Fault> {
        let (connection, listed) = self.ask(cx).await?;
        let Some((_, work)) = self.work(&listed)? else { return self.out(&listed) };
        self.carry_out(&connection, &work).await.map_err(guarded)?;
        self.out(&connection.members().await?)
    }

    /// By its id: a member that has another name now is refused by a look.
    async fn is_undone(&self, cx: &Cx<'_>, before: &MembershipBefore) -> Result<Option<bool>, Fault> {
        let listed = self.ask(cx).await?.1;
        Ok(match before {
            MembershipBefore::Add { listed: earlier } => {
                let ours =
                    |member: &etcd_client::Member| member.peer_urls().iter().any(|url| self.urls().contains(url));
                Some(!listed.iter().any(|member| !earlier.contains(&hex(member.id())) && ours(member)))
            }
            MembershipBefore::Update { id, urls } => {
                let own = listed.iter().find(|member| hex(member.id()) == *id);
                Some(own.is_some_and(|own| own.peer_urls() == urls))
            }
            MembershipBefore::Promote { .. } | MembershipBefore::Remove { .. } => None,
        })
    }

    async fn undo(&self, cx: &Cx<'_>, before: &MembershipBefore) -> Result<(), Fault> {
        let (connection, listed) = self.ask(cx).await?;
        match before {
            MembershipBefore::Add { listed: earlier } => match self.find(&listed)? {
                Some(own) if !earlier.contains(&hex(own.id())) => remove(&connection, own.id()).await.map_err(guarded),
                _ => Ok(()),
            },
            MembershipBefore::Update { id, urls } => {
                let now = listed.iter().find(|member| hex(member.id()) == *id).map(etcd_client::Member::peer_urls);
                match now {
                    Some(now) if now == urls => Ok(()),
                    Some(now) if now == self.urls() => {
                        update(&connection, number(id)?, urls.clone()).await.map_err(guarded)
                    }
                    now => Err(Fault::refused(format!(
                        "changed since by others: {} has the peer URL {}",
                        self.name,
                        now.map_or_else(|| "no more".to_owned(), |now| now.join(","))
                    ))),
                }
            }
            MembershipBefore::Promote { .. } | MembershipBefore::Remove { .. } => {
                Err(Fault::refused("a member that was removed or promoted cannot be made what it was"))
            }
        }
    }
}
