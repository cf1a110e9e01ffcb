//! A lake in a folder of this machine. Only one push at a time writes to it.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::FlockOperation;

use super::files::LakeFile;
use super::manifest::table_and_epoch;
use crate::push::PushError;
use crate::store::{FEED_TABLES, FileAccess};

const LOCK: &str = ".cratedigger.lock";

/// The beginning of the names of files that are being written.
pub(super) const DRAFT: &str = ".push-";

#[derive(Debug)]
pub(super) struct LakeFolder {
    target: String,
    root: PathBuf,
    access: FileAccess,
    /// Held until the push ends.
    _lock: Option<File>,
}

impl LakeFolder {
    /// Opens a folder for reading.
    pub(super) fn to_read(target: &str, root: &Path) -> LakeFolder {
        let access = FileAccess::from_mode(0o600);
        LakeFolder { target: target.to_owned(), root: root.to_owned(), access, _lock: None }
    }

    /// Opens or creates a folder, and keeps other pushes out. `levels` of it may be missing: more than that is a disk that is
    /// not mounted, or a mistake.
    pub(super) fn to_write(
        target: &str,
        root: &Path,
        levels: usize,
        access: FileAccess,
    ) -> Result<LakeFolder, PushError> {
        let mut folder = LakeFolder { target: target.to_owned(), root: root.to_owned(), access, _lock: None };
        if let Some(above) =
            root.ancestors().nth(levels).filter(|above| !above.as_os_str().is_empty() && !above.exists())
        {
            return Err(PushError::Refused {
                target: target.to_owned(),
                why: format!("{} does not exist", above.display()),
                hint: Some("create that folder, or mount its disk".into()),
            });
        }
        folder.create_folder(root)?;
        let path = root.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| folder.failed(&path, &error))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(PushError::Busy { target: target.to_owned() }),
            Err(error) => return Err(folder.failed(&path, &error.into())),
        }
        folder._lock = Some(lock);
        // A killed push may have left a manifest that it had not finished.
        let names = folder.names_in("")?;
        names
            .iter()
            .filter(|name| name.starts_with(DRAFT))
            .for_each(|name| drop(std::fs::remove_file(root.join(name))));
        Ok(folder)
    }

    /// A file, unless it is longer than a limit.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Option<Bytes>, PushError> {
        let path = self.root.join(path);
        let read = || {
            let file = File::open(&path)?;
            if file.metadata()?.len() > most {
                return Err(io::Error::new(ErrorKind::FileTooLarge, "the file is too large"));
            }
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut { file }, &mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&path, &error)),
        }
    }

    /// Writes a file that does not exist. Returns false if it does.
    pub(super) fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PushError> {
        let path = self.root.join(path);
        let draft = self.write_draft(&path, bytes)?;
        match draft.persist_noclobber(&path) {
            Ok(_) => self.sync_folder_of(&path).map(|()| true),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.failed(&path, &error.error)),
        }
    }

    /// Writes a file, or replaces it at once.
    pub(super) fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), PushError> {
        let path = self.root.join(path);
        let draft = self.write_draft(&path, bytes)?;
        draft.persist(&path).map_err(|error| self.failed(&path, &error.error))?;
        self.sync_folder_of(&path)
    }

    /// The files of pushes, with those that killed pushes have left.
    pub(super) fn list(&self) -> Result<Vec<LakeFile>, PushError> {
        let mut files = Vec::new();
        for table in FEED_TABLES {
            for epoch in self.names_in(table)? {
                let folder = format!("{table}/{epoch}");
                if !epoch.starts_with("epoch=") {
                    continue;
                }
                for name in self.names_in(&folder)? {
                    let path = format!("{folder}/{name}");
                    if table_and_epoch(&path).is_some() {
                        let bytes = self.root.join(&path).metadata().map_or(0, |metadata| metadata.len());
                        files.push(LakeFile { path, bytes });
                    }
                }
            }
        }
        Ok(files)
    }

    /// Deletes files, and the folders that are empty then.
    pub(super) fn delete(&self, paths: &[String]) -> Result<(), PushError> {
        for path in paths {
            let path = self.root.join(path);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.failed(&path, &error)),
                _ => {}
            }
            if let Some(folder) = path.parent() {
                // It may have other files.
                let _ = std::fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    fn names_in(&self, folder: &str) -> Result<Vec<String>, PushError> {
        let path = self.root.join(folder);
        let entries = match std::fs::read_dir(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            entries => entries.map_err(|error| self.failed(&path, &error))?,
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<io::Result<Vec<_>>>();
        names.map_err(|error| self.failed(&path, &error))
    }

    fn write_draft(&self, path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile, PushError> {
        let folder = path.parent().unwrap_or(&self.root);
        self.create_folder(folder)?;
        let write = || {
            let mut draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
            draft.write_all(bytes)?;
            self.access.apply(draft.as_file())?;
            draft.as_file().sync_all()?;
            Ok(draft)
        };
        write().map_err(|error| self.failed(path, &error))
    }

    /// Creates a folder and those above it, with the mode of the settings.
    fn create_folder(&self, folder: &Path) -> Result<(), PushError> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
            self.create_folder(above)?;
        }
        let create = || match DirBuilder::new().mode(self.access.folder_mode()).create(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            created => created.and_then(|()| self.access.apply_to_folder(&File::open(folder)?)),
        };
        create().map_err(|error| self.failed(folder, &error))
    }

    fn sync_folder_of(&self, path: &Path) -> Result<(), PushError> {
        let folder = path.parent().unwrap_or(&self.root);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| self.failed(folder, &error))
    }

    /// What an error of the disk means.
    fn failed(&self, path: &Path, error: &io::Error) -> PushError {
        let target = self.target.clone();
        let why = format!("{}: {error}", path.display());
        match error.kind() {
            ErrorKind::PermissionDenied => PushError::Credentials {
                target,
                why,
                hint: "the user that runs cratedigger has to write in this folder".into(),
            },
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                PushError::Refused { target, why, hint: Some("something else has the name of a folder".into()) }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                PushError::Refused { target, why, hint: Some("free space, then push again".into()) }
            }
            _ => PushError::Refused { target, why, hint: None },
        }
    }
}
