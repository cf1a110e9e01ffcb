//! What can go wrong with an export.

use std::io;
use std::path::PathBuf;

use super::name::FileNameError;
use super::style::CsvStyleError;
use crate::store::query::QueryError;

/// Why nothing, or not everything, could be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read or written.
    #[error("cannot read the store for {path}")]
    Store {
        /// The file that was being written.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// A file or folder cannot be written; the old file, if any, is as it was.
    #[error("cannot write {path}{so_far}", path = path.display(), so_far = so_far(*written))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Bytes that had been written when it failed.
        written: u64,
        /// The system's error.
        source: io::Error,
    },
    /// No file can be made in the folder.
    #[error("no file can be written in {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path leads through a symbolic link, which could lead out of the output folder.
    #[error("refused to write through the symbolic link {path}", path = path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something else has the name of a file.
    #[error("{path} is not a file, so nothing was written there", path = path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
    /// The name of a file breaks the rules.
    #[error("bad file name {path:?}")]
    Name {
        /// As it was given.
        path: String,
        /// Which rule.
        source: FileNameError,
    },
    /// The style could not be read back.
    #[error("bad csv option")]
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
    /// A query is wrong, or took too long.
    #[error("query of {path} failed")]
    Query {
        /// The file that it would fill.
        path: String,
        /// What is wrong with it.
        source: QueryError,
    },
}

/// How far a file had come.
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
            let of_a_name = matches!(self, ExportError::Link { .. } | ExportError::NotAFile { .. });
            return of_a_name.then(|| "move it away, then `cratedigger export`".into());
        };
        let text = match source.kind() {
            io::ErrorKind::PermissionDenied => "make the folder writable for this user, or name another output.csv_dir",
            io::ErrorKind::ReadOnlyFilesystem => "mount that disk for writing, or name another output.csv_dir",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free space on that disk, then `cratedigger export`: the old file stands, and the rows are in the store"
            }
            _ => return None,
        };
        Some(text.into())
    }

    /// Whether it concerns this one file, so that the others can be written all the same.
    pub(super) fn concerns_one_file(&self) -> bool {
        match self {
            ExportError::Link { .. } | ExportError::NotAFile { .. } => true,
            ExportError::Query { .. } => !self.is_storage(),
            _ => false,
        }
    }

    /// Whether storage is to blame (exit code 74) and not what was asked for (exit code 2).
    pub fn is_storage(&self) -> bool {
        match self {
            ExportError::Store { .. }
            | ExportError::Write { .. }
            | ExportError::Folder { .. }
            | ExportError::Link { .. }
            | ExportError::NotAFile { .. } => true,
            ExportError::Query { source, .. } => source.is_storage(),
            _ => false,
        }
    }
}
