//! The sections about playlists: what changed, how they grow, and which items are in them twice.

use std::cmp::Reverse;

use chrono::{DateTime, Datelike, Duration, Utc};

use super::chart::{TimePoint, bars, steps};
use super::dates::{minute, short_day};
use super::job_page::{Facts, MORE_ROWS, PageScope, ReportError, rest, rows, track_table};
use super::page::{PageCell, PageTable, Section, counted, grouped};
use crate::store::report_rows::{self, NamedLink};

/// Maximum number of charts of sizes. The table has the other playlists.
const MAX_CHARTS: usize = 12;

/// A playlist with its sizes over time. There is at least one size.
struct SizedPlaylist {
    playlist: NamedLink,
    owner: NamedLink,
    points: Vec<TimePoint>,
    first_read: String,
}

impl SizedPlaylist {
    fn change(&self) -> i64 {
        self.points[self.points.len() - 1].1 as i64 - self.points[0].1 as i64
    }
}

impl PageScope<'_> {
    /// The additions to the playlists of the job, and the removals from them.
    pub(super) fn changes(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.reported);
        let first = report_rows::first_playlist_reads(store, job, &self.started_at())?;
        if first.lists == 0 {
            return Ok(None);
        }
        let mut section = Section { id: "changes".into(), title: "Changes".into(), ..Section::default() };
        if first.in_this_run == first.lists {
            section.lead = "This run read the playlists for the first time, so nothing counts as added or removed. \
                            Later runs are compared with it."
                .to_owned();
            return Ok(Some(section));
        }
        let counts = report_rows::change_counts(store, job, &self.since)?;
        let newest = report_rows::newest_changes(store, job, &self.since, self.report.rows)?;
        let (added, removed) = counts.iter().fold((0, 0), |(a, r), count| (a + count.added, r + count.removed));
        let (day, since) = self.new_since(&first);
        facts.push((format!("added since {}", short_day(day)), grouped(added)));
        facts.push((format!("removed since {}", short_day(day)), grouped(removed)));
        section.lead = match counts.len() {
            0 if day != self.since_day() => {
                format!("The playlists were first read on {day}, and none has changed since then.")
            }
            0 => format!("No playlist of this job has changed {since}."),
            n => format!(
                "{n} of {} changed {since}: {} added, {} removed.",
                counted(first.lists, "playlist"),
                grouped(added),
                grouped(removed)
            ),
        };
        if first.in_this_run > 0 {
            section.lead.push_str(&format!(
                " {} of {} were read for the first time, and their items do not count as added.",
                first.in_this_run,
                counted(first.lists, "playlist")
            ));
        }
        let monday =
            self.started.date_naive() - Duration::days(i64::from(self.started.weekday().num_days_from_monday()));
        let first = monday - Duration::weeks(i64::from(self.report.weeks) - 1);
        let by_week = report_rows::changes_by_week(store, job, &first.format("%Y-%m-%d").to_string())?;
        if !by_week.is_empty() {
            let weeks: Vec<(String, u64, u64)> = (0..self.report.weeks)
                .map(|n| {
                    let week = (first + Duration::weeks(i64::from(n))).format("%Y-%m-%d").to_string();
                    let found = by_week.iter().find(|(monday, ..)| *monday == week);
                    found.cloned().unwrap_or((week, 0, 0))
                })
                .collect();
            let named: Vec<_> = weeks.iter().map(|(week, up, down)| (short_day(week), *up, *down)).collect();
            let mut chart = bars("changes-weeks".into(), "Items added (up) and removed (down) by week", &named, true);
            let sum = weeks.iter().fold((0, 0), |sum, week| (sum.0 + week.1, sum.1 + week.2));
            chart.finding = format!(
                "In {} weeks, {} items were added and {} removed.",
                weeks.len(),
                grouped(sum.0),
                grouped(sum.1)
            );
            section.charts.push(chart);
            let mut table = PageTable::new("Weeks as a table", &["week from", "#added", "#removed"]);
            table.is_folded = true;
            table.rows = weeks
                .iter()
                .rev()
                .map(|(week, up, down)| vec![PageCell::unbroken(week), PageCell::number(*up), PageCell::number(*down)])
                .collect();
            section.tables.push(table);
        }
        if counts.is_empty() {
            return Ok(Some(section));
        }
        let all = format!("`cratedigger diff {} --since {}` shows all.", self.job.name, self.since_day());
        let mut table = PageTable::new("Changes by playlist", &["playlist", "#added", "#removed", "#moved"]);
        let shown = counts.iter().take(rows(self.report.rows));
        table.rows = shown
            .map(|count| {
                let numbers = [count.added, count.removed, count.moved].map(PageCell::number);
                [vec![PageCell::named(&count.playlist)], numbers.to_vec()].concat()
            })
            .collect();
        table.note = rest(table.rows.len(), counts.len() as u64, "playlists", &all);
        section.tables.push(table);
        let people = self.report.people;
        let heads = ["title", "artists", "change", "playlist", "seen", "added by"];
        let mut table = PageTable::new("Newest changes", &heads[..if people { 6 } else { 5 }]);
        table.rows = newest
            .rows
            .iter()
            .map(|item| {
                let sign = if item.change == "added" { "+" } else { "−" };
                let cells = vec![
                    PageCell::named(&item.item).explicit(item.explicit),
                    PageCell::text(&item.artists),
                    PageCell::unbroken(format!("{sign} {}", item.change)),
                    PageCell::named(&item.playlist),
                    PageCell::unbroken(minute(&item.seen_at)),
                ];
                cells.into_iter().chain(people.then(|| PageCell::named(&item.added_by))).collect()
            })
            .collect();
        table.note = rest(table.rows.len(), newest.total, "changes", &all);
        if !table.rows.is_empty() {
            section.tables.push(table);
        }
        Ok(Some(section))
    }

    /// The size of each playlist over time.
    pub(super) fn growth(&self) -> Result<Option<Section>, ReportError> {
        let sizes = report_rows::playlist_sizes(self.store, &self.reported)?;
        let mut lists: Vec<SizedPlaylist> = Vec::new();
        let mut of = None;
        for size in sizes {
            let time = size.seen_at.parse::<DateTime<Utc>>().map_or(0, |at| at.timestamp());
            match lists.last_mut() {
                Some(list) if of.as_ref() == Some(&size.playlist_id) => list.points.push((time, size.items)),
                _ => lists.push(SizedPlaylist {
                    playlist: size.playlist,
                    owner: size.owner,
                    points: vec![(time, size.items)],
                    first_read: size.seen_at.get(..10).unwrap_or_default().to_owned(),
                }),
            }
            of = Some(size.playlist_id);
        }
        if lists.is_empty() {
            return Ok(None);
        }
        lists.sort_by_key(|list| (Reverse(list.change().abs()), Reverse(list.points.len())));
        let moved = lists.iter().filter(|list| list.points.len() > 1).count();
        let mut section = Section { id: "growth".into(), title: "Growth".into(), ..Section::default() };
        section.lead = match (moved, lists.len()) {
            (0, 1) => {
                "The playlist has not changed since it was first read. A change appears here as a line.".to_owned()
            }
            (0, n) => format!(
                "None of the {n} playlists has changed since it was first read. A change appears here as a line."
            ),
            (n, all) => format!("{n} of {} changed since they were first read.", counted(all as u64, "playlist")),
        };
        if moved > MAX_CHARTS {
            section.lead.push_str(&format!(" The {MAX_CHARTS} with the largest changes are drawn."));
        }
        if moved > 1 {
            section.lead.push_str(" Each drawing has its own scale of sizes.");
        }
        let now = self.started.timestamp();
        let drawn: Vec<&SizedPlaylist> = lists.iter().filter(|list| list.points.len() > 1).take(MAX_CHARTS).collect();
        // The drawings have the same axis of times, so that changes on the same day are below each other.
        let earliest = drawn.iter().min_by_key(|list| list.points[0].0);
        let from = earliest.map_or((now, String::new()), |list| (list.points[0].0, list.first_read.clone()));
        for (n, list) in drawn.into_iter().enumerate() {
            let mut points = list.points.clone();
            let last = points[points.len() - 1];
            points.push((now.max(last.0), last.1));
            let today = self.started.format("%Y-%m-%d").to_string();
            let times = (from.0, now.max(last.0));
            let ends = (from.1.as_str(), today.as_str());
            let mut chart = steps(format!("growth-{n}"), &list.playlist.name, &points, times, ends);
            chart.finding = format!(
                "From {} to {} items, in {} versions.",
                grouped(points[0].1),
                grouped(last.1),
                points.len() - 1
            );
            section.charts.push(chart);
        }
        let people = self.report.people;
        let heads = ["playlist", "#items", "#change", "first read", "#versions", "owner"];
        let mut table = PageTable::new("Sizes of the playlists", &heads[..if people { 6 } else { 5 }]);
        table.rows = lists
            .iter()
            .take(rows(self.report.rows))
            .map(|list| {
                let cells = vec![
                    PageCell::named(&list.playlist),
                    PageCell::number(list.points[list.points.len() - 1].1),
                    PageCell::change(list.change()),
                    PageCell::unbroken(&list.first_read),
                    PageCell::number(list.points.len() as u64),
                ];
                cells.into_iter().chain(people.then(|| PageCell::named(&list.owner))).collect()
            })
            .collect();
        table.note = rest(table.rows.len(), lists.len() as u64, "playlists", MORE_ROWS);
        section.tables.push(table);
        Ok(Some(section))
    }

    /// Tracks in several playlists, or twice in one.
    pub(super) fn duplicates(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let (store, job) = (self.store, &self.reported);
        if report_rows::first_playlist_reads(store, job, &self.started_at())?.lists == 0 {
            return Ok(None);
        }
        let found = report_rows::repeated_tracks(store, job, self.report.rows)?;
        facts.push(("repeated tracks".into(), grouped(found.total)));
        let mut section = Section { id: "duplicates".into(), title: "Repeated tracks".into(), ..Section::default() };
        section.lead = match found.total {
            0 => "No track is in several playlists, or several times in one.".to_owned(),
            n => format!(
                "{} in several playlists, or several times in one.",
                if n == 1 { "1 track is".into() } else { format!("{} tracks are", grouped(n)) }
            ),
        };
        section.tables.extend(track_table("The tracks with the most places", "places", found));
        Ok(Some(section))
    }
}
