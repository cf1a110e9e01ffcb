//! A lake in a folder of this machine. Only one push at a time writes to it. The folder itself may be reached through links;
//! those in it are not followed, since others may write there too.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::files::{LakeFile, LakeListing};
use super::manifest::{is_draft, random_name, table_and_epoch};
use crate::input_file::{self, InputFileError};
use crate::push::PushError;
use crate::store::{FEED_TABLES, FileAccess};

const LOCK: &str = ".cratedigger.lock";

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The beginning of the names of files that are being written.
pub(super) const DRAFT: &str = ".push-";

#[derive(Debug)]
pub(super) struct LakeFolder {
    target: String,
    root: PathBuf,
    /// The part of this store in the lake of several. It is the last part of the root.
    store: Option<String>,
    access: FileAccess,
    /// Held until the push ends.
    _lock: Option<File>,
}

impl LakeFolder {
    /// Opens a folder for reading.
    pub(super) fn to_read(target: &str, root: &Path, store: Option<&str>) -> LakeFolder {
        let (access, store) = (FileAccess::from_mode(0o600), store.map(str::to_owned));
        LakeFolder { target: target.to_owned(), root: root.to_owned(), store, access, _lock: None }
    }

    /// Opens or creates a folder, and keeps other pushes out. One level of it may be missing, and that of the store: more than
    /// that is a disk that is not mounted, or a mistake.
    pub(super) fn to_write(
        target: &str,
        root: &Path,
        store: Option<&str>,
        access: FileAccess,
    ) -> Result<LakeFolder, PushError> {
        let mut folder = LakeFolder { access, ..LakeFolder::to_read(target, root, store) };
        let levels = 1 + usize::from(store.is_some());
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
        let at = folder.open_below("").and_then(|root| root.ok_or_else(|| ErrorKind::NotFound.into()));
        let at = at.map_err(|error| folder.failed(root, &error))?;
        let lock = folder.open_lock(&at).map_err(|error| folder.failed(&path, &error))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(PushError::Busy { target: target.to_owned() }),
            Err(error) => return Err(folder.failed(&path, &error.into())),
        }
        folder._lock = Some(lock);
        // A killed push may have left an unfinished manifest.
        for name in folder.names_in("")?.iter().filter(|name| is_draft(name)) {
            let _ = rustix::fs::unlinkat(&at, name.as_str(), AtFlags::empty());
        }
        Ok(folder)
    }

    /// A file, unless it is longer than a limit.
    pub(super) fn read(&self, path: &str, most: u64) -> Result<Option<Bytes>, PushError> {
        let (folder, name) = folder_and_name(path);
        let read = || {
            let Some(folder) = self.open_below(folder)? else { return Ok(None) };
            match input_file::open_in(&folder, OsStr::new(name)) {
                Err(error) if error.is_missing() => Ok(None),
                Err(error) => Err(error.into_io()),
                Ok(file) => {
                    let bytes = input_file::read_limited(&file, most).map_err(InputFileError::into_io)?;
                    Ok(Some(Bytes::from(bytes)))
                }
            }
        };
        read().map_err(|error| self.failed(&self.root.join(path), &error))
    }

    /// Writes a file that does not exist. Returns false if it does.
    pub(super) fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PushError> {
        self.write(path, bytes, |folder, draft, name| match move_to_new(folder, draft, name) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => rustix::fs::unlinkat(folder, draft, AtFlags::empty()).map(|()| false),
            Err(error) => Err(error),
        })
    }

    /// Writes a file, or replaces it at once.
    pub(super) fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), PushError> {
        self.write(path, bytes, |folder, draft, name| rustix::fs::renameat(folder, draft, folder, name))
    }

    /// Writes a draft, which `put` then gives its name.
    fn write<T>(
        &self,
        path: &str,
        bytes: &[u8],
        put: impl FnOnce(&File, &str, &str) -> rustix::io::Result<T>,
    ) -> Result<T, PushError> {
        let (folder, name) = folder_and_name(path);
        let draft = format!("{DRAFT}{}", random_name());
        let write = || {
            let folder = self.create_below(folder)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::openat(&folder, draft.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
            let written = file.write_all(bytes).and_then(|()| self.access.apply(&file)).and_then(|()| file.sync_all());
            let put = written.and_then(|()| Ok(put(&folder, &draft, name)?));
            if put.is_err() {
                let _ = rustix::fs::unlinkat(&folder, draft.as_str(), AtFlags::empty());
            }
            folder.sync_all()?;
            put
        };
        write().map_err(|error| self.failed(&self.root.join(path), &error))
    }

    /// The files of pushes, with those that killed pushes have left, and what else is in their folders.
    pub(super) fn list(&self) -> Result<LakeListing, PushError> {
        let mut found = LakeListing::default();
        for table in FEED_TABLES {
            for epoch in self.names_to_list(table, &mut found)? {
                let folder = format!("{table}/{epoch}");
                if !epoch.starts_with("epoch=") {
                    continue;
                }
                for name in self.names_to_list(&folder, &mut found)? {
                    let path = format!("{folder}/{name}");
                    match self.root.join(&path).symlink_metadata() {
                        Ok(metadata) if metadata.is_file() && table_and_epoch(&path).is_some() => {
                            found.files.push(LakeFile { path, bytes: metadata.len() });
                        }
                        _ => found.others.push(path),
                    }
                }
            }
        }
        Ok(found)
    }

    /// The names in a folder. If it is something else, such as a link, it is named among the others.
    fn names_to_list(&self, folder: &str, found: &mut LakeListing) -> Result<Vec<String>, PushError> {
        let (above, name) = folder_and_name(folder);
        let is_other = || match self.open_below(above)?.map(|above| open_folder(&above, name)) {
            Some(Err(Errno::NOTDIR)) => Ok(true),
            _ => Ok(false),
        };
        if is_other().map_err(|error: io::Error| self.failed(&self.root.join(folder), &error))? {
            found.others.push(folder.to_owned());
            return Ok(Vec::new());
        }
        let mut names = self.names_in(folder)?;
        names.sort();
        Ok(names)
    }

    /// Deletes files, and the folders that are empty then.
    pub(super) fn delete(&self, paths: &[String]) -> Result<(), PushError> {
        for path in paths.iter().filter(|path| table_and_epoch(path).is_some()) {
            let (folder, name) = folder_and_name(path);
            let (above, folder_name) = folder_and_name(folder);
            let delete = || {
                let Some(above) = self.open_below(above)? else { return Ok(()) };
                let at = match open_folder(&above, folder_name) {
                    Err(Errno::NOENT) => return Ok(()),
                    at => at?,
                };
                match rustix::fs::unlinkat(&at, name, AtFlags::empty()) {
                    Err(Errno::NOENT) => {}
                    deleted => deleted?,
                }
                // It may have other files.
                let _ = rustix::fs::unlinkat(&above, folder_name, AtFlags::REMOVEDIR);
                Ok(())
            };
            delete().map_err(|error: io::Error| self.failed(&self.root.join(path), &error))?;
        }
        Ok(())
    }

    /// The names in a folder; none if it does not exist or is something else.
    fn names_in(&self, folder: &str) -> Result<Vec<String>, PushError> {
        let names = || {
            let folder = match self.open_below(folder) {
                Err(error) if error.kind() == ErrorKind::NotADirectory => None,
                folder => folder?,
            };
            let Some(folder) = folder else { return Ok(Vec::new()) };
            let mut names = Vec::new();
            for entry in Dir::read_from(&folder)? {
                let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_string_lossy().into_owned();
                if name != "." && name != ".." {
                    names.push(name);
                }
            }
            Ok(names)
        };
        names().map_err(|error| self.failed(&self.root.join(folder), &error))
    }

    /// Opens a folder below the root, if it exists.
    fn open_below(&self, folder: &str) -> io::Result<Option<File>> {
        let open = || {
            let mut at = self.open_root()?;
            for part in folder.split('/').filter(|part| !part.is_empty()) {
                at = open_folder(&at, part)?;
            }
            Ok(at)
        };
        match open() {
            Err(error) if io::Error::kind(&error) == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens the root, which may be reached through links. The folder of a store in it is a part of the lake.
    fn open_root(&self) -> io::Result<File> {
        let to_lake = FOLDER.difference(OFlags::NOFOLLOW);
        match self.store.as_ref().zip(self.root.parent()) {
            Some((store, above)) => {
                Ok(open_folder(&rustix::fs::open(above, to_lake, Mode::empty()).map(File::from)?, store)?)
            }
            None => Ok(rustix::fs::open(&self.root, to_lake, Mode::empty())?.into()),
        }
    }

    /// Opens the file that pushes lock, or creates it. Something else in its place must not block or be changed.
    fn open_lock(&self, root: &File) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match rustix::fs::openat(root, LOCK, flags | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {
                input_file::open_in(root, OsStr::new(LOCK)).map_err(InputFileError::into_io)?;
                let lock = File::from(rustix::fs::openat(root, LOCK, flags, Mode::empty())?);
                self.access.reapply(&lock).map(|()| lock)
            }
            lock => {
                let lock = File::from(lock?);
                self.access.apply(&lock).map(|()| lock)
            }
        }
    }

    /// The same, and creates what does not exist, with the mode of the settings.
    fn create_below(&self, folder: &str) -> io::Result<File> {
        let mut at = self.open_root()?;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let is_new = match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(self.access.folder_mode())) {
                Err(Errno::EXIST) => false,
                created => created.map(|()| true)?,
            };
            at = open_folder(&at, part)?;
            if is_new {
                self.access.apply_to_folder(&at)?;
            }
        }
        Ok(at)
    }

    /// Creates the root and the folders above it, with the mode of the settings.
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
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => PushError::Refused {
                target,
                why,
                hint: Some("something else has the name of a folder; links in a lake are not followed".into()),
            },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                PushError::Refused { target, why, hint: Some("free space, then push again".into()) }
            }
            _ => PushError::Refused { target, why, hint: None },
        }
    }
}

/// Opens a folder in another one. A link is none.
fn open_folder(at: &File, name: &str) -> rustix::io::Result<File> {
    let folder = rustix::fs::openat(at, name, FOLDER, Mode::empty()).map(File::from);
    folder.map_err(|error| if error == Errno::LOOP { Errno::NOTDIR } else { error })
}

fn folder_and_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Gives a draft a name that nothing has.
fn move_to_new(folder: &File, draft: &str, name: &str) -> rustix::io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::renameat_with(folder, draft, folder, name, rustix::fs::RenameFlags::NOREPLACE) {
        // Not every file system can do that.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        moved => return moved,
    }
    rustix::fs::linkat(folder, draft, folder, name, AtFlags::empty())?;
    rustix::fs::unlinkat(folder, draft, AtFlags::empty())
}
