//! A channel that lets only calls through that change nothing in etcd: for a host that is only looked at.

use etcd_client::Channel;
use http_body_util::BodyExt;
use hyper::Request;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt, service_fn};

/// Calls that change nothing, whatever is in them. A watch or a login leaves nothing behind either.
const READS: [&str; 11] = [
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.Watch/Watch",
    "/etcdserverpb.Cluster/MemberList",
    "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Hash",
    "/etcdserverpb.Maintenance/HashKV",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.Auth/Authenticate",
    "/etcdserverpb.Auth/AuthStatus",
    "/etcdserverpb.Auth/UserList",
    "/etcdserverpb.Auth/RoleList",
];

/// Lists alarms, or raises and disarms them: its message tells which.
const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";

/// The same channel, for reads.
pub fn only(channel: tonic::transport::Channel) -> Channel {
    Channel::Custom(BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let channel = channel.clone();
        async move { channel.oneshot(checked(request).await?).await.map_err(BoxError::from) }
    })))
}

async fn checked(request: Request<Body>) -> Result<Request<Body>, BoxError> {
    let path = request.uri().path().to_owned();
    if READS.contains(&path.as_str()) {
        return Ok(request);
    }
    if path == ALARM {
        let (head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        if !asks_to_change(&message) {
            return Ok(Request::from_parts(head, Body::new(http_body_util::Full::new(message))));
        }
    }
    Err(format!("{path} is refused: a plan changes nothing").into())
}

/// Whether a framed AlarmRequest has another action than GET, which is 0 and so is not written. A frame is a flag and
/// four bytes of length; the action is field 1, a varint, and fields are written in their order.
fn asks_to_change(frame: &[u8]) -> bool {
    const ACTION: u8 = 1 << 3;
    frame.first() != Some(&0) || frame.get(5) == Some(&ACTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 0, message.len() as u8], message].concat()
    }

    async fn passes(path: &str, message: &[u8]) -> bool {
        let body = Body::new(http_body_util::Full::new(framed(message).into()));
        checked(Request::post(path).body(body).unwrap()).await.is_ok()
    }

    #[tokio::test]
    async fn what_changes_something_is_refused_and_what_is_unknown_too() {
        for path in ["KV/Put", "KV/DeleteRange", "KV/Txn", "KV/Compact", "Cluster/MemberAdd", "Maintenance/Defragment"]
        {
            assert!(!passes(&format!("/etcdserverpb.{path}"), &[]).await, "{path}");
        }
        assert!(passes("/etcdserverpb.KV/Range", &[]).await && !passes("/other.Service/Range", &[]).await);
    }

    /// Messages as protobuf writes them: action 1 and 2 are ACTIVATE and DEACTIVATE; field 3 is the kind of alarm.
    #[tokio::test]
    async fn alarms_may_be_listed_and_neither_raised_nor_disarmed() {
        assert!(passes(ALARM, &[]).await && passes(ALARM, &[0x18, 1]).await);
        assert!(!passes(ALARM, &[0x08, 1, 0x18, 1]).await && !passes(ALARM, &[0x08, 2]).await);
    }
}
