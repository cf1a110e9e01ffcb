//! The ids and names that a purge searches for. Once the rows are deleted, the store no longer knows them, and the command
//! that finishes a purge which was killed or held up has to search the files again.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::cli::app::App;
use crate::store::{PurgedUser, canonical_path};

/// A file in the state folder that only its owner can read. It is deleted when the purge is finished.
pub(super) struct UnfinishedWords(PathBuf);

impl UnfinishedWords {
    pub(super) fn of(app: &App<'_>) -> UnfinishedWords {
        // Several stores may share a state folder.
        let store = Sha256::digest(canonical_path(&app.database_path()).as_os_str().as_encoded_bytes());
        let tag: String = store.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        UnfinishedWords(app.state.path().join(format!("purge-{tag}.json")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The words of an earlier purge that was not finished.
    pub(super) fn read(&self) -> Option<PurgedUser> {
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    pub(super) fn write(&self, user: &PurgedUser) -> io::Result<()> {
        // Temporary files can be read by their owner only.
        let mut new = NamedTempFile::new_in(self.0.parent().unwrap_or(Path::new(".")))?;
        new.write_all(&serde_json::to_vec(user)?)?;
        new.as_file().sync_all()?;
        new.persist(&self.0).map(drop).map_err(|e| e.error)
    }

    pub(super) fn delete(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}
