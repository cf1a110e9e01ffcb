//! What a gate is told, and why it does not open.

use std::time::Duration;

use crate::deferral::Deferral;
use crate::error::ApiError;
use crate::http::breaker::BreakerRules;
use crate::http::family::EndpointFamily;
use crate::http::halt::Stopped;
use crate::state::{AdaptivePace, CallCeilings, CallSpender, StateError};

/// What a gate is told.
#[derive(Debug, Clone)]
pub struct LimiterRules {
    /// Calls a second over all processes. Zero or less, or not a number: no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Calls of a rolling day.
    pub ceilings: CallCeilings,
    /// A longer wait ends the run.
    pub max_wait: Duration,
    /// So do more waits than this, together.
    pub max_waits: Duration,
    /// Calls of this run.
    pub max_calls: Option<u64>,
    /// When to stop asking a server that is down.
    pub breaker: BreakerRules,
    /// Whether and how the pace adapts.
    pub adaptive: Option<AdaptivePace>,
    /// The job that asks, and its share of the day.
    pub spender: Option<CallSpender>,
}

/// What one run may spend.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunAllowance {
    /// Calls of the run.
    pub max_calls: Option<u64>,
    /// The share of the day's calls that it leaves alone.
    pub reserve: f64,
    /// The job that asks, and its share of the day.
    pub spender: Option<CallSpender>,
}

/// A call that wants to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallIntent {
    /// To which endpoint family.
    pub family: EndpointFamily,
    /// It finds out which ceilings hold, so those that are set hold all calls but this one; what
    /// refusals taught holds it too.
    pub is_probe: bool,
}

impl From<EndpointFamily> for CallIntent {
    fn from(family: EndpointFamily) -> CallIntent {
        CallIntent { family, is_probe: false }
    }
}

/// Why the gate does not open.
#[derive(Debug)]
pub enum LimitError {
    /// Come back later.
    Deferred(Deferral),
    /// The run was stopped.
    Stopped,
    /// The call cannot be booked.
    State(StateError),
}

impl From<Stopped> for LimitError {
    fn from(Stopped: Stopped) -> Self {
        LimitError::Stopped
    }
}

impl From<StateError> for LimitError {
    fn from(error: StateError) -> Self {
        LimitError::State(error)
    }
}

impl From<LimitError> for ApiError {
    fn from(error: LimitError) -> ApiError {
        match error {
            LimitError::Deferred(deferral) => ApiError::Deferred(deferral),
            LimitError::Stopped => ApiError::Stopped,
            LimitError::State(error) => error.into(),
        }
    }
}
