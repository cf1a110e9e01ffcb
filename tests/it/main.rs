//! Integration tests: one binary, a module per subject.

mod check;
mod commands;
mod docs;
mod init;
mod project;
mod schema;
mod settings;
