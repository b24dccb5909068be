//! Small reads on a host: several files at once, into memory only.

use crate::action::Cx;
use crate::model::{Fault, FaultKind};
use crate::world::{Host, Output, Script};

/// For each path `- WHY` where it cannot be read, else its size on a line and its bytes.
const FILES: &str = r#"for f in "$@"; do
    if [ ! -e "$f" ]; then echo "- missing"
    elif [ ! -r "$f" ]; then echo "- denied"
    else n=$(wc -c <"$f") && echo "$n" && head -c "$n" -- "$f"
    fi
done"#;

/// A probe on any host of the run, as the step's `become` says.
pub async fn probe(cx: &Cx<'_>, host: &dyn Host, script: Script) -> Result<Output, Fault> {
    host.probe(script.user(cx.settings.user.clone())).await
}

/// The content of each file; `None` where it is not there.
pub async fn files(cx: &Cx<'_>, host: &dyn Host, paths: &[String]) -> Result<Vec<Option<Vec<u8>>>, Fault> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let output = probe(cx, host, Script::new(FILES).args(paths)).await?.ok("read files")?;
    let mut rest: &[u8] = &output.stdout;
    let mut files = Vec::new();
    for path in paths {
        let (line, after) = split_line(rest).ok_or_else(|| cut(host, path))?;
        match line {
            b"- missing" => files.push(None),
            b"- denied" => {
                let fault = Fault::new(FaultKind::Denied, format!("{path} on {} cannot be read", host.name()));
                return Err(fault.hint("let the step `become: root`"));
            }
            line => {
                let size: Option<usize> = std::str::from_utf8(line).ok().and_then(|text| text.trim().parse().ok());
                let (content, after) = size.and_then(|n| after.split_at_checked(n)).ok_or_else(|| cut(host, path))?;
                files.push(Some(content.to_vec()));
                rest = after;
                continue;
            }
        }
        rest = after;
    }
    Ok(files)
}

/// One file as text; `None` where it is not there.
pub async fn text(cx: &Cx<'_>, host: &dyn Host, path: &str) -> Result<Option<String>, Fault> {
    let content = files(cx, host, &[path.to_owned()]).await?.pop().flatten();
    Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&b| b == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn cut(host: &dyn Host, path: &str) -> Fault {
    Fault::value(format!("{path} on {} changed while it was read", host.name()))
}
