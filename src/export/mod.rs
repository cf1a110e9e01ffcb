//! CSV files and the data package beside them, from the store and nothing else.
//!
//! A job's sheets are rendered in one read transaction, so its files agree with each other. Each goes
//! to a temporary file beside its target, is synced, and takes the target's place in one step if it
//! differs by a byte; what was made from the same inputs is not even rendered. `datapackage.json` is
//! written last: whoever waits for it sees whole files only.

mod cell;
mod error;
mod exportify;
mod folder;
mod fragments;
mod guard;
mod hash;
mod job_files;
mod journal;
mod name;
mod outcome;
mod output_file;
mod package;
mod prune;
mod publish;
mod render;
mod style;
mod verify;

pub use error::ExportError;
pub use guard::Guard;
pub use job_files::{ExportedRun, FileReport, JobExportReport, JobFiles, JobFilesError, csv_style};
pub use name::{FileNameError, check_name};
pub use outcome::{ExportOutcome, ExportTarget, ExportedFile, FileChange, PackageRunState, RunInfo};
pub use output_file::{CsvColumn, OutputFile, RowSource};
pub use publish::{check_target, publish};
pub use style::{CsvStyle, CsvStyleError, LineEnding, Profile, TimeFormat};
pub use verify::{FileFinding, FileIssue, FilesReport, verify_files};
