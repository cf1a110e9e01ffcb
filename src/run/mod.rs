//! One run of one job: its fetches in order, then its files, and the record of both.
//!
//! Everything that a run claims is in the store before it is said: a page with its checkpoint, a
//! list when it is whole, each thing that could not be had with its reason. So a run can be killed at
//! any instant and repeated.

mod album_tracks;
mod class;
mod course;
mod dead;
pub mod decide;
mod doubt;
mod engine;
pub mod exit;
mod fetch;
mod files;
mod halt;
mod head;
mod job;
mod land;
mod library;
mod list;
mod list_lock;
mod lock;
mod look;
mod own_playlists;
mod pass;
mod playlist;
mod price;
mod progress;
mod report;
mod retention;
mod search;
mod stalest;
mod sum;
mod things;
mod unit;
mod units;
mod users;

pub use class::AppFacts;
pub use course::{Course, TakenUp};
pub use dead::tell_dead;
pub use engine::{Engine, stamp, went_on_from};
pub use files::{Files, FilesError, Shown, Written, style};
pub use halt::{Halt, Weight};
pub use job::{Start, bound, run_job};
pub use list_lock::ListLock;
pub use lock::{JobLock, LockTrouble, SchedulerLock, StoreLock};
pub use price::{Calls, FetchPrice, JobPrice, Looks, Price, price_job, seconds};
pub use progress::{Progress, Unwatched};
pub use report::{Cause, FetchReport, FileReport, RunReport, Whose};
pub use retention::kept_since;
