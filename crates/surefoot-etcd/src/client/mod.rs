//! etcd's API on one member, natively, through a tunnel that its host opens.
//!
//! - One [`Member`] for each host: a client with several endpoints spreads its calls over them, and an answer must be
//!   known to be of one member (measured: 12 status calls hit 3 members 3, 2 and 7 times).
//! - A member lives as long as the action that asks for it. Nothing is kept between actions, so an etcd that was
//!   stopped, moved or restarted meanwhile is seen as it is now.
//! - Every call has an end: an etcd that is down, frozen or without quorum is a fault of kind `Etcd` after seconds.

mod access;
mod certificate;
mod fault;
mod member;
mod page;
mod reading;
mod tunnel;

pub use fault::fault;
pub use member::{ANSWER, KeyRange, Member, hex, timeout};
pub use page::page;

use futures_util::future::join_all;
use std::future::Future;
use std::sync::Arc;
use surefoot_engine::action::{Cx, Hosts};
use surefoot_engine::model::{Fault, FaultKind};
use surefoot_engine::world::Host;

/// The hosts that an action is about: its `members`, else the host of its step.
pub fn hosts(cx: &Cx<'_>, members: Option<&Hosts>) -> Result<Vec<Arc<dyn Host>>, Fault> {
    match members {
        None => Ok(vec![cx.host.clone()]),
        Some(Hosts(names)) if names.is_empty() => Err(Fault::value("no host is named")),
        Some(Hosts(names)) => names.iter().map(|name| cx.named(name).cloned()).collect(),
    }
}

/// Connects to each; the first that fails is the fault.
pub async fn connect_all(cx: &Cx<'_>, members: Option<&Hosts>) -> Result<Vec<Member>, Fault> {
    let hosts = hosts(cx, members)?;
    join_all(hosts.iter().map(|host| Member::connect(cx, host))).await.into_iter().collect()
}

/// The first of them that can be connected to and answers.
pub async fn any(cx: &Cx<'_>, members: Option<&Hosts>) -> Result<Member, Fault> {
    let mut last = None;
    for host in hosts(cx, members)? {
        let asked = async {
            let member = Member::connect(cx, &host).await?;
            member.status().await.map(|_| member)
        };
        match asked.await {
            Err(fault) if is_silence(&fault) => last = Some(fault),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| Fault::value("`members` names no host")))
}

/// The same question to every member at once; the first fault is the answer.
pub async fn each<T, F: Future<Output = Result<T, Fault>>>(
    members: &[Member],
    ask: impl Fn(Member) -> F,
) -> Result<Vec<T>, Fault> {
    join_all(members.iter().cloned().map(ask)).await.into_iter().collect()
}

/// Whether a fault says that etcd does not answer, rather than that its host or its permission is at fault.
pub fn is_silence(fault: &Fault) -> bool {
    fault.kind == FaultKind::Etcd
}

/// Whether etcd's own words, as a fault has them, say this.
pub fn says(fault: &Fault, words: &str) -> bool {
    fault.detail.as_deref().is_some_and(|detail| detail.contains(words))
}
