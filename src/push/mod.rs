//! Pushes the rows of the store to targets: everything at first, and then what changed since the version that the target
//! itself says it has.
//!
//! A push changes the target at once, together with that version: a database by a transaction, a lake by the file that names
//! its files. So it happens once, whatever is killed or repeated: an interrupted push has not happened, and the next one
//! sends its rows.

mod error;
#[cfg(feature = "lake")]
mod lake;
#[cfg(feature = "postgres")]
mod postgres;
mod sql_engine;

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use serde::Serialize;

pub use error::PushError;
pub use sql_engine::SqlEngine;

use crate::quiet_panic;
use crate::store::{FeedSnapshot, FileAccess};
use crate::target::{Target, TargetPlace};

/// What a push does beyond its target file.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// Send all rows, and delete those that the store does not have.
    pub full: bool,
    /// Keys of rows that were marked as deleted before this time are removed.
    pub forget_marks_before: Option<String>,
    /// Mode and group of files in a folder.
    pub access: FileAccess,
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
    /// Times that the target cannot store. They became null.
    pub unreadable_times: u64,
    /// Rows with such a time in their key. They were left out.
    pub left_out: u64,
    /// The files that were written.
    #[serde(skip_serializing_if = "is_zero")]
    pub files: u64,
    /// Names in the folders of a lake that no push has written, such as links. They were left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ours: Vec<String>,
    /// Why all rows were sent, although the target had an earlier version of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_because: Option<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
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
    #[cfg(any(feature = "lake", feature = "postgres"))]
    fn of(target: &str, snapshot: &FeedSnapshot) -> PushReport {
        let (version, epoch) = (snapshot.state.version, snapshot.state.epoch.clone());
        PushReport { target: target.to_owned(), version, epoch, ..PushReport::default() }
    }

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
    /// Tables or columns are missing in it.
    Altered,
    /// Nothing was pushed yet, or all rows have to be pushed again.
    NeedsAll,
    /// It lacks this number of transactions.
    Behind(i64),
}

/// Does the work of one target. A panic of a library that it uses is an error of this target alone. The text of the panic may
/// contain what the environment has, so it is not shown.
async fn without_panic<T>(target: &Target, work: impl Future<Output = Result<T, PushError>>) -> Result<T, PushError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = quiet_panic::catch(|| work.as_mut().poll(context));
        polled.unwrap_or_else(|_| Poll::Ready(Err(PushError::Panicked { target: target.name.clone() })))
    })
    .await
}

/// Asks a target how far it is behind the store.
///
/// # Errors
/// See [`push`].
pub async fn target_state(store: &Path, target: &Target) -> Result<TargetState, PushError> {
    without_panic(target, target_state_unguarded(store, target)).await
}

async fn target_state_unguarded(store: &Path, target: &Target) -> Result<TargetState, PushError> {
    let snapshot = FeedSnapshot::open(store)?;
    #[cfg(not(any(feature = "lake", feature = "postgres")))]
    let _ = snapshot;
    match &target.place {
        #[cfg(feature = "postgres")]
        TargetPlace::Postgres(place) => {
            postgres::target_state(&snapshot, postgres::DatabaseTarget::new(target, place)).await
        }
        #[cfg(feature = "lake")]
        TargetPlace::Lake(place) => lake::target_state(&snapshot, lake::LakeTarget::new(target, place)).await,
        #[cfg(not(all(feature = "lake", feature = "postgres")))]
        place => Err(not_built(target, place)),
    }
}

/// Pushes the store to a target.
///
/// # Errors
/// If the store cannot be read, or the target does not answer or refuses. The target is unchanged then.
pub async fn push(store: &Path, target: &Target, options: &PushOptions) -> Result<PushReport, PushError> {
    without_panic(target, push_unguarded(store, target, options)).await
}

async fn push_unguarded(store: &Path, target: &Target, options: &PushOptions) -> Result<PushReport, PushError> {
    let snapshot = FeedSnapshot::open(store)?;
    #[cfg(not(any(feature = "lake", feature = "postgres")))]
    let _ = (snapshot, options);
    match &target.place {
        #[cfg(feature = "postgres")]
        TargetPlace::Postgres(place) => {
            postgres::push(&snapshot, postgres::DatabaseTarget::new(target, place), options).await
        }
        #[cfg(feature = "lake")]
        TargetPlace::Lake(place) => lake::push(&snapshot, lake::LakeTarget::new(target, place), options).await,
        #[cfg(not(all(feature = "lake", feature = "postgres")))]
        place => Err(not_built(target, place)),
    }
}

/// SQL of an engine for the tables of a lake, as views of its files.
///
/// # Errors
/// If the target is no lake, does not answer, or nothing was pushed to it.
pub async fn feed_sql(target: &Target, engine: SqlEngine) -> Result<String, PushError> {
    without_panic(target, feed_sql_unguarded(target, engine)).await
}

async fn feed_sql_unguarded(target: &Target, engine: SqlEngine) -> Result<String, PushError> {
    match &target.place {
        #[cfg(feature = "lake")]
        TargetPlace::Lake(place) => lake::feed_sql(lake::LakeTarget::new(target, place), engine).await,
        #[cfg(not(feature = "lake"))]
        place @ TargetPlace::Lake(_) => {
            let _ = engine;
            Err(not_built(target, place))
        }
        TargetPlace::Postgres(_) => Err(PushError::NoLake { target: target.name.clone() }),
    }
}

#[cfg(not(all(feature = "lake", feature = "postgres")))]
fn not_built(target: &Target, place: &TargetPlace) -> PushError {
    let feature = match place {
        TargetPlace::Postgres(_) => "postgres",
        TargetPlace::Lake(_) => "lake",
    };
    PushError::NotBuilt { target: target.name.clone(), feature }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{LakeAddress, LakePlace};

    async fn fails(waits: bool) -> Result<(), PushError> {
        if waits {
            tokio::task::yield_now().await;
        }
        panic!("the secret of the environment")
    }

    #[tokio::test]
    async fn panics_are_errors_of_one_target() {
        let place = LakePlace {
            address: LakeAddress::Folder("x".into()),
            full_every: Default::default(),
            keep: Default::default(),
        };
        let target = Target {
            name: "w".into(),
            file: "targets/w.toml".into(),
            place: TargetPlace::Lake(place),
            tables: Vec::new(),
            store: None,
            after_run: true,
        };
        // Before the first answer, and after it.
        for waits in [false, true] {
            let error = without_panic(&target, fails(waits)).await.unwrap_err();
            assert!(matches!(error, PushError::Panicked { .. }), "{error:?}");
            assert!(!format!("{error:?}").contains("secret") && error.hint().is_some());
        }
        assert_eq!(without_panic(&target, async { Ok(1) }).await.ok(), Some(1));
    }
}
