//! The table `[report]` of a job.

use super::keys;
use super::model::{Fetch, JobQuery};
use super::page_model::{JobReport, ReportSection};
use super::read::{duration, integer};
use crate::document::{DocumentChecker, TableValues, texts};
use crate::stream::ReadStrategy;

/// Reads how the page of a job is. Warns of sections that its fetches and queries leave empty.
pub(super) fn read_report(
    values: &TableValues<'_, '_>,
    (fetches, queries): (&[Fetch], &[JobQuery]),
    checker: &mut DocumentChecker<'_>,
) -> Option<JobReport> {
    let table = values.get("report")?.get_ref().as_table()?;
    let values = checker.check_table(table, "report", keys::REPORT);
    let sections = values.get("sections").map(|value| {
        let named = texts(value);
        let found = ReportSection::ALL.into_iter().filter_map(|section| {
            let (name, span) = named.iter().find(|(name, _)| *name == section.as_str())?;
            if let Err(needed) = section.filled_by(fetches, queries) {
                let message = format!("nothing in this job fills the section `{name}`, so the page does not have it");
                let warning = checker.document.diagnostic(span.clone(), message).for_key("report.sections");
                checker.problems.push(warning.with_hint(format!("it needs {needed}")).as_warning());
            }
            Some(section)
        });
        found.collect()
    });
    let default = JobReport::default();
    Some(JobReport {
        sections,
        since: duration(&values, "since").unwrap_or(default.since),
        weeks: integer(&values, "weeks").and_then(|n| u32::try_from(n).ok()).unwrap_or(default.weeks),
        rows: integer(&values, "rows").and_then(|n| u64::try_from(n).ok()).unwrap_or(default.rows),
        people: values.get("people").and_then(|value| value.get_ref().as_bool()).unwrap_or(default.people),
    })
}

impl ReportSection {
    /// Whether a job with these fetches and queries can fill the section; otherwise what it would need.
    fn filled_by(self, fetches: &[Fetch], queries: &[JobQuery]) -> Result<(), &'static str> {
        let any = |fills: fn(&Fetch) -> bool| fetches.iter().any(fills);
        let (is_filled, needed) = match self {
            ReportSection::Changes | ReportSection::Growth | ReportSection::Duplicates => (
                any(|fetch| matches!(fetch.stream.strategy, ReadStrategy::Playlist | ReadStrategy::OwnPlaylists)),
                "a fetch of `playlist_items` or `my_playlist_items`",
            ),
            ReportSection::Releases => (any(Fetch::lists_releases), "a fetch of `artist_albums`"),
            ReportSection::Codes => (
                any(|fetch| fetch.stream.strategy == ReadStrategy::Search || fetch.stream.column("isrc").is_some()),
                "a fetch of tracks or with codes",
            ),
            ReportSection::Markets => (any(|fetch| fetch.market.is_some()), "a `market`"),
            ReportSection::Tops => (
                any(|fetch| fetch.stream.strategy == ReadStrategy::TopLists),
                "a fetch of `top_artists` or `top_tracks`",
            ),
            ReportSection::Metrics | ReportSection::Fetches => (!fetches.is_empty(), "a [[fetch]]"),
            ReportSection::Queries => (!queries.is_empty(), "a [[query]]"),
        };
        if is_filled { Ok(()) } else { Err(needed) }
    }
}
