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
use crate::deferral::{DeferralReason, DeferralScope};
use crate::family::EndpointFamily;

/// The numbers; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryRules {
    /// Times that one call is sent, the first included.
    pub attempts: u32,
    /// The pause before the second attempt is at most this; then it doubles.
    pub first_pause: Duration,
    /// No pause between attempts is longer.
    pub longest_pause: Duration,
    /// Wait after a refusal that does not say how long; doubles from one to the next.
    pub first_refusal_wait: Duration,
    /// No such wait is longer.
    pub longest_refusal_wait: Duration,
    /// Refusals in a row on one family before it is parked.
    pub refusals_before_defer: u32,
    /// How long a family is parked for `QUOTA_EXCEEDED` without a header, for an absurd header,
    /// and after refusals in a row.
    pub defer_for: Duration,
    /// Added to every wait that the server asked for: up to this much.
    pub wait_jitter: Duration,
}

impl Default for RetryRules {
    fn default() -> Self {
        RetryRules {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            first_refusal_wait: Duration::from_secs(5),
            longest_refusal_wait: Duration::from_secs(900),
            refusals_before_defer: 6,
            defer_for: Duration::from_secs(86_400),
            wait_jitter: Duration::from_secs(1),
        }
    }
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
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
pub struct AttemptHistory {
    /// Which attempt ended so, from 1.
    pub attempt: u32,
    /// Whether the token was renewed for this call already.
    pub token_renewed: bool,
    /// Whether the run may still retry.
    pub may_retry: bool,
    /// Refusals before this one that did not say how long, in a row.
    pub unstated_refusals: u32,
    /// Refusals of this family before this one, in a row.
    pub family_refusals: u32,
    /// A random number from 0 to 1.
    pub jitter: f64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
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
    Defer {
        /// What is held back.
        scope: DeferralScope,
        /// How long.
        wait: Duration,
        /// Why.
        reason: DeferralReason,
    },
    /// No use.
    GiveUp(GiveUpReason),
}

/// Why there is no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
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
pub fn decide_token(outcome: AttemptOutcome, tried: &AttemptHistory, rules: &RetryRules) -> RetryDecision {
    match outcome {
        AttemptOutcome::Answered { status: 429, retry_after, .. } => defer_tokens(retry_after, tried, rules),
        AttemptOutcome::Answered { status: 503, retry_after, .. } if retry_after != RetryAfter::Nothing => {
            defer_tokens(retry_after, tried, rules)
        }
        AttemptOutcome::Answered { status: 500..=599, .. } => retry(tried, rules),
        AttemptOutcome::Answered { status: 200, .. } => RetryDecision::Done,
        AttemptOutcome::Answered { .. } => RetryDecision::GiveUp(GiveUpReason::Final),
        AttemptOutcome::Unusable | AttemptOutcome::Lost => retry(tried, rules),
        AttemptOutcome::Certificate => RetryDecision::GiveUp(GiveUpReason::Certificate),
    }
}

fn defer_tokens(retry_after: RetryAfter, tried: &AttemptHistory, rules: &RetryRules) -> RetryDecision {
    defer((DeferralScope::Client, DeferralReason::Accounts), requested_wait(retry_after, tried, rules), tried, rules)
}

/// Decides what becomes of a call.
pub fn decide(
    family: EndpointFamily,
    outcome: AttemptOutcome,
    tried: &AttemptHistory,
    rules: &RetryRules,
) -> RetryDecision {
    match outcome {
        AttemptOutcome::Answered { status, retry_after, quota, conditional } => match status {
            200 => RetryDecision::Done,
            304 if conditional => RetryDecision::Done,
            401 if tried.token_renewed => RetryDecision::GiveUp(GiveUpReason::Unauthorized),
            401 => RetryDecision::RefreshToken,
            429 => decide_refusal((family, quota), retry_after, tried, rules),
            503 if retry_after != RetryAfter::Nothing => defer(
                (DeferralScope::Client, DeferralReason::Unavailable),
                requested_wait(retry_after, tried, rules),
                tried,
                rules,
            ),
            // 201 to 299: a success that cannot carry what was asked for.
            201..=299 | 408 | 425 | 500 | 502 | 503 | 504 => retry(tried, rules),
            _ => RetryDecision::GiveUp(GiveUpReason::Final),
        },
        AttemptOutcome::Unusable | AttemptOutcome::Lost => retry(tried, rules),
        AttemptOutcome::Certificate => RetryDecision::GiveUp(GiveUpReason::Certificate),
    }
}

fn retry(tried: &AttemptHistory, rules: &RetryRules) -> RetryDecision {
    if tried.attempt >= rules.attempts {
        return RetryDecision::GiveUp(GiveUpReason::Attempts);
    }
    if !tried.may_retry {
        return RetryDecision::GiveUp(GiveUpReason::Budget);
    }
    let most = doubled(rules.first_pause, tried.attempt - 1, rules.longest_pause);
    RetryDecision::Again { after: most.mul_f64(tried.jitter.clamp(0.0, 1.0)) }
}

/// A 429 of the API's: about a family, or about the client.
fn decide_refusal(
    (family, quota): (EndpointFamily, bool),
    retry_after: RetryAfter,
    tried: &AttemptHistory,
    rules: &RetryRules,
) -> RetryDecision {
    let closed = tried.family_refusals + 1 >= rules.refusals_before_defer;
    let scope = match (quota, closed) {
        (true, _) => (DeferralScope::Family(family), DeferralReason::Quota),
        (false, true) => (DeferralScope::Family(family), DeferralReason::RateLimit),
        (false, false) => (DeferralScope::Client, DeferralReason::RateLimit),
    };
    let said = match retry_after {
        RetryAfter::Nothing if quota => rules.defer_for,
        retry_after => requested_wait(retry_after, tried, rules),
    };
    defer(scope, if closed { said.max(rules.defer_for) } else { said }, tried, rules)
}

/// How long a `Retry-After` asks for.
fn requested_wait(retry_after: RetryAfter, tried: &AttemptHistory, rules: &RetryRules) -> Duration {
    match retry_after {
        RetryAfter::Wait(wait) => wait,
        RetryAfter::Absurd => rules.defer_for,
        RetryAfter::Nothing => doubled(rules.first_refusal_wait, tried.unstated_refusals, rules.longest_refusal_wait),
    }
}

fn defer(
    (reach, reason): (DeferralScope, DeferralReason),
    wait: Duration,
    tried: &AttemptHistory,
    rules: &RetryRules,
) -> RetryDecision {
    RetryDecision::Defer { scope: reach, wait: wait + rules.wait_jitter.mul_f64(tried.jitter.clamp(0.0, 1.0)), reason }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}
