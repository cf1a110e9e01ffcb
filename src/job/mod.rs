//! Jobs: one TOML file says what to fetch, when, and what to write.
//!
//! A file becomes a [`Job`] only when nothing is wrong with it; otherwise every problem of it is
//! reported at once, with line, column and the nearest valid name. [`keys`] is the table of all
//! keys, from which the check, the JSON Schema and `docs/jobs.md` come.
//!
//! A fetch that takes its ids `from` another one must stand below it: then there are no cycles, a
//! run goes through the file from top to bottom, and a reader does too.

mod cross;
mod csv_file;
mod fetch;
pub mod keys;
mod load;
mod model;
mod output;
mod query;
mod read;
mod reference_file;
mod rules;
mod schedule;
mod schema;
mod search_file;
mod source;
mod sql;

pub use load::{Loaded, load};
pub use model::{Fetch, Group, Job, Query, Since, Source, TimeRange, Users};
pub use output::{Expansion, OutputName};
pub use schedule::{NotASchedule, Schedule};
pub use schema::{json_schema, markdown};

pub use crate::settings::{Csv as CsvOptions, FirstRun, Missed, Overlap};
