//! What killed exports leave in the output folder: temporary files and journals.

use std::fs::File;
use std::io::Read;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::super::error::ExportError;
use super::super::journal::MAX_JOURNAL_BYTES;
use super::super::name::check_name;
use super::OutputFolder;

/// The beginning and the end of the name of a temporary file.
pub(super) const TEMPORARY: (&str, &str) = (".cratedigger-", ".tmp");

/// The suffix of the journal of an export, which must survive the sweep of temporary files.
pub(super) const JOURNAL: &str = ".journal";

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// Whether a file with this name is the journal of an export.
pub(in crate::export) fn is_journal(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(JOURNAL)
}

/// The journal of a killed process. It is locked, so that no other export takes it over.
pub(in crate::export) struct AbandonedJournal {
    name: String,
    pub bytes: Vec<u8>,
    _lock: File,
}

impl OutputFolder {
    /// Removes the temporary files of killed processes, which no process has locked.
    pub(in crate::export) fn sweep(&self) -> Result<(), ExportError> {
        for name in self.names()?.iter().filter(|name| is_temporary(name)) {
            if let Some(_lock) = self.lock_abandoned(name) {
                tracing::info!(path = %self.path.join(name).display(), "removed a temporary file of an interrupted export");
                rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()).map_err(|e| self.failed(name, 0, e.into()))?;
            }
        }
        Ok(())
    }

    /// Like [`OutputFolder::sweep`], also in the folders below, to this depth. A dated name may have left its temporary
    /// file in the folder of another day.
    pub(in crate::export) fn sweep_below(&self, depth: usize) -> Result<(), ExportError> {
        self.sweep()?;
        if depth == 0 {
            return Ok(());
        }
        let names = self.names()?;
        let folders = names.iter().filter(|name| check_name(name).is_ok()).filter_map(|name| self.open_folder(name));
        // Some of the folders may belong to other people and be closed to this user.
        folders.for_each(|folder| drop(folder.sweep_below(depth - 1)));
        Ok(())
    }

    /// The journals of killed processes.
    pub(in crate::export) fn abandoned_journals(&self) -> Result<Vec<AbandonedJournal>, ExportError> {
        let names = self.names()?.into_iter().filter(|name| is_journal(name));
        let mut journals = Vec::new();
        for name in names {
            let Some(lock) = self.lock_abandoned(&name) else { continue };
            let mut bytes = Vec::new();
            (&lock).take(MAX_JOURNAL_BYTES).read_to_end(&mut bytes).map_err(|e| self.failed(&name, 0, e))?;
            journals.push(AbandonedJournal { name, bytes, _lock: lock });
        }
        Ok(journals)
    }

    /// Deletes the journal of a killed process.
    pub(in crate::export) fn delete_journal(&self, journal: &AbandonedJournal) -> Result<(), ExportError> {
        tracing::info!(path = %self.path.join(&journal.name).display(), "removed the journal of an interrupted export");
        self.delete(&journal.name)
    }

    /// Opens and locks a file of a process that no longer runs; `None` if a process has locked it.
    fn lock_abandoned(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::openat(&self.fd, name, flags, Mode::empty()).ok()?);
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        file.metadata().is_ok_and(|found| found.is_file()).then_some(file)
    }

    /// The names in this folder that are text.
    pub(in crate::export) fn names(&self) -> Result<Vec<String>, ExportError> {
        let here = |e: Errno| ExportError::Write { path: self.path.clone(), written: 0, source: e.into() };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(here)? {
            names.extend(entry.map_err(here)?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }
}
