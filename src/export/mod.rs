//! Exports a job's files and their data package from the store.
//!
//! The files of a job are rendered in one read transaction, so they agree with each other. Each file is
//! written to a temporary file in the same folder, synced, and renamed in one step if its bytes have
//! changed. A file with unchanged inputs is not rendered at all. `datapackage.json` is
//! written last, so a program that waits for it sees only complete files.

mod cell;
mod csv_column;
mod described_files;
mod entity_cells;
mod error;
mod excel_limits;
mod exportify;
mod folder;
mod formats;
mod fragments;
mod guard;
mod hash;
mod job_files;
mod jobs_without_file;
mod journal;
mod json_lines;
mod kept_rows;
mod last_files;
mod name;
mod not_found_file;
mod outcome;
mod output_file;
mod overview_file;
mod package;
mod page_files;
#[cfg(feature = "lake")]
mod parquet_file;
#[cfg(feature = "lake")]
mod parquet_purge;
mod planned_file;
mod prune;
mod publish;
mod query_csv;
mod query_fetches;
mod render;
mod row_sources;
mod row_spool;
mod style;
mod typed_rows;
mod user_files;
mod user_mentions;
mod value_bytes;
mod verify;
mod workbook;

pub use csv_column::CsvColumn;
pub use error::ExportError;
pub use guard::{is_guarded, unguard};
pub use job_files::{ExportedParts, ExportedRun, FileReport, JobExportReport, JobFiles, JobFilesError, csv_style};
pub use jobs_without_file::{forget_missing_files, forget_missing_files_of_other_jobs};
pub use last_files::last_file_of_job;
pub use name::{FileNameError, check_name};
pub use outcome::{ExportOutcome, ExportTarget, ExportedFile, FileChange, PackageRunState, RunInfo};
pub use output_file::{OutputFile, RowSource};
pub use overview_file::{OVERVIEW_FILE, publish_overview, remove_overview};
pub use publish::{check_target, publish};
pub use query_csv::{QueryCsvError, write_query_csv};
pub use query_fetches::query_fetches;
pub use style::{CsvStyle, CsvStyleError};
pub use user_files::{
    ClearedFiles, clear_user_files, compressed_texts_match, delete_workbooks, left_by_earlier_purges,
};
pub use user_mentions::UserMentions;
pub use verify::{FileFinding, FileIssue, FilesReport, verify_files};
