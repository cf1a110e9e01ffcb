//! Errors of an export.

use std::io;
use std::path::PathBuf;

use super::name::FileNameError;
use super::style::CsvStyleError;
use crate::store::query::QueryError;

/// Why an export failed, in part or completely.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read or written.
    #[error("failed to read the store for {path}")]
    Store {
        /// The file that was being written.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// A file or folder cannot be written. An existing file stays as it was.
    #[error("failed to write {path}{so_far}", path = path.display(), so_far = so_far(*written))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Number of bytes that were written before the failure.
        written: u64,
        /// The error of the operating system.
        source: io::Error,
    },
    /// No file can be created in the folder.
    #[error("failed to create a file in {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The path leads through a symbolic link, which could lead out of the output folder.
    #[error("refused to write through the symbolic link {path}", path = path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something other than a file has this name.
    #[error("{path} is not a file, so it was not overwritten", path = path.display())]
    NotAFile {
        /// The path that is taken.
        path: PathBuf,
    },
    /// The name of the overview is taken by a page that this program did not write.
    #[error("{path} is not a page of cratedigger, so it was not overwritten", path = path.display())]
    OtherPage {
        /// The page.
        path: PathBuf,
    },
    /// Other processes have locked the CSV folder for a long time.
    #[error("{path} is locked by another process", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The name of a file breaks the rules.
    #[error("invalid file name {path:?}")]
    Name {
        /// The name as given.
        path: String,
        /// The rule that it breaks.
        source: FileNameError,
    },
    /// A file in this style could not be read back.
    #[error("invalid CSV option")]
    Style(#[from] CsvStyleError),
    /// The profile has no columns for the stream.
    #[error(
        "the exportify profile has columns for playlist_items, my_playlist_items and saved_tracks, not for {stream}"
    )]
    NoExportify {
        /// Name of the stream.
        stream: String,
    },
    /// The stream has no such column.
    #[error("{stream} has no column {column}")]
    NoColumn {
        /// Name of the stream.
        stream: String,
        /// Name of the column.
        column: String,
    },
    /// A query is invalid, or took too long.
    #[error("failed to run the query of {path}")]
    Query {
        /// The file of the query.
        path: String,
        /// The problem.
        source: QueryError,
    },
}

/// A note about the bytes that were already written.
fn so_far(written: u64) -> String {
    match written {
        0 => String::new(),
        n => format!(" ({n} bytes were written)"),
    }
}

impl ExportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let (ExportError::Write { source, .. } | ExportError::Folder { source, .. }) = self else {
            if matches!(self, ExportError::OtherPage { .. }) {
                return Some("move it away, or set report.overview = false in config/cratedigger.toml".into());
            }
            if matches!(self, ExportError::Locked { .. }) {
                return Some("check the other processes of cratedigger; `cratedigger export` writes the page".into());
            }
            let of_a_name = matches!(self, ExportError::Link { .. } | ExportError::NotAFile { .. });
            return of_a_name.then(|| "move it away, then run `cratedigger export`".into());
        };
        let text = match source.kind() {
            io::ErrorKind::PermissionDenied => "make the folder writable for this user, or set another output.csv_dir",
            io::ErrorKind::ReadOnlyFilesystem => "mount that disk for writing, or set another output.csv_dir",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free space on that disk, then run `cratedigger export`: the old file is unchanged, and the rows are in the store"
            }
            _ => return None,
        };
        Some(text.into())
    }

    /// Whether only one file is affected, so that the other files can still be written.
    pub(super) fn concerns_one_file(&self) -> bool {
        match self {
            ExportError::Link { .. } | ExportError::NotAFile { .. } => true,
            ExportError::Query { .. } => !self.is_storage(),
            _ => false,
        }
    }

    /// Whether the cause is storage (exit code 74) rather than the configuration (exit code 2).
    pub fn is_storage(&self) -> bool {
        match self {
            ExportError::Store { .. }
            | ExportError::Write { .. }
            | ExportError::Folder { .. }
            | ExportError::Link { .. }
            | ExportError::NotAFile { .. }
            | ExportError::OtherPage { .. }
            | ExportError::Locked { .. } => true,
            ExportError::Query { source, .. } => source.is_storage(),
            _ => false,
        }
    }
}
