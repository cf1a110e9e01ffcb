//! The page of a job: sections that its streams fill.

use chrono::{DateTime, Duration, TimeDelta, Utc};
use rusqlite::Connection;

use super::chart::bars;
use super::dates::{minute, months, short_day, short_month, years};
use super::page::{Page, PageCell, PageState, PageTable, Section, counted, grouped};
use super::query_rows::{PageQuery, first_rows};
use crate::job::{Job, JobReport, ReportSection};
use crate::store::report_rows::{self, SomeRows, TrackNote};
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
pub fn render_job_page(store: &Connection, shown: &JobPage<'_>) -> Result<Vec<u8>, ReportError> {
    let job = shown.job;
    let started: DateTime<Utc> = report_rows::run_started_at(store, shown.run)?.parse().unwrap_or_default();
    let since = TimeDelta::from_std(shown.report.since)
        .ok()
        .and_then(|since| started.checked_sub_signed(since))
        .unwrap_or_default();
    let of = PageScope { store, job, report: shown.report, started, since: timestamp(since) };
    let mut page = Page::new("cratedigger job", &job.name, PageState(shown.state));
    page.description.clone_from(&job.description);
    page.reasons = shown.reasons.to_vec();
    page.has_content = true;
    if job.needs_user() {
        page.kicker.push_str(", with data of signed-in users");
    }
    page.written = written(job, started);
    for section in ReportSection::ALL.into_iter().filter(|section| shown.report.has(*section)) {
        let made = match section {
            ReportSection::Changes => of.changes(&mut page.facts)?,
            ReportSection::Growth => of.growth()?,
            ReportSection::Releases => of.releases(&mut page.facts)?,
            ReportSection::Codes => of.codes(&mut page.facts)?,
            ReportSection::Duplicates => of.duplicates(&mut page.facts)?,
            ReportSection::Fetches => of.fetches(shown.run)?,
            ReportSection::Queries => of.queries(&shown.queries),
        };
        page.sections.extend(made);
    }
    Ok(page.to_bytes()?)
}

/// As of when the page is, without a relative time: a page that is opened later must not claim to be new.
fn written(job: &Job, started: DateTime<Utc>) -> String {
    let start = started.format("%Y-%m-%d %H:%M UTC");
    match job.schedule.as_ref().and_then(|schedule| schedule.next_after(started)) {
        Some(next) => format!(
            "Shows the run of {start}. The next run is due at {}; if it is later and this page still says so, nothing has run since.",
            next.format("%Y-%m-%d %H:%M UTC")
        ),
        None => format!("Shows the run of {start}. The job has no schedule, so it runs only by name."),
    }
}

pub(super) struct PageScope<'a> {
    pub store: &'a Connection,
    pub job: &'a Job,
    pub report: &'a JobReport,
    pub started: DateTime<Utc>,
    /// The time since which something counts as new.
    pub since: String,
}

pub(super) type Facts = Vec<(String, String)>;

impl PageScope<'_> {
    pub(super) fn since_day(&self) -> &str {
        self.since.get(..10).unwrap_or_default()
    }

    /// New releases, and how many there are by date.
    fn releases(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.job.name);
        let newest = report_rows::newest_releases(store, job, &self.since, self.report.rows)?;
        if newest.total == 0 {
            return Ok(None);
        }
        let new = report_rows::new_release_count(store, job, &self.since)?;
        facts.push(("releases".into(), grouped(newest.total)));
        facts.push((format!("new since {}", short_day(self.since_day())), grouped(new)));
        let mut section = Section { id: "releases", title: "Releases", ..Section::default() };
        section.lead = match new {
            0 => format!("No release was seen for the first time since {}.", self.since_day()),
            n => format!("{} seen for the first time since {}.", counted(n, "release"), self.since_day()),
        };
        let from = (self.started - Duration::days(730)).format("%Y-%m").to_string();
        let by_month = report_rows::releases_by_date(store, job, 7, &from)?;
        // Bars of single releases between empty months say less than years.
        let recent: u64 = by_month.iter().map(|(_, n)| n).sum();
        let (title, unit, values) = if recent >= 12 && recent >= newest.total / 10 {
            ("Releases a month", "month", months(&from, &self.started, &by_month))
        } else {
            ("Releases a year", "year", years(&report_rows::releases_by_date(store, job, 4, "0001")?))
        };
        if values.len() > 1 {
            let named: Vec<_> = values.iter().map(|(date, n)| (short_month(date), *n, 0)).collect();
            let title = format!("{title} since {}", values[0].0);
            let mut chart = bars("releases-dates".into(), &title, &named, false);
            let most = values.iter().max_by_key(|(_, n)| *n).cloned().unwrap_or_default();
            chart.finding = format!("Most releases, {}, are of {}.", grouped(most.1), most.0);
            section.charts.push(chart);
            let mut table = PageTable::new(format!("{title} as a table"), &[unit, "#releases"]);
            table.is_folded = true;
            table.rows =
                values.iter().rev().map(|(date, n)| vec![PageCell::time(date), PageCell::number(*n)]).collect();
            section.tables.push(table);
        }
        let mut table = PageTable::new("Newest releases", &["release", "artists", "type", "released", "first seen"]);
        table.rows = newest
            .rows
            .iter()
            .map(|row| {
                let seen = row
                    .new_since
                    .as_ref()
                    .map(|seen| PageCell { is_new: true, ..PageCell::time(format!("new {}", minute(seen))) });
                vec![
                    PageCell::named(&row.album),
                    PageCell::text(&row.artists),
                    PageCell::text(&row.album_type),
                    PageCell::time(&row.release_date),
                    seen.unwrap_or_else(|| PageCell::text("earlier")),
                ]
            })
            .collect();
        table.note = rest(table.rows.len(), newest.total, "all in the table artist_releases of the store");
        section.tables.push(table);
        Ok(Some(section))
    }

    /// Missing codes, and codes of several tracks.
    fn codes(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.job.name);
        let tracks = report_rows::track_count(store, job)?;
        if tracks == 0 {
            return Ok(None);
        }
        let missing = report_rows::tracks_without_isrc(store, job, self.report.rows)?;
        let shared = report_rows::tracks_with_shared_isrc(store, job, self.report.rows)?;
        facts.push(("different tracks".into(), grouped(tracks)));
        facts.push(("without an ISRC".into(), grouped(missing.total)));
        let mut section = Section { id: "codes", title: "Codes", ..Section::default() };
        section.lead = format!(
            "{} of {} {} no ISRC; {} share theirs with another track.",
            grouped(missing.total),
            counted(tracks, "track"),
            if missing.total == 1 { "has" } else { "have" },
            grouped(shared.total)
        );
        for (caption, head, found) in
            [("Tracks without an ISRC", "", missing), ("Tracks with the same ISRC", "ISRC", shared)]
        {
            section.tables.extend(track_table(caption, head, found));
        }
        Ok(Some(section))
    }

    /// What each fetch requested and got.
    fn fetches(&self, run: i64) -> Result<Option<Section>, ReportError> {
        let mut results = report_rows::fetch_results(self.store, run)?;
        if results.is_empty() {
            return Ok(None);
        }
        let place = |name: &str| self.job.fetch_index(name).unwrap_or(usize::MAX);
        results.sort_by_key(|result| place(&result.fetch));
        let calls = results.iter().map(|result| result.calls).sum();
        let noted = results.iter().map(|result| result.skipped).sum();
        let mut section = Section { id: "fetches", title: "Fetches", ..Section::default() };
        section.lead = format!(
            "{} with {}; {} could not be stored completely.",
            counted(results.len() as u64, "fetch").replace("fetchs", "fetches"),
            counted(calls, "call"),
            if noted == 1 { "1 item".to_owned() } else { format!("{} items", grouped(noted)) }
        );
        let mut table = PageTable::new(
            "Fetches of the run",
            &["fetch", "state", "stream", "#requested", "#unchanged", "#calls", "#rows stored", "#noted"],
        );
        table.rows = results
            .iter()
            .map(|result| {
                let numbers = [result.asked, result.unchanged, result.calls, result.stored, result.skipped];
                let state = PageCell { state: Some(PageState(state(&result.state))), ..PageCell::time("") };
                let texts = vec![PageCell::text(&result.fetch), state, PageCell::text(&result.stream)];
                [texts, numbers.map(PageCell::number).to_vec()].concat()
            })
            .collect();
        section.tables.push(table);
        let reasons = results.iter().filter_map(|result| Some((result, result.reason.as_ref()?)));
        let reasons: Vec<_> =
            reasons.map(|(result, reason)| vec![PageCell::text(&result.fetch), PageCell::text(reason)]).collect();
        if !reasons.is_empty() {
            section.tables.push(PageTable {
                rows: reasons,
                ..PageTable::new("Why a fetch is not complete", &["fetch", "reason"])
            });
        }
        let skipped = report_rows::skipped_by_reason(self.store, run)?;
        if !skipped.is_empty() {
            let mut table = PageTable::new("Items that were noted", &["fetch", "reason", "#items"]);
            let line = |(fetch, reason, n): &(String, String, u64)| {
                vec![PageCell::text(fetch), PageCell::text(reason.replace('_', " ")), PageCell::number(*n)]
            };
            table.rows = skipped.iter().map(line).collect();
            table.note = Some(format!("Each of them: cratedigger skipped {}", self.job.name));
            section.tables.push(table);
        }
        Ok(Some(section))
    }

    /// The first rows of each query.
    fn queries(&self, queries: &[PageQuery<'_>]) -> Option<Section> {
        if queries.is_empty() {
            return None;
        }
        let mut section = Section { id: "queries", title: "Queries", ..Section::default() };
        section.lead =
            format!("The first rows of {}.", counted(queries.len() as u64, "query").replace("querys", "queries"));
        section.tables = queries.iter().map(|query| first_rows(query, rows(self.report.rows))).collect();
        Some(section)
    }
}

pub(super) fn track_table(caption: &str, head: &str, found: SomeRows<TrackNote>) -> Option<PageTable> {
    if found.rows.is_empty() {
        return None;
    }
    let heads = if head.is_empty() { vec!["title", "artists"] } else { vec!["title", "artists", head] };
    let mut table = PageTable::new(caption, &heads);
    table.note = rest(found.rows.len(), found.total, "all in the store");
    let row = |track: TrackNote| {
        let mut cells = vec![PageCell::named(&track.track).explicit(track.explicit), PageCell::text(track.artists)];
        cells.extend((!head.is_empty()).then(|| PageCell::text(track.note)));
        cells
    };
    table.rows = found.rows.into_iter().map(row).collect();
    Some(table)
}

/// `20 of 134; all in changes.csv`, if not all rows are shown.
pub(super) fn rest(shown: usize, total: u64, place: &str) -> Option<String> {
    (total > shown as u64).then(|| format!("{} of {}; {place}.", grouped(shown as u64), grouped(total)))
}

pub(super) fn rows(most: u64) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn state(word: &str) -> RunState {
    match word {
        "complete" => RunState::Complete,
        "partial" => RunState::Partial,
        "deferred" => RunState::Deferred,
        _ => RunState::Failed,
    }
}
