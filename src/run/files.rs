//! The files of a job: which sheets its fetches and queries make, and what they depend on.
//!
//! They come from the store alone, so `run` and `export` write them by the same code.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rusqlite::Connection;

use super::engine::stamp;
use super::report::FileReport;
use crate::export::{
    self, Change, ExportError, Guard, LineEnding, Profile, RunInfo, Sheet, Source, State, Style, Target, TimeFormat,
};
use crate::job::{CsvOptions, Expansion, Fetch, Job, OutputName, Query};
use crate::settings;
use crate::store::query::{Bound, Fetched, Reader};
use crate::store::{
    Access, OldFile, RunState, Shows, StoreError, data_version, files_before, known_file, lists_shown,
    nothing_was_read, open_writer, users_of_job,
};
use crate::stream::Column;

/// A query of a job may take so long.
const QUERY_TIME: Duration = Duration::from_secs(300);

/// Where files go and how they are written.
#[derive(Debug, Clone)]
pub struct Files {
    /// The store.
    pub database: PathBuf,
    /// Who may read the store.
    pub access: Access,
    /// The folder of all jobs' files, and who may read these.
    pub target: Target,
    /// The settings' choices about CSVs.
    pub csv: CsvOptions,
    /// Whether a partial run writes files.
    pub publish_partial: bool,
    /// How long files with a date in their name are kept; none: for ever.
    pub dated_csv: Option<Duration>,
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
    /// Something that it asked for could not be had.
    pub lacks: bool,
    /// Why it is not complete.
    pub reasons: &'a [String],
    /// Fetches that did not finish: their files stay as they are.
    pub unfinished: &'a BTreeSet<String>,
    /// What its queries may name.
    pub bound: &'a Bound,
    /// The fire that it serves, or its start.
    pub fire_at: DateTime<Utc>,
    /// Files that are rendered whatever is known of them, by their paths below the job's folder.
    pub anew: &'a BTreeSet<String>,
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
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            FilesError::Store(e) => e.hint(),
            FilesError::Export(e) => e.hint(),
            FilesError::Query(_) => None,
        }
    }

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
    /// Queries that failed, and names that something else has; these files are as they were.
    pub failed: Vec<ExportError>,
    /// Files of earlier fires that were deleted.
    pub deleted: u64,
}

impl Written {
    /// For each file that could not be written whether storage is to blame and what it says.
    pub(super) fn failures(&self) -> Vec<(bool, String)> {
        self.failed.iter().map(|e| (e.is_storage(), super::job::chain(e))).collect()
    }
}

impl Files {
    /// Whether the job's folder can be written.
    ///
    /// # Errors
    /// If not; nothing is left there either way.
    pub fn check(&self, job: &Job) -> Result<(), FilesError> {
        if job.fetches.iter().all(|f| f.csv.is_none()) && job.queries.is_empty() {
            return Ok(());
        }
        Ok(export::check_target(&self.target, &job.name)?)
    }

    /// Writes what has changed of a job's files, with a connection of its own.
    ///
    /// # Errors
    /// If the store cannot be read or a file not be written.
    pub fn write(&self, shown: &Shown<'_>) -> Result<Written, FilesError> {
        self.write_by(&open_writer(&self.database, self.access)?, shown)
    }

    /// Writes what has changed of a job's files, by a connection that can write.
    ///
    /// # Errors
    /// If the store cannot be read or a file not be written.
    pub fn write_by(&self, store: &Connection, shown: &Shown<'_>) -> Result<Written, FilesError> {
        let job = shown.job;
        if job.fetches.iter().all(|f| f.csv.is_none()) && job.queries.is_empty() {
            return Ok(Written::default());
        }
        let style = style(&job.csv_options.over(&self.csv));
        let unreadable = |source| StoreError::Sqlite { path: self.database.clone(), what: "cannot be read", source };
        let version = data_version(store).map_err(unreadable)?;
        let held_back = shown.lacks && !self.publish_partial;
        let users = users_of_job(store, &job.name).map_err(unreadable)?;
        let plans: Vec<Plan<'_>> = plans(job, shown.bound, shown.fire_at, &users);
        let all: Vec<Fetched> = job.fetches.iter().map(|f| fetched(f, shown.fire_at, None)).collect();
        let reader = Reader::open(&self.database, &job.name, all, QUERY_TIME)?;
        let local = shown.fire_at.with_timezone(&job.timezone);
        let (date, datetime) = (local.format("%Y-%m-%d").to_string(), local.format("%Y-%m-%dT%H%M").to_string());
        let mut sheets = Vec::new();
        for plan in &plans {
            let source = match &plan.what {
                What::Fetch { fetch, .. } if held_back || shown.unfinished.contains(&fetch.name) => Source::Kept,
                What::Fetch { rows, columns, .. } => Source::of_fetch(&job.name, rows, columns.as_deref(), &style)?,
                What::Query { .. } if held_back || !shown.unfinished.is_empty() => Source::Kept,
                What::Query { query, bound, .. } => Source::Query { reader: &reader, sql: &query.sql, bound },
            };
            let expansion = Expansion { job: &job.name, date: &date, datetime: &datetime, user: plan.user };
            let mut sheet = plan.sheet(source, &expansion, &format!("{version} {}", job.hash), shown.run);
            if let What::Fetch { fetch, .. } = &plan.what
                && fetch.stream.name == "playlist_items"
                && !plan.churns()
            {
                // What stands in the lists; the things in them are compared one by one.
                let shows = Shows { job: &job.name, fetch: &fetch.name };
                sheet.inputs = lists_shown(store, shows).map_err(unreadable)?;
                sheet.version = Some(version);
            }
            // A header alone would say that the list is empty. What stands already follows what the store has.
            if let What::Fetch { fetch, .. } = &plan.what
                && nothing_was_read(store, &job.name, &fetch.name).map_err(unreadable)?
                && known_file(store, &format!("{}/{}", job.name, sheet.path)).map_err(unreadable)?.is_none()
            {
                sheet.source = Source::Kept;
            }
            sheet.anew = shown.anew.contains(&sheet.path);
            sheets.push(sheet);
        }
        let now = Utc::now();
        let run = RunInfo {
            job: job.name.clone(),
            description: job.description.clone(),
            id: shown.run,
            state: state(shown.state),
            reasons: shown.reasons.to_vec(),
            created_at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            outdated: self.outdated(store, job, now).map_err(unreadable)?,
        };
        let outcome = export::publish(store, &self.target, &style, &sheets, &run)?;
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
        if outcome.deleted > 0 {
            let deleted = outcome.deleted;
            tracing::info!(job = job.name, deleted, "dated CSVs older than the retention are deleted");
        }
        Ok(Written { files: files.collect(), failed: outcome.failed, deleted: outcome.deleted })
    }

    /// Files with a date in their name that the job wrote longer ago than they are kept.
    fn outdated(&self, store: &Connection, job: &Job, now: DateTime<Utc>) -> rusqlite::Result<Vec<OldFile>> {
        let age = self.dated_csv.and_then(|age| TimeDelta::from_std(age).ok());
        let Some(before) = age.and_then(|age| now.checked_sub_signed(age)) else { return Ok(Vec::new()) };
        let names = job.fetches.iter().filter_map(|f| f.csv.as_ref()).chain(job.queries.iter().map(|q| &q.csv));
        let dated: Vec<&OutputName> = names.filter(|name| name.dated()).collect();
        let mut old = files_before(store, &job.name, &before.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        old.retain(|file| {
            file.below(&job.name).is_some_and(|path| dated.iter().any(|name| name.may_become(path, &job.name)))
        });
        Ok(old)
    }
}

/// One file to be written: of a fetch or a query, of all users or of one.
struct Plan<'a> {
    name: &'a OutputName,
    /// Local name of the one user whose file it is; empty if it is all users'.
    user: &'a str,
    what: What<'a>,
}

enum What<'a> {
    Fetch { fetch: &'a Fetch, rows: Fetched, columns: Option<Vec<String>> },
    Query { number: usize, query: &'a Query, bound: Bound },
}

/// The files of a job; a name with `{user}` in it makes one for each user.
fn plans<'a>(job: &'a Job, bound: &Bound, fire_at: DateTime<Utc>, users: &'a [(String, String)]) -> Vec<Plan<'a>> {
    let each = |name: &OutputName| -> Vec<Option<&'a (String, String)>> {
        if name.per_user() { users.iter().map(Some).collect() } else { vec![None] }
    };
    let mut plans = Vec::new();
    for fetch in &job.fetches {
        let Some(name) = &fetch.csv else { continue };
        for user in each(name) {
            let rows = fetched(fetch, fire_at, user.map(|(id, _)| id.clone()));
            let what = What::Fetch { fetch, rows, columns: column_names(fetch) };
            plans.push(Plan { name, user: user.map_or("", |(_, local)| local), what });
        }
    }
    for (number, query) in (1..).zip(&job.queries) {
        for user in each(&query.csv) {
            let mut bound = bound.clone();
            // Without `{user}` the name stands for the job's only user, if it has one.
            bound.user_id = user.or(users.first().filter(|_| users.len() == 1)).map(|(id, _)| id.clone());
            plans.push(Plan {
                name: &query.csv,
                user: user.map_or("", |(_, local)| local),
                what: What::Query { number, query, bound },
            });
        }
    }
    plans
}

impl Plan<'_> {
    /// Whether it has columns that move with every read, which make the file new with every run.
    fn churns(&self) -> bool {
        let What::Fetch { columns, .. } = &self.what else { return false };
        columns.iter().flatten().any(|c| c == "fetched_at" || c == "first_seen_at")
    }

    /// The sheet; `inputs` is what all rows of the job depend on.
    fn sheet<'s>(&self, source: Source<'s>, expansion: &Expansion<'_>, inputs: &str, run: i64) -> Sheet<'s> {
        let path = self.name.expand(expansion);
        let of_user = if self.user.is_empty() { String::new() } else { format!(" of {}", self.user) };
        match &self.what {
            What::Fetch { fetch, rows, .. } => {
                let churns = self.churns();
                Sheet {
                    path,
                    name: format!("{}{of_user}", fetch.name),
                    title: format!("{}, one row each: {}", fetch.stream.name, fetch.stream.about),
                    source,
                    inputs: format!(
                        "{inputs} {} {}",
                        if churns { run } else { 0 },
                        rows.since.as_deref().unwrap_or("")
                    ),
                    version: None,
                    anew: false,
                }
            }
            What::Query { number, .. } => Sheet {
                path,
                name: format!("query {number}{of_user}"),
                title: "what a query of the job gives".into(),
                source,
                // The names that it uses are part of what the export itself looks at.
                inputs: inputs.to_owned(),
                version: None,
                anew: false,
            },
        }
    }
}

fn fetched(fetch: &Fetch, fire_at: DateTime<Utc>, user_id: Option<String>) -> Fetched {
    let since = fetch.window.map(|window| stamp(fire_at - TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX)));
    let market = fetch.market.clone().unwrap_or_default();
    Fetched { name: fetch.name.clone(), stream: fetch.stream, market, user_id, since }
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
