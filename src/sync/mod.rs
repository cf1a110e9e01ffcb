//! One run of one job: its fetches in order, then its files, and the record of both.
//!
//! A result is in the store before it is reported: a page with its checkpoint, a list when it is complete,
//! each missing item with its reason. So a run can be killed at any instant and repeated.
//!
//! From the top:
//!
//! - `run_job` runs a job, and `estimate_job` says what that would cost. `accumulator` and `report` hold
//!   what a run did; `run_parameters`, `users`, `partition` and `fetch_inputs` hold its inputs.
//! - `fetch` runs one fetch. `work_items` cuts it into work items and `ordering` puts them in order;
//!   `work_result` is what came of them, `missing` remembers what Spotify refuses, and `refusal_weight` says
//!   how much a refusal means.
//! - Strategies, each with its read and its estimate: `by_id`, `album_tracks`, `paged_list`, `playlist`,
//!   `own_playlists`, `recent_plays`, `search`, `profile`. `parent_name` adds what a list does not say about its parent.
//! - `list_reader` is the one loop that reads lists: `open_list` before, `list_pass` for each pass
//!   (`page_request`, `anomalies`, `halving`, `incremental`, `gap_looks`, `newest_items`, `commit`,
//!   `staged_entries`, `brake`), and `read_outcome` after. What decides whether
//!   a list is read at all is `change_detection`.
//! - `context` and `error` are what all of these work with.

mod accumulator;
mod album_list;
mod album_tracks;
mod anomalies;
mod app_facts;
mod brake;
mod by_id;
pub mod change_detection;
mod commit;
mod context;
mod counts;
mod crashed;
mod error;
mod estimate;
mod estimate_job;
pub mod exit_codes;
mod fetch;
mod fetch_inputs;
mod fetch_progress;
mod gap_looks;
mod halving;
mod incremental;
mod job_lock;
mod list_lock;
mod list_pass;
mod list_reader;
mod list_request;
mod missing;
mod newest_items;
mod observer;
mod open_list;
mod ordering;
mod own_playlists;
mod page_reader;
mod page_request;
mod paged_list;
mod parent_name;
mod partition;
mod playlist;
mod playlist_proof;
mod profile;
mod publication;
mod read_outcome;
mod recent_plays;
mod references;
mod refusal_weight;
mod release_order;
mod report;
mod retention;
mod run_job;
mod run_parameters;
mod search;
mod search_answers;
mod short_page;
mod skip_notes;
mod staged_entries;
mod unread_items;
mod user_lists;
mod users;
mod work_items;
mod work_result;

pub use crate::ingest::ExportedHistory;
pub use app_facts::AppFacts;
pub use context::{SyncContext, resume_start};
pub use crashed::mark_crashed_runs;
pub use error::{SyncError, SyncErrorClass};
pub use estimate::{CallEstimate, CallRange, ProbeBudget, seconds_for_calls};
pub use estimate_job::{FetchEstimate, JobEstimate, estimate_job};
pub use fetch_progress::ResumedRead;
pub use job_lock::{JobLock, LockError, SchedulerLock, StoreLock};
pub use list_lock::ListLock;
pub use observer::{NoopRunObserver, RunObserver};
pub use report::{CauseScope, ExpiringGrant, FetchReport, RunCause, RunReport};
pub use retention::retained_since;
pub use run_job::run_job;
pub use run_parameters::{RunParameters, query_bindings};
