//! What is to be done about a member, from the members as the leader lists them.

use super::{MemberAction, MemberOut, MemberState, MembershipBefore, Urls};
use crate::client::hex;
use etcd_client::Member as Listed;
use surefoot_engine::model::Fault;

impl MemberAction {
    /// The listed member that this one is; a fault where name and address are of two.
    pub(super) fn find<'m>(&self, listed: &'m [Listed]) -> Result<Option<&'m Listed>, Fault> {
        let urls = [self.urls(), self.was.as_ref().map(Urls::all).unwrap_or_default()].concat();
        let by_url = listed.iter().find(|member| member.peer_urls().iter().any(|url| urls.contains(url)));
        let by_name = listed.iter().find(|member| member.name() == self.name);
        match (by_url, by_name) {
            (Some(own), None) if own.name().is_empty() => Ok(Some(own)),
            (Some(own), Some(named)) if own.id() == named.id() => Ok(Some(own)),
            (None, None) => Ok(None),
            (Some(other), _) => Err(Fault::refused(format!(
                "the peer URL {} is that of the member `{}`, not of `{}`",
                urls.join(","),
                other.name(),
                self.name
            ))
            .lasting()),
            (None, Some(named)) => Err(Fault::refused(format!(
                "the member `{}` has the peer URL {}, not {}",
                self.name,
                named.peer_urls().join(","),
                urls.join(",")
            ))
            .lasting()),
        }
    }

    pub(super) fn work(&self, listed: &[Listed]) -> Result<Option<(String, MembershipBefore)>, Fault> {
        let (name, own) = (&self.name, self.find(listed)?);
        let id = |member: &Listed| hex(member.id());
        Ok(match (self.state, own) {
            (MemberState::Present, Some(own)) if self.was.is_some() && !self.has_urls(own) => {
                let others: Vec<Listed> = listed.iter().filter(|other| other.id() != own.id()).cloned().collect();
                self.same_scheme(&others)?;
                let urls = own.peer_urls().to_vec();
                let summary =
                    format!("give {name} the peer URL {} instead of {}", self.urls().join(","), urls.join(","));
                Some((summary, MembershipBefore::Update { id: id(own), urls }))
            }
            (MemberState::Present | MemberState::Learner, Some(_)) | (MemberState::Absent, None) => None,
            (MemberState::Promoted, Some(own)) if !own.is_learner() => None,
            (MemberState::Promoted, Some(own)) => {
                Some((format!("promote {name}"), MembershipBefore::Promote { id: id(own) }))
            }
            (MemberState::Present, None) if self.was.is_some() => {
                return Err(Fault::missing(format!("{name} is no member of the cluster")));
            }
            (MemberState::Promoted, None) => {
                let fault = Fault::missing(format!("{name} is no member of the cluster"));
                return Err(fault.hint("add it as a learner first"));
            }
            (MemberState::Absent, Some(own)) => {
                if listed.len() == 1 {
                    return Err(Fault::refused(format!("{name} is the only member")).lasting());
                }
                Some((format!("remove {name} ({})", id(own)), MembershipBefore::Remove { id: id(own) }))
            }
            (MemberState::Present | MemberState::Learner, None) => {
                self.same_scheme(listed)?;
                let what = if self.state == MemberState::Learner { "learner" } else { "voter" };
                let summary = format!("add {name} as a {what} ({})", self.urls().join(","));
                Some((summary, MembershipBefore::Add { listed: listed.iter().map(id).collect() }))
            }
        })
    }

    fn has_urls(&self, own: &Listed) -> bool {
        let mut urls = own.peer_urls().to_vec();
        urls.sort();
        urls == self.urls()
    }

    /// A peer without TLS cannot join peers with it, nor the other way round; etcd takes the URL and never connects.
    fn same_scheme(&self, listed: &[Listed]) -> Result<(), Fault> {
        let scheme = |url: &String| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
        let Some(theirs) = listed.iter().flat_map(|member| member.peer_urls()).find_map(scheme) else { return Ok(()) };
        match self.urls().iter().all(|url| scheme(url).as_ref() == Some(&theirs)) {
            true => Ok(()),
            false => Err(Fault::refused(format!("the peers speak {theirs}"))
                .hint("give the member's peer URL with the same scheme")
                .lasting()),
        }
    }

    pub(super) fn out(&self, listed: &[Listed]) -> Result<MemberOut, Fault> {
        let own = self.find(listed)?;
        let named = |member: &Listed| {
            let name = if own.is_some_and(|own| own.id() == member.id()) { &self.name } else { member.name() };
            member.peer_urls().iter().map(|url| format!("{name}={url}")).collect::<Vec<_>>()
        };
        Ok(MemberOut {
            member_id: own.map(|own| hex(own.id())),
            is_learner: own.is_some_and(Listed::is_learner),
            started: own.is_some_and(|own| !own.name().is_empty()),
            initial_cluster: listed.iter().flat_map(named).collect::<Vec<_>>().join(","),
            voters: listed.iter().filter(|member| !member.is_learner()).count() as u64,
        })
    }
}
