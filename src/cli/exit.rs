//! The exit codes of the program, which cron, systemd and Airflow react to.

use std::process::ExitCode;

use crate::sync::exit_codes;

/// How the program exits. The numbers are part of the contract with users; 74, 75 and 77 are those of
/// `sysexits.h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitStatus {
    /// Everything is complete, or nothing was due.
    #[default]
    Complete = exit_codes::COMPLETE,
    /// A job failed; checkpoints are kept.
    Failed = exit_codes::FAILED,
    /// The command line, the settings or a job file is wrong.
    Usage = exit_codes::USAGE,
    /// Some data could not be read.
    Partial = exit_codes::PARTIAL,
    /// The store or an output file cannot be read or written.
    Storage = exit_codes::STORAGE,
    /// The quota is used up, a cool-down is active, a run is in progress, or a signal arrived. A later run
    /// continues.
    Deferred = exit_codes::DEFERRED,
    /// A user must sign in again, renew Premium, be allow-listed, or fix the credentials.
    UserAction = exit_codes::USER_ACTION,
}

impl ExitStatus {
    /// Every status, the most severe first, in the order of [`exit_codes::PRECEDENCE`].
    pub const BY_PRECEDENCE: [ExitStatus; 7] = [
        ExitStatus::Storage,
        ExitStatus::UserAction,
        ExitStatus::Failed,
        ExitStatus::Usage,
        ExitStatus::Partial,
        ExitStatus::Deferred,
        ExitStatus::Complete,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The status of an exit code; unknown codes count as failures.
    pub fn from_code(code: u8) -> ExitStatus {
        ExitStatus::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == code).unwrap_or(ExitStatus::Failed)
    }

    /// The meaning, for the docs and `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitStatus::Complete => "all complete, or nothing was due",
            ExitStatus::Failed => "a job failed, for example because Spotify cannot be reached; checkpoints are kept",
            ExitStatus::Usage => "the command line, the settings or a job file is wrong",
            ExitStatus::Partial => "partial: some data could not be read; each case has a reason",
            ExitStatus::Storage => "the store or an output file cannot be read or written; committed data are kept",
            ExitStatus::Deferred => {
                "deferred: quota used up, a long cool-down, already running, or stopped; the message says when to try again"
            }
            ExitStatus::UserAction => {
                "a user must act: sign in again, renew Premium, allow-list a user, or fix the credentials"
            }
        }
    }

    /// The most severe of several outcomes.
    pub fn most_severe(outcomes: impl IntoIterator<Item = ExitStatus>) -> ExitStatus {
        outcomes.into_iter().fold(ExitStatus::Complete, ExitStatus::more_severe)
    }

    /// The more severe of two outcomes.
    #[must_use]
    pub fn more_severe(self, other: ExitStatus) -> ExitStatus {
        ExitStatus::BY_PRECEDENCE.into_iter().find(|e| *e == self || *e == other).unwrap_or(self)
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_severe_outcome_wins() {
        use ExitStatus::{Complete, Deferred, Failed, Partial, Storage, Usage, UserAction};
        assert_eq!(ExitStatus::most_severe([]), Complete);
        assert_eq!(ExitStatus::most_severe([Deferred, Complete, Partial]), Partial);
        assert_eq!(ExitStatus::most_severe([Usage, Failed, UserAction, Storage]), Storage);
        assert_eq!(ExitStatus::BY_PRECEDENCE.map(ExitStatus::code), exit_codes::PRECEDENCE);
        assert_eq!(exit_codes::PRECEDENCE, [74, 77, 1, 2, 3, 75, 0]);
    }
}
