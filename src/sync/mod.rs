//! One run of one job: its fetches in order, then its files, and the record of both.
//!
//! Everything that a run claims is in the store before it is said: a page with its checkpoint, a
//! list when it is whole, each thing that could not be had with its reason. So a run can be killed at
//! any instant and repeated.

mod accumulator;
mod album_tracks;
mod anomalies;
mod app_facts;
mod by_id;
pub mod change_detection;
mod commit;
mod context;
mod crashed;
mod error;
mod estimate;
pub mod exit_codes;
mod fetch;
mod fetch_progress;
mod incremental;
mod job_files;
mod job_lock;
mod list;
mod list_lock;
mod list_reader;
mod observer;
mod ordering;
mod own_playlists;
mod page_request;
mod playlist;
mod report;
mod retention;
mod run_job;
mod search;
mod user_lists;
mod users;
mod work_items;
mod work_result;

pub use app_facts::AppFacts;
pub use context::{SyncContext, resume_start, timestamp};
pub use crashed::mark_crashed_runs;
pub use error::{SyncError, SyncErrorClass};
pub use estimate::{CallEstimate, CallRange, FetchEstimate, JobEstimate, ProbeBudget, estimate_job, seconds_for_calls};
pub use fetch_progress::{FetchProgress, ResumedRead};
pub use job_files::{ExportedRun, JobExportReport, JobFiles, JobFilesError, csv_style};
pub use job_lock::{JobLock, LockError, SchedulerLock, StoreLock};
pub use list_lock::ListLock;
pub use observer::{NoopRunObserver, RunObserver};
pub use report::{CauseScope, FetchReport, FileReport, RunCause, RunReport};
pub use retention::retained_since;
pub use run_job::{RunParameters, query_bindings, run_job};
