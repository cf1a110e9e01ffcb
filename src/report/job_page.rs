//! The page of a job: sections that its streams fill.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use super::chart_section::{PageChart, chart_section};
use super::logo::PageLogo;
use super::page::{Page, PageCell, PageTable, Section, counted, grouped};
use super::query_rows::{PageQuery, first_rows};
use crate::job::{Job, JobReport, ReportSection};
use crate::store::report_rows::{self, FirstReads, ReportedJob, SomeRows, TrackNote};
use crate::store::{RunState, timestamp};

/// What a page shows besides the store.
pub struct JobPage<'a> {
    pub job: &'a Job,
    pub report: &'a JobReport,
    /// The run that the page shows.
    pub run: i64,
    pub state: RunState,
    pub reasons: &'a [String],
    /// For the queries of the job: their files, readers and parameters.
    pub queries: Vec<PageQuery<'a>>,
    pub charts: Vec<PageChart<'a>>,
    /// The id and the local name of the user, if it shows the data of one user; `None` for those of all.
    pub user: Option<(&'a str, &'a str)>,
    pub logo: &'a PageLogo,
}

impl JobPage<'_> {
    /// The SQL texts of the results that it shows.
    pub fn sql(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.sql).chain(self.charts.iter().map(|chart| chart.chart.sql.as_str()))
    }
}

/// A page, and what could not be shown on it.
#[derive(Debug)]
pub struct RenderedPage {
    pub bytes: Vec<u8>,
    pub warnings: Vec<String>,
}

/// Why a page could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
    /// The template failed.
    #[error(transparent)]
    Template(#[from] askama::Error),
}

/// Renders the page of a job from the store.
///
/// # Errors
/// If the store cannot be read.
pub fn render_job_page(store: &Connection, shown: &JobPage<'_>) -> Result<RenderedPage, ReportError> {
    let job = shown.job;
    let started: DateTime<Utc> = report_rows::run_started_at(store, shown.run)?.parse().unwrap_or_default();
    let since = TimeDelta::from_std(shown.report.since)
        .ok()
        .and_then(|since| started.checked_sub_signed(since))
        .unwrap_or_default();
    let library: Vec<&str> =
        job.fetches.iter().filter(|fetch| fetch.reads_library_playlists()).map(|fetch| fetch.name.as_str()).collect();
    let of = PageScope {
        store,
        job,
        reported: ReportedJob::new(&job.name, &library, shown.user.map(|(id, _)| id)),
        user: shown.user,
        report: shown.report,
        run: shown.run,
        started,
        since: timestamp(since),
    };
    let mut page = Page::new("cratedigger job", &job.name, shown.state);
    page.description.clone_from(&job.description);
    page.reasons = shown.reasons.to_vec();
    page.has_content = true;
    page.logo = shown.logo.clone();
    match shown.user {
        Some((_, name)) => page.kicker.push_str(&format!(", with data of the user {name}")),
        None if job.needs_user() => page.kicker.push_str(", with data of a signed-in user"),
        None => {}
    }
    page.written = written(job, started);
    let mut warnings = Vec::new();
    for (chart, number) in shown.charts.iter().zip(1..) {
        let (section, problem) = chart_section(chart, number, rows(shown.report.rows));
        warnings.extend(problem.map(|problem| format!("chart `{}` was not drawn: {problem}", chart.chart.title)));
        page.sections.push(section);
    }
    let of_tracks = [ReportSection::Codes, ReportSection::Duplicates, ReportSection::Markets];
    if of_tracks.into_iter().any(|section| shown.report.has(section)) {
        report_rows::collect_tracks(store, &of.reported)?;
    }
    for section in ReportSection::ALL.into_iter().filter(|section| shown.report.has(*section)) {
        let made = match section {
            ReportSection::Changes => of.changes(&mut page.facts)?,
            ReportSection::Growth => of.growth()?,
            ReportSection::Releases => of.releases(&mut page.facts)?,
            ReportSection::Codes => of.codes(&mut page.facts)?,
            ReportSection::Duplicates => of.duplicates(&mut page.facts)?,
            ReportSection::Markets => of.markets(&mut page.facts)?,
            ReportSection::Metrics => of.metrics()?,
            ReportSection::Tops => of.tops()?,
            ReportSection::Fetches => of.fetches()?,
            ReportSection::Queries => of.queries(&shown.queries),
        };
        page.sections.extend(made);
    }
    Ok(RenderedPage { bytes: page.to_bytes()?, warnings })
}

/// As of when the page is, without a relative time: a page that is opened later must not claim to be new.
fn written(job: &Job, started: DateTime<Utc>) -> String {
    let start = started.format("%Y-%m-%d %H:%M UTC");
    if job.report.is_none() {
        return format!(
            "This page shows the run of {start}. The job has no `[report]`, so only `cratedigger report` writes the page again."
        );
    }
    match job.schedule.as_ref().and_then(|schedule| schedule.next_after(started)) {
        Some(next) => format!(
            "This page shows the run of {start}. The next run is due at {}. If that time has passed and the page has not \
             changed, no later run has finished.",
            next.format("%Y-%m-%d %H:%M UTC")
        ),
        None => format!(
            "This page shows the run of {start}. The job has no schedule, so it runs only when it is started by hand."
        ),
    }
}

pub(super) struct PageScope<'a> {
    pub store: &'a Connection,
    pub job: &'a Job,
    pub reported: ReportedJob,
    pub report: &'a JobReport,
    /// The id and the local name of the user, if the data of one user are shown; `None` for those of all.
    pub user: Option<(&'a str, &'a str)>,
    /// The run that the page shows.
    pub run: i64,
    pub started: DateTime<Utc>,
    /// The time since which something counts as new.
    pub since: String,
}

pub(super) type Facts = Vec<(String, String)>;

impl PageScope<'_> {
    pub(super) fn since_day(&self) -> &str {
        self.since.get(..10).unwrap_or_default()
    }

    /// The start of the run, as the store writes it.
    pub(super) fn started_at(&self) -> String {
        timestamp(self.started)
    }

    /// Since when something can be new, as a day and in words: lists that were first read later have no earlier state.
    pub(super) fn new_since<'s>(&'s self, first: &'s FirstReads) -> (&'s str, String) {
        match first.earliest.as_deref().filter(|earliest| *earliest > self.since.as_str()) {
            Some(earliest) => {
                let day = earliest.get(..10).unwrap_or_default();
                (day, format!("since the first read on {day}"))
            }
            None => (self.since_day(), format!("since {}", self.since_day())),
        }
    }

    /// Missing codes, codes of several tracks, and requested codes without a result.
    fn codes(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.reported);
        let tracks = report_rows::track_count(store, job)?;
        let not_found = report_rows::codes_not_found(store, self.run, self.report.rows)?;
        if tracks == 0 && not_found.total == 0 {
            return Ok(None);
        }
        let mut section = Section { id: "codes".into(), title: "Codes".into(), ..Section::default() };
        let mut lead = Vec::new();
        if tracks > 0 {
            let missing = report_rows::tracks_without_isrc(store, job, self.report.rows)?;
            let shared = report_rows::tracks_with_shared_isrc(store, job, self.report.rows)?;
            facts.push(("different tracks".into(), grouped(tracks)));
            facts.push(("without an ISRC".into(), grouped(missing.total)));
            lead.push(format!(
                "Of {}, {} {} no ISRC, and {} share theirs with another track.",
                counted(tracks, "track"),
                grouped(missing.total),
                if missing.total == 1 { "has" } else { "have" },
                grouped(shared.total)
            ));
            for (caption, head, found) in
                [("Tracks without an ISRC", "", missing), ("Tracks with the same ISRC", "ISRC", shared)]
            {
                section.tables.extend(track_table(caption, head, found));
            }
        }
        if not_found.total > 0 {
            facts.push(("codes not found".into(), grouped(not_found.total)));
            let n = not_found.total;
            lead.push(format!("Spotify has nothing for {} that this job requests.", counted(n, "code")));
            section.tables.push(codes_table(not_found));
        }
        section.lead = lead.join(" ");
        Ok(Some(section))
    }

    /// The first rows of each query.
    fn queries(&self, queries: &[PageQuery<'_>]) -> Option<Section> {
        if queries.is_empty() {
            return None;
        }
        let mut section = Section { id: "queries".into(), title: "Queries".into(), ..Section::default() };
        section.lead = format!("The first rows of {}.", counted(queries.len() as u64, "query"));
        section.tables =
            queries.iter().map(|query| first_rows(query, rows(self.report.rows), self.report.people)).collect();
        Some(section)
    }
}

pub(super) fn track_table(caption: &str, head: &str, found: SomeRows<TrackNote>) -> Option<PageTable> {
    if found.rows.is_empty() {
        return None;
    }
    let heads = if head.is_empty() { vec!["title", "artists"] } else { vec!["title", "artists", head] };
    let mut table = PageTable::new(caption, &heads);
    table.note = rest(found.rows.len(), found.total, "tracks", MORE_ROWS);
    let row = |track: TrackNote| {
        let mut cells = vec![PageCell::named(&track.track).explicit(track.explicit), PageCell::text(track.artists)];
        cells.extend((!head.is_empty()).then(|| PageCell::text(track.note)));
        cells
    };
    table.rows = found.rows.into_iter().map(row).collect();
    Some(table)
}

/// Requested codes without a result.
fn codes_table(found: SomeRows<(String, String)>) -> PageTable {
    let mut table = PageTable::new("Requested codes without a result", &["code", "kind", "reason"]);
    table.note = rest(found.rows.len(), found.total, "codes", MORE_ROWS);
    let row = |(code, reason): (String, String)| {
        let (kind, code) = code.split_once(':').unwrap_or_default();
        [code, &kind.to_uppercase(), &words(&reason)].map(PageCell::text).to_vec()
    };
    table.rows = found.rows.into_iter().map(row).collect();
    table
}

/// Where more rows are, if no file or command has them.
pub(super) const MORE_ROWS: &str = "With a larger `rows` in `[report]`, the page shows more.";

/// `20 of 134 changes are shown. All are in changes.csv.`, if not all rows are shown.
pub(super) fn rest(shown: usize, total: u64, of: &str, place: &str) -> Option<String> {
    (total > shown as u64).then(|| format!("{} of {} {of} are shown. {place}", grouped(shown as u64), grouped(total)))
}

/// A reason of the table of anomalies, in words.
pub(super) fn words(reason: &str) -> String {
    reason.replace('_', " ")
}

pub(super) fn rows(most: u64) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}
