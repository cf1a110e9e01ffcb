//! Exit codes by what a run met; `cli::exit` documents the same numbers for all commands.

/// All complete.
pub const COMPLETE: u8 = 0;
/// Spotify out of reach, or a defect.
pub const FAILED: u8 = 1;
/// The job or a setting is wrong.
pub const USAGE: u8 = 2;
/// Something asked for could not be had.
pub const PARTIAL: u8 = 3;
/// The store or a file.
pub const STORAGE: u8 = 74;
/// Come back later.
pub const DEFERRED: u8 = 75;
/// A person must act.
pub const USER_ACTION: u8 = 77;

/// If several hold, the first of these wins.
pub const PRECEDENCE: [u8; 7] = [STORAGE, USER_ACTION, FAILED, USAGE, PARTIAL, DEFERRED, COMPLETE];

/// The one that wins.
pub fn most_severe(codes: &[u8]) -> u8 {
    PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(COMPLETE)
}
