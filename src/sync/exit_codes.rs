//! The exit codes of a run. `cli::exit` documents the same numbers for all commands.

/// All complete.
pub const COMPLETE: u8 = 0;
/// Spotify cannot be reached, or a defect.
pub const FAILED: u8 = 1;
/// The job or a setting is wrong.
pub const USAGE: u8 = 2;
/// Something that was requested was not read.
pub const PARTIAL: u8 = 3;
/// The store or a file cannot be read or written.
pub const STORAGE: u8 = 74;
/// The run continues later.
pub const DEFERRED: u8 = 75;
/// A user has to act.
pub const USER_ACTION: u8 = 77;

/// The order of severity: the first of several codes wins.
pub const PRECEDENCE: [u8; 7] = [STORAGE, USER_ACTION, FAILED, USAGE, PARTIAL, DEFERRED, COMPLETE];

/// The most severe of several codes.
pub fn most_severe(codes: &[u8]) -> u8 {
    PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(COMPLETE)
}
