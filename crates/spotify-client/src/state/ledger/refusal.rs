//! A refusal that is about to be recorded.

use std::time::Duration;

use super::calls::CallId;
use crate::deferral::{DeferralReason, DeferralScope};

/// A refusal by Spotify that calls have to wait for.
#[derive(Debug, Clone, Copy)]
pub struct NewRefusal<'a> {
    /// Which calls have to wait.
    pub scope: DeferralScope,
    /// How long, jitter included.
    pub wait: Duration,
    /// Whether the server stated a credible wait.
    pub wait_is_stated: bool,
    /// Why it was refused.
    pub reason: DeferralReason,
    /// Status, header and message of the response.
    pub evidence: &'a str,
    /// The call that was refused, or `None` for a request to the accounts service.
    pub call: Option<CallId>,
}
