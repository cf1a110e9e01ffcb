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
mod journal;
mod name;
mod package;
mod prune;
mod publish;
mod render;
mod sheet;
mod style;
mod terms;
mod verify;

pub use error::ExportError;
pub use guard::Guard;
pub use name::{NameError, check_name};
pub use publish::{check_target, publish};
pub use sheet::{Sheet, SheetColumn, Source};
pub use style::{LineEnding, Profile, Style, StyleError, TimeFormat};
pub use terms::{Change, Outcome, Published, RunInfo, State, Target};
pub use verify::{FileFinding, FilesReport, Matter, verify_files};
