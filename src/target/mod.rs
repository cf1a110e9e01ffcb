//! Targets: one TOML file says where the rows of the store are pushed: to a database, or as files to a lake.
//!
//! The files are read like job files: a file becomes a [`Target`] only when nothing is wrong with it, and every problem is
//! reported with its place. [`keys`] is the table of keys, from which the check, the JSON Schema and the table in
//! `docs/reach.md` come. No file contains a password.

mod address;
pub mod keys;
mod lake_address;
mod load;
mod schema;

use std::time::Duration;

pub use address::{ServerAddress, ServerHost, TlsMode};
pub use lake_address::{BucketAddress, CloudKind, LakeAddress};
pub use load::{LoadedTargets, lake_folders, load};
pub use schema::{json_schema, markdown};

/// Where rows are pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name of its file.
    pub name: String,
    /// The file, as messages show it.
    pub file: String,
    pub place: TargetPlace,
    /// The tables that are pushed.
    pub tables: Vec<&'static str>,
    /// The value of the column that tells stores apart, if several are pushed to the same place.
    pub store: Option<String>,
    /// Whether rows are pushed after each run.
    pub after_run: bool,
}

/// The place that the address of a target names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPlace {
    Postgres(PostgresPlace),
    Lake(LakePlace),
}

/// A schema of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPlace {
    /// The server and the database.
    pub address: ServerAddress,
    /// The schema of the database.
    pub schema: String,
    /// What happens to deleted rows.
    pub on_delete: OnDelete,
}

/// A folder or bucket of Parquet files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakePlace {
    pub address: LakeAddress,
    /// How old the files get before all rows are written again.
    pub full_every: Duration,
    /// How long replaced files stay, for readers that have begun to read them.
    pub keep: Duration,
}

impl Target {
    /// Where the rows go, for messages.
    pub fn shown(&self) -> String {
        match &self.place {
            TargetPlace::Postgres(place) => format!("{}, schema {}", place.address.shown(), place.schema),
            TargetPlace::Lake(place) => place.address.shown(),
        }
    }
}

/// What happens to the rows of a target that were deleted in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// They are deleted.
    Delete,
    /// Their key stays with the time in `deleted_at`, and the other columns become null.
    Mark,
}

impl OnDelete {
    /// All values.
    pub const ALL: [OnDelete; 2] = [OnDelete::Delete, OnDelete::Mark];

    /// The word in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            OnDelete::Delete => "delete",
            OnDelete::Mark => "mark",
        }
    }
}
