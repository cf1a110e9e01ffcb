//! Calls to Spotify: pace, budgets, retries, and what refusals teach.

pub mod accounts;
pub mod api_calls;
pub mod app_class;
pub mod budget;
pub mod fifty_jobs;
pub mod interrupted_plans;
pub mod ledger;
pub mod limiter;
pub mod pace;
pub mod quota;
pub mod refusals;
pub mod retry;
pub mod shards;
pub mod sister_apps;
pub mod sweep;
