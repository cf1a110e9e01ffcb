//! Tests of CSV files.

pub mod changed_files;
mod input_rows;
mod jobs_without_file;
mod killed_exports;
mod restored_stores;
