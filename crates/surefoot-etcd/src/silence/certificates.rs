//! Whether an etcd's certificates are good now, and fit together.

use super::{CauseKind, SilenceCause};
use crate::layout::{self, EtcdUnit, ResolvedSettings};
use jiff::Timestamp;
use surefoot_engine::action::tls::Certificate;
use surefoot_engine::action::{Cx, read};
use surefoot_engine::model::Fault;

/// The settings of one side of an etcd: its certificate, and the authorities that it must be of.
struct Side {
    cert: &'static str,
    trusted: &'static str,
    /// Whether others dial the member by its advertised URLs, and hold its names against them.
    dialled: bool,
}

const SIDES: [Side; 2] = [
    Side { cert: "cert-file", trusted: "trusted-ca-file", dialled: false },
    Side { cert: "peer-cert-file", trusted: "peer-trusted-ca-file", dialled: true },
];

/// What is wrong with the files, each file once. `line`: what etcd said last.
pub async fn unfit(cx: &Cx<'_>, loaded: &EtcdUnit, line: Option<&str>) -> Result<Vec<SilenceCause>, Fault> {
    let mut found = Vec::new();
    for side in &SIDES {
        found.extend(side.unfit(cx, loaded).await?);
    }
    // A key that is another one's, or a file that is no certificate: etcd does not start, and says so.
    let refused = line.filter(|line| ["tls: ", "x509: "].iter().any(|word| line.contains(word)) && !is_rejection(line));
    if let (true, Some(line)) = (found.is_empty(), refused) {
        found.push(SilenceCause {
            kind: CauseKind::Certificate,
            says: format!("etcd does not take its certificate: {line}"),
        });
    }
    found.dedup();
    Ok(found)
}

/// What somebody else has shown is not this member's.
fn is_rejection(line: &str) -> bool {
    line.starts_with("rejected connection")
}

impl Side {
    async fn unfit(&self, cx: &Cx<'_>, loaded: &EtcdUnit) -> Result<Vec<SilenceCause>, Fault> {
        let Some(path) = self.path(loaded, self.cert) else { return Ok(Vec::new()) };
        let own = match certificates(cx, &path).await? {
            Ok(own) => own,
            Err(says) => return Ok(vec![SilenceCause { kind: CauseKind::Certificate, says }]),
        };
        let mut found = Vec::new();
        let trusted = self.path(loaded, self.trusted);
        if let Some(ca) = &trusted {
            match certificates(cx, ca).await? {
                Ok(all) => found.extend(of_authorities(ca, &all, &path, &own)),
                Err(says) => found.push(SilenceCause { kind: CauseKind::Authority, says }),
            }
        }
        let ended = out_of_date(&path, &own[0]).map(|says| SilenceCause { kind: CauseKind::OutOfDate, says });
        let unnamed = || self.unnamed(loaded, &path, &own[0]);
        found.extend(ended.or_else(|| unnamed().map(|says| SilenceCause { kind: CauseKind::Certificate, says })));
        Ok(found)
    }

    fn path(&self, loaded: &EtcdUnit, setting: &str) -> Option<String> {
        loaded.settings.path(setting).map(|path| loaded.runner.on_host(path))
    }

    /// The address that the others dial, where the certificate is not for it.
    fn unnamed(&self, loaded: &EtcdUnit, path: &str, own: &Certificate) -> Option<String> {
        let urls = ResolvedSettings(&loaded.settings).advertise_peer();
        let mut dialled = layout::endpoints(&urls).map(|endpoint| endpoint.host).filter(|_| self.dialled);
        let strange = dialled.find(|host| !own.names.iter().any(|name| is_for(name, host)))?;
        Some(format!("the certificate {path} is not for {strange}, which the others dial"))
    }
}

/// The certificates of a host's file; in words why there are none.
async fn certificates(cx: &Cx<'_>, path: &str) -> Result<Result<Vec<Certificate>, String>, Fault> {
    let Some(bytes) = read::bytes(cx, &**cx.host, path).await? else {
        return Ok(Err(format!("there is no {path}")));
    };
    let all = Certificate::parse_all(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
    Ok(if all.is_empty() { Err(format!("{path} holds no certificate")) } else { Ok(all) })
}

/// Whether an authority that is trusted has signed it, and is good now. A chain begins with the certificate itself.
fn of_authorities(ca: &str, trusted: &[Certificate], path: &str, own: &[Certificate]) -> Option<SilenceCause> {
    let signs =
        |authority: &&Certificate| own.iter().any(|one| one.der == authority.der || one.is_signed_by(authority));
    let signers: Vec<&Certificate> = trusted.iter().filter(signs).collect();
    if signers.is_empty() {
        let says = format!("the certificate {path} is of no authority in {ca}");
        return Some(SilenceCause { kind: CauseKind::Certificate, says });
    }
    let ended = signers.iter().map(|one| out_of_date(ca, one)).collect::<Option<Vec<String>>>()?;
    Some(SilenceCause { kind: CauseKind::Authority, says: ended.join(", ") })
}

fn out_of_date(path: &str, own: &Certificate) -> Option<String> {
    let now = Timestamp::now();
    if own.expires < now {
        return Some(format!("the certificate {path} ended at {}", own.expires));
    }
    (own.begins > now).then(|| format!("the certificate {path} begins at {}; is the clock right?", own.begins))
}

/// Whether a certificate's name holds for a host; `*.` stands for one label (RFC 6125, 6.4.3).
fn is_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(is_for("*.example.org", "a.example.org") && is_for("10.0.0.1", "10.0.0.1"));
        assert!(!is_for("*.example.org", "a.b.example.org") && !is_for("a.example.org", "b.example.org"));
    }
}
