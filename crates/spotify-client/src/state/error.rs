//! What can be wrong with the state folder. Every error ends a run with exit code 74, because a call
//! that cannot be recorded is not sent.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::key_origin::KeyOrigin;

/// Why the state folder is unusable.
#[derive(Debug, Error)]
pub enum StateError {
    /// Nothing says where the folder is.
    #[error("no state folder: neither --state-dir nor state.dir, $STATE_DIRECTORY, $XDG_STATE_HOME or $HOME names one")]
    NoFolder,
    /// An operation failed.
    #[error("failed to {action} {path}")]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Group or others may read it.
    #[error("{path} is open to other users (mode {mode:04o})")]
    TooOpen {
        /// The folder or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it should have.
        wanted: u32,
    },
    /// It belongs to another user.
    #[error("{path} belongs to user {owner}, this program runs as user {me}")]
    NotOurs {
        /// The folder or file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user that this program runs as.
        me: u32,
    },
    /// A link, a device or a folder where a plain file belongs.
    #[error("{path} is not a plain {expected}")]
    NotPlain {
        /// The path.
        path: PathBuf,
        /// `file` or `folder`.
        expected: &'static str,
    },
    /// Locks and shared memory do not work there.
    #[error("{path} is on a network file system ({kind})")]
    NetworkFileSystem {
        /// The folder.
        path: PathBuf,
        /// What the file system calls itself.
        kind: String,
    },
    /// The folder was copied; the other one has the same grants.
    #[error(
        "the state folder {path} is a copy of another one, or was restored from a backup: the grants in it would be renewed twice, and Spotify may end both"
    )]
    Copied {
        /// The folder.
        path: PathBuf,
    },
    /// SQLite would read such a name as a URI.
    #[error("a path that begins with `file:` is not accepted: {path}")]
    FileUri {
        /// The path.
        path: PathBuf,
    },
    /// Another process holds the database.
    #[error("{path} is locked by another process")]
    Busy {
        /// The database or folder.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full: failed to write {path}")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("{path} is damaged ({detail})")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The database of another program.
    #[error("{path} is not a state database of cratedigger")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{path} was written by a newer cratedigger (schema {found}, this one knows {known})")]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The SQLite below us has a bug that loses commits.
    #[error("SQLite {version} can lose commits in WAL mode; 3.51.3 or newer is needed")]
    OldSqlite {
        /// The version.
        version: &'static str,
    },
    /// The named key is not usable as a key (exit 77).
    #[error("the key {origin} {why}")]
    UnfitKey {
        /// Where it came from.
        origin: KeyOrigin,
        /// The problem.
        why: &'static str,
    },
    /// Anything else that SQLite says.
    #[error("failed to {action} in {path}")]
    Sqlite {
        /// The operation.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
}

impl StateError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
        let path = path.to_owned();
        move |source| StateError::Io { action, path, source }
    }

    /// Turns an error of SQLite into one that the user can act on.
    pub(crate) fn sqlite(action: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> StateError {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StateError::Busy { path },
            Some(ErrorCode::DiskFull) => StateError::Full { path },
            // A full disk has no room for the memory that processes share, which SQLite calls I/O.
            _ if source.sqlite_error().is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
                StateError::Full { path }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StateError::Damaged { path, detail: source.to_string() }
            }
            _ => StateError::Sqlite { action, path, source },
        }
    }

    /// What the user can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            StateError::TooOpen { path, wanted, .. } => {
                format!("chmod {wanted:o} '{}'", path.display())
            }
            StateError::NotOurs { owner, .. } => {
                format!("run as that user: sudo -u '#{owner}' …; or name another folder with --state-dir")
            }
            StateError::Copied { path } => format!(
                "if the other folder is used no more: rm '{}'; if both are to be used, give this one grants of its own: \
                 move '{}' away and sign every user in again",
                path.join("place").display(),
                path.join("grants.db").display()
            ),
            StateError::NetworkFileSystem { .. } => {
                "put it on a local disk (ext4, XFS, Btrfs, …): set state.dir or --state-dir; in a container mount a \
                 local volume there, in Kubernetes a block volume that one node may write (ReadWriteOnce); the CSV \
                 folder may stay where it is"
                    .into()
            }
            StateError::Damaged { path, .. } | StateError::Foreign { path } => format!(
                "it holds the calls of the last day and cool-downs still in force, so nothing is sent \
                 without it; move '{}' away if you know that neither matters",
                path.display()
            ),
            StateError::Newer { .. } => "install the newer version again".into(),
            StateError::Busy { .. } => "look for another cratedigger that hangs".into(),
            StateError::Full { .. } => "free some space; committed data are intact".into(),
            StateError::UnfitKey { .. } => "make one: openssl rand -hex 32 > FILE && chmod 600 FILE".into(),
            StateError::NoFolder => "name one with --state-dir or state.dir".into(),
            _ => return None,
        })
    }
}
