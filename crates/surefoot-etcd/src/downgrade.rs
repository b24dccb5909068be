//! `etcd.downgrade`: tells a cluster that its members are about to go to a lower minor version.

use super::client::{self, ANSWER, Member};
use super::status::{MemberStatus, leader, statuses};
use super::versions::Minor;
use etcd_client::DowngradeOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Change, Cx, Hosts, Inspection, UndoSupport};
use surefoot_engine::model::{Effect, Fault};

/// Lets members of a cluster go to the minor version below theirs, as `etcdctl downgrade enable` does.
///
/// From then on the cluster speaks the lower version, and each member brings its database to the lower format; `etcd.status`
/// tells when it has. Until the last member runs the lower version it can be cancelled. Etcd has it since 3.6.
///
/// `refused` where etcd says that this version is none to go to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Downgrade {
    /// All members of the cluster.
    pub members: Hosts,
    /// The lower minor version, such as `3.6`.
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DowngradeOut {
    /// What the cluster is going down to, such as `3.6`.
    pub to: String,
}

/// Whether the cluster was going down already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DowngradeBefore {
    enabled: bool,
}

impl Downgrade {
    fn target(&self) -> Result<Minor, Fault> {
        self.to.parse().map_err(Fault::value)
    }

    /// `3.6` and `3.6.0` are the same here.
    fn is_target(&self, status: &MemberStatus) -> bool {
        status.downgrading_to.as_ref().is_some_and(|to| *to == self.to || *to == format!("{}.0", self.to))
    }

    fn out(&self) -> DowngradeOut {
        DowngradeOut { to: self.to.clone() }
    }

    async fn ask(&self, cx: &Cx<'_>, what: &str, options: DowngradeOptions) -> Result<(), Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let members = statuses(cx, &hosts).await?;
        let member = Member::connect(cx, leader(&members, &hosts)?.1).await?;
        let mut client = member.client.maintenance_client();
        member.call(what, ANSWER, async move { client.downgrade(options).await }).await.map(drop)
    }
}

impl Action for Downgrade {
    const NAME: &'static str = "etcd.downgrade";
    const EXAMPLE: &'static str = "etcd.downgrade: { members: members, to: \"3.6\" }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport = UndoSupport::Supported("cancels it, as long as a member runs the higher version");
    type Out = DowngradeOut;
    type Before = DowngradeBefore;

    fn validate(&self) -> Result<(), Fault> {
        self.target().map(drop)
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let hosts = client::hosts(cx, Some(&self.members))?;
        let members = statuses(cx, &hosts).await?;
        let (leads, _) = leader(&members, &hosts)?;
        if self.is_target(leads) {
            return Ok(Inspection::Unchanged(self.out()));
        }
        let summary = format!("let the cluster go down to {}", self.to);
        Ok(Inspection::Change(Change { summary, diff: None, before: DowngradeBefore { enabled: false } }))
    }

    async fn apply(&self, cx: &Cx<'_>, _: &DowngradeBefore) -> Result<DowngradeOut, Fault> {
        self.ask(cx, "downgrade validate", DowngradeOptions::Validate(self.to.clone())).await.map_err(refused)?;
        self.ask(cx, "downgrade enable", DowngradeOptions::Enable(self.to.clone())).await?;
        Ok(self.out())
    }

    async fn undo(&self, cx: &Cx<'_>, before: &DowngradeBefore) -> Result<(), Fault> {
        if before.enabled {
            return Ok(());
        }
        match self.ask(cx, "downgrade cancel", DowngradeOptions::Cancel).await {
            Err(fault) if client::says(&fault, "no inflight downgrade") => Ok(()),
            other => other,
        }
    }
}

fn refused(fault: Fault) -> Fault {
    match client::says(&fault, "invalid downgrade target version") {
        true => Fault::refused("etcd does not go down to this version").detail(fault.detail.unwrap_or_default()),
        false => fault,
    }
}
