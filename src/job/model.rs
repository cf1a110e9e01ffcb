//! A checked job, as the rest of the program uses it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::input_rows::InputFile;
use super::output_name::OutputName;
use super::page_model::{JobChart, JobReport};
use super::reference_file::IdsFile;
use super::schedule::Schedule;
use super::{CsvOptions, FirstRunPolicy, MissedPolicy, OverlapPolicy};
use crate::document::Diagnostic;
use crate::settings::{FileFormat, Shard};
use crate::stream::{Column, ReadStrategy, Stream, StreamTable};
use spotify_client::{EntityKind, Reference};

/// One checked job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name of the file, without `.toml`.
    pub name: String,
    /// The path of the job file.
    pub path: PathBuf,
    /// SHA-256 of the file in hex: identifies the text that a run used.
    pub hash: String,
    /// Its purpose.
    pub description: Option<String>,
    /// When it is due; without a schedule it runs only by name.
    pub schedule: Option<Schedule>,
    /// Time zone of the schedule and of `{date}`.
    pub timezone: Tz,
    /// The users with the data and tokens that it uses.
    pub users: JobUsers,
    /// Default market of its fetches.
    pub market: Option<String>,
    /// How `:since` is computed.
    pub since: SinceRule,
    /// Jobs with a higher priority go first.
    pub priority: i32,
    /// Maximum number of calls of all its runs in any 24 hours.
    pub max_calls: Option<u64>,
    /// What happens to missed fires after downtime.
    pub missed: MissedPolicy,
    /// When it is due for the first time.
    pub first_run: FirstRunPolicy,
    /// A fire older than this is never run.
    pub grace: Option<Duration>,
    /// What happens to a fire while it is still running.
    pub overlap: OverlapPolicy,
    /// Maximum delay of its start.
    pub jitter: Duration,
    /// How long its rows are kept.
    pub retention: Option<Duration>,
    /// Age at which rows are read again; without a value the settings decide per stream.
    pub refresh_after: Option<Duration>,
    /// Lists are read completely at least this often.
    pub full_every: Duration,
    /// How its CSV files are written; overrides the settings.
    pub csv_options: CsvOptions,
    /// Its fetches, in the order of the file; a parent is always before its children.
    pub fetches: Vec<Fetch>,
    /// Its own queries over the store.
    pub queries: Vec<JobQuery>,
    /// Whether it writes a workbook.
    pub xlsx: bool,
    /// Whether a partial run writes files, if the job says so. If it does, a fetch that has never finished shows the
    /// parts that are whole so far.
    pub publish_partial: Option<bool>,
    /// Its page, if it has one.
    pub report: Option<JobReport>,
    /// Charts of its page from its own SQL.
    pub charts: Vec<JobChart>,
    /// Errors in its SQL that affect only single CSV files, so that the job still runs. `check` reports them.
    pub sql_problems: Vec<Diagnostic>,
}

/// The users that a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobUsers {
    /// No user: the job uses the app's own token.
    None,
    /// These users, by local name.
    Named(Vec<String>),
    /// All signed-in users (`users = "*"`), or those of a shard.
    All(Option<Shard>),
}

impl JobUsers {
    /// Whether the job may read this user, by local name.
    pub fn may_include(&self, user: &str) -> bool {
        match self {
            JobUsers::None => false,
            JobUsers::Named(users) => users.iter().any(|it| it == user),
            JobUsers::All(shard) => shard.is_none_or(|shard| shard.contains(user)),
        }
    }
}

/// How `:since` is computed for the queries of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinceRule {
    /// The start of the newest complete or partial run; 1970 in the first.
    LastRun,
    /// This length of time before the fire.
    Ago(Duration),
    /// Midnight of a day in the job's time zone.
    Date(NaiveDate),
}

/// One use of a stream.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The name, unique in the job; also the name of its view in queries.
    pub name: String,
    /// The stream that it fetches.
    pub stream: &'static Stream,
    /// The input of the stream.
    pub source: FetchSource,
    /// What its file of ids contained, if it has one.
    pub ids_file: Option<IdsFile>,
    /// Its `ids_file` or `queries_file`. Queries may read the rows of this file.
    pub input_file: Option<Arc<InputFile>>,
    /// Whether its files have the columns of its input file.
    pub join_inputs: bool,
    /// Its files, at most one of each format.
    pub files: Vec<RowFile>,
    /// Whether it has a sheet in the workbook of the job: not if the job file wants no file of its rows.
    pub in_workbook: bool,
    /// Columns of the files; without a value the stream's default columns.
    pub columns: Option<Vec<&'static Column>>,
    /// The market: its own, or the job's.
    pub market: Option<String>,
    /// Locale of the category names.
    pub locale: Option<String>,
    /// Groups of a discography to read.
    pub include_groups: Vec<AlbumGroup>,
    /// Kinds of results that a search returns.
    pub types: Vec<EntityKind>,
    /// Maximum number of results per search and kind.
    pub max_results: Option<u64>,
    /// Maximum number of rows per parent, from the start of its list.
    pub limit_per_parent: Option<u64>,
    /// How far back the CSV file of a log goes.
    pub window: Option<Duration>,
    /// Age at which rows are read again: its own, or the job's.
    pub refresh_after: Option<Duration>,
    /// The list is read completely at least this often: its own value, or the job's.
    pub full_every: Duration,
    /// Time ranges of `top_artists` and `top_tracks`.
    pub time_range: Vec<TimeRange>,
}

/// The input of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchSource {
    /// Ids or codes in the order of the file, without duplicates.
    Ids(Vec<Reference>),
    /// The rows of another fetch of the job.
    From {
        /// Its index in [`Job::fetches`]; always smaller than the index of this fetch.
        fetch: usize,
        /// An SQL condition over the rows of that fetch.
        filter: Option<String>,
        /// Where the condition is in the job file.
        filter_span: Range<usize>,
    },
    /// Search expressions in the order of the file, without duplicates.
    Searches(Vec<String>),
    /// No input.
    Nothing,
    /// The users of the job.
    User,
}

/// A file that a fetch or query writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFile {
    /// Its format.
    pub format: FileFormat,
    /// Its name.
    pub name: OutputName,
    /// Where the job file names it; the whole table if the name is the default one.
    pub span: Range<usize>,
}

/// Rows that the job defines by its own SQL.
#[derive(Debug, Clone)]
pub struct JobQuery {
    /// Its files, at most one of each format.
    pub files: Vec<RowFile>,
    /// One SELECT over the store.
    pub sql: String,
    /// Where the SQL is in the job file.
    pub sql_span: Range<usize>,
}

/// A group of an artist's discography.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlbumGroup {
    /// The artist's albums.
    Album,
    /// The artist's singles and EPs.
    Single,
    /// Releases of other artists that feature the artist.
    AppearsOn,
    /// Compilations.
    Compilation,
}

impl AlbumGroup {
    /// Every group.
    pub const ALL: [AlbumGroup; 4] =
        [AlbumGroup::Album, AlbumGroup::Single, AlbumGroup::AppearsOn, AlbumGroup::Compilation];

    /// The value in Spotify's API and in job files.
    pub fn as_str(self) -> &'static str {
        match self {
            AlbumGroup::Album => "album",
            AlbumGroup::Single => "single",
            AlbumGroup::AppearsOn => "appears_on",
            AlbumGroup::Compilation => "compilation",
        }
    }
}

/// The period over which Spotify computes a user's top lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeRange {
    /// About four weeks.
    ShortTerm,
    /// About six months.
    MediumTerm,
    /// About a year.
    LongTerm,
}

impl TimeRange {
    /// Every time range.
    pub const ALL: [TimeRange; 3] = [TimeRange::ShortTerm, TimeRange::MediumTerm, TimeRange::LongTerm];

    /// The value in Spotify's API and in job files.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeRange::ShortTerm => "short_term",
            TimeRange::MediumTerm => "medium_term",
            TimeRange::LongTerm => "long_term",
        }
    }
}

impl Fetch {
    /// The name of its file of a format, if it writes one.
    pub fn file_name(&self, format: FileFormat) -> Option<&OutputName> {
        self.files.iter().find(|file| file.format == format).map(|file| &file.name)
    }

    /// Whether it reads the items of every playlist in a user's library.
    pub fn reads_library_playlists(&self) -> bool {
        self.stream.strategy == ReadStrategy::OwnPlaylists
    }

    /// Whether its rows are the releases of artists.
    pub fn lists_releases(&self) -> bool {
        matches!(self.stream.table, StreamTable::Members(members) if members.table == "artist_releases")
    }
}

impl Job {
    /// Whether it may read for several users, each of whom gets a page.
    pub fn has_several_users(&self) -> bool {
        match &self.users {
            JobUsers::None => false,
            JobUsers::Named(users) => users.len() > 1,
            JobUsers::All(_) => true,
        }
    }

    /// The SQL of its queries and charts.
    pub fn sql(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.sql.as_str()).chain(self.charts.iter().map(|chart| chart.sql.as_str()))
    }

    /// The index of the fetch with this name.
    pub fn fetch_index(&self, name: &str) -> Option<usize> {
        self.fetches.iter().position(|f| f.name == name)
    }

    /// Every file of its fetches and queries.
    pub fn files(&self) -> impl Iterator<Item = &RowFile> {
        self.fetches.iter().flat_map(|fetch| &fetch.files).chain(self.queries.iter().flat_map(|query| &query.files))
    }

    /// Whether it writes files at all.
    pub fn writes_files(&self) -> bool {
        self.xlsx || self.report.is_some() || self.files().next().is_some()
    }

    /// Whether any of its fetches reads a user's own data.
    pub fn needs_user(&self) -> bool {
        self.fetches.iter().any(|f| f.stream.needs_user())
    }
}
