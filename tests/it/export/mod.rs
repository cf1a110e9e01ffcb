//! Tests of the files that jobs write.

pub mod changed_files;
mod input_rows;
mod jobs_without_file;
mod json_lines;
mod killed_exports;
#[cfg(feature = "lake")]
mod parquet;
mod report_pages;
mod restored_stores;
mod workbooks;
