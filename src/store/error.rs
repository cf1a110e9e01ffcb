//! Errors of the store, separated by what the caller must do.

use std::io::ErrorKind;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused an operation. Everything committed is safe.
    #[error("the store {} {}", path.display(), describe(what, source))]
    Sqlite {
        path: PathBuf,
        /// What failed, as the end of a sentence about the store.
        what: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    /// A COMMIT failed. Whether it took effect is known only after reopening.
    #[error("the store {} could not confirm a commit{}; the next start checks the saved data", path.display(), disk_full_suffix(source))]
    OutcomeUnknown {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not a cratedigger store.
    #[error("{} is not a cratedigger store: {why}", path.display())]
    ForeignFile {
        path: PathBuf,
        /// How that shows.
        why: String,
    },
    /// The store exists, but no run has written to it yet.
    #[error("nothing has been written to the store {} yet", path.display())]
    Empty { path: PathBuf },
    #[error("the store {} was written by a newer version (schema {found}; this version supports {known})", path.display())]
    NewerSchema {
        path: PathBuf,
        found: i64,
        /// The schema version of this program.
        known: i64,
    },
    /// Written by an older version, and opened only for reading.
    #[error("the store {} was written by an older version (schema {found}; this version needs {known})", path.display())]
    OlderSchema {
        path: PathBuf,
        found: i64,
        /// The schema version of this program.
        known: i64,
    },
    /// A killed run of an older version left pages whose rows only that version can write to their tables.
    #[error("the store {} contains pages of a killed run that only the version that ran it can finish", path.display())]
    UnfinishedPages { path: PathBuf },
    /// The disk has too little space for a file next to the store.
    #[error("not enough disk space next to the store {} for {what}: {free} bytes free, {needed} needed", path.display())]
    NoSpace {
        path: PathBuf,
        /// What needs the space.
        what: &'static str,
        free: u64,
        needed: u64,
    },
    /// Filled from another host or with another state folder.
    #[error("the store {} {why}", path.display())]
    Mismatch {
        path: PathBuf,
        /// What does not match.
        why: String,
        /// The state folder that belongs to the store, if the folders differ.
        state_folder: Option<String>,
    },
    /// The state folder at the known path is not the one with which the store was filled.
    #[error(
        "the store {} was filled with another state folder: the one at {folder} has been replaced since, so its grants \
         and its count of calls are not those of this store",
        path.display()
    )]
    StateReplaced { path: PathBuf, folder: String },
    /// The store existed before and is missing now: its disk is not mounted, or it was deleted.
    #[error("the store {} is missing; it was first seen {since}", path.display())]
    Missing {
        path: PathBuf,
        /// When it was first seen, formatted for people.
        since: String,
    },
    /// A folder or file cannot be accessed.
    #[error("the store {} {what}", path.display())]
    Io {
        path: PathBuf,
        /// What failed, as the end of a sentence about the store.
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A copy of the store failed. The store is unchanged.
    #[error("the copy {} {what}", path.display())]
    Backup {
        path: PathBuf,
        /// What failed, as the end of a sentence about the store.
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// Items that Spotify served have no row. This is a bug, so the list is not marked as complete.
    #[error("the list {name} was not saved: Spotify served {served} items, and {staged} of them have a row")]
    MissingRows { path: PathBuf, name: String, served: i64, staged: i64 },
    /// A reader prevented the WAL from being emptied, and the WAL has reached its limit.
    #[error(
        "the store {} cannot take more data now: another program keeps reading it, and {}-wal has \
         grown to {} MiB",
        path.display(),
        path.display(),
        bytes >> 20
    )]
    WalFull { path: PathBuf, bytes: u64 },
    /// The writer thread has stopped after an error that left the outcome of a commit open.
    #[error("the store was closed after an error: {why}")]
    Closed {
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Replaces the text by a clearer one where SQLite's code says more.
fn describe(what: &'static str, source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "cannot be written: the disk is full",
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => "is corrupted",
        _ => what,
    }
}

/// Says that the disk is full if that is the cause.
fn disk_full_suffix(source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ": the disk is full",
        _ => "",
    }
}

/// Formats an error and its causes on one line.
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
        format!("free disk space ({free}{needed} needed) and run again; everything committed is safe")
    }

    /// Returns a command to type or another way to solve the problem.
    pub fn hint(&self) -> Option<String> {
        match self {
            StoreError::NewerSchema { .. } => {
                Some("install that version or a newer one, or set output.database to another file".into())
            }
            StoreError::OlderSchema { .. } => {
                Some("`cratedigger export` brings it up to date without API calls".into())
            }
            StoreError::UnfinishedPages { .. } => Some(
                "run `cratedigger export` once with the version that was installed before; the store was left untouched"
                    .into(),
            ),
            StoreError::Empty { .. } => Some("`cratedigger run` fills it".into()),
            StoreError::ForeignFile { .. } => Some("move the file away, or set output.database to another file".into()),
            StoreError::Sqlite { source, .. } | StoreError::OutcomeUnknown { source, .. } => {
                match source.sqlite_error_code() {
                    Some(rusqlite::ErrorCode::DiskFull) => Some(self.disk_full_hint()),
                    Some(
                        rusqlite::ErrorCode::ReadOnly
                        | rusqlite::ErrorCode::CannotOpen
                        | rusqlite::ErrorCode::PermissionDenied,
                    ) => Some("make the file and its folder writable for this user".into()),
                    Some(rusqlite::ErrorCode::SystemIoFailure) => Some(
                        "check the disk, its free space and its limits, then run again; everything committed is safe"
                            .into(),
                    ),
                    Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                        Some("another program has locked the store; close it and run again".into())
                    }
                    Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                        Some(
                            "restore a backup, or move the file away and start again with `cratedigger run --full`; it was \
                             left untouched"
                                .into(),
                        )
                    }
                    _ => None,
                }
            }
            StoreError::Mismatch { state_folder: Some(folder), .. } => Some(format!(
                "name the folder of this store: --state-dir '{folder}', or state.dir in the settings; or set \
                 output.database to another file"
            )),
            StoreError::Mismatch { .. } => {
                Some("restore the previous setting, or set output.database to another file".into())
            }
            StoreError::StateReplaced { folder, .. } => Some(format!(
                "put the former folder back at {folder}, or name its new place with --state-dir or state.dir, or set \
                 output.database to another file"
            )),
            StoreError::Backup { path, source, .. } => Some(match source.kind() {
                ErrorKind::AlreadyExists => "choose another name, or move the existing file away".into(),
                ErrorKind::NotFound => {
                    let folder = path.parent().unwrap_or(path);
                    format!("create the folder first: mkdir -p {}", folder.display())
                }
                ErrorKind::StorageFull => "free disk space, or choose a file on another disk".into(),
                ErrorKind::InvalidInput => "choose another name".into(),
                _ => "choose a folder that this user may write to".into(),
            }),
            StoreError::Missing { .. } => Some(
                "mount its disk, or restore the store from a backup; `cratedigger run --full` starts with an empty \
                 store and reads everything again"
                    .into(),
            ),
            StoreError::Io { .. } => Some("make the file and its folder writable for this user".into()),
            StoreError::MissingRows { path, .. } => {
                Some(format!("this is a bug in cratedigger: please report it; {} is unchanged", path.display()))
            }
            StoreError::WalFull { path, .. } => Some(format!(
                "end that program (`fuser -v {}` names it); the next run continues. output.wal_limit_mib sets how far \
                 it may grow",
                path.display()
            )),
            StoreError::NoSpace { .. } => Some("free disk space; the store is unchanged".into()),
            StoreError::Closed { hint, .. } => hint.clone(),
        }
    }
}
