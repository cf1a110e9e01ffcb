//! Why messages could not be sent.

use std::io;

use crate::store::StoreError;

/// Why messages could not be sent. The store has not changed, and the target says up to which state it has them.
#[derive(Debug, thiserror::Error)]
pub enum SingerError {
    /// The program at the other end of the pipe has ended.
    #[error("the target has ended before it read all messages")]
    TargetEnded,
    #[error("failed to write the messages: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<io::Error> for SingerError {
    fn from(error: io::Error) -> SingerError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => SingerError::TargetEnded,
            _ => SingerError::Output(error),
        }
    }
}
