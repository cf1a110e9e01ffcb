//! The ledger of calls: those that were sent, those that Spotify refused, and those that may still be sent.
//!
//! Spotify counts calls over a rolling day and punishes a client that calls too early, so the
//! ledger makes promises about other processes and later starts. A call is recorded before it is
//! sent. A deadline only moves forward. A slot is reserved, not raced for. If the ledger cannot be
//! read or written, no call is sent: a call that is not recorded makes the next run exceed its budget.
//!
//! [`CallLedger`] decides about calls, [`CoolDowns`] remembers refusals. Both work on one
//! [`LedgerConnection`], so one transaction sees cool-downs, ceilings and slots together.

pub(in crate::state) mod account_change;
pub(in crate::state) mod adaptive_pace;
pub(in crate::state) mod calls;
pub(in crate::state) mod ceilings;
pub(in crate::state) mod clock_jumps;
pub(in crate::state) mod connection;
pub(in crate::state) mod cool_downs;
pub(in crate::state) mod job_share;
pub(in crate::state) mod pace;
pub(in crate::state) mod refusal;
pub(in crate::state) mod request;
pub(in crate::state) mod reservation;
pub(in crate::state) mod usage;
pub(in crate::state) mod windows;

pub use calls::CallId;
pub use ceilings::{CeilingReached, LearnedCeiling, usable_calls};
pub(in crate::state) use connection::LedgerConnection;
pub use cool_downs::{CoolDown, CoolDowns};
pub use job_share::{CallSpender, CallsByJob, JobKey, JobShare};
pub use pace::{AdaptivePace, CallPace};
pub use refusal::NewRefusal;
pub use request::{CallCeilings, CallRequest, ClientIdentity};
pub use reservation::{CallBlock, CallLedger, Reservation};
pub use usage::{FamilyUsage, FreedCalls, LedgerUsage, PastRefusal};

/// The rolling day that Spotify counts calls in.
pub(in crate::state) const DAY_MS: i64 = 86_400_000;
