//! The folder that files are published in. It never follows a link, writes only complete files and sets their modes.
//!
//! Everything below the CSV folder is opened part by part, relative to its parent and without following
//! symbolic links, so a link that is created between two steps is not followed either. (openat2
//! would do it in one call, but only on newer Linux.) The CSV folder itself may be a link: it is the
//! operator's choice.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::ExportError;
use super::hash;
use crate::input_file;
use crate::store::{AccessTarget, FileAccess};

mod leftovers;

pub(super) use leftovers::{AbandonedJournal, is_journal};
use leftovers::{JOURNAL, TEMPORARY};

/// A process holds the lock of a folder for milliseconds, so a longer wait means that it hangs.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// An open folder below the CSV folder.
pub(super) struct OutputFolder {
    fd: OwnedFd,
    path: PathBuf,
    access: FileAccess,
}

/// The current size and name of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub bytes: u64,
}

impl OutputFolder {
    /// Opens the CSV folder and creates it if it is missing.
    pub(super) fn root(path: &Path, access: FileAccess) -> Result<OutputFolder, ExportError> {
        let at = |source| ExportError::Write { path: path.to_owned(), written: 0, source };
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(access.folder_mode()).create(path).map_err(at)?;
            access.apply_to_folder(&File::open(path).map_err(at)?).map_err(at)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| at(e.into()))?);
        access.reapply(&folder).map_err(at)?;
        Ok(OutputFolder { fd: folder.into(), path: path.to_owned(), access })
    }

    /// Locks this folder until it is dropped. Waits for a process that has locked it, but not for ever.
    pub(super) fn lock(&self) -> Result<(), ExportError> {
        let began = Instant::now();
        loop {
            match rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < LOCK_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(Errno::WOULDBLOCK) => return Err(ExportError::Locked { path: self.path.clone() }),
                // Some file systems have no locks. Two processes at the same moment are rare.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }

    /// Opens a folder in this one and creates it if it is missing.
    pub(super) fn enter(&self, name: &str) -> Result<OutputFolder, ExportError> {
        let path = self.path.join(name);
        let open = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&self.fd, name, flags, Mode::empty())
        };
        let folder = match open() {
            Err(Errno::NOENT) => {
                let mode = Mode::from_raw_mode(self.access.folder_mode());
                match rustix::fs::mkdirat(&self.fd, name, mode) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(self.failed(name, 0, error.into())),
                }
                let fd = open().map_err(|e| self.failed(name, 0, e.into()))?;
                let folder = File::from(fd);
                self.access.apply_to_folder(&folder).map_err(|e| self.failed(name, 0, e))?;
                self.sync()?;
                folder
            }
            Err(Errno::LOOP | Errno::NOTDIR) if self.kind(name) == Some(FileType::Symlink) => {
                return Err(ExportError::Link { path });
            }
            other => File::from(other.map_err(|e| self.failed(name, 0, e.into()))?),
        };
        self.access_inside().reapply(&folder).map_err(|e| self.failed(name, 0, e))?;
        Ok(OutputFolder { fd: folder.into(), path, access: self.access })
    }

    /// The file with this name. An error if it is not a file.
    pub(super) fn find(&self, name: &str) -> Result<Option<FoundFile>, ExportError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed(name, 0, error.into())),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Ok(Some(FoundFile { bytes: u64::try_from(stat.st_size).unwrap_or(0) })),
                FileType::Symlink => Err(ExportError::Link { path: self.path.join(name) }),
                _ => Err(ExportError::NotAFile { path: self.path.join(name) }),
            },
        }
    }

    /// Whether there is certainly no file with this path, without following links.
    pub(super) fn is_missing(&self, path: &str) -> bool {
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        match (rustix::fs::statat(&self.fd, first, AtFlags::SYMLINK_NOFOLLOW), rest) {
            (Err(error), _) => error == Errno::NOENT,
            (Ok(_), None) => false,
            (Ok(stat), Some(rest)) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.enter(first).is_ok_and(|folder| folder.is_missing(rest)),
                // A program that follows the link sees another folder.
                kind => kind != FileType::Symlink,
            },
        }
    }

    /// Whether there is a file with this path and size, without a link in the path.
    pub(super) fn has(&self, path: &str, bytes: Option<u64>) -> bool {
        let Some((first, rest)) = path.split_once('/') else {
            return matches!(self.find(path), Ok(Some(found)) if Some(found.bytes) == bytes);
        };
        self.has_folder(first) && self.enter(first).is_ok_and(|folder| folder.has(rest, bytes))
    }

    /// Opens a folder in this one as it is; `None` if there is none, or only a link.
    pub(super) fn open_folder(&self, name: &str) -> Option<OutputFolder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty()).ok()?;
        Some(OutputFolder { fd, path: self.path.join(name), access: self.access })
    }

    /// Opens a folder in this one that must exist.
    pub(super) fn existing_folder(&self, name: &str) -> Result<OutputFolder, ExportError> {
        match (self.open_folder(name), self.kind(name)) {
            (Some(folder), _) => Ok(folder),
            (None, Some(FileType::Symlink)) => Err(ExportError::Link { path: self.path.join(name) }),
            (None, _) => Err(ExportError::NotAFile { path: self.path.join(name) }),
        }
    }

    /// The path of a file in this folder, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is a folder with this name that is not a link.
    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.kind(name) == Some(FileType::Directory)
    }

    /// Deletes a file, or a link itself.
    pub(super) fn delete(&self, name: &str) -> Result<(), ExportError> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()).map_err(|e| self.failed(name, 0, e.into()))?;
        self.sync()
    }

    /// Deletes a folder if it is empty.
    pub(super) fn delete_if_empty(&self, name: &str) {
        // The system refuses to delete a folder that is not empty.
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
    }

    /// The contents of a small file, if it exists.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ExportError> {
        let Some(mut file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| self.failed(name, 0, e))?;
        Ok(Some(bytes))
    }

    /// The SHA-256 of a file in hex, if it exists.
    pub(super) fn sha256(&self, name: &str) -> Result<Option<String>, ExportError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let (_, sha256) = hash::sha256_of(file).map_err(|e| self.failed(name, 0, e))?;
        Ok(Some(sha256))
    }

    /// The SHA-256 of the file with this path, without following links; `None` if it cannot be read.
    pub(super) fn sha256_below(&self, path: &str) -> Option<String> {
        match path.split_once('/') {
            None => self.sha256(path).ok()?,
            Some((first, rest)) => self.open_folder(first)?.sha256_below(rest),
        }
    }

    /// Opens the file with this path, without following links; `None` if it cannot be read.
    pub(super) fn open_below(&self, path: &str) -> Option<File> {
        match path.split_once('/') {
            None => self.open(path).ok()?,
            Some((first, rest)) => self.open_folder(first)?.open_below(rest),
        }
    }

    /// The first bytes of the file with this path, without following links; `None` if it cannot be read.
    pub(super) fn read_start(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let mut start = Vec::new();
        self.open_below(path)?.take(most).read_to_end(&mut start).ok()?;
        Some(start)
    }

    /// Starts a new file that is not published yet.
    pub(super) fn draft(&self, name: &str) -> Result<DraftFile<'_>, ExportError> {
        self.start_draft(name, TEMPORARY.1)
    }

    /// Starts the journal of an export that is about to publish this file.
    pub(super) fn journal(&self, name: &str) -> Result<DraftFile<'_>, ExportError> {
        self.start_draft(name, JOURNAL)
    }

    fn start_draft(&self, name: &str, suffix: &str) -> Result<DraftFile<'_>, ExportError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let failed = |e: io::Error| self.failed(name, 0, e);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let temporary = format!("{}{}-{count}{}", TEMPORARY.0, std::process::id(), suffix);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(&self.fd, &temporary, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => continue,
                other => File::from(other.map_err(|e| failed(e.into()))?),
            };
            rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
            // Another process may have removed the file before it was locked.
            if file.metadata().map_err(failed)?.nlink() > 0 {
                let draft =
                    DraftFile { folder: self, name: name.to_owned(), temporary, file, hash: Sha256::new(), bytes: 0 };
                self.access.apply(&draft.file).map_err(failed)?;
                return Ok(draft);
            }
        }
    }

    /// Applies the current access rights to a file that is not rewritten.
    pub(super) fn admit(&self, name: &str) -> Result<(), ExportError> {
        match self.open(name)? {
            Some(file) => self.access.reapply(&file).map_err(|e| self.failed(name, 0, e)),
            None => Ok(()),
        }
    }

    /// Access rights for folders inside the CSV folder, which contain only CSV files.
    fn access_inside(&self) -> FileAccess {
        match self.access.applies_to {
            AccessTarget::Files => FileAccess { applies_to: AccessTarget::Folders, ..self.access },
            _ => self.access,
        }
    }

    /// Opens a file for reading, if it exists. A link is an error.
    pub(super) fn open(&self, name: &str) -> Result<Option<File>, ExportError> {
        if self.find(name)?.is_none() {
            return Ok(None);
        }
        let opened = input_file::open_in(&self.fd, OsStr::new(name));
        Ok(Some(opened.map_err(|e| self.failed(name, 0, e.into_io()))?))
    }

    fn kind(&self, name: &str) -> Option<FileType> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Syncs the entries of this folder to disk.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        let here = |e: Errno| ExportError::Write { path: self.path.clone(), written: 0, source: e.into() };
        rustix::fs::fsync(&self.fd).map_err(here)
    }

    fn failed(&self, name: &str, written: u64, source: io::Error) -> ExportError {
        ExportError::Write { path: self.path.join(name), written, source }
    }
}

/// A file that is being written. It is deleted if it is dropped before it is published.
pub(super) struct DraftFile<'a> {
    folder: &'a OutputFolder,
    name: String,
    temporary: String,
    file: File,
    hash: Sha256,
    bytes: u64,
}

/// Size and hash of the contents of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenFile {
    pub bytes: u64,
    pub sha256: String,
}

impl DraftFile<'_> {
    /// The error for a failure while writing this file.
    pub(super) fn failed(&self, source: io::Error) -> ExportError {
        self.folder.failed(&self.name, self.bytes, source)
    }

    /// Size and hash of the contents so far.
    pub(super) fn written(&self) -> WrittenFile {
        WrittenFile { bytes: self.bytes, sha256: hash::hex(&self.hash.clone().finalize()) }
    }

    /// Syncs the contents so far to disk.
    pub(super) fn sync(&self) -> Result<(), ExportError> {
        self.file.sync_data().map_err(|e| self.failed(e))
    }

    /// Keeps the file under its temporary name.
    pub(super) fn keep_temporary(mut self) {
        self.temporary.clear();
    }

    /// Replaces the published file unless it has the same bytes. Returns whether it was replaced.
    pub(super) fn publish(self) -> Result<bool, ExportError> {
        self.publish_with(|| Ok(()))
    }

    /// Like [`DraftFile::publish`]. Calls `note` just before the file is renamed.
    pub(super) fn publish_with(mut self, note: impl FnOnce() -> Result<(), ExportError>) -> Result<bool, ExportError> {
        let written = self.written();
        let old = self.folder.find(&self.name)?;
        if old.is_some_and(|old| old.bytes == written.bytes)
            && self.folder.sha256(&self.name)?.as_deref() == Some(written.sha256.as_str())
        {
            self.folder.admit(&self.name)?;
            return Ok(false);
        }
        // A failed fsync is never retried: the page cache may report success for lost data.
        self.file.sync_all().map_err(|e| self.failed(e))?;
        note()?;
        let fd = &self.folder.fd;
        rustix::fs::renameat(fd, &self.temporary, fd, &self.name).map_err(|e| self.failed(e.into()))?;
        self.temporary.clear();
        self.folder.sync()?;
        Ok(true)
    }
}

impl Write for DraftFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for DraftFile<'_> {
    fn drop(&mut self) {
        if !self.temporary.is_empty() {
            // If the file cannot be removed now, the next export removes it.
            let _ = rustix::fs::unlinkat(&self.folder.fd, &self.temporary, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
