//! The section about releases: which are new, and how many there are by date.

use chrono::Duration;

use super::chart::bars;
use super::dates::{long_month, minute, months, short_day, short_month, years};
use super::job_page::{Facts, MORE_ROWS, PageScope, ReportError, rest};
use super::page::{PageCell, PageTable, Section, counted, grouped};
use crate::store::report_rows;

impl PageScope<'_> {
    /// New releases, and how many there are by date.
    pub(super) fn releases(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.reported);
        let newest = report_rows::newest_releases(store, job, &self.since, self.report.rows)?;
        if newest.total == 0 {
            return Ok(None);
        }
        let new = report_rows::new_release_count(store, job, &self.since)?;
        facts.push(("releases".into(), grouped(newest.total)));
        let mut section = Section { id: "releases".into(), title: "Releases".into(), ..Section::default() };
        let first = report_rows::first_release_reads(store, job, &self.started_at())?;
        let (day, since) = self.new_since(&first);
        section.lead = match (first.in_this_run, new) {
            (n, _) if n == first.lists => {
                "This run read the releases for the first time, so none of them counts as new. \
                                           Later runs are compared with it."
                    .to_owned()
            }
            (_, 0) if day != self.since_day() => {
                format!("The releases were first read on {day}, and no other release was seen since then.")
            }
            (_, 0) => format!("No release was seen for the first time {since}."),
            (_, 1) => format!("1 release was seen for the first time {since}."),
            (_, n) => format!("{} were seen for the first time {since}.", counted(n, "release")),
        };
        if first.in_this_run < first.lists {
            facts.push((format!("new since {}", short_day(day)), grouped(new)));
            section.lead.push_str(&match first.in_this_run {
                0 => String::new(),
                n => format!(
                    " The releases of {n} of {} were read for the first time, and do not count as new.",
                    counted(first.lists, "artist")
                ),
            });
        }
        let from = (self.started - Duration::days(730)).format("%Y-%m").to_string();
        let by_month = report_rows::releases_by_date(store, job, 7, &from)?;
        // Bars of single releases between empty months say less than years.
        let this_month = self.started.format("%Y-%m").to_string();
        let recent: u64 = by_month.iter().filter(|(month, _)| *month <= this_month).map(|(_, n)| n).sum();
        let (title, unit, values) = if recent >= 12 && recent >= newest.total / 10 {
            ("Releases by month", "month", months(&from, &self.started, &by_month))
        } else {
            ("Releases by year", "year", years(&report_rows::releases_by_date(store, job, 4, "0001")?))
        };
        if values.len() > 1 {
            let named: Vec<_> = values.iter().map(|(date, n)| (short_month(date), *n, 0)).collect();
            let title = format!("{title}, from {}", long_month(&values[0].0));
            let mut chart = bars("releases-dates".into(), &title, &named, false);
            chart.finding = most_releases(&values, unit);
            section.charts.push(chart);
            let mut table = PageTable::new(
                if unit == "month" { "Months as a table" } else { "Years as a table" },
                &[unit, "#releases"],
            );
            table.is_folded = true;
            table.rows =
                values.iter().rev().map(|(date, n)| vec![PageCell::unbroken(date), PageCell::number(*n)]).collect();
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
                    .map(|seen| PageCell { is_new: true, ..PageCell::unbroken(format!("new {}", minute(seen))) });
                vec![
                    PageCell::named(&row.album),
                    PageCell::text(&row.artists),
                    PageCell::unbroken(&row.album_type),
                    PageCell::unbroken(&row.release_date),
                    seen.unwrap_or_else(|| {
                        PageCell::unbroken(if row.in_first_read { "first read" } else { "earlier" })
                    }),
                ]
            })
            .collect();
        table.note = rest(table.rows.len(), newest.total, "releases", &self.place_of_releases());
        section.tables.push(table);
        Ok(Some(section))
    }

    /// Where all releases are: in the files of the fetches that read them.
    fn place_of_releases(&self) -> String {
        let fetches = self.job.fetches.iter().filter(|fetch| fetch.lists_releases());
        let files: Vec<&str> =
            fetches.filter_map(|fetch| fetch.files.first()).map(|file| file.name.template()).collect();
        match files.as_slice() {
            [] => MORE_ROWS.to_owned(),
            [files @ .., last] if !files.is_empty() => format!("All are in {} and {last}.", files.join(", ")),
            [file, ..] => format!("All are in {file}."),
        }
    }
}

/// Which years or months have the most releases, in a sentence.
fn most_releases(values: &[(String, u64)], unit: &str) -> String {
    let most = values.iter().map(|(_, n)| *n).max().unwrap_or(0);
    let with_most: Vec<&str> = values.iter().filter(|(_, n)| *n == most).map(|(date, _)| date.as_str()).collect();
    match with_most.as_slice() {
        [date] => format!("Of these, {} has the most releases: {}.", long_month(date), grouped(most)),
        dates => format!("No {unit} has more than {}, and {} have as many.", counted(most, "release"), dates.len()),
    }
}
