//! The folders in which restored files wait for their move.
//!
//! Each is below the folder that its files move into, closed to other users, and contains the id of its restore. So a
//! list of moves reaches only places that the same restore has prepared, whoever wrote the list. These folders are opened
//! without following a link, and all later steps are relative to the open folder.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::input_file::{self, InputFileError};
use crate::store::canonical_path;

/// The name of such a folder.
pub(super) const WAITING: &str = ".cratedigger-restore";

/// The list of moves. If it exists, the restore is finished in any case.
pub(super) const LIST: &str = "moves.json";

/// The file with the id of the restore and, in a second line, its project.
const OWNER: &str = "restore";
const MAX_OWNER_BYTES: u64 = 16 * 1024;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// An open folder in which files wait.
#[derive(Debug)]
pub(super) struct WaitingFolder {
    path: PathBuf,
    /// The folder that the files move into.
    parent: File,
    folder: File,
}

/// Another process restores into the same folder.
#[derive(Debug, thiserror::Error)]
#[error("another restore is in progress")]
pub(super) struct RestoreRunning;

impl WaitingFolder {
    /// Opens the folder below `parent`, if there is one.
    ///
    /// # Errors
    /// If it is a link, belongs to another user, or is open to others.
    pub(super) fn open(parent: &Path) -> anyhow::Result<Option<WaitingFolder>> {
        let path = parent.join(WAITING);
        // A parent that cannot be read has errors of its own.
        let Ok(found) = path.symlink_metadata() else { return Ok(None) };
        if !found.is_dir() {
            bail!("{} is not a folder", path.display());
        }
        check_private(&path, &found)?;
        let failed = || format!("failed to open {}", path.display());
        let parent = File::open(parent).with_context(failed)?;
        let folder = rustix::fs::openat(&parent, WAITING, FOLDER, Mode::empty());
        let folder = File::from(folder.map_err(io::Error::from).with_context(failed)?);
        check_private(&path, &folder.metadata().with_context(failed)?)?;
        Ok(Some(WaitingFolder { path, parent, folder }))
    }

    /// Creates the folder for a restore, or takes over one that a killed restore has left, and locks it.
    ///
    /// # Errors
    /// As [`WaitingFolder::open`], if it cannot be created, or if another restore needs it.
    pub(super) fn create(parent: &Path, id: &str, project: &Path) -> anyhow::Result<WaitingFolder> {
        let path = parent.join(WAITING);
        let failed = || format!("failed to write {}", path.display());
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e).with_context(failed),
            _ => {}
        }
        let Some(waiting) = WaitingFolder::open(parent)? else { bail!("{} has disappeared", path.display()) };
        if !waiting.try_lock() {
            return Err(RestoreRunning.into());
        }
        if let Some(of) = waiting.other_project(project)? {
            bail!("a restore of {} was interrupted and needs {}", of.display(), path.display());
        }
        clear(&waiting.folder).with_context(failed)?;
        let project = std::path::absolute(project).with_context(failed)?;
        let text = [id.as_bytes(), b"\n", project.as_os_str().as_bytes()].concat();
        if let Err(e) = waiting.write(OWNER, &text) {
            drop(waiting.remove());
            return Err(e).with_context(failed);
        }
        Ok(waiting)
    }

    /// Takes the lock of a restore. Returns false if another process has it.
    pub(super) fn try_lock(&self) -> bool {
        rustix::fs::flock(&self.folder, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// The other project that needs the folder, because its restore was interrupted.
    pub(super) fn other_project(&self, project: &Path) -> anyhow::Result<Option<PathBuf>> {
        let of = self.owner()?.map(|(_, of)| of);
        let needs = |of: &PathBuf| {
            canonical_path(of) != canonical_path(project) && of.join(WAITING).join(LIST).symlink_metadata().is_ok()
        };
        Ok(of.filter(needs))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the folder below `parent`.
    pub(super) fn is_in(&self, parent: &Path) -> bool {
        let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        self.parent.metadata().is_ok_and(|mine| std::fs::metadata(parent).is_ok_and(|other| same(&mine, &other)))
    }

    /// Whether the folder belongs to the restore with this id.
    pub(super) fn belongs_to(&self, id: &str) -> anyhow::Result<bool> {
        Ok(self.owner()?.is_some_and(|(owner, _)| owner == id))
    }

    /// Whether another folder belongs to the same restore, or the restore was killed before its id was written there.
    pub(super) fn prepared(&self, other: &WaitingFolder) -> bool {
        let id = |folder: &WaitingFolder| folder.owner().map(|owner| owner.map(|(id, _)| id));
        match (id(self), id(other)) {
            (Ok(Some(mine)), Ok(other)) => other.is_none_or(|other| other == mine),
            _ => false,
        }
    }

    /// The id of the restore and its project.
    fn owner(&self) -> anyhow::Result<Option<(String, PathBuf)>> {
        let Some(file) = self.file(OWNER)? else { return Ok(None) };
        let bytes = input_file::read_limited(&file, MAX_OWNER_BYTES).map_err(InputFileError::into_io)?;
        let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
        let id = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        Ok(Some((id, PathBuf::from(OsStr::from_bytes(lines.next().unwrap_or_default())))))
    }

    /// Opens a file in the folder, if it exists.
    ///
    /// # Errors
    /// If it is not a regular file, belongs to another user, or is open to others.
    pub(super) fn file(&self, name: &str) -> anyhow::Result<Option<File>> {
        let path = self.path.join(name);
        let file = match input_file::open_in(&self.folder, OsStr::new(name)) {
            Ok(file) => file,
            Err(e) if e.is_missing() => return Ok(None),
            Err(e) => bail!("{} {e}", path.display()),
        };
        check_private(&path, &file.metadata()?)?;
        Ok(Some(file))
    }

    /// Whether an open file still has this name.
    pub(super) fn still_has(&self, name: &str, file: &File) -> bool {
        let here = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let mine = rustix::fs::fstat(file);
        here.is_ok_and(|here| mine.is_ok_and(|mine| (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Writes a file that is there with all of its bytes, on disk, or not at all.
    pub(super) fn write(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let draft = format!("{name}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.folder, &draft, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(text)?;
        file.sync_all()?;
        rustix::fs::renameat(&self.folder, &draft, &self.folder, name)?;
        self.folder.sync_all()
    }

    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())?;
        self.folder.sync_all()
    }

    /// Moves something that waits in the inner folder `inside` to its place, and replaces a file or folder there. Can
    /// be repeated.
    pub(super) fn put(&self, inside: &str, name: &OsStr, target: &OsStr) -> io::Result<()> {
        let Some(inside) = self.inner(inside)? else { return Ok(()) };
        if rustix::fs::statat(&inside, name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Ok(());
        }
        let here = rustix::fs::statat(&self.parent, target, AtFlags::SYMLINK_NOFOLLOW);
        if here.is_ok_and(|here| FileType::from_raw_mode(here.st_mode) == FileType::Directory) {
            let mut old = name.to_owned();
            old.push(".old");
            remove(&inside, &old)?;
            rustix::fs::renameat(&self.parent, target, &inside, &old)?;
        }
        rustix::fs::renameat(&inside, name, &self.parent, target)?;
        self.parent.sync_all()
    }

    /// Whether something waits in an inner folder.
    pub(super) fn waits(&self, inside: &str, name: &OsStr) -> bool {
        let inside = self.inner(inside).ok().flatten();
        inside.is_some_and(|inside| rustix::fs::statat(&inside, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
    }

    /// Opens a folder in this one, if it exists. A link is an error.
    fn inner(&self, name: &str) -> io::Result<Option<File>> {
        match rustix::fs::openat(&self.folder, name, FOLDER, Mode::empty()) {
            Ok(folder) => Ok(Some(File::from(folder))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Deletes something next to the folder.
    pub(super) fn remove_beside(&self, name: &OsStr) -> io::Result<()> {
        remove(&self.parent, name)
    }

    /// Deletes the folder.
    pub(super) fn remove(&self) -> io::Result<()> {
        clear(&self.folder)?;
        Ok(rustix::fs::unlinkat(&self.parent, WAITING, AtFlags::REMOVEDIR)?)
    }
}

/// Refuses what another user owns or could have changed.
fn check_private(path: &Path, found: &Metadata) -> anyhow::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        bail!("{} belongs to the user {}, and this process runs as {me}", path.display(), found.uid());
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        bail!("{} is open to other users (mode {mode:04o})", path.display());
    }
    Ok(())
}

/// Deletes a file, a link, or a folder with its contents. Links are not followed.
fn remove(folder: &File, name: &OsStr) -> io::Result<()> {
    let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?);
    }
    clear(&File::from(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?))?;
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

/// Deletes everything in a folder.
fn clear(folder: &File) -> io::Result<()> {
    let entries: Vec<_> = Dir::read_from(folder)?.collect::<Result<_, _>>()?;
    for entry in entries {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            remove(folder, name)?;
        }
    }
    Ok(())
}
