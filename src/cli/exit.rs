//! Exit codes: what cron, systemd and Airflow go by.

use std::process::ExitCode;

/// How the program ends. The numbers are part of the contract with users; 74, 75 and 77 are those
/// of `sysexits.h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitStatus {
    /// All complete, or nothing was due.
    #[default]
    Complete = 0,
    /// A job failed; checkpoints are kept.
    Failed = 1,
    /// The command line, the settings or a job file is wrong.
    Usage = 2,
    /// Something asked for could not be had.
    Partial = 3,
    /// The store or an output file cannot be read or written.
    Storage = 74,
    /// Quota, a long cool-down, a run in progress, or a signal; later it goes on.
    Deferred = 75,
    /// Sign in again, renew Premium, allow-list a user, or see to the credentials.
    UserAction = 77,
}

impl ExitStatus {
    /// Every code, the one that wins over all others first.
    pub const BY_PRECEDENCE: [ExitStatus; 7] = [
        ExitStatus::Storage,
        ExitStatus::UserAction,
        ExitStatus::Failed,
        ExitStatus::Usage,
        ExitStatus::Partial,
        ExitStatus::Deferred,
        ExitStatus::Complete,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for the table in the docs and in `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitStatus::Complete => "all complete, or nothing was due",
            ExitStatus::Failed => "a job failed: Spotify unreachable, retries spent; checkpoints are kept",
            ExitStatus::Usage => "the command line, the settings or a job file is wrong",
            ExitStatus::Partial => "partial: something asked for could not be had, each with its reason",
            ExitStatus::Storage => "the store or an output file cannot be read or written; what was committed stays",
            ExitStatus::Deferred => {
                "deferred: quota spent, a long cool-down, already running, or stopped; the message says when to come back"
            }
            ExitStatus::UserAction => {
                "a person must act: sign in again, renew Premium, allow-list a user, see to the credentials"
            }
        }
    }

    /// The code of several outcomes together.
    pub fn most_severe(outcomes: impl IntoIterator<Item = ExitStatus>) -> ExitStatus {
        outcomes.into_iter().fold(ExitStatus::Complete, ExitStatus::more_severe)
    }

    /// The code of two outcomes together.
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
    fn the_gravest_outcome_wins() {
        assert_eq!(ExitStatus::most_severe([]), ExitStatus::Complete);
        assert_eq!(
            ExitStatus::most_severe([ExitStatus::Deferred, ExitStatus::Complete, ExitStatus::Partial]),
            ExitStatus::Partial
        );
        assert_eq!(
            ExitStatus::most_severe([
                ExitStatus::Usage,
                ExitStatus::Failed,
                ExitStatus::UserAction,
                ExitStatus::Storage
            ]),
            ExitStatus::Storage
        );
        let codes: Vec<u8> = ExitStatus::BY_PRECEDENCE.iter().map(|e| e.code()).collect();
        assert_eq!(codes, [74, 77, 1, 2, 3, 75, 0]);
    }
}
