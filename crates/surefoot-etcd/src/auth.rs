//! `etcd.auth`: whether etcd has users, and which.

use super::client::{self, ANSWER, Member, says};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use surefoot_engine::action::{Action, Cx, Hosts, Inspection, UndoSupport, unseen};
use surefoot_engine::model::{Effect, Fault, FaultKind};

/// Whether etcd asks for users (`etcdctl auth enable`), and which users and roles there are.
///
/// Without users, whoever reaches the port may read, write and delete everything, unless client certificates are asked
/// for (`client-cert-auth`). `etcd` where none answers or there is no leader.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The first of them that answers is asked; without it, the step's own host.
    #[serde(default)]
    pub members: Option<Hosts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuthOut {
    pub enabled: bool,
    /// None where the inventory's user may not list them. They may be there while `enabled` is false.
    pub users: Option<Vec<String>>,
    /// None where the inventory's user may not list them.
    pub roles: Option<Vec<String>>,
}

impl Action for Auth {
    const NAME: &'static str = "etcd.auth";
    const EXAMPLE: &'static str = "etcd.auth: { members: members }";
    const EFFECT: Effect = Effect::ReadOnly;
    const UNDO: UndoSupport = UndoSupport::Unsupported("it changes nothing");
    type Out = AuthOut;
    type Before = ();

    async fn inspect(&self, _: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        unseen("ask etcd for its users")
    }

    async fn apply(&self, cx: &Cx<'_>, (): &()) -> Result<AuthOut, Fault> {
        let member = match client::any(cx, self.members.as_ref()).await {
            // Who needs a login to tell its status has users.
            Err(fault) if fault.kind == FaultKind::Denied => {
                return Ok(AuthOut { enabled: true, users: None, roles: None });
            }
            member => member?,
        };
        let enabled = enabled(&member).await?;
        let (mut users, mut roles) = (member.client.auth_client(), member.client.auth_client());
        let users = member.call("user list", ANSWER, async move { users.user_list().await }).await;
        let roles = member.call("role list", ANSWER, async move { roles.role_list().await }).await;
        Ok(AuthOut {
            enabled,
            users: if_allowed(users)?.map(|listed| listed.users().to_vec()),
            roles: if_allowed(roles)?.map(|listed| listed.roles().to_vec()),
        })
    }
}

/// Etcd before 3.5 has no call for it. A login of nobody fails either way, and says why (etcd, server/auth/store.go,
/// `CheckPassword`).
async fn enabled(member: &Member) -> Result<bool, Fault> {
    let mut auth = member.client.auth_client();
    match member.call("login", ANSWER, async move { auth.authenticate(String::new(), String::new()).await }).await {
        Ok(_) => Ok(true),
        Err(fault) if says(&fault, "authentication is not enabled") => Ok(false),
        Err(fault) if fault.kind == FaultKind::Denied => Ok(true),
        Err(fault) => Err(fault),
    }
}

fn if_allowed<T>(listed: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match listed {
        Err(fault) if fault.kind == FaultKind::Denied => Ok(None),
        other => other.map(Some),
    }
}
