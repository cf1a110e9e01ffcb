//! The store: the one SQLite file that analysts open.

pub mod query;
pub mod schema_doc;
pub mod views;
