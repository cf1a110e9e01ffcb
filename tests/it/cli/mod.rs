//! Commands: their output, their exit codes, and the documents that describe them.

pub mod check;
pub mod commands;
pub mod container;
pub mod docs;
pub mod doctor;
pub mod exit_codes;
pub mod find;
pub mod help;
pub mod hostile_names;
pub mod ids_files;
pub mod init;
pub mod init_questions;
pub mod job_schema;
pub mod monitoring_doc;
mod narrow_terminal;
pub mod output;
pub mod plan;
pub mod random_plans;
pub mod readme;
pub mod recipes;
pub mod run_endings;
pub mod running_runs;
pub mod settings;
mod shards;
pub mod sql;
pub mod troubleshooting_doc;
pub mod unreadable_store;
