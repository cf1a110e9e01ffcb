//! Exit codes: what cron, systemd and Airflow go by.

use std::process::ExitCode;

/// How the program ends. The numbers are part of the contract with users; 74, 75 and 77 are those
/// of `sysexits.h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
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
    Person = 77,
}

impl Exit {
    /// Every code, the one that wins over all others first.
    pub const BY_PRECEDENCE: [Exit; 7] =
        [Exit::Storage, Exit::Person, Exit::Failed, Exit::Usage, Exit::Partial, Exit::Deferred, Exit::Complete];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for the table in the docs and in `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Complete => "all complete, or nothing was due",
            Exit::Failed => "a job failed: Spotify unreachable, retries spent; checkpoints are kept",
            Exit::Usage => "the command line, the settings or a job file is wrong",
            Exit::Partial => "partial: something asked for could not be had, each with its reason",
            Exit::Storage => "the store or an output file cannot be read or written; what was committed stays",
            Exit::Deferred => {
                "deferred: quota spent, a long cool-down, already running, or stopped; the message says when to come back"
            }
            Exit::Person => {
                "a person must act: sign in again, renew Premium, allow-list a user, see to the credentials"
            }
        }
    }

    /// The code of several outcomes together.
    pub fn of_all(outcomes: impl IntoIterator<Item = Exit>) -> Exit {
        outcomes.into_iter().fold(Exit::Complete, Exit::and)
    }

    /// The code of two outcomes together.
    #[must_use]
    pub fn and(self, other: Exit) -> Exit {
        Exit::BY_PRECEDENCE.into_iter().find(|e| *e == self || *e == other).unwrap_or(self)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_outcome_wins() {
        assert_eq!(Exit::of_all([]), Exit::Complete);
        assert_eq!(Exit::of_all([Exit::Deferred, Exit::Complete, Exit::Partial]), Exit::Partial);
        assert_eq!(Exit::of_all([Exit::Usage, Exit::Failed, Exit::Person, Exit::Storage]), Exit::Storage);
        let codes: Vec<u8> = Exit::BY_PRECEDENCE.iter().map(|e| e.code()).collect();
        assert_eq!(codes, [74, 77, 1, 2, 3, 75, 0]);
    }
}
