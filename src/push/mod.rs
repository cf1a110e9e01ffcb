//! Pushes the rows of the store to targets: everything at first, and then what changed since the version that the target
//! itself says it has.
//!
//! A push changes the target in one transaction, together with that version. So it happens once, whatever is killed or
//! repeated: an interrupted push has not happened, and the next one sends its rows.

mod error;
#[cfg(feature = "postgres")]
mod postgres;

use std::path::Path;

use serde::Serialize;

pub use error::PushError;

use crate::target::Target;

/// What a push does beyond its target file.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Send all rows, and delete those that the store does not have.
    pub full: bool,
    /// Keys of rows that were marked as deleted before this time are removed.
    pub forget_marks_before: Option<String>,
}

/// What a push did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PushReport {
    pub target: String,
    /// The version of the store that the target now has.
    pub version: i64,
    pub epoch: String,
    /// The target had this version already.
    pub unchanged: bool,
    /// The tables that changed.
    pub tables: Vec<PushedTable>,
    /// Tables that the target file no longer names. Their rows were deleted, because they are older than a purge.
    pub emptied: Vec<String>,
    /// Times that PostgreSQL cannot store. They became null.
    pub unreadable_times: u64,
    /// Rows whose key contains such a time. They were left out.
    pub left_out: u64,
}

/// What a push did to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushedTable {
    pub name: &'static str,
    /// All rows were sent, and not only changes.
    pub full: bool,
    /// Number of rows that were sent.
    pub rows: u64,
    /// Number of deleted rows that were sent.
    pub deleted: u64,
}

impl PushReport {
    /// Number of rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Number of deleted rows in all tables.
    pub fn deleted(&self) -> u64 {
        self.tables.iter().map(|table| table.deleted).sum()
    }
}

/// How far a target is behind the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing was pushed yet, or all rows have to be pushed again.
    NeedsAll,
    /// It lacks this number of transactions.
    Behind(i64),
}

/// Asks a target how far it is behind the store.
///
/// # Errors
/// See [`push`].
pub async fn target_state(store: &Path, target: &Target) -> Result<TargetState, PushError> {
    #[cfg(feature = "postgres")]
    return postgres::target_state(store, target).await;
    #[cfg(not(feature = "postgres"))]
    {
        let _ = store;
        Err(PushError::NotBuilt { target: target.name.clone() })
    }
}

/// Pushes the store to a target.
///
/// # Errors
/// If the store cannot be read, or the target does not answer or refuses. The target is unchanged then.
pub async fn push(store: &Path, target: &Target, options: &PushOptions) -> Result<PushReport, PushError> {
    #[cfg(feature = "postgres")]
    return postgres::push(store, target, options).await;
    #[cfg(not(feature = "postgres"))]
    {
        let _ = (store, options);
        Err(PushError::NotBuilt { target: target.name.clone() })
    }
}
