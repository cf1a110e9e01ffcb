//! The files of a job: which sheets its fetches and queries make, and what they depend on.
//!
//! They come from the store alone, so `run` and `export` write them by the same code.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::engine::stamp;
use super::report::FileReport;
use crate::export::{
    self, Change, ExportError, Guard, LineEnding, Profile, RunInfo, Sheet, Source, State, Style, Target, TimeFormat,
};
use crate::job::{CsvOptions, Expansion, Fetch, Job};
use crate::settings;
use crate::store::query::{Bound, Fetched, Reader};
use crate::store::{RunState, StoreError, data_version, open_writer};
use crate::stream::Column;

/// A query of a job may take so long.
const QUERY_TIME: Duration = Duration::from_secs(300);

/// Where files go and how they are written.
#[derive(Debug, Clone)]
pub struct Files {
    /// The store.
    pub database: PathBuf,
    /// The folder of all jobs' files, with mode and group.
    pub target: Target,
    /// The settings' choices about CSVs.
    pub csv: CsvOptions,
    /// Whether a partial run writes files.
    pub publish_partial: bool,
}

/// The run whose results are shown.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The job.
    pub job: &'a Job,
    /// Number of the run.
    pub run: i64,
    /// Its state so far.
    pub state: RunState,
    /// Why it is not complete.
    pub reasons: &'a [String],
    /// Fetches that did not finish: their files stay as they are.
    pub unfinished: &'a BTreeSet<String>,
    /// What its queries may name.
    pub bound: &'a Bound,
    /// The fire that it serves, or its start.
    pub fire_at: DateTime<Utc>,
}

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written, or a query is wrong.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A query cannot be prepared.
    #[error(transparent)]
    Query(#[from] crate::store::query::QueryError),
}

impl FilesError {
    /// Whether it is the disk or the store, rather than something in the job.
    pub fn is_storage(&self) -> bool {
        match self {
            FilesError::Store(_) => true,
            FilesError::Export(e) => e.is_storage(),
            FilesError::Query(e) => e.is_storage(),
        }
    }
}

/// What an export did.
#[derive(Debug, Default)]
pub struct Written {
    /// The files.
    pub files: Vec<FileReport>,
    /// Queries that failed; their files are as they were.
    pub failed: Vec<ExportError>,
}

impl Written {
    /// The files, and for each failed query whether storage is to blame and what it says.
    pub(super) fn files_and_failures(self) -> (Vec<FileReport>, Vec<(bool, String)>) {
        let failures = self.failed.iter().map(|e| (e.is_storage(), super::job::chain(e))).collect();
        (self.files, failures)
    }
}

impl Files {
    /// Writes what has changed of a job's files.
    ///
    /// # Errors
    /// If the store cannot be read or a file not be written.
    pub fn write(&self, shown: &Shown<'_>) -> Result<Written, FilesError> {
        let job = shown.job;
        if job.fetches.iter().all(|f| f.csv.is_none()) && job.queries.is_empty() {
            return Ok(Written::default());
        }
        let store = open_writer(&self.database, 0o644)?;
        let style = style(&job.csv_options.over(&self.csv));
        let version = data_version(&store).map_err(|source| StoreError::Sqlite {
            path: self.database.clone(),
            what: "cannot be read",
            source,
        })?;
        let held_back = shown.state == RunState::Partial && !self.publish_partial;
        let fetched: Vec<Fetched> = job.fetches.iter().map(|f| fetched(f, shown.fire_at)).collect();
        let columns: Vec<Option<Vec<String>>> = job.fetches.iter().map(column_names).collect();
        let reader = Reader::open(&self.database, &job.name, fetched.clone(), QUERY_TIME)?;
        let local = shown.fire_at.with_timezone(&job.timezone);
        let (date, datetime) = (local.format("%Y-%m-%d").to_string(), local.format("%Y-%m-%dT%H%M").to_string());
        let expansion = Expansion { job: &job.name, date: &date, datetime: &datetime, user: "" };
        let mut sheets = Vec::new();
        for ((fetch, rows), columns) in job.fetches.iter().zip(&fetched).zip(&columns) {
            let Some(name) = &fetch.csv else { continue };
            let source = if held_back || shown.unfinished.contains(&fetch.name) {
                Source::Kept
            } else {
                Source::of_fetch(&job.name, rows, columns.as_deref(), &style)?
            };
            // Columns that move with every read make the file new with every run.
            let churns = columns.iter().flatten().any(|c| c == "fetched_at" || c == "first_seen_at");
            let run = if churns { shown.run } else { 0 };
            sheets.push(Sheet {
                path: name.expand(&expansion),
                name: fetch.name.clone(),
                title: format!("{}, one row each: {}", fetch.stream.name, fetch.stream.about),
                source,
                inputs: format!("{version} {} {run} {}", job.hash, rows.since.as_deref().unwrap_or("")),
            });
        }
        for (number, query) in job.queries.iter().enumerate() {
            let source = if held_back || !shown.unfinished.is_empty() {
                Source::Kept
            } else {
                Source::Query { reader: &reader, sql: &query.sql, bound: shown.bound }
            };
            sheets.push(Sheet {
                path: query.csv.expand(&expansion),
                name: format!("query {}", number + 1),
                title: "what a query of the job gives".into(),
                source,
                // The names that it uses are part of what the export itself looks at.
                inputs: format!("{version} {}", job.hash),
            });
        }
        let run = RunInfo {
            job: job.name.clone(),
            description: job.description.clone(),
            id: shown.run,
            state: state(shown.state),
            reasons: shown.reasons.to_vec(),
            created_at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        };
        let outcome = export::publish(&store, &self.target, &style, &sheets, &run)?;
        let files = outcome.files.into_iter().map(|file| FileReport {
            path: file.path.display().to_string(),
            rows: file.rows,
            bytes: file.bytes,
            guarded: file.guarded,
            outcome: match file.change {
                Change::Written => "written",
                Change::Same | Change::Unchanged => "unchanged",
                Change::Kept => "kept",
                Change::Missing => "missing",
            },
        });
        Ok(Written { files: files.collect(), failed: outcome.failed })
    }
}

fn fetched(fetch: &Fetch, fire_at: DateTime<Utc>) -> Fetched {
    let since = fetch.window.map(|window| stamp(fire_at - TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX)));
    let market = fetch.market.clone().unwrap_or_default();
    Fetched { name: fetch.name.clone(), stream: fetch.stream, market, since }
}

fn column_names(fetch: &Fetch) -> Option<Vec<String>> {
    let names = |columns: &Vec<&'static Column>| columns.iter().map(|c| c.name.to_owned()).collect();
    fetch.columns.as_ref().map(names)
}

fn state(state: RunState) -> State {
    match state {
        RunState::Complete => State::Complete,
        RunState::Partial => State::Partial,
        RunState::Deferred | RunState::Running => State::Deferred,
        RunState::Failed => State::Failed,
    }
}

/// The choices about CSVs, with what is not said taken from the profile.
pub fn style(said: &CsvOptions) -> Style {
    let profile = match said.profile {
        None | Some(settings::Profile::Plain) => Profile::Plain,
        Some(settings::Profile::Excel) => Profile::Excel,
        Some(settings::Profile::ExcelSemicolon) => Profile::ExcelSemicolon,
        Some(settings::Profile::Exportify) => Profile::Exportify,
    };
    let mut style = Style::of(profile);
    if let Some(bom) = said.bom {
        style.bom = bom;
    }
    if let Some(delimiter) = said.delimiter.and_then(|c| u8::try_from(c).ok()) {
        style.delimiter = delimiter;
    }
    if let Some(ending) = said.line_ending {
        style.line_ending = match ending {
            settings::LineEnding::Lf => LineEnding::Lf,
            settings::LineEnding::Crlf => LineEnding::CrLf,
        };
    }
    if let Some(separator) = &said.list_separator {
        style.list_separator.clone_from(separator);
    }
    if let Some(null) = &said.null {
        style.null.clone_from(null);
    }
    if let Some(format) = said.time_format {
        style.time_format = match format {
            settings::TimeFormat::Iso => TimeFormat::Iso,
            settings::TimeFormat::Spreadsheet => TimeFormat::Spreadsheet,
        };
    }
    if let Some(guard) = said.formula_guard {
        style.formula_guard = match guard {
            settings::FormulaGuard::Auto => Guard::Auto,
            settings::FormulaGuard::All => Guard::All,
            settings::FormulaGuard::Off => Guard::Off,
        };
    }
    style
}
