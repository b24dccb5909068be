//! Small reads on any host of the run, into memory only.

use crate::action::Cx;
use crate::model::{Fault, FaultKind};
use crate::world::{Host, files};

/// Files longer than this are none of etcd's settings or certificates.
const LONGEST: u64 = 1 << 20;

/// The content of a file; `None` where it is not there.
pub async fn bytes(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Option<Vec<u8>>, Fault> {
    let read = files::read(host, path, cx.settings.user.as_deref(), LONGEST).await;
    let read = read.map_err(|fault| match fault.kind {
        FaultKind::Denied => fault.hint("let the step `become: root`"),
        _ => fault,
    })?;
    Ok(read.map(|bytes| bytes.to_vec()))
}

/// A file as text; `None` where it is not there.
pub async fn text(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Option<String>, Fault> {
    Ok(bytes(cx, host, path).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
