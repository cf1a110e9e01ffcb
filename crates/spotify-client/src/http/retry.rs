//! Decides what to do with the outcome of a call. One pure function decides; nothing else does.
//!
//! It never waits or sends. The numbers: five attempts with full jitter from 0 to min(30 s, 0.5 s × 2ⁿ),
//! which spreads tasks better than a fraction of jitter does; in one run at most 20 retries plus 10 % of
//! its calls, so that a server that is down is not flooded. A refusal without a usable `Retry-After` waits
//! 5 s, which doubles up to 15 min. Several refusals in a row on one family, without a success between
//! them, hold that family back: Spotify closes some endpoints to an app with 429 instead of 403, and the
//! calls would be repeated for ever.
//!
//! No crate fits: retry middleware sleeps on its own and knows nothing of deadlines that other processes
//! share.

use std::time::Duration;

use super::retry_after::RetryAfter;
use crate::deferral::{DeferralReason, DeferralScope};
use crate::family::EndpointFamily;

/// The numbers behind the decisions. Tests shorten the times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryRules {
    /// Maximum number of attempts for one call.
    pub attempts: u32,
    /// Maximum pause before the second attempt. It doubles from one attempt to the next.
    pub first_pause: Duration,
    /// Maximum pause between attempts.
    pub longest_pause: Duration,
    /// Wait after a refusal without a stated time. It doubles from one refusal to the next.
    pub first_refusal_wait: Duration,
    /// Maximum wait after such a refusal.
    pub longest_refusal_wait: Duration,
    /// Refusals in a row on one family before the family is deferred.
    pub refusals_before_defer: u32,
    /// How long a family is deferred for `QUOTA_EXCEEDED` without a header, for an implausible header,
    /// and after refusals in a row.
    pub defer_for: Duration,
    /// Maximum jitter that is added to every wait after a refusal.
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
    /// A response arrived.
    Answered {
        /// Its status.
        status: u16,
        /// Its `Retry-After` header.
        retry_after: RetryAfter,
        /// Whether it says `QUOTA_EXCEEDED`.
        quota: bool,
        /// Whether the request was conditional, so that 304 is a success.
        conditional: bool,
    },
    /// A 200 with an unusable body: cut short, HTML, too large, or of another shape.
    Unusable,
    /// No response, or only part of one.
    Lost,
    /// The server's certificate is not accepted.
    Certificate,
}

/// What happened before this outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptHistory {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Whether the token was already renewed for this call.
    pub token_renewed: bool,
    /// Whether the run may still retry.
    pub may_retry: bool,
    /// Earlier refusals in a row without a stated time.
    pub unstated_refusals: u32,
    /// Earlier refusals of this family in a row.
    pub family_refusals: u32,
    /// A random number from 0 to 1.
    pub jitter: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Use the response.
    Done,
    /// Repeat the call after a pause.
    Again {
        /// How long.
        after: Duration,
    },
    /// Renew the token and repeat the call at once.
    RefreshToken,
    /// Hold a scope back. The limiter then decides whether to wait or to give up.
    Defer {
        /// The deferred calls.
        scope: DeferralScope,
        /// How long.
        wait: Duration,
        /// Why.
        reason: DeferralReason,
    },
    /// Give up.
    GiveUp(GiveUpReason),
}

/// Why a call is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// The response is final: 3xx, 4xx, and statuses that HTTP does not define.
    Final,
    /// 401 again, with a new token.
    Unauthorized,
    /// All attempts failed.
    Attempts,
    /// The run has used its retries.
    Budget,
    /// The certificate is not accepted, which a second attempt does not change.
    Certificate,
}

/// Decides what follows a request for a token. Refusals hold back no family here, and a 4xx is never
/// repeated: a refresh token may be used up by a response that was lost.
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

/// Decides what follows a call to this family.
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
            // 201 to 299 are successes that cannot carry the requested data.
            201..=299 | 408 | 425 | 500..=599 => retry(tried, rules),
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

/// Decides about a 429 of the Web API: it concerns a family, or the client.
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

/// The wait that a `Retry-After` asks for.
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
