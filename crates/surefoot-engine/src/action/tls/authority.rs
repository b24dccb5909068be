//! The files of an authority on the controller.

use super::reading::Certificate;
use crate::action::files::local_fault;
use crate::bounded;
use crate::model::Fault;
use rcgen::KeyPair;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A certificate and its key, which fit together.
pub struct Authority {
    pub pem: String,
    pub certificate: Certificate,
    pub key: KeyPair,
}

impl Authority {
    /// From its two files.
    pub fn read(cert: &Path, key: &Path) -> Result<Authority, Fault> {
        let missing = |path: &Path| Fault::missing(format!("there is no {} on the controller", path.display()));
        let pem = text(cert)?.ok_or_else(|| missing(cert))?;
        let key_pem = text(key)?.ok_or_else(|| missing(key))?;
        Authority::of(cert, pem, key, &key_pem)
    }

    pub fn of(cert: &Path, pem: String, key: &Path, key_pem: &str) -> Result<Authority, Fault> {
        let named =
            |path: &Path, fault: Fault| Fault { message: format!("{}: {}", path.display(), fault.message), ..fault };
        let certificate = Certificate::parse(&pem).map_err(|fault| named(cert, fault))?;
        let pair = parse_key(key_pem).map_err(|fault| named(key, fault))?;
        if !certificate.is_ca {
            return Err(Fault::refused(format!("{} is not the certificate of an authority", cert.display())));
        }
        if certificate.public_key != pair.public_key_raw() {
            return Err(Fault::refused(format!("{} is not the key of {}", key.display(), cert.display())));
        }
        Ok(Authority { pem, certificate, key: pair })
    }
}

pub fn parse_key(pem: &str) -> Result<KeyPair, Fault> {
    KeyPair::from_pem(pem).map_err(|error| Fault::value("it is no private key in PEM").detail(error.to_string()))
}

/// No certificate or key is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// A file of the controller; none where it is not there.
pub fn text(path: &Path) -> Result<Option<String>, Fault> {
    match bounded::read_text(path, LARGEST) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(local_fault(path, "read", &error)),
    }
}

/// Makes a new file, whole or not at all; folders on the way are made. Never over another.
pub fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Fault> {
    let failed = |error: &std::io::Error| local_fault(path, "write", error);
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).map_err(|error| local_fault(folder, "make", &error))?;
    let mut file = tempfile::Builder::new().prefix(".surefoot-").tempfile_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    let permissions = std::fs::Permissions::from_mode(mode);
    file.as_file().set_permissions(permissions).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    file.persist_noclobber(path).map_err(|error| failed(&error.error))?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| local_fault(folder, "sync", &error))
}
