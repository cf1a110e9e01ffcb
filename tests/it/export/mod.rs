//! CSV files.

pub mod changed_files;
