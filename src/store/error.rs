//! What can go wrong with the store, told apart by what the caller must do.

use std::io::ErrorKind;
use std::path::PathBuf;

/// Trouble with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused; what was committed stays.
    #[error("the store {} {}", path.display(), describe(what, source))]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// SQLite's own words.
        #[source]
        source: rusqlite::Error,
    },
    /// A COMMIT failed: whether it took effect is known only after reopening.
    #[error("the store {} could not confirm a commit{}; it is read again at the next start", path.display(), disk_full_suffix(source))]
    OutcomeUnknown {
        /// The database file.
        path: PathBuf,
        /// SQLite's own words.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not one of ours.
    #[error("{} is not a cratedigger store: {why}", path.display())]
    ForeignFile {
        /// The database file.
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// It was made, and no run has come to fill it.
    #[error("nothing has been written to the store {} yet", path.display())]
    Empty {
        /// The database file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("the store {} was written by a newer version (schema {found}, this one knows {known})", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Written by an older version, and only read now.
    #[error("the store {} was written by an older version (schema {found}, this one reads {known})", path.display())]
    OlderSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The disk has no room for what is about to be written beside it.
    #[error("there is no room beside the store {} for {what}: {free} bytes free, {needed} wanted", path.display())]
    NoSpace {
        /// The database file.
        path: PathBuf,
        /// What wants it.
        what: &'static str,
        /// Bytes free.
        free: u64,
        /// Bytes wanted.
        needed: u64,
    },
    /// Filled from another host or with another state folder.
    #[error("the store {} {why}", path.display())]
    Mismatch {
        /// The database file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// There was a store, and nothing is there any more: a disk that is not mounted, or somebody deleted it.
    #[error("the store {} is gone; it has been known since {since}", path.display())]
    Missing {
        /// The database file.
        path: PathBuf,
        /// When it was seen first, for people.
        since: String,
    },
    /// The folder or file cannot be had.
    #[error("the store {} {what}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
    /// A copy of the store cannot be had; the store is as it was.
    #[error("the copy {} {what}", path.display())]
    Backup {
        /// The copy.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's own words, or SQLite's.
        #[source]
        source: std::io::Error,
    },
    /// Served items are missing among the rows of a list: a defect of ours, and nothing is claimed.
    #[error("the list {name} was not put in place: {served} items were served, and {staged} have a row")]
    MissingRows {
        /// The database file.
        path: PathBuf,
        /// Which list.
        name: String,
        /// Items served.
        served: i64,
        /// Rows staged.
        staged: i64,
    },
    /// A reader keeps the WAL from being emptied, and it has reached its limit.
    #[error(
        "the store {} takes no more for now: another program has been reading it all the while, so that {}-wal has \
         grown to {} MiB",
        path.display(),
        path.display(),
        bytes >> 20
    )]
    WalFull {
        /// The database file.
        path: PathBuf,
        /// Size of the WAL.
        bytes: u64,
    },
    /// The writing thread is gone, after an error that left open what was committed.
    #[error("the store was closed after an error: {why}")]
    Closed {
        /// The error with its causes.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// What SQLite's code says more plainly than the place where it came up.
fn describe(what: &'static str, source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "cannot be written: the disk is full",
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => "is corrupted",
        _ => what,
    }
}

/// That the disk is full, where it is.
fn disk_full_suffix(source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ": the disk is full",
        _ => "",
    }
}

/// An error with what caused it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    line
}

impl StoreError {
    fn disk_full_hint(&self) -> String {
        let (StoreError::Sqlite { path, .. } | StoreError::OutcomeUnknown { path, .. }) = self else {
            return String::new();
        };
        let free = super::free_bytes(path).map_or_else(String::new, |free| format!("{free} bytes free, "));
        let needed = super::MIN_FREE_BYTES;
        format!("free space on that disk ({free}{needed} wanted) and run again: what was committed stays")
    }

    /// What to type or do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            StoreError::NewerSchema { .. } => {
                Some("install that version or a newer one, or name another output.database".into())
            }
            StoreError::OlderSchema { .. } => Some("`cratedigger export` brings it up to date, without a call".into()),
            StoreError::Empty { .. } => Some("`cratedigger run` fills it".into()),
            StoreError::ForeignFile { .. } => Some("move the file away, or name another output.database".into()),
            StoreError::Sqlite { source, .. } | StoreError::OutcomeUnknown { source, .. } => {
                match source.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::DiskFull) => Some(self.disk_full_hint()),
                    Some(
                        rusqlite::ErrorCode::ReadOnly
                        | rusqlite::ErrorCode::CannotOpen
                        | rusqlite::ErrorCode::PermissionDenied,
                    ) => Some("make the file and its folder writable for this user".into()),
                    Some(rusqlite::ErrorCode::SystemIoFailure) => Some(
                        "look at the disk, its free space and its limits, then run again: what was committed stays"
                            .into(),
                    ),
                    Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                        Some("another program holds the store; close it and run again".into())
                    }
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                        Some(
                            "restore a backup, or move the file away and begin anew with `cratedigger run --full`; it was \
                             left untouched"
                                .into(),
                        )
                    }
                    _ => None,
                }
            }
            StoreError::Mismatch { .. } => {
                Some("put back what was changed, or name another output.database for what comes from elsewhere".into())
            }
            StoreError::Backup { path, source, .. } => Some(match source.kind() {
                ErrorKind::AlreadyExists => "name another file, or move that one away".into(),
                ErrorKind::NotFound => {
                    let folder = path.parent().unwrap_or(path);
                    format!("make the folder first: mkdir -p {}", folder.display())
                }
                ErrorKind::StorageFull => "free space on that disk, or name a file on another".into(),
                ErrorKind::InvalidInput => "name another file".into(),
                _ => "name a file in a folder that this user may write to".into(),
            }),
            StoreError::Missing { .. } => Some(
                "mount its disk, or put the store or a backup of it back; `cratedigger run --full` begins with an empty \
                 one, which reads all anew"
                    .into(),
            ),
            StoreError::Io { .. } => Some("make the file and its folder writable for this user".into()),
            StoreError::MissingRows { path, .. } => {
                Some(format!("a defect of cratedigger: please report it; {} is as it was", path.display()))
            }
            StoreError::WalFull { path, .. } => Some(format!(
                "end that program (`fuser -v {}` names it); the next run goes on, and output.wal_limit_mib says how far \
                 it may grow",
                path.display()
            )),
            StoreError::NoSpace { .. } => Some("free space on that disk; the store is as it was".into()),
            StoreError::Closed { hint, .. } => hint.clone(),
        }
    }
}
