//! Fingerprints of secrets: whether a run has the same ones again is told without keeping them.
//!
//! A short secret could be guessed from a plain hash. The key therefore never lies with a run's record: who has the record
//! alone can guess nothing.

use super::value::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const BYTES: usize = 32;

/// What fingerprints are made with: 256 random bits in a file of mode 0600.
pub struct FingerprintKey([u8; BYTES]);

impl FingerprintKey {
    /// The key in a file; none where there is no file.
    pub fn read(path: &Path) -> io::Result<Option<FingerprintKey>> {
        let mut key = [0; BYTES];
        match File::open(path).and_then(|mut file| file.read_exact(&mut key)) {
            Ok(()) => Ok(Some(FingerprintKey(key))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The key in a file, or a new one that is put there. Of two processes that make one, both get the same.
    pub fn read_or_make(path: &Path) -> io::Result<FingerprintKey> {
        if let Some(key) = FingerprintKey::read(path)? {
            return Ok(key);
        }
        let mut key = [0; BYTES];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(&key)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => fs::File::open(folder)?.sync_all().map(|()| FingerprintKey(key)),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => FingerprintKey::read_or_make(path),
            Err(error) => Err(error.error),
        }
    }

    /// Of a secret in its place: the same secret has another one in another run, or under another name.
    pub fn fingerprint(&self, run: &str, name: &str, secret: &Secret) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        for part in [run, name, secret.reveal()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_one_secret_in_one_place_under_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| FingerprintKey::read_or_make(&folder.path().join(name)).unwrap();
        let of = |key: &FingerprintKey, run, name, text: &str| key.fingerprint(run, name, &Secret::new(text));
        let first = of(&key("a"), "r", "p", "1234");
        assert_eq!(first, of(&key("a"), "r", "p", "1234"));
        let others =
            [of(&key("a"), "r", "p", "1235"), of(&key("a"), "s", "p", "1234"), of(&key("a"), "r", "q", "1234")];
        assert!(others.iter().all(|other| *other != first) && of(&key("b"), "r", "p", "1234") != first);
        assert_eq!(folder.path().join("a").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
