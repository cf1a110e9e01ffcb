//! The lock that lets only one process at a time renew a grant.
//!
//! The lock is an advisory `flock` on a separate file for each grant. The kernel releases it when a
//! process is killed, and no database transaction is open during a network call. The file has its final
//! size from the start. If the disk is full when a renewed token has to be saved, the token still fits
//! into the file, encrypted, and the next process that takes the lock finds it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex;
use crate::state::StateError;
use crate::state::folder::private_files as private;

/// What the file holds at most; a sealed token takes a few hundred bytes.
const SIZE: usize = 4_096;
/// In front of a kept token: these bytes and its length.
const MARK: &[u8; 4] = b"CDkt";
const HEAD: usize = 8;

/// The lock of one grant, held until it is dropped.
#[derive(Debug)]
pub struct GrantLock {
    file: File,
    path: PathBuf,
}

impl GrantLock {
    /// Takes the lock if it is free.
    pub(super) fn try_acquire(folder: &Path, client_id: &str, user: &str) -> Result<Option<GrantLock>, StateError> {
        let path = folder.join(file_name(client_id, user));
        private::ensure_file(&path)?;
        let open = OpenOptions::new().read(true).write(true).open(&path);
        let file = open.map_err(StateError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(GrantLock { file, path })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(StateError::io("lock", &path)(error)),
        }
    }

    /// Makes sure that the file has room for a token on disk. Call it before requesting one.
    pub(super) fn reserve(&self) -> Result<(), StateError> {
        let length = self.file.metadata().map_err(StateError::io("inspect", &self.path))?.len();
        if length >= SIZE as u64 {
            return Ok(());
        }
        self.file.write_all_at(&[0; SIZE], 0).and_then(|()| self.file.sync_all()).map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull => StateError::Full { path: self.path.clone() },
            _ => StateError::io("write", &self.path)(error),
        })
    }

    /// Keeps a sealed token for the next process that takes the lock. Returns where.
    pub(super) fn save_token(&self, sealed: &[u8]) -> Option<&Path> {
        let length = u32::try_from(sealed.len()).ok()?;
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(sealed);
        if bytes.len() > SIZE {
            return None;
        }
        self.file.write_all_at(&bytes, 0).and_then(|()| self.file.sync_data()).ok()?;
        Some(&self.path)
    }

    /// What a process before us kept.
    pub(super) fn saved_token(&self) -> Result<Option<Vec<u8>>, StateError> {
        let mut bytes = vec![0; SIZE];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(StateError::io("read", &self.path)(error)),
        }
        let Some((&[a, b, c, d], rest)) = bytes.strip_prefix(MARK).and_then(|it| it.split_first_chunk()) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        Ok(rest.get(..length).map(<[u8]>::to_vec))
    }

    /// Wipes the saved token.
    pub(super) fn wipe(&self) -> Result<(), StateError> {
        if self.saved_token()?.is_none() {
            return Ok(());
        }
        self.file
            .write_all_at(&[0; SIZE], 0)
            .and_then(|()| self.file.sync_data())
            .map_err(StateError::io("write", &self.path))
    }
}

/// A file name that reveals no user, because file names appear in the listing of a backup.
fn file_name(client_id: &str, user: &str) -> String {
    let hash = Sha256::new().chain_update(client_id).chain_update([0]).chain_update(user).finalize();
    let name = hex::prefix(&hash, HEAD);
    format!("grant-{name}.lock")
}
