//! The exit code and hint of errors from other modules.

use std::path::Path;

use super::{CommandError, ExitStatus};
use crate::export::ExportError;
use crate::store::StoreError;
use crate::sync::SyncError;
use spotify_client::state::StateError;
use spotify_client::state::grants::GrantError;

/// An error of the store (exit 74).
pub(super) fn store_error(error: StoreError) -> CommandError {
    CommandError::new(ExitStatus::Storage, error)
}

/// Turns SQLite errors of a reader into an error that names the store.
pub(super) fn unreadable_store(database: &Path) -> impl Fn(rusqlite::Error) -> CommandError {
    let path = database.to_path_buf();
    move |source| store_error(StoreError::Sqlite { path: path.clone(), what: "cannot be read", source })
}

/// An error of the state folder (exit 74). An unreadable ledger never counts as empty.
pub(super) fn ledger_error(error: StateError) -> CommandError {
    let hint = error.hint();
    CommandError::new(ExitStatus::Storage, error).with_optional_hint(hint)
}

/// An error of the grants: a user must act, or the grants cannot be read.
pub(super) fn grant_error(error: GrantError) -> CommandError {
    let hint = error.hint();
    let exit = if error.requires_user_action() { ExitStatus::UserAction } else { ExitStatus::Storage };
    CommandError::new(exit, error).with_optional_hint(hint)
}

/// An error that ends a run before it has a record.
pub(super) fn sync_error(error: SyncError) -> CommandError {
    let hint = error.hint();
    let exit = if matches!(error, SyncError::InvalidJob(_)) { ExitStatus::Usage } else { ExitStatus::Storage };
    CommandError::new(exit, error).with_optional_hint(hint)
}

/// An error of a single output file.
pub(super) fn file_error(error: ExportError) -> CommandError {
    let exit = if error.is_storage() { ExitStatus::Storage } else { ExitStatus::Usage };
    CommandError::new(exit, error)
}
