//! A job as the rest of the program reads it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use super::output_name::OutputName;
use super::schedule::Schedule;
use super::{CsvOptions, FirstRunPolicy, MissedPolicy, OverlapPolicy};
use crate::stream::{Column, Stream};
use spotify_client::{EntityKind, Reference};

/// One job, checked.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name of its file, without `.toml`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hex: which text a run went by.
    pub hash: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it is due; none: only by hand.
    pub schedule: Option<Schedule>,
    /// Zone of the schedule and of `{date}`.
    pub timezone: Tz,
    /// Whose data it reads, and with whose token.
    pub users: JobUsers,
    /// Market of its fetches.
    pub market: Option<String>,
    /// What `:since` is.
    pub since: SinceRule,
    /// Higher goes first.
    pub priority: i32,
    /// Calls that all its runs together may spend in any 24 hours.
    pub max_calls: Option<u64>,
    /// After downtime.
    pub missed: MissedPolicy,
    /// When it never ran.
    pub first_run: FirstRunPolicy,
    /// A fire older than this is missed for good.
    pub grace: Option<Duration>,
    /// While it is running already.
    pub overlap: OverlapPolicy,
    /// Spread of its starts.
    pub jitter: Duration,
    /// How long its rows are kept.
    pub retention: Option<Duration>,
    /// Age at which things are read again; none: the settings' per stream.
    pub refresh_after: Option<Duration>,
    /// Lists are read whole at least so often.
    pub full_every: Duration,
    /// How its CSVs are written, over the settings.
    pub csv_options: CsvOptions,
    /// What it fetches, in the order of the file; parents stand before children.
    pub fetches: Vec<Fetch>,
    /// What it asks the store.
    pub queries: Vec<JobQuery>,
}

/// Whose data a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobUsers {
    /// Nobody's: the app's own token.
    None,
    /// These, by their local names.
    Named(Vec<String>),
    /// Everyone who is signed in (`users = "*"`).
    All,
}

/// What `:since` is in the queries of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinceRule {
    /// The start of the newest complete or partial run; 1970 in the first.
    LastRun,
    /// So long before the fire.
    Ago(Duration),
    /// Midnight of a day in the job's zone.
    Date(NaiveDate),
}

/// One use of a stream.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Its name: unique in the job, and that of its view in queries.
    pub name: String,
    /// What it fetches.
    pub stream: &'static Stream,
    /// Of what.
    pub source: FetchSource,
    /// The CSV; none: `csv = false`.
    pub csv: Option<OutputName>,
    /// Columns of the CSV; none: the stream's default ones.
    pub columns: Option<Vec<&'static Column>>,
    /// Market, the job's or its own.
    pub market: Option<String>,
    /// Locale of category names.
    pub locale: Option<String>,
    /// Groups of a discography.
    pub include_groups: Vec<AlbumGroup>,
    /// Kinds that a search looks for.
    pub types: Vec<EntityKind>,
    /// Hits per search and kind.
    pub max_results: Option<u64>,
    /// Rows per parent, newest or first.
    pub limit_per_parent: Option<u64>,
    /// How far back the CSV of a log goes.
    pub window: Option<Duration>,
    /// Age at which things are read again, its own or the job's.
    pub refresh_after: Option<Duration>,
    /// The list is read whole at least so often, its own or the job's.
    pub full_every: Duration,
    /// Ranges of `top_*`.
    pub time_range: Vec<TimeRange>,
}

/// What a fetch is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchSource {
    /// Ids or codes, in the order of the file, each once.
    Ids(Vec<Reference>),
    /// The rows of another fetch of the job.
    From {
        /// Its place in [`Job::fetches`]; always smaller than this fetch's own.
        fetch: usize,
        /// An SQL condition over that fetch's rows.
        filter: Option<String>,
    },
    /// Search expressions, in the order of the file, each once.
    Searches(Vec<String>),
    /// Nothing.
    Nothing,
    /// The users of the job.
    User,
}

/// A CSV of the job's own making.
#[derive(Debug, Clone)]
pub struct JobQuery {
    /// The CSV.
    pub csv: OutputName,
    /// One SELECT over the store.
    pub sql: String,
}

/// A group of an artist's discography.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlbumGroup {
    /// Albums.
    Album,
    /// Singles and EPs.
    Single,
    /// Releases of others that the artist is on.
    AppearsOn,
    /// Compilations.
    Compilation,
}

impl AlbumGroup {
    /// All groups.
    pub const ALL: [AlbumGroup; 4] =
        [AlbumGroup::Album, AlbumGroup::Single, AlbumGroup::AppearsOn, AlbumGroup::Compilation];

    /// Spotify's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            AlbumGroup::Album => "album",
            AlbumGroup::Single => "single",
            AlbumGroup::AppearsOn => "appears_on",
            AlbumGroup::Compilation => "compilation",
        }
    }
}

/// A span over which Spotify computes a user's tops.
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
    /// All ranges.
    pub const ALL: [TimeRange; 3] = [TimeRange::ShortTerm, TimeRange::MediumTerm, TimeRange::LongTerm];

    /// Spotify's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeRange::ShortTerm => "short_term",
            TimeRange::MediumTerm => "medium_term",
            TimeRange::LongTerm => "long_term",
        }
    }
}

impl Job {
    /// The place of a fetch by its name.
    pub fn fetch_index(&self, name: &str) -> Option<usize> {
        self.fetches.iter().position(|f| f.name == name)
    }

    /// Whether any of its fetches reads a user's own data.
    pub fn needs_user(&self) -> bool {
        self.fetches.iter().any(|f| f.stream.needs_user())
    }
}
