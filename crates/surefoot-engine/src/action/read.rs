//! Small reads on any host of the run, into memory only.

use crate::action::Cx;
use crate::model::{Fault, FaultKind};
use crate::world::{Host, Script};

/// Files longer than this are none of etcd's settings or certificates.
const LONGEST: u64 = 1 << 20;

/// `$1` path, `$2` one byte more than is allowed. Exit code 3: nothing is there; 4: it may not be read.
const READ: &str = r#"export LC_ALL=C
[ -e "$1" ] || { stat -- "$1" 2>&1 >/dev/null | grep -q "Permission denied" && exit 4; exit 3; }
[ -r "$1" ] || exit 4
[ -f "$1" ] || { echo "$1 is not a file" >&2; exit 1; }
exec head -c "$2" <"$1""#;

/// The content of a file (a link is followed); `None` where it is not there.
pub async fn bytes(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Option<Vec<u8>>, Fault> {
    let script = Script::new(READ).arg(path).arg((LONGEST + 1).to_string()).user(cx.settings.user.as_deref());
    let output = host.probe(script).await?;
    match output.code {
        3 => return Ok(None),
        4 => {
            let fault = Fault::new(FaultKind::Denied, format!("{}: {path} may not be read", host.name()));
            return Err(fault.hint("let the step `become: root`"));
        }
        _ => {}
    }
    let content = output.ok(&format!("{}: {path} could not be read", host.name()))?.stdout;
    if content.len() as u64 > LONGEST {
        return Err(Fault::refused(format!("{}: {path} is longer than {LONGEST} bytes", host.name())));
    }
    Ok(Some(content.to_vec()))
}

/// A file as text; `None` where it is not there.
pub async fn text(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Option<String>, Fault> {
    Ok(bytes(cx, host, path).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
