//! `tls.cert`: a certificate and its key on a host, signed by an authority of the controller.

use super::authority::{Authority, parse_key};
use super::reading::Certificate;
use super::validity::{DAY, unmade, validity};
use crate::action::files::{self, Attributes, Contents, Original, Was};
use crate::action::{Action, Change, Cx, HostPath, Inspection, Leftover, Mode, Period, UndoSupport};
use crate::model::{Effect, Fault};
use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Puts a certificate and its key on a host, signed by an authority whose files are on the controller (`tls.ca`). The
/// key is new each time, ECDSA P-256; the authority's key is never sent.
///
/// Nothing is done where the host's certificate is of this authority, for these names and usages, fits its key and is
/// valid for longer than `renew_before`. The service that uses it must be told (`service`, `reloaded` or `restarted`).
///
/// For etcd: a server's and a peer's certificate need `server` and `client` both (a server is a client to itself and to
/// its peers), and the names must hold every address that is dialled, 127.0.0.1 too; a client's needs `client`.
/// `missing` where the authority's files are not there, `refused` where they do not fit or expire before the certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cert {
    /// The authority's certificate, on the controller; relative paths start from the folder that the run was started in.
    ca: PathBuf,
    /// The authority's key, on the controller.
    ca_key: PathBuf,
    /// Where the certificate goes on the host. Its folder must exist.
    cert: HostPath,
    /// Where its key goes on the host.
    key: HostPath,
    /// Its common name. etcd takes it for the user's name where it has users.
    name: String,
    /// DNS names and addresses that it is for.
    #[serde(default)]
    names: Vec<String>,
    /// What it is good for.
    #[serde(default = "default_usages")]
    usages: Vec<Usage>,
    /// For how long it is valid.
    #[serde(default = "default_valid")]
    valid: Period,
    /// It is made anew when it is not valid for longer than this.
    #[serde(default = "default_renewal")]
    renew_before: Period,
    /// The certificate's mode. The key's is always `"0600"`.
    #[serde(default = "default_mode")]
    mode: Mode,
    /// Of both files, a name or number. Default: that of the file it replaces; the step's user for a new one.
    owner: Option<String>,
    /// Of both files, a name or number. Default: that of the file it replaces; the owner's group for a new one.
    group: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// To be shown by a server.
    Server,
    /// To be shown by a client.
    Client,
}

fn default_usages() -> Vec<Usage> {
    vec![Usage::Server, Usage::Client]
}

fn default_valid() -> Period {
    Period(DAY * 365)
}

fn default_renewal() -> Period {
    Period(DAY * 30)
}

fn default_mode() -> Mode {
    Mode(0o644)
}

/// The certificate.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CertOut {
    /// Where it is on the host.
    cert: String,
    /// Where its key is.
    key: String,
    /// When it expires, as `2026-01-31T12:00:00Z`.
    expires: String,
    /// SHA-256 of the certificate, in hex.
    fingerprint: String,
}

/// Both files as they were.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyPairBefore {
    cert: Original,
    key: Original,
}

/// What is on the host.
struct ExistingPair {
    before: KeyPairBefore,
    pem: Option<String>,
    key_pem: Option<String>,
}

impl Cert {
    fn has(&self, usage: Usage) -> bool {
        self.usages.contains(&usage)
    }

    fn attributes(&self, mode: Mode) -> Attributes {
        Attributes { mode: Some(mode), owner: self.owner.clone(), group: self.group.clone() }
    }

    fn wanted(&self) -> [Attributes; 2] {
        [self.attributes(self.mode), self.attributes(Mode(0o600))]
    }

    async fn authority(&self, cx: &Cx<'_>) -> Result<Authority, Fault> {
        let authority = Authority::read(&cx.local(&self.ca), &cx.local(&self.ca_key))?;
        let own = authority.certificate.expires;
        if own.duration_since(Timestamp::now()).as_secs_f64() < self.valid.0.as_secs_f64() {
            let fault = Fault::refused(format!("the authority expires at {own}, before the certificate would"));
            return Err(fault.hint("give a shorter `valid`, or make a new authority"));
        }
        Ok(authority)
    }

    async fn look(&self, cx: &Cx<'_>) -> Result<ExistingPair, Fault> {
        let [of_cert, of_key] = self.wanted();
        let (cert, pem) = files::look_inside(cx, self.cert.as_str(), &of_cert).await?;
        let (key, key_pem) = files::look_inside(cx, self.key.as_str(), &of_key).await?;
        files::regular(self.cert.as_str(), &cert)?;
        files::regular(self.key.as_str(), &key)?;
        let before = KeyPairBefore {
            cert: Original::among(cx, self.cert.as_str(), cert),
            key: Original::among(cx, self.key.as_str(), key),
        };
        Ok(ExistingPair { before, pem, key_pem })
    }

    /// Why what is there will not do; none where it will.
    fn lacks(&self, authority: &Authority, there: Option<&Certificate>, key_pem: Option<&str>) -> Option<String> {
        let Some(own) = there else { return Some("there is none".to_owned()) };
        let left = own.expires.duration_since(Timestamp::now()).as_secs_f64();
        let names: BTreeSet<String> = self.names.iter().cloned().collect();
        let fits =
            key_pem.and_then(|pem| parse_key(pem).ok()).is_some_and(|key| own.public_key == key.public_key_raw());
        let why = match () {
            () if !own.is_signed_by(&authority.certificate) => "it is not of this authority".to_owned(),
            () if left <= self.renew_before.0.as_secs_f64() => format!("it expires at {}", own.expires),
            () if own.name != self.name => format!("its name is {}", own.name),
            () if own.names != names => {
                format!("it is for {}", own.names.iter().cloned().collect::<Vec<_>>().join(", "))
            }
            () if (own.server, own.client) != (self.has(Usage::Server), self.has(Usage::Client)) => {
                "it is for other usages".to_owned()
            }
            () if !fits => "its key is another's".to_owned(),
            () => return None,
        };
        Some(why)
    }

    fn sign(&self, authority: &Authority, key: &KeyPair) -> Result<String, Fault> {
        let mut own = CertificateParams::new(self.names.clone()).map_err(unmade)?;
        own.distinguished_name = rcgen::DistinguishedName::new();
        own.distinguished_name.push(DnType::CommonName, self.name.as_str());
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.use_authority_key_identifier_extension = true;
        let purpose = |usage: &Usage| match usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        };
        own.extended_key_usages = self.usages.iter().map(purpose).collect();
        let (from, to) = validity(self.valid.0);
        (own.not_before, own.not_after) = (from.into(), to.into());
        let issuer = Issuer::from_ca_cert_pem(&authority.pem, &authority.key).map_err(unmade)?;
        Ok(own.signed_by(key, &issuer).map_err(unmade)?.pem())
    }

    fn out(&self, own: &Certificate) -> CertOut {
        CertOut {
            cert: self.cert.to_string(),
            key: self.key.to_string(),
            expires: own.expires.to_string(),
            fingerprint: own.fingerprint(),
        }
    }
}

/// What mode and owner would change, of both files.
fn differences(before: &KeyPairBefore, wanted: &[Attributes; 2]) -> String {
    let of = |original: &Original, wanted: &Attributes| match &original.was {
        Was::File { owned, .. } if !wanted.fit(owned) => format!("{}\n{}", original.path(), wanted.difference(owned)),
        _ => String::new(),
    };
    of(&before.cert, &wanted[0]) + &of(&before.key, &wanted[1])
}

impl Action for Cert {
    const NAME: &'static str = "tls.cert";
    const EXAMPLE: &'static str = "on: members\ntls.cert:\n  ca: pki/ca.pem\n  ca_key: pki/ca-key.pem\n  cert: /root/host.pem\n  key: /root/host-key.pem\n  name: \"{{ host.name }}\"\n  names: [\"{{ host.name }}\", \"{{ host.address }}\", 127.0.0.1]";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::Supported("puts back the certificate and the key that were there, or removes the new ones");
    type Out = CertOut;
    type Before = KeyPairBefore;

    fn validate(&self) -> Result<(), Fault> {
        if self.usages.is_empty() || (self.has(Usage::Server) && self.names.is_empty()) {
            return Err(Fault::value("a certificate needs `usages`, and that of a server needs `names`"));
        }
        if self.cert == self.key {
            return Err(Fault::value("`cert` and `key` are two files"));
        }
        match self.renew_before.0 < self.valid.0 {
            true => Ok(()),
            false => Err(Fault::value("`renew_before` must be shorter than `valid`")),
        }
    }

    fn resources(&self) -> Vec<String> {
        vec![self.cert.as_str().to_owned(), self.key.as_str().to_owned()]
    }

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        let authority = self.authority(cx).await?;
        let ExistingPair { before, pem, key_pem } = self.look(cx).await?;
        let there = pem.as_deref().and_then(|pem| Certificate::parse(pem).ok());
        let difference = differences(&before, &self.wanted());
        let (summary, diff) = match (self.lacks(&authority, there.as_ref(), key_pem.as_deref()), &there) {
            (None, Some(own)) if difference.is_empty() => return Ok(Inspection::Unchanged(self.out(own))),
            (None, _) => (format!("set mode and owner of {} and its key", self.cert), Some(difference)),
            (Some(_), None) => (format!("make a certificate for {} in {}", self.name, self.cert), None),
            (Some(why), Some(_)) => (format!("replace the certificate {}: {why}", self.cert), None),
        };
        Ok(Inspection::Change(Change { summary, diff, before }))
    }

    async fn apply(&self, cx: &Cx<'_>, before: &KeyPairBefore) -> Result<CertOut, Fault> {
        let authority = self.authority(cx).await?;
        let ExistingPair { before: now, pem, key_pem } = self.look(cx).await?;
        let there = pem.as_deref().and_then(|pem| Certificate::parse(pem).ok());
        let wanted = self.wanted();
        if self.lacks(&authority, there.as_ref(), key_pem.as_deref()).is_none()
            && let (Some(own), Was::File { owned: cert, .. }, Was::File { owned: key, .. }) =
                (&there, &now.cert.was, &now.key.was)
        {
            files::attributes(cx, self.cert.as_str(), cert, &wanted[0]).await?;
            files::attributes(cx, self.key.as_str(), key, &wanted[1]).await?;
            return Ok(self.out(own));
        }
        let key = KeyPair::generate().map_err(unmade)?;
        let pem = self.sign(&authority, &key)?;
        let key_pem = key.serialize_pem();
        // An earlier attempt may have put its own there: what is replaced is what is there now, what is kept the first.
        let pairs = [(&before.key, now.key.was, &key_pem, &wanted[1]), (&before.cert, now.cert.was, &pem, &wanted[0])];
        for (original, was, text, wanted) in pairs {
            let seen = Original { keep: original.keep.clone(), was };
            files::install(cx, &seen, Contents::Bytes(text.as_bytes()), &files::sha256(text), wanted).await?;
        }
        Ok(self.out(&Certificate::parse(&pem)?))
    }

    fn leaves(before: &KeyPairBefore, done: bool) -> Vec<Leftover> {
        [&before.cert, &before.key].into_iter().flat_map(|original| original.leaves(done)).collect()
    }

    fn undo_writes(&self, _: &Cx<'_>, before: &KeyPairBefore) -> Vec<String> {
        [&before.cert, &before.key].map(|file| file.path().to_owned()).to_vec()
    }

    async fn undo(&self, cx: &Cx<'_>, before: &KeyPairBefore) -> Result<(), Fault> {
        files::restore(cx, &before.key).await?;
        files::restore(cx, &before.cert).await
    }
}
