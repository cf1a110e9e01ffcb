//! Who may read what is written: mode and group of the store's files, of CSVs and of their folders.
//!
//! SQLite makes its `-wal` and `-shm` as it likes, and files may have been made under other settings. So
//! rights are given when something is made and looked at again at each opening. What belongs to another
//! user is left alone, and so is whatever is there already where no setting says who may read it: somebody
//! may have narrowed it by hand.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::Gid;

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAccess {
    /// Mode of files; folders get `x` where files get `r`.
    pub mode: u32,
    /// Group of files and folders, if not the process's own.
    pub group: Option<u32>,
    /// What gets them.
    pub applies_to: AccessTarget,
}

/// What gets mode and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessTarget {
    /// What is made.
    New,
    /// Files that are there, too.
    Files,
    /// Files and the folder that they lie in: it is there for them.
    Folders,
}

impl FileAccess {
    /// A mode for what is made.
    pub const fn from_mode(mode: u32) -> FileAccess {
        FileAccess { mode, group: None, applies_to: AccessTarget::New }
    }

    /// Mode of folders. None has the group's bit set, by which what is made in it would be the group's, too:
    /// under systemd's `RestrictSUIDSGID=` that may not be.
    pub fn folder_mode(self) -> u32 {
        0o700 | self.mode & 0o066 | (self.mode & 0o044) >> 2
    }

    /// Gives them to a file that was just made.
    ///
    /// # Errors
    /// If that may not be, such as a group that this process is not in.
    pub fn apply(self, file: &File) -> io::Result<()> {
        set_permissions(file, self.mode, self.group)
    }

    /// Gives them to a folder that was just made.
    ///
    /// # Errors
    /// As [`Access::give`].
    pub fn apply_to_folder(self, folder: &File) -> io::Result<()> {
        set_permissions(folder, self.folder_mode(), self.group)
    }

    /// Gives them to a file or folder that was there before, if that is to be.
    ///
    /// # Errors
    /// As [`Access::give`].
    pub fn reapply(self, file: &File) -> io::Result<()> {
        match self.mode_for_existing(&file.metadata()?) {
            Some(mode) => set_permissions(file, mode, self.group),
            None => Ok(()),
        }
    }

    /// The same by name, if it is there; no link is followed. It is not opened: to close a file of SQLite's
    /// drops the locks that other connections of this process have on it.
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

    /// The mode that something which is there is to get, if any.
    fn mode_for_existing(self, found: &Metadata) -> Option<u32> {
        let (mode, least) = match (found.is_dir(), found.is_file()) {
            (true, _) => (self.folder_mode(), AccessTarget::Folders),
            (_, true) => (self.mode, AccessTarget::Files),
            _ => return None,
        };
        let me = rustix::process::geteuid();
        let is_ours = me.is_root() || found.uid() == me.as_raw();
        (self.applies_to >= least && is_ours).then_some(mode)
    }
}

/// Sets what differs.
fn set_permissions(file: &File, mode: u32, group: Option<u32>) -> io::Result<()> {
    let found = file.metadata()?;
    if let Some(group) = group.filter(|group| found.gid() != *group) {
        let given = rustix::fs::fchown(file.as_fd(), None, Some(Gid::from_raw(group)));
        given.map_err(|e| not_a_group_member(group, e.into()))?;
    }
    // After the group: a change of group may take bits away.
    match changed_permissions(&file.metadata()?, mode) {
        Some(mode) => file.set_permissions(mode),
        None => Ok(()),
    }
}

/// The permissions to set, where those found differ. A bit by which a folder hands its group on stays.
fn changed_permissions(found: &Metadata, mode: u32) -> Option<Permissions> {
    (found.mode() & 0o777 != mode).then(|| Permissions::from_mode(found.mode() & 0o2000 | mode))
}

/// Only a member may give something to a group.
fn not_a_group_member(group: u32, e: io::Error) -> io::Error {
    if e.kind() != ErrorKind::PermissionDenied {
        return e;
    }
    let why = format!("it cannot be given to the group {group} (output.group), which this process is not in");
    io::Error::new(ErrorKind::PermissionDenied, why)
}
