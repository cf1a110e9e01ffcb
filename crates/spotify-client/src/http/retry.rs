//! What to do with the outcome of a call: one pure function, the only place that decides.
//!
//! It never waits or sends. The numbers: five attempts with full jitter from 0 to
//! min(30 s, 0.5 s × 2ⁿ), which spreads tasks better than a fraction of jitter does; retries of a
//! run at most 20 + 10 % of its calls, so that a server that is down is not hammered. A refusal
//! without a usable `Retry-After` waits 5 s, doubling to 15 min. Several refusals in a row on one
//! family without any answer between them park that family: some endpoints are closed to an app
//! with 429 instead of 403, and would be asked for ever.

use std::time::Duration;

use super::retry_after::RetryAfter;
use crate::state::{Reach, Reason};

/// The numbers; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Times that one call is sent, the first included.
    pub attempts: u32,
    /// The pause before the second attempt is at most this; then it doubles.
    pub first_pause: Duration,
    /// No pause between attempts is longer.
    pub longest_pause: Duration,
    /// Wait after a refusal that does not say how long; doubles from one to the next.
    pub refused_first: Duration,
    /// No such wait is longer.
    pub refused_longest: Duration,
    /// Refusals in a row on one family before it is parked.
    pub refused_in_a_row: u32,
    /// How long a family is parked for `QUOTA_EXCEEDED` without a header, for an absurd header,
    /// and after refusals in a row.
    pub park: Duration,
    /// Added to every wait that the server asked for: up to this much.
    pub wait_jitter: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            refused_first: Duration::from_secs(5),
            refused_longest: Duration::from_secs(900),
            refused_in_a_row: 6,
            park: Duration::from_secs(86_400),
            wait_jitter: Duration::from_secs(1),
        }
    }
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer came.
    Answered {
        /// Its status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: RetryAfter,
        /// Whether it says `QUOTA_EXCEEDED`.
        quota: bool,
        /// Whether the request was conditional, so that 304 is an answer.
        conditional: bool,
    },
    /// A 200 came whose body cannot be what was asked for: cut, HTML, too large, another shape.
    Unusable,
    /// No answer, or only part of one.
    Lost,
    /// The server's certificate is not accepted.
    Certificate,
}

/// What went before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    /// Which attempt ended so, from 1.
    pub attempt: u32,
    /// Whether the token was renewed for this call already.
    pub renewed: bool,
    /// Whether the run may still retry.
    pub budget: bool,
    /// Refusals before this one that did not say how long, in a row.
    pub unsaid: u32,
    /// Refusals of this family before this one, in a row.
    pub refused: u32,
    /// A random number from 0 to 1.
    pub jitter: f64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Use the answer.
    Done,
    /// Send it again after a pause.
    Again {
        /// How long.
        after: Duration,
    },
    /// Renew the token and send it again at once.
    RefreshToken,
    /// Hold a scope back, then send it again if that is worth the wait.
    Park {
        /// What is held back.
        reach: Reach,
        /// How long.
        wait: Duration,
        /// Why.
        reason: Reason,
    },
    /// No use.
    GiveUp(GiveUp),
}

/// Why there is no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The answer is final: 3xx, 4xx and whatever HTTP does not know.
    Final,
    /// 401 again, with a new token.
    Unauthorized,
    /// All attempts failed.
    Attempts,
    /// The run has retried as often as it may.
    Budget,
    /// The certificate is not accepted: no second try.
    Certificate,
}

/// Decides what becomes of a request for a token, sent with these rules. No family is closed by
/// refusals here, and no 4xx is tried again: a refresh token may be spent by an answer that nobody saw.
pub fn decide_token(outcome: Outcome, tried: &Tried, rules: &Rules) -> Verdict {
    match outcome {
        Outcome::Answered { status: 429, retry_after, .. } => hold_tokens(retry_after, tried, rules),
        Outcome::Answered { status: 503, retry_after, .. } if retry_after != RetryAfter::Nothing => {
            hold_tokens(retry_after, tried, rules)
        }
        Outcome::Answered { status: 500..=599, .. } => again(tried, rules),
        Outcome::Answered { status: 200, .. } => Verdict::Done,
        Outcome::Answered { .. } => Verdict::GiveUp(GiveUp::Final),
        other => decide(other, tried, rules),
    }
}

fn hold_tokens(retry_after: RetryAfter, tried: &Tried, rules: &Rules) -> Verdict {
    park((Reach::Client, Reason::Accounts), wait(retry_after, tried, rules), tried, rules)
}

/// Decides what becomes of a call.
pub fn decide(outcome: Outcome, tried: &Tried, rules: &Rules) -> Verdict {
    match outcome {
        Outcome::Answered { status, retry_after, quota, conditional } => match status {
            200 => Verdict::Done,
            304 if conditional => Verdict::Done,
            401 if tried.renewed => Verdict::GiveUp(GiveUp::Unauthorized),
            401 => Verdict::RefreshToken,
            429 => refused(retry_after, quota, tried, rules),
            503 if retry_after != RetryAfter::Nothing => {
                park((Reach::Client, Reason::Unavailable), wait(retry_after, tried, rules), tried, rules)
            }
            // 201 to 299: a success that cannot carry what was asked for.
            201..=299 | 408 | 425 | 500 | 502 | 503 | 504 => again(tried, rules),
            _ => Verdict::GiveUp(GiveUp::Final),
        },
        Outcome::Unusable | Outcome::Lost => again(tried, rules),
        Outcome::Certificate => Verdict::GiveUp(GiveUp::Certificate),
    }
}

fn again(tried: &Tried, rules: &Rules) -> Verdict {
    if tried.attempt >= rules.attempts {
        return Verdict::GiveUp(GiveUp::Attempts);
    }
    if !tried.budget {
        return Verdict::GiveUp(GiveUp::Budget);
    }
    let most = doubled(rules.first_pause, tried.attempt - 1, rules.longest_pause);
    Verdict::Again { after: most.mul_f64(tried.jitter.clamp(0.0, 1.0)) }
}

/// A 429 of the API's: about a family, or about the client.
fn refused(retry_after: RetryAfter, quota: bool, tried: &Tried, rules: &Rules) -> Verdict {
    let closed = tried.refused + 1 >= rules.refused_in_a_row;
    let scope = match (quota, closed) {
        (true, _) => (Reach::Family, Reason::Quota),
        (false, true) => (Reach::Family, Reason::RateLimit),
        (false, false) => (Reach::Client, Reason::RateLimit),
    };
    let said = match retry_after {
        RetryAfter::Nothing if quota => rules.park,
        retry_after => wait(retry_after, tried, rules),
    };
    park(scope, if closed { said.max(rules.park) } else { said }, tried, rules)
}

/// How long a `Retry-After` asks for.
fn wait(retry_after: RetryAfter, tried: &Tried, rules: &Rules) -> Duration {
    match retry_after {
        RetryAfter::Wait(wait) => wait,
        RetryAfter::Absurd => rules.park,
        RetryAfter::Nothing => doubled(rules.refused_first, tried.unsaid, rules.refused_longest),
    }
}

fn park((reach, reason): (Reach, Reason), wait: Duration, tried: &Tried, rules: &Rules) -> Verdict {
    Verdict::Park { reach, wait: wait + rules.wait_jitter.mul_f64(tried.jitter.clamp(0.0, 1.0)), reason }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}
