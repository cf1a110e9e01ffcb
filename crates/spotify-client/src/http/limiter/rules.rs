//! The rules of a limiter, and why it does not let a call through.

use std::time::Duration;

use crate::deferral::Deferral;
use crate::error::ApiError;
use crate::http::breaker::BreakerRules;
use crate::http::cancellation::Stopped;
use crate::http::family::EndpointFamily;
use crate::state::{AdaptivePace, CallCeilings, CallSpender, StateError};

/// The rules of a limiter.
#[derive(Debug, Clone)]
pub struct LimiterRules {
    /// Calls a second over all processes. Zero, a negative number or NaN means no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Ceilings of a rolling day.
    pub ceilings: CallCeilings,
    /// A longer wait ends the run.
    pub max_wait: Duration,
    /// More waits than this in total end the run.
    pub max_waits: Duration,
    /// Maximum number of calls of this run.
    pub max_calls: Option<u64>,
    /// When to stop calling a server that is down.
    pub breaker: BreakerRules,
    /// Whether and how the pace adapts.
    pub adaptive: Option<AdaptivePace>,
    /// The job that sends the calls, and its share of the day.
    pub spender: Option<CallSpender>,
}

/// What one run may spend.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunAllowance {
    /// Maximum number of calls of the run.
    pub max_calls: Option<u64>,
    /// The share of the day's calls that the run does not use.
    pub reserve: f64,
    /// The job that sends the calls, and its share of the day.
    pub spender: Option<CallSpender>,
}

/// A call that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallIntent {
    /// The endpoint family that it goes to.
    pub family: EndpointFamily,
    /// Whether the call finds out which ceilings apply. The configured ceilings do not block it then, but
    /// learned ceilings do.
    pub is_probe: bool,
}

impl From<EndpointFamily> for CallIntent {
    fn from(family: EndpointFamily) -> CallIntent {
        CallIntent { family, is_probe: false }
    }
}

/// Why a call may not be sent.
#[derive(Debug)]
pub enum LimitError {
    /// Calls are deferred until later.
    Deferred(Deferral),
    /// The run was stopped.
    Stopped,
    /// The call cannot be recorded.
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
