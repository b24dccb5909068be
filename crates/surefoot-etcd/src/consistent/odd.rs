//! Which members differ, where a majority of all of them holds the same.
//!
//! Of two that differ nobody knows which is right, and of three only by the third.

use super::super::client::{self, Member, is_silence};
use super::{FIRST_PAUSE, LOOKS, MemberContent, forgot_differently, holds, is_passing, revision};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use surefoot_engine::action::{Cx, Hosts};
use surefoot_engine::model::Fault;

/// A revision, what the majority holds at it, and the hosts of all others.
pub async fn against_majority(cx: &Cx<'_>, asked: Option<&Hosts>) -> Result<(i64, MemberContent, Vec<String>), Fault> {
    let hosts = client::hosts(cx, asked)?;
    let mut answering = Vec::new();
    for connected in join_all(hosts.iter().map(|host| Member::connect(cx, host))).await {
        match connected {
            Err(fault) if is_silence(&fault) => {}
            other => answering.push(other?),
        }
    }
    let members = of_one_history(answering).await?;
    let (level, held, same) = majority(&members, hosts.len()).await?;
    let odd = hosts.iter().map(|host| host.name().to_string()).filter(|host| !same.contains(host));
    Ok((level, held, odd.collect()))
}

/// Members whose revisions do not contradict each other; a few looks give those that lag the time to catch up.
async fn of_one_history(members: Vec<Member>) -> Result<Vec<Member>, Fault> {
    let (members, first) = revisions(members).await?;
    let (mut members, mut first, mut now) = (members, first.clone(), first);
    for look in 0..LOOKS {
        let odd = contradicting(&first, &now);
        if odd.is_empty() {
            break;
        }
        if look + 1 == LOOKS {
            let kept = members.into_iter().enumerate().filter(|(index, _)| !odd.contains(index));
            return Ok(kept.map(|(_, member)| member).collect());
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
        let again = revisions(members.clone()).await?;
        let still = |member: &Member| again.0.iter().any(|other| other.host == member.host);
        first = members.iter().zip(first).filter(|(member, _)| still(member)).map(|(_, revision)| revision).collect();
        (members, now) = again;
    }
    Ok(members)
}

/// Of those that answer.
async fn revisions(members: Vec<Member>) -> Result<(Vec<Member>, Vec<i64>), Fault> {
    let (mut answering, mut all) = (Vec::new(), Vec::new());
    for (member, status) in members.iter().zip(join_all(members.iter().map(Member::status)).await) {
        match status {
            Err(fault) if is_silence(&fault) => {}
            other => {
                all.push(revision(&other?));
                answering.push(member.clone());
            }
        }
    }
    Ok((answering, all))
}

/// Members that have revisions which most others do not reach, and those that do not reach what is left.
fn contradicting(first: &[i64], now: &[i64]) -> BTreeSet<usize> {
    let all = 0..first.len();
    let below = |index: usize| now.iter().filter(|revision| **revision < first[index]).count();
    let ahead: BTreeSet<usize> = all.clone().filter(|index| below(*index) * 2 > first.len()).collect();
    let newest = all.clone().filter(|index| !ahead.contains(index)).map(|index| first[index]).max().unwrap_or_default();
    let behind = all.filter(|index| now[*index] < newest);
    behind.chain(ahead.iter().copied()).collect()
}

/// A revision, what more than half of `of` members hold at it, and their hosts.
async fn majority(members: &[Member], of: usize) -> Result<(i64, MemberContent, BTreeSet<String>), Fault> {
    let (mut level, mut lines) = (0, Vec::new());
    for look in 0..LOOKS {
        let (members, revisions) = revisions(members.to_vec()).await?;
        level = revisions.into_iter().min().unwrap_or_default();
        let answers = join_all(members.iter().map(|member| holds(member, level, look))).await;
        let passing = answers.iter().any(|answer| answer.as_ref().is_err_and(is_passing));
        let held: Vec<(&Member, MemberContent)> =
            members.iter().zip(answers).filter_map(|(member, held)| Some((member, held.ok()?))).collect();
        let unsettled = passing || forgot_differently(held.iter().map(|(_, what)| what));
        let same = |what: &MemberContent| {
            held.iter().filter(|(_, other)| other == what).map(|(member, _)| member.host.to_string()).collect()
        };
        let most = held
            .iter()
            .map(|(_, what)| (what.clone(), same(what)))
            .max_by_key(|(_, same): &(MemberContent, BTreeSet<String>)| same.len());
        match most {
            Some((what, same)) if same.len() * 2 > of && (!unsettled || look + 1 == LOOKS) => {
                return Ok((level, what, same));
            }
            _ => lines = held.iter().map(|(member, held)| held.line(member)).collect(),
        }
        if !unsettled {
            break;
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
    }
    Err(Fault::refused(format!("no majority of the {of} members holds the same data at revision {level}"))
        .detail(lines.join("\n"))
        .hint("restore all of them from one snapshot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_one_is_ahead_of_the_others_or_behind_them() {
        let odd = |first: &[i64], now: &[i64]| contradicting(first, now).into_iter().collect::<Vec<_>>();
        assert!(odd(&[9, 9, 9], &[9, 9, 9]).is_empty());
        assert!(odd(&[7, 9, 8], &[10, 9, 11]).is_empty(), "they are written to");
        assert_eq!(odd(&[5, 9, 9], &[5, 9, 9]), [0]);
        assert_eq!(odd(&[9, 9, 20], &[10, 10, 21]), [2]);
        assert_eq!(odd(&[5, 9, 20], &[5, 9, 20]), [0, 2]);
        assert_eq!(odd(&[5, 9], &[5, 9]), [0], "of two it cannot be told: no majority holds the same then");
    }
}
