//! What a job says about its page: `[report]` and `[[chart]]`.

use std::ops::Range;
use std::time::Duration;

/// `[report]`: the page of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// The sections to show; without a value all that the job's streams fill.
    pub sections: Option<Vec<ReportSection>>,
    /// How far back something counts as new.
    pub since: Duration,
    /// Number of weeks in charts of changes.
    pub weeks: u32,
    /// Maximum number of rows of a table.
    pub rows: u64,
    /// Whether it shows who added what, and who owns the lists.
    pub people: bool,
}

impl Default for JobReport {
    /// What an empty table `[report]` means.
    fn default() -> JobReport {
        JobReport { sections: None, since: Duration::from_secs(7 * 86_400), weeks: 12, rows: 20, people: false }
    }
}

impl JobReport {
    /// Whether the page shows a section.
    pub fn has(&self, section: ReportSection) -> bool {
        match &self.sections {
            Some(sections) => sections.contains(&section),
            // What a person listens to is shown only if it is asked for.
            None => section != ReportSection::Tops,
        }
    }
}

/// A section of the page of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportSection {
    /// The additions to playlists, and the removals from them.
    Changes,
    /// The sizes of playlists over time.
    Growth,
    /// New releases, and releases by date.
    Releases,
    /// Missing and shared codes.
    Codes,
    /// Tracks in several places.
    Duplicates,
    /// Where tracks can be played.
    Markets,
    /// Followers and popularity over time.
    Metrics,
    /// Ranks that Spotify gave to users.
    Tops,
    /// How the fetches ended.
    Fetches,
    /// The first rows of each query.
    Queries,
}

impl ReportSection {
    /// Every section, in the order of the page.
    pub const ALL: [ReportSection; 10] = [
        ReportSection::Changes,
        ReportSection::Growth,
        ReportSection::Releases,
        ReportSection::Codes,
        ReportSection::Duplicates,
        ReportSection::Markets,
        ReportSection::Metrics,
        ReportSection::Tops,
        ReportSection::Fetches,
        ReportSection::Queries,
    ];

    /// The name in job files.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportSection::Changes => "changes",
            ReportSection::Growth => "growth",
            ReportSection::Releases => "releases",
            ReportSection::Codes => "codes",
            ReportSection::Duplicates => "duplicates",
            ReportSection::Markets => "markets",
            ReportSection::Metrics => "metrics",
            ReportSection::Tops => "tops",
            ReportSection::Fetches => "fetches",
            ReportSection::Queries => "queries",
        }
    }
}

/// `[[chart]]`: a chart of the page from SQL.
#[derive(Debug, Clone)]
pub struct JobChart {
    pub title: String,
    pub kind: ChartKind,
    /// One SELECT with the columns `x` and `y`, and optionally `series` and `url`.
    pub sql: String,
    /// The place of the SQL in the file.
    pub sql_span: Range<usize>,
}

impl JobChart {
    /// The problem with the columns of its SQL, if there is one.
    pub fn wrong_columns(&self, columns: &[String]) -> Option<String> {
        let (needed, optional) = CHART_COLUMNS;
        let missing: Vec<String> = needed
            .iter()
            .filter(|name| !columns.iter().any(|column| column == *name))
            .map(|name| format!("`{name}`"))
            .collect();
        let known = |column: &&String| needed.contains(&column.as_str()) || optional.contains(&column.as_str());
        match (missing.as_slice(), columns.iter().find(|column| !known(column))) {
            ([], None) => None,
            ([], Some(other)) => {
                Some(format!("a chart has no use for the column `{other}`; it has x, y, series and url"))
            }
            (missing, _) => Some(format!("the chart needs a column named {}", missing.join(" and one named "))),
        }
    }
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChartKind {
    /// A line between values over time.
    #[default]
    Line,
    /// A line that keeps each value until the next one.
    Step,
    /// A bar for each value.
    Bars,
    /// No drawing, only the values.
    Table,
}

impl ChartKind {
    /// Every kind.
    pub const ALL: [ChartKind; 4] = [ChartKind::Line, ChartKind::Step, ChartKind::Bars, ChartKind::Table];

    /// The name in job files.
    pub fn as_str(self) -> &'static str {
        match self {
            ChartKind::Line => "line",
            ChartKind::Step => "step",
            ChartKind::Bars => "bars",
            ChartKind::Table => "table",
        }
    }
}

/// The columns that a chart needs, and those that it may have.
const CHART_COLUMNS: (&[&str], &[&str]) = (&["x", "y"], &["series", "url"]);
