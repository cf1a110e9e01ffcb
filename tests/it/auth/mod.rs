//! Signing in, grants and secrets.

pub mod grant_files;
pub mod grants;
pub mod import;
pub mod kept_scopes;
pub mod lost_refresh;
pub mod odd_sign_ins;
pub mod paste;
pub mod processes;
#[cfg(feature = "lake")]
pub mod purge;
#[cfg(feature = "lake")]
pub mod purge_traces;
pub mod replaced_grants;
pub mod secrets;
pub mod sign_in;
pub mod sign_in_refusals;
pub mod unattended;
pub mod unfit_state;
