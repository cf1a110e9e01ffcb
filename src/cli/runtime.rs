//! The asynchronous runtime of a command.

use super::{CommandError, ExitStatus, OrExit};

/// A runtime on this thread; the store has a thread of its own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(ExitStatus::Failed)
}
