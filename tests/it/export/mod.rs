//! Tests of the files that jobs write.

pub mod changed_files;
mod charts;
pub mod files_per_list;
mod input_rows;
mod jobs_without_file;
mod json_lines;
mod killed_exports;
mod overview;
#[cfg(feature = "lake")]
mod parquet;
mod partial_files;
mod query_times;
mod report_command;
pub mod report_pages;
mod report_people;
mod restored_stores;
mod workbooks;
