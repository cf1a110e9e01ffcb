//! Encrypts secrets, so that a copy of the database alone is worthless.
//!
//! The cipher is XChaCha20-Poly1305 with a random nonce of 24 bytes for each secret. Client id, user and
//! column are authenticated as additional data, so a value that was copied from another row does not
//! decrypt. The key comes from systemd's credentials, else from the file that `CRATEDIGGER_KEY_FILE`
//! names, else from a file in the state folder. A key in the state folder protects backups and copies of
//! the database, but not against a reader of the whole folder.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key as Bytes, XChaCha20Poly1305, XNonce};
use rustix::fs::{Mode, OFlags};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::state::StateError;
use crate::state::folder::private_files as private;
use crate::state::key_origin::KeyOrigin;
use crate::{hex, random};

/// The first byte of every sealed value, so that a later format can be recognized.
const VERSION: u8 = 1;
const NONCE: usize = 24;
/// A key of fewer bytes is a password, and could be guessed.
const MIN_KEY_LEN: usize = 32;
/// No key is longer; a larger file was named by mistake.
const MAX_KEY_FILE_LEN: u64 = 4_096;

/// The key of a state folder.
pub(in crate::state) struct SealKey {
    cipher: XChaCha20Poly1305,
    origin: KeyOrigin,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(from {})", self.origin)
    }
}

/// What a seal belongs to; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(in crate::state) struct SealContext<'a> {
    pub(in crate::state) client_id: &'a str,
    pub(in crate::state) user: &'a str,
    pub(in crate::state) column: &'a str,
}

impl SealContext<'_> {
    /// Each part with its length in front, so that no two places give the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut out = b"cratedigger grant".to_vec();
        for part in [self.client_id, self.user, self.column] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

/// It does not open: another key, another place, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::state) struct UnsealError;

impl SealKey {
    /// Reads the key that the environment or the folder names. `None`: there is none yet, and it
    /// would lie in the folder.
    pub(in crate::state) fn find(
        folder: &Path,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<SealKey>, StateError> {
        match KeyOrigin::find(folder, env) {
            Ok(Some(origin)) => SealKey::read(origin).map(Some),
            Ok(None) => Ok(None),
            // A folder that cannot be read may contain the key. A new one would lock the grants to another place.
            Err((path, error)) => Err(StateError::io("read the key", &path)(error)),
        }
    }

    /// Makes a key file in the folder. The caller holds the folder's lock.
    pub(in crate::state) fn create(folder: &Path) -> Result<SealKey, StateError> {
        let path = folder.join("key");
        let hex: String = hex::prefix(&random_bytes::<32>(&path)?, 32);
        private::write_atomically(&path, |file| writeln!(file, "{hex}"))?;
        SealKey::read(KeyOrigin::Folder(path))
    }

    fn read(origin: KeyOrigin) -> Result<SealKey, StateError> {
        let path = origin.path();
        // Without these flags, opening a named pipe waits for its other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let file = fs::File::from(opened.map_err(|error| StateError::io("read the key", path)(error.into()))?);
        let found = file.metadata().map_err(StateError::io("inspect", path))?;
        if !found.is_file() {
            return Err(StateError::NotPlain { path: path.to_owned(), expected: "file" });
        }
        match origin {
            // systemd gives credentials to a service by an ACL, which shows as bits of the group.
            KeyOrigin::Credential(_) if found.mode() & 0o007 != 0 => {
                return Err(StateError::TooOpen { path: path.to_owned(), mode: found.mode() & 0o7777, wanted: 0o400 });
            }
            KeyOrigin::Credential(_) => {}
            KeyOrigin::Named(_) | KeyOrigin::Folder(_) => private::check_private(path, &found, 0o600)?,
        }
        let unfit = |why| Err(StateError::UnfitKey { origin: origin.clone(), why });
        let mut bytes = Vec::new();
        file.take(MAX_KEY_FILE_LEN + 1).read_to_end(&mut bytes).map_err(StateError::io("read the key", path))?;
        if bytes.len() as u64 > MAX_KEY_FILE_LEN {
            return unfit("is larger than 4,096 bytes, which no key is");
        }
        if bytes.len() < MIN_KEY_LEN {
            return unfit("is shorter than 32 bytes");
        }
        // An editor's last newline is no part of the key.
        let key = Sha256::new().chain_update(b"cratedigger key 1").chain_update(bytes.trim_ascii_end()).finalize();
        let key: [u8; 32] = key.into();
        Ok(SealKey { cipher: XChaCha20Poly1305::new(&Bytes::from(key)), origin })
    }

    /// Where it came from.
    pub(in crate::state) fn origin(&self) -> &KeyOrigin {
        &self.origin
    }

    /// Seals a secret for one place.
    pub(in crate::state) fn seal(&self, place: SealContext<'_>, secret: &str) -> Result<Vec<u8>, StateError> {
        let nonce = random_bytes::<NONCE>(self.origin.path())?;
        let (msg, aad) = (secret.as_bytes(), &*place.bytes());
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg, aad });
        let sealed =
            sealed.map_err(|_| StateError::UnfitKey { origin: self.origin.clone(), why: "cannot seal so much" })?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Decrypts a value that was encrypted for this place.
    pub(in crate::state) fn open(&self, place: SealContext<'_>, sealed: &[u8]) -> Result<SecretString, UnsealError> {
        let (version, rest) = sealed.split_first().ok_or(UnsealError)?;
        let (nonce, msg) = rest.split_first_chunk::<NONCE>().ok_or(UnsealError)?;
        if *version != VERSION {
            return Err(UnsealError);
        }
        let aad = &*place.bytes();
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad }).map_err(|_| UnsealError)?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| UnsealError)
    }
}

/// Random bytes; `path` is the file that they are for.
fn random_bytes<const N: usize>(path: &Path) -> Result<[u8; N], StateError> {
    random::random_bytes().map_err(StateError::io("draw random bytes for", path))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn key() -> SealKey {
        let folder = tempfile::TempDir::new().unwrap();
        SealKey::create(folder.path()).unwrap()
    }

    #[test]
    fn a_seal_opens_in_its_own_place_only() {
        let key = key();
        let place = SealContext { client_id: "app", user: "home", column: "refresh_token" };
        let sealed = key.seal(place, "secret").unwrap();
        assert_eq!(key.open(place, &sealed).unwrap().expose_secret(), "secret");
        for other in [
            SealContext { user: "studio", ..place },
            SealContext { client_id: "other", ..place },
            SealContext { column: "access_token", ..place },
            SealContext { client_id: "apph", user: "ome", ..place },
        ] {
            assert_eq!(key.open(other, &sealed).unwrap_err(), UnsealError);
        }
    }

    #[test]
    fn changed_or_truncated_value_is_refused() {
        let key = key();
        let place = SealContext { client_id: "app", user: "home", column: "refresh_token" };
        let sealed = key.seal(place, "secret").unwrap();
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(key.open(place, &other).is_err(), "byte {at}");
            assert!(key.open(place, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn two_seals_of_one_secret_differ() {
        let key = key();
        let place = SealContext { client_id: "app", user: "home", column: "refresh_token" };
        assert_ne!(key.seal(place, "secret").unwrap(), key.seal(place, "secret").unwrap());
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = key();
        let text = format!("{key:?}");
        let file = fs::read_to_string(key.origin().path());
        assert!(text.starts_with("Key(from "), "{text}");
        assert!(file.is_err_and(|it| it.kind() == std::io::ErrorKind::NotFound));
    }
}
