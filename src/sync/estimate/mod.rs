//! What a run would cost now, worked out by the code that spends it.
//!
//! A fetch is cut into the same work items as in a run, and each strategy estimates its own reads by
//! what the run goes by: which ids are fresh, which lists are unchanged, how many pages there are, and
//! whether ids may be read in batches. Nothing is written. Where only Spotify knows, an estimate is a
//! range with its reason, unless a probe may be sent: a call with the answer that the run is assumed
//! to get, too.

mod call_estimate;
mod calls;
mod estimator;
mod probes;
mod totals;

pub use call_estimate::CallEstimate;
pub use calls::{CallRange, seconds_for_calls};
pub use probes::ProbeBudget;

pub(super) use call_estimate::{RowChanges, reasons};
pub(super) use calls::call_count;
pub(super) use estimator::JobEstimator;
pub(super) use probes::ProbeOutcome;
pub(super) use totals::{TotalTrust, check_total, is_whole_list};
