//! The sections about what Spotify says of a job's items: where tracks can be played, followers and popularity over time,
//! and ranks.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::chart::{TimePoint, ends_with_zero, rows_of_bars, steps};
use super::job_page::{Facts, MORE_ROWS, PageScope, ReportError, rest, rows, track_table};
use super::page::{PageCell, PageTable, Section, counted, grouped};
use crate::store::report_rows::{self, MetricRow, NamedLink, TopRank};

/// Maximum number of charts of a section. The table has the other items.
const MAX_CHARTS: usize = 12;

/// Number of days of ranks in a table.
const RANK_DAYS: u64 = 5;

/// Maximum number of items with metrics that are read.
const MAX_ITEMS: u64 = 500;

impl PageScope<'_> {
    /// Where the tracks of the job can be played, of the markets that its fetches request.
    pub(super) fn markets(&self, facts: &mut Facts) -> Result<Option<Section>, ReportError> {
        let markets: BTreeSet<&str> = self.job.fetches.iter().filter_map(|fetch| fetch.market.as_deref()).collect();
        let markets = serde_json::json!(markets).to_string();
        let counts = report_rows::market_counts(self.store, &self.reported, &markets)?;
        if counts.is_empty() {
            return Ok(None);
        }
        let found = report_rows::tracks_not_playable(self.store, &self.reported, &markets, self.report.rows)?;
        facts.push(("not playable".into(), grouped(found.total)));
        let mut section = Section { id: "markets".into(), title: "Markets".into(), ..Section::default() };
        let names = counted(counts.len() as u64, "market");
        section.lead = match found.total {
            0 => format!(
                "Every track that Spotify says something about can be played in the {names} that the job requests."
            ),
            n => format!("{} cannot be played in one of the {names} that the job requests.", counted(n, "track")),
        };
        if counts.len() > 1 && found.total > 0 {
            let bars: Vec<(String, f64)> = counts
                .iter()
                .filter(|count| count.not_playable > 0)
                .take(rows(self.report.rows))
                .map(|count| (count.market.clone(), count.not_playable as f64))
                .collect();
            let ends = ends_with_zero(bars.iter().map(|(_, n)| *n));
            let mut chart =
                rows_of_bars("markets-missing".into(), "Tracks that cannot be played, by market", &bars, ends);
            chart.finding = bars
                .first()
                .map_or(String::new(), |(market, n)| format!("The most are in {market}: {}.", grouped(*n as u64)));
            section.charts.push(chart);
        }
        let mut table = PageTable::new("Tracks by market", &["market", "#playable", "#not playable", "#unknown"]);
        table.rows = counts
            .iter()
            .take(rows(self.report.rows))
            .map(|count| {
                let numbers = [count.playable, count.not_playable, count.unknown].map(PageCell::number);
                [vec![PageCell::unbroken(&count.market)], numbers.to_vec()].concat()
            })
            .collect();
        table.note = rest(table.rows.len(), counts.len() as u64, "markets", MORE_ROWS);
        section.tables.push(table);
        section.tables.extend(track_table("Tracks that cannot be played", "market and reason", found));
        Ok(Some(section))
    }

    /// Followers and popularity over time, where the app sees them.
    pub(super) fn metrics(&self) -> Result<Option<Section>, ReportError> {
        let read = report_rows::metrics_of_job(self.store, &self.reported, MAX_ITEMS)?;
        let mut items: Vec<ItemMetrics> = Vec::new();
        for row in read {
            match items.last_mut().filter(|item| item.id == row.id && item.kind == row.kind) {
                Some(item) => item.add(&row),
                None => items.push(ItemMetrics::new(&row)),
            }
        }
        if items.is_empty() {
            return Ok(None);
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.change().unsigned_abs()));
        let changed = items.iter().filter(|item| item.change() != 0).count();
        let mut section =
            Section { id: "metrics".into(), title: "Followers and popularity".into(), ..Section::default() };
        section.lead = match (changed, items.len() as u64) {
            (0, n) => format!("Nothing has changed for {}. A change appears here as a line.", counted(n, "item")),
            (n, all) => {
                format!("{n} of {} changed. Popularity is Spotify's number from 0 to 100.", counted(all, "item"))
            }
        };
        let drawn = || items.iter().filter(|item| item.points().len() > 1 && item.change() != 0).take(MAX_CHARTS);
        // The drawings have the same axis of times.
        let all = || drawn().flat_map(|item| item.points()).map(|(time, _)| *time);
        let times = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
        let [first, last] = [times.0, times.1]
            .map(|time| DateTime::<Utc>::from_timestamp(time, 0).unwrap_or_default().format("%Y-%m-%d").to_string());
        for (n, item) in drawn().enumerate() {
            let points = item.points();
            let mut chart = steps(format!("metrics-{n}"), &item.item.name, points, times, (&first, &last));
            let (from, to) = (points[0].1, points[points.len() - 1].1);
            chart.finding = format!("{} from {} to {}.", item.what(), grouped(from), grouped(to));
            section.charts.push(chart);
        }
        if changed > section.charts.len() && !section.charts.is_empty() {
            section.lead.push_str(&format!(" The {} largest changes are drawn.", section.charts.len()));
        }
        let heads = ["item", "kind", "#followers", "#change", "#popularity", "#change", "since"];
        let mut table = PageTable::new("Newest numbers", &heads);
        table.rows = items
            .iter()
            .take(rows(self.report.rows))
            .map(|item| {
                let mut cells = vec![PageCell::named(&item.item), PageCell::unbroken(&item.kind)];
                for points in [&item.followers, &item.popularity] {
                    cells.push(points.last().map_or_else(no_number, |(_, n)| PageCell::number(*n)));
                    cells.push(points.first().map_or_else(no_number, |_| PageCell::change(change(points))));
                }
                cells.push(PageCell::unbroken(item.days.first().cloned().unwrap_or_default()));
                cells
            })
            .collect();
        table.drop_columns_of(NO_NUMBER);
        table.note = rest(table.rows.len(), items.len() as u64, "items", MORE_ROWS);
        section.tables.push(table);
        Ok(Some(section))
    }

    /// The ranks of artists and tracks on the newest days, as Spotify gave them.
    pub(super) fn tops(&self) -> Result<Option<Section>, ReportError> {
        let ranks = report_rows::top_ranks(self.store, &self.reported, RANK_DAYS)?;
        if ranks.is_empty() {
            return Ok(None);
        }
        let mut lists: Vec<Vec<TopRank>> = Vec::new();
        for rank in ranks {
            match lists.last_mut().filter(|list| list[0].list == rank.list) {
                Some(list) => list.push(rank),
                None => lists.push(vec![rank]),
            }
        }
        let mut section = Section { id: "tops".into(), title: "Ranks".into(), ..Section::default() };
        section.lead = "The ranks as Spotify gave them, with the newest day first.".to_owned();
        for list in &lists {
            section.tables.push(self.rank_table(list));
        }
        Ok(Some(section))
    }

    fn rank_table(&self, list: &[TopRank]) -> PageTable {
        let first = &list[0];
        let mut days: Vec<&str> = list.iter().map(|rank| rank.day.as_str()).collect();
        days.dedup();
        let by_place: BTreeMap<(&str, &str), u64> =
            list.iter().map(|rank| ((rank.item_id.as_str(), rank.day.as_str()), rank.rank)).collect();
        let range = match first.time_range.as_str() {
            "short_term" => "about four weeks",
            "medium_term" => "about six months",
            _ => "about a year",
        };
        let caption = format!("Top {}s of {range}", first.kind);
        let columns: Vec<String> = days.iter().map(|day| format!("#{day}")).collect();
        let heads: Vec<&str> = std::iter::once(first.kind.as_str()).chain(columns.iter().map(String::as_str)).collect();
        let mut table = PageTable::new(caption, &heads);
        let newest: Vec<&TopRank> = list.iter().filter(|rank| rank.day == first.day).collect();
        table.rows = newest
            .iter()
            .take(rows(self.report.rows))
            .map(|rank| {
                let on = |day: &&str| by_place.get(&(rank.item_id.as_str(), *day)).copied();
                let ranks = days.iter().map(|day| on(day).map_or_else(no_number, PageCell::number));
                std::iter::once(PageCell::named(&rank.item)).chain(ranks).collect()
            })
            .collect();
        table.note = rest(table.rows.len(), newest.len() as u64, "ranks", MORE_ROWS);
        table
    }
}

/// In the place of a number that Spotify did not give.
const NO_NUMBER: &str = "–";

fn no_number() -> PageCell {
    PageCell { text: NO_NUMBER.into(), ..PageCell::number(0) }
}

/// The metrics of an item by day.
struct ItemMetrics {
    kind: String,
    id: String,
    item: NamedLink,
    days: Vec<String>,
    followers: Vec<TimePoint>,
    popularity: Vec<TimePoint>,
}

impl ItemMetrics {
    fn new(row: &MetricRow) -> ItemMetrics {
        let (kind, id, item) = (row.kind.clone(), row.id.clone(), row.item.clone());
        let mut all = ItemMetrics { kind, id, item, days: Vec::new(), followers: Vec::new(), popularity: Vec::new() };
        all.add(row);
        all
    }

    fn add(&mut self, row: &MetricRow) {
        let time = format!("{}T00:00:00Z", row.day).parse::<DateTime<Utc>>().map_or(0, |at| at.timestamp());
        self.days.push(row.day.clone());
        self.followers.extend(row.followers.map(|n| (time, n)));
        self.popularity.extend(row.popularity.map(|n| (time, n)));
    }

    /// The numbers that are drawn: followers, and popularity of items without any.
    fn points(&self) -> &[TimePoint] {
        if self.followers.is_empty() { &self.popularity } else { &self.followers }
    }

    fn what(&self) -> &'static str {
        if self.followers.is_empty() { "Popularity" } else { "Followers" }
    }

    fn change(&self) -> i64 {
        change(self.points())
    }
}

fn change(points: &[TimePoint]) -> i64 {
    match points {
        [(_, first), .., (_, last)] => *last as i64 - *first as i64,
        _ => 0,
    }
}
