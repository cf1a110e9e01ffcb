//! The rows of the store as messages of Singer, for the targets of other programs.
//!
//! The store is read and never written. A table is sent as what changed since the state of the last time, deleted rows
//! included, or completely, and all tables come from one state of the store. Messages may be applied twice, because the key
//! and the version of each row are in them.

mod catalog;
mod config;
mod error;
mod json_file;
mod messages;
mod state;
mod sync;

pub use catalog::{discover, read_catalog};
pub use config::{SingerConfig, read_config};
pub use error::SingerError;
pub use state::{SingerState, read_state};
pub use sync::{SingerOptions, SingerReport, send};
