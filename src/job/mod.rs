//! Jobs: one TOML file says what to fetch, when, and what to write.
//!
//! A file becomes a [`Job`] only when nothing is wrong with it; otherwise every problem of it is
//! reported at once, with line, column and the nearest valid name. [`keys`] is the table of all
//! keys, from which the check, the JSON Schema and `docs/jobs.md` come.
//!
//! A fetch that takes its ids `from` another one must stand below it: then there are no cycles, a
//! run goes through the file from top to bottom, and a reader does too.

mod chart;
mod consistency;
mod csv_file;
mod fetch;
mod id_column;
mod input_budget;
mod input_rows;
pub mod keys;
mod load;
mod model;
mod output_name;
mod page_model;
mod plain_letters;
mod query;
mod read;
mod reference_file;
mod report;
mod row_files;
mod rules;
mod schedule;
mod schema;
mod search_file;
mod source;
mod sql;

pub use input_rows::InputFile;
pub use load::{LoadedJobs, load};
pub use model::{AlbumGroup, Fetch, FetchSource, Job, JobQuery, JobUsers, RowFile, SinceRule, TimeRange};
pub use output_name::{OutputName, TemplateValues, list_file_name};
pub use page_model::{ChartKind, JobChart, JobReport, ReportSection};
pub use reference_file::{IdsFile, SkippedRow};
pub use schedule::{Schedule, ScheduleError};
pub use schema::{json_schema, markdown};
pub use sql::{sql_hint, token_length};

pub use crate::settings::{CsvOptions, FirstRunPolicy, MissedPolicy, OverlapPolicy};
