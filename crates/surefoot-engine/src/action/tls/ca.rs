//! `tls.ca`: an authority that signs certificates.

use super::authority::{Authority, parse_key, text, write_new};
use super::validity::{DAY, unmade, validity};
use crate::action::files::local_fault;
use crate::action::{Action, Change, Cx, Inspection, Period, UndoSupport};
use crate::model::{Effect, Fault, HostName};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Makes an authority on the controller: a self-signed certificate (0644) and its key (0600), ECDSA P-256. `tls.cert`
/// signs with it. The key stays on the controller.
///
/// Where both files are there and fit, nothing is done; where only the key is, its certificate is made. An authority is
/// never replaced, since all that it has signed would be worth nothing: one that expires within `renew_before` is
/// `refused`, as is a certificate whose key is not there or is another's. It takes no `on`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ca {
    /// The certificate's file. A relative path starts from the folder that the run was started in; folders are made.
    cert: PathBuf,
    /// The key's file.
    key: PathBuf,
    /// The authority's common name.
    #[serde(default = "default_name")]
    name: String,
    /// For how long it is valid.
    #[serde(default = "default_valid")]
    valid: Period,
    /// How long it must still be valid.
    #[serde(default = "default_renewal")]
    renew_before: Period,
}

fn default_name() -> String {
    "surefoot-ca".to_owned()
}

fn default_valid() -> Period {
    Period(DAY * 3650)
}

fn default_renewal() -> Period {
    Period(DAY * 30)
}

/// The authority.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CaOut {
    /// Of the certificate, absolute.
    cert: String,
    /// Of the key, absolute.
    key: String,
    /// When it expires, as `2035-01-31T12:00:00Z`.
    expires: String,
    /// SHA-256 of the certificate, in hex.
    fingerprint: String,
}

/// What was not there.
#[derive(Debug, Serialize, Deserialize)]
pub struct MissingFiles {
    key: bool,
}

impl Ca {
    fn paths(&self, cx: &Cx<'_>) -> (PathBuf, PathBuf) {
        (cx.local(&self.cert), cx.local(&self.key))
    }

    fn out(&self, cx: &Cx<'_>, authority: &Authority) -> CaOut {
        let (cert, key) = self.paths(cx);
        let own = &authority.certificate;
        CaOut {
            cert: cert.display().to_string(),
            key: key.display().to_string(),
            expires: own.expires.to_string(),
            fingerprint: own.fingerprint(),
        }
    }

    fn sign(&self, key: &KeyPair) -> Result<String, Fault> {
        let mut own = CertificateParams::default();
        own.distinguished_name = rcgen::DistinguishedName::new();
        own.distinguished_name.push(DnType::CommonName, self.name.as_str());
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let (from, to) = validity(self.valid.0);
        (own.not_before, own.not_after) = (from.into(), to.into());
        Ok(own.self_signed(key).map_err(unmade)?.pem())
    }
}

impl Action for Ca {
    const NAME: &'static str = "tls.ca";
    const EXAMPLE: &'static str = "tls.ca: { cert: pki/ca.pem, key: pki/ca-key.pem, name: etcd }";
    const EFFECT: Effect = Effect::Idempotent;
    const UNDO: UndoSupport =
        UndoSupport::Supported("removes the files that were made; what they have signed is worth nothing then");
    const LOCAL_TARGETS: &'static [&'static str] = &["cert", "key"];
    type Out = CaOut;
    type Before = MissingFiles;

    async fn inspect(&self, cx: &Cx<'_>) -> Result<Inspection<Self>, Fault> {
        if *cx.host.name() != HostName::controller() {
            return Err(Fault::value("an authority is made on the controller").hint("leave `on` out"));
        }
        let (cert, key) = self.paths(cx);
        let (pem, key_pem) = (text(&cert)?, text(&key)?);
        let key_is_missing = key_pem.is_none();
        match (pem, key_pem) {
            (Some(pem), Some(key_pem)) => {
                let authority = Authority::of(&cert, pem, &key, &key_pem)?;
                let own = &authority.certificate;
                if own.expires.duration_since(Timestamp::now()).as_secs_f64() < self.renew_before.0.as_secs_f64() {
                    return Err(Fault::refused(format!("{} expires at {}", cert.display(), own.expires))
                        .hint("make a new authority under another name, and let the hosts trust both for a while"));
                }
                Ok(Inspection::Unchanged(self.out(cx, &authority)))
            }
            (Some(_), None) => Err(Fault::refused(format!("{} has no key {}", cert.display(), key.display()))
                .hint("bring the key back, or name other files for a new authority")),
            (None, _) => Ok(Inspection::Change(Change {
                summary: format!("make the authority {} in {}", self.name, cert.display()),
                diff: None,
                before: MissingFiles { key: key_is_missing },
            })),
        }
    }

    async fn apply(&self, cx: &Cx<'_>, _: &MissingFiles) -> Result<CaOut, Fault> {
        let (cert, key) = self.paths(cx);
        let pair = match text(&key)? {
            Some(pem) => parse_key(&pem)?,
            None => {
                let pair = KeyPair::generate().map_err(unmade)?;
                write_new(&key, &pair.serialize_pem(), 0o600)?;
                pair
            }
        };
        if text(&cert)?.is_none() {
            write_new(&cert, &self.sign(&pair)?, 0o644)?;
        }
        Ok(self.out(cx, &Authority::read(&cert, &key)?))
    }

    fn undo_writes(&self, cx: &Cx<'_>, before: &MissingFiles) -> Vec<String> {
        let (cert, key) = self.paths(cx);
        let paths = [Some(cert), before.key.then_some(key)].into_iter().flatten();
        paths.map(|path| path.display().to_string()).collect()
    }

    async fn undo(&self, cx: &Cx<'_>, before: &MissingFiles) -> Result<(), Fault> {
        let (cert, key) = self.paths(cx);
        for path in [Some(cert), before.key.then_some(key)].into_iter().flatten() {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(local_fault(&path, "remove", &error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
