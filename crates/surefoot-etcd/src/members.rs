//! `etcd.members`: the members as the leader lists them, before one of them is changed.

use super::client::{self, Member, hex};
use super::layout;
use super::member::Urls;
use super::status::{MemberStatus, leader, statuses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, OnMissing, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault};
use surefoot_engine::world::Host;

/// Lists the members, as the leader does, or one that follows it where the leader is not asked.
///
/// With `name` and `peer_urls`, refuses where no member has both: what names a member is held against the cluster before
/// anything is changed. The refusal says which member was meant, and what to do: a machine that was set up anew has lost
/// its settings; a member that was added with a wrong URL never starts, and is removed by its URL.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Members of the cluster that run, to be asked.
    pub members: Hosts,
    /// The name of a member that must be listed. One that has not started has none, and is known by its URL.
    #[serde(default)]
    pub name: Option<String>,
    /// Its peer URLs.
    #[serde(default)]
    pub peer_urls: Option<Urls>,
    /// `ok`: it may be gone already, where every member that is listed answers on a host of `members`.
    #[serde(default)]
    pub missing: Option<OnMissing>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MembersOut {
    pub members: Vec<ListedMember>,
    /// Those that have never started under this identity.
    pub unstarted: Vec<ListedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ListedMember {
    /// In hex.
    pub id: String,
    /// Empty where it has not started.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub is_learner: bool,
}

impl Action for Members {
    const NAME: &'static str = "etcd.members";
    const EXAMPLE: &'static str = "etcd.members: { members: members }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = MembersOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("list the members")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<MembersOut, Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let asked = statuses(cx, &hosts).await?;
        let host = teller(&asked, &hosts)?;
        let listed = Member::connect(cx, host).await?.members().await?;
        let members: Vec<ListedMember> = listed.iter().map(ListedMember::of).collect();
        let answers = |member: &ListedMember| asked.iter().any(|own| own.member_id.as_ref() == Some(&member.id));
        let complete = self.missing.is_some() && members.iter().all(answers);
        if let Some(name) = &self.name {
            let urls = self.peer_urls.as_ref().map(Urls::all).unwrap_or_default();
            must_be_listed(&members, name, &urls, complete)?;
        }
        let unstarted = members.iter().filter(|member| member.name.is_empty()).cloned().collect();
        Ok(MembersOut { members, unstarted })
    }
}

/// The leader; where that is none of those asked, one that follows it.
fn teller<'h>(asked: &'h [MemberStatus], hosts: &'h [Arc<dyn Host>]) -> Result<&'h Arc<dyn Host>, Fault> {
    let follower = || asked.iter().zip(hosts).find(|(member, _)| member.leader.is_some()).map(|(_, host)| host);
    match leader(asked, hosts) {
        Ok((_, host)) => Ok(host),
        Err(fault) => follower().ok_or(fault),
    }
}

impl ListedMember {
    fn of(member: &etcd_client::Member) -> ListedMember {
        ListedMember {
            id: hex(member.id()),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            is_learner: member.is_learner(),
        }
    }

    fn line(&self) -> String {
        let name = if self.name.is_empty() { "not started" } else { &self.name };
        format!("{} {name} {}", self.id, self.peer_urls.join(","))
    }
}

/// Whether a member has this name and one of these URLs; one that has not started has no name. `complete`: no other
/// member is missing, so it may be gone.
fn must_be_listed(members: &[ListedMember], name: &str, urls: &[String], complete: bool) -> Result<(), Fault> {
    let at_url = members.iter().find(|member| member.peer_urls.iter().any(|url| urls.contains(url)));
    let named = members.iter().find(|member| member.name == name);
    let wrong = match (at_url, named) {
        (Some(own), Some(named)) if own.id == named.id => return Ok(()),
        (Some(own), None) if own.name.is_empty() => return Ok(()),
        (None, None) if complete => return Ok(()),
        (_, Some(named)) => {
            format!("the member {name} has the peer URL {}, not {}", named.peer_urls.join(","), urls.join(","))
        }
        (Some(own), None) => {
            format!("the peer URL {} is that of the member {}, not of {name}", urls.join(","), own.name)
        }
        (None, None) => format!("no member is called {name} or has the peer URL {}", urls.join(",")),
    };
    let lines: Vec<String> = members.iter().map(ListedMember::line).collect();
    Err(Fault::refused(wrong).detail(lines.join("\n")).hint(advice(members, name, urls)).lasting())
}

/// What has happened, most likely.
fn advice(members: &[ListedMember], name: &str, urls: &[String]) -> String {
    let address = |url: &String| layout::Endpoint::parse(url).map(|endpoint| endpoint.host);
    let same_machine = |url: &String| urls.iter().any(|own| address(own) == address(url));
    let wrong_url = members.iter().filter(|member| member.name.is_empty());
    let wrong_url = wrong_url.flat_map(|member| &member.peer_urls).find(|url| same_machine(url));
    if let Some(url) = wrong_url {
        return format!(
            "it was added with a wrong URL and cannot start: etcd/remove-member -p name={name} -p peer_url={url}, then etcd/add-member"
        );
    }
    if urls.iter().any(|url| layout::is_local(url)) || name == "default" {
        return "was the machine set up anew? Give its settings in the inventory: `vars: { etcd: { name: ..., initial-advertise-peer-urls: ... } }`".to_owned();
    }
    "give the name and the peer URL that the cluster lists".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(pairs: &[(&str, &str)]) -> Vec<ListedMember> {
        let one = |(name, url): &(&str, &str)| ListedMember {
            id: "1f".to_owned() + name,
            name: (*name).to_owned(),
            peer_urls: vec![(*url).to_owned()],
            is_learner: false,
        };
        pairs.iter().map(one).collect()
    }

    fn hint(members: &[(&str, &str)], name: &str, url: &str) -> Option<String> {
        must_be_listed(&listed(members), name, &[url.to_owned()], false)
            .err()
            .map(|fault| fault.hint.unwrap_or_default())
    }

    #[test]
    fn name_and_url_must_be_of_one_member() {
        let members = [("a", "http://10.0.0.1:2380"), ("b", "http://10.0.0.2:2380"), ("", "http://10.0.0.3:2380")];
        assert_eq!(hint(&members, "a", "http://10.0.0.1:2380"), None);
        assert_eq!(hint(&members, "c", "http://10.0.0.3:2380"), None, "it has not started");
        assert!(hint(&members, "a", "http://10.0.0.2:2380").is_some());
        assert!(hint(&members, "x", "http://10.0.0.2:2380").is_some());
        assert!(hint(&members, "x", "http://10.0.0.9:2380").is_some());
    }

    #[test]
    fn who_is_gone_already_may_be_missing_and_nobody_else() {
        let members = listed(&[("a", "http://10.0.0.1:2380")]);
        let check = |url: &str| must_be_listed(&members, "b", &[url.to_owned()], true).is_ok();
        assert!(check("http://10.0.0.2:2380") && !check("http://10.0.0.1:2380"));
    }

    #[test]
    fn the_advice_names_the_command_or_the_inventory() {
        let members = [("a", "http://10.0.0.1:2380"), ("", "http://10.0.0.3:2379")];
        let wrong = hint(&members, "c", "http://10.0.0.3:2380").unwrap();
        assert!(wrong.contains("-p name=c -p peer_url=http://10.0.0.3:2379"), "{wrong}");
        let anew = hint(&members[..1], "default", "http://localhost:2380").unwrap();
        assert!(anew.contains("vars"), "{anew}");
    }
}
