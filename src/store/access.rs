//! Mode and group of the store, the CSV files and their folders.
//!
//! SQLite creates its `-wal` and `-shm` files as it likes, and existing files may come from other settings. So
//! access is set when a file is created and checked again each time it is opened. Files of another user are
//! left alone. Without an access setting, existing files are left alone too: their mode may have been narrowed
//! by hand. Only the right of every user to write is taken from files in any case.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::Gid;

/// Mode and group to give to files and folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAccess {
    /// Mode of files. Folders get `x` where files get `r`.
    pub mode: u32,
    /// Group of files and folders, if it is not the group of the process.
    pub group: Option<u32>,
    pub applies_to: AccessTarget,
}

/// What gets the mode and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessTarget {
    /// Only new files and folders.
    New,
    /// Existing files too.
    Files,
    /// Existing files and the folder that contains them: it exists for them.
    Folders,
}

impl FileAccess {
    /// Applies a mode to new files only.
    pub const fn from_mode(mode: u32) -> FileAccess {
        FileAccess { mode, group: None, applies_to: AccessTarget::New }
    }

    /// Mode of folders. The setgid bit, which would pass the group on to new files, is never set: systemd's
    /// `RestrictSUIDSGID=` forbids it.
    pub fn folder_mode(self) -> u32 {
        0o700 | self.mode & 0o066 | (self.mode & 0o044) >> 2
    }

    /// Sets mode and group of a new file.
    ///
    /// # Errors
    /// If that is not allowed, for example for a group that this process is not a member of.
    pub fn apply(self, file: &File) -> io::Result<()> {
        set_permissions(file, self.mode, self.group)
    }

    /// Sets mode and group of a new folder.
    ///
    /// # Errors
    /// See [`FileAccess::apply`].
    pub fn apply_to_folder(self, folder: &File) -> io::Result<()> {
        set_permissions(folder, self.folder_mode(), self.group)
    }

    /// Sets mode and group of an existing file or folder, if the settings ask for it.
    ///
    /// # Errors
    /// See [`FileAccess::apply`].
    pub fn reapply(self, file: &File) -> io::Result<()> {
        match self.mode_for_existing(&file.metadata()?) {
            Some(mode) => set_permissions(file, mode, self.group),
            None => Ok(()),
        }
    }

    /// Does the same for a path, if it exists. Symbolic links are not followed. The file is not opened, because
    /// closing an SQLite file drops the locks that other connections of this process hold on it.
    pub(super) fn reapply_at(self, path: &Path) -> io::Result<()> {
        let found = match path.symlink_metadata() {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let Some(mode) = self.mode_for_existing(&found) else { return Ok(()) };
        if let Some(group) = self.group.filter(|group| found.gid() != *group) {
            std::os::unix::fs::lchown(path, None, Some(group)).map_err(|e| not_a_group_member(group, e))?;
        }
        match changed_permissions(&path.symlink_metadata()?, mode) {
            Some(mode) => std::fs::set_permissions(path, mode),
            None => Ok(()),
        }
    }

    /// Returns the mode that an existing file or folder should get, if any.
    fn mode_for_existing(self, found: &Metadata) -> Option<u32> {
        let (mode, least) = match (found.is_dir(), found.is_file()) {
            (true, _) => (self.folder_mode(), AccessTarget::Folders),
            (_, true) => (self.mode, AccessTarget::Files),
            _ => return None,
        };
        let me = rustix::process::geteuid();
        let is_ours = me.is_root() || found.uid() == me.as_raw();
        // A folder that every user may write can be one of the system, such as /tmp.
        let is_open = found.is_file() && found.mode() & 0o002 != 0;
        match (is_ours, self.applies_to >= least) {
            (false, _) => None,
            (true, true) => Some(mode),
            // A right of every user to write was not set for a purpose.
            (true, false) => is_open.then_some(found.mode() & 0o775),
        }
    }
}

/// Sets only what differs.
fn set_permissions(file: &File, mode: u32, group: Option<u32>) -> io::Result<()> {
    let found = file.metadata()?;
    if let Some(group) = group.filter(|group| found.gid() != *group) {
        let given = rustix::fs::fchown(file.as_fd(), None, Some(Gid::from_raw(group)));
        given.map_err(|e| not_a_group_member(group, e.into()))?;
    }
    // Set the mode after the group: a change of group may clear bits.
    match changed_permissions(&file.metadata()?, mode) {
        Some(mode) => file.set_permissions(mode),
        None => Ok(()),
    }
}

/// Returns the permissions to set if they differ. The setgid bit of a folder stays.
fn changed_permissions(found: &Metadata, mode: u32) -> Option<Permissions> {
    (found.mode() & 0o777 != mode).then(|| Permissions::from_mode(found.mode() & 0o2000 | mode))
}

/// Only a member of a group may assign files to it.
fn not_a_group_member(group: u32, e: io::Error) -> io::Error {
    if e.kind() != ErrorKind::PermissionDenied {
        return e;
    }
    let why = format!("failed to assign it to group {group} (output.group): this process is not a member");
    io::Error::new(ErrorKind::PermissionDenied, why)
}
