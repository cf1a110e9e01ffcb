//! Charts from the operator's own SQL. A problem with one costs that chart alone: the page and the run name it.

use rusqlite::types::Value;

use super::chart::{
    Chart, LineAxes, LineShape, ValuePoint, bars_as_high, ends_with_zero, line, number_text, rows_of_bars,
};
use super::chart_places::{PlaceKind, cell_text, place_of};
use super::column_names::name_of;
use super::dates::time_of;
use super::job_page::rest;
use super::page::{PageCell, PageTable, Section, counted, grouped};
use crate::job::{ChartKind, JobChart};
use crate::store::query::{FirstRows, QueryParameters, QueryReader};
use crate::store::report_rows::NamedLink;

/// Number of rows of a query that a chart can have.
const MAX_ROWS: usize = 5_000;

/// Number of drawings of a chart, and of points in all of them.
const MAX_DRAWINGS: usize = 12;
const MAX_POINTS: usize = 400;

/// Number of bars in a drawing. Horizontal bars need more space.
const MAX_BARS: usize = 104;
const MAX_ROWS_OF_BARS: usize = 20;

/// A chart of a page.
pub struct PageChart<'a> {
    pub chart: &'a JobChart,
    pub reader: &'a QueryReader,
    pub bound: &'a QueryParameters,
}

/// The section of a chart, or the reason why it cannot be drawn.
pub(super) fn chart_section(shown: &PageChart<'_>, number: usize, most_rows: usize) -> (Section, Option<String>) {
    let (id, title) = (format!("chart-{number}"), shown.chart.title.clone());
    match draw(shown, &id, most_rows) {
        Ok(drawn) => (Section { id, title, ..drawn }, None),
        Err(problem) => {
            let lead = format!("✗ This chart could not be drawn: {}.", problem.on_page);
            (Section { id, title, lead, ..Section::default() }, Some(problem.for_run))
        }
    }
}

/// Why a chart cannot be drawn. A page shows no SQL, which an error of SQLite may quote.
struct ChartProblem {
    on_page: String,
    for_run: String,
}

impl From<String> for ChartProblem {
    fn from(text: String) -> ChartProblem {
        ChartProblem { on_page: text.clone(), for_run: text }
    }
}

/// A row of a chart.
struct ChartRow {
    x: Value,
    /// May be infinite.
    y: Option<f64>,
    /// The value of the column `y`, if it is no number.
    y_text: Option<String>,
    series: String,
    url: Option<String>,
}

impl ChartRow {
    /// The height in a drawing.
    fn height(&self) -> f64 {
        self.y.unwrap_or_default()
    }

    /// Why it has no place in a drawing. On the axis of a line, only times and numbers have a place.
    fn problem(&self, is_line: bool) -> Option<RowProblem> {
        let is_finite = !matches!(self.x, Value::Real(x) if !x.is_finite());
        match (&self.x, self.y) {
            (Value::Null, _) => Some(RowProblem::NoPlace),
            _ if !is_finite => Some(RowProblem::NoPlace),
            (x, _) if is_line && place_of(x).is_none() => Some(RowProblem::NoTime),
            (_, None) if self.y_text.is_some() => Some(RowProblem::NoNumber),
            (_, None) => Some(RowProblem::NoHeight),
            (_, Some(y)) => (!y.is_finite()).then_some(RowProblem::Infinite),
        }
    }
}

/// Why a row is not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowProblem {
    NoPlace,
    NoTime,
    NoHeight,
    NoNumber,
    Infinite,
}

impl RowProblem {
    const ALL: [(RowProblem, &str); 5] = [
        (RowProblem::NoPlace, "without x"),
        (RowProblem::NoTime, "with an x that is neither a time nor a number"),
        (RowProblem::NoHeight, "without y"),
        (RowProblem::NoNumber, "with a y that is not a number"),
        (RowProblem::Infinite, "with an infinite y"),
    ];
}

/// Says how many rows have no place in a drawing, and why.
fn undrawn(problems: &[RowProblem]) -> Option<String> {
    let count = |problem: RowProblem| problems.iter().filter(|one| **one == problem).count() as u64;
    let reasons: Vec<String> = RowProblem::ALL
        .iter()
        .filter(|(problem, _)| problems.contains(problem))
        .map(|(problem, why)| format!("{} {why}", grouped(count(*problem))))
        .collect();
    let verb = if problems.len() == 1 { "is" } else { "are" };
    let rows = counted(problems.len() as u64, "row");
    (!problems.is_empty()).then(|| format!("{rows} {verb} not drawn: {}.", reasons.join(", ")))
}

fn draw(shown: &PageChart<'_>, id: &str, most_rows: usize) -> Result<Section, ChartProblem> {
    let found = shown.reader.first_rows(&shown.chart.sql, shown.bound, MAX_ROWS).map_err(|error| ChartProblem {
        on_page: "its SQL failed, and the run says why".to_owned(),
        for_run: format!("its SQL failed: {error}"),
    })?;
    if let Some(problem) = shown.chart.wrong_columns(&found.columns) {
        return Err(problem.replace('`', "").into());
    }
    let mut rows = chart_rows(&found)?;
    let mut section = Section::default();
    let mut notes = Vec::new();
    if found.has_more {
        let shown = counted(found.rows.len() as u64, "row");
        notes.push(format!("The SQL has more than {shown}, and only these are shown."));
    }
    if rows.is_empty() {
        section.lead = "The SQL of this chart has no rows yet.".to_owned();
        return Ok(section);
    }
    let is_line = matches!(shown.chart.kind, ChartKind::Line | ChartKind::Step);
    let is_drawn = |row: &&ChartRow| row.problem(is_line).is_none();
    let names = series_names(rows.iter().filter(is_drawn));
    let kind = PlaceKind::of(rows.iter().filter(is_drawn).map(|row| &row.x));
    if shown.chart.kind == ChartKind::Bars {
        sort_bars(&mut rows, kind);
    }
    if shown.chart.kind != ChartKind::Table {
        let problems: Vec<RowProblem> = rows.iter().filter_map(|row| row.problem(is_line)).collect();
        if problems.len() == rows.len() && problems.contains(&RowProblem::NoTime) {
            return Err("its column x has something that is neither a time nor a number".to_owned().into());
        }
        if problems.len() == rows.len() && problems.contains(&RowProblem::NoNumber) {
            return Err("its column y has something that is not a number".to_owned().into());
        }
        notes.extend(undrawn(&problems));
        let drawn = names.len().min(MAX_DRAWINGS);
        if names.len() > drawn {
            notes.push(format!("{drawn} of {} series are drawn.", grouped(names.len() as u64)));
        }
        if drawn > 1 {
            notes.push("All drawings have the same scale.".to_owned());
        }
        let titled = |name: &String| if name.is_empty() { &shown.chart.title } else { name }.clone();
        let series: Vec<ChartSeries<'_>> = names[..drawn]
            .iter()
            .zip(0..)
            .map(|(name, n)| ChartSeries {
                id: format!("{id}-{n}"),
                title: titled(name),
                rows: rows.iter().filter(is_drawn).filter(|row| row.series == *name).collect(),
            })
            .collect();
        section.charts = match shown.chart.kind {
            ChartKind::Bars => draw_bars(series, kind, &mut notes),
            line => draw_lines(series, kind, line),
        };
    }
    section.lead = notes.join(" ");
    section.tables.push(table_of(shown.chart, &rows, kind, most_rows));
    Ok(section)
}

/// The rows of one drawing.
struct ChartSeries<'a> {
    id: String,
    title: String,
    rows: Vec<&'a ChartRow>,
}

/// The names of the series, in the order of the rows.
fn series_names<'a>(rows: impl Iterator<Item = &'a ChartRow>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.contains(&row.series) {
            names.push(row.series.clone());
        }
    }
    names
}

/// The rows of the SQL.
fn chart_rows(found: &FirstRows) -> Result<Vec<ChartRow>, ChartProblem> {
    let place = |name: &str| found.columns.iter().position(|column| column == name);
    let (Some(x), Some(y)) = (place("x"), place("y")) else {
        return Err("it needs the columns x and y".to_owned().into());
    };
    let text = |row: &[Value], at: Option<usize>| match at.map(|at| &row[at]) {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(Value::Integer(n)) => Some(n.to_string()),
        Some(Value::Real(n)) => Some(n.to_string()),
        Some(Value::Null | Value::Blob(_)) | None => None,
    };
    let mut rows = Vec::new();
    for row in &found.rows {
        let (number, y_text) = match &row[y] {
            Value::Integer(n) => (Some(*n as f64), None),
            Value::Real(n) => (Some(*n), None),
            Value::Null | Value::Blob(_) => (None, None),
            Value::Text(text) => (None, Some(text.clone())),
        };
        let (series, url) = (text(row, place("series")).unwrap_or_default(), text(row, place("url")));
        rows.push(ChartRow { x: row[x].clone(), y: number, y_text, series, url });
    }
    Ok(rows)
}

/// Sorts the rows of bars: by time or number, and names by height, the largest first. Names that all begin with a digit, such as
/// `10 to 19`, keep the order of the SQL.
fn sort_bars(rows: &mut [ChartRow], kind: PlaceKind) {
    if kind != PlaceKind::Text {
        let place = |row: &ChartRow| place_of(&row.x).unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| place(a).total_cmp(&place(b)));
    } else if !rows.iter().all(|row| cell_text(&row.x).starts_with(|c: char| c.is_ascii_digit())) {
        let height = |row: &ChartRow| row.y.unwrap_or(f64::NEG_INFINITY);
        rows.sort_by(|a, b| height(b).total_cmp(&height(a)));
    }
}

fn draw_bars(mut series: Vec<ChartSeries<'_>>, kind: PlaceKind, notes: &mut Vec<String>) -> Vec<Chart> {
    let all = || series.iter().flat_map(|series| &series.rows);
    let is_whole = all().all(|row| row.height() >= 0.0 && row.height().fract() == 0.0);
    let is_upright = is_whole && all().all(|row| kind.short_label(&row.x).is_some());
    let most = if is_upright { MAX_BARS } else { MAX_ROWS_OF_BARS };
    for ChartSeries { rows, .. } in &mut series {
        if rows.len() > most {
            let which = if kind.is_time() { "last" } else { "first" };
            notes.push(format!("Only the {which} {most} of {} bars are drawn.", grouped(rows.len() as u64)));
            if kind.is_time() {
                rows.drain(..rows.len() - most);
            }
            rows.truncate(most);
        }
    }
    let (low, high) = ends_with_zero(series.iter().flat_map(|series| &series.rows).map(|row| row.height()));
    let drawn = series.into_iter().map(|ChartSeries { id, title, rows }| {
        let mut chart = if is_upright {
            let value = |row: &&ChartRow| (kind.short_label(&row.x).unwrap_or_default(), row.height() as u64);
            bars_as_high(id, &title, &rows.iter().map(value).collect::<Vec<_>>(), high as u64)
        } else {
            let value = |row: &&ChartRow| (kind.label(&row.x), row.height());
            rows_of_bars(id, &title, &rows.iter().map(value).collect::<Vec<_>>(), (low, high))
        };
        let highest = rows.iter().rev().max_by(|a, b| a.height().total_cmp(&b.height()));
        chart.finding = highest.map_or(String::new(), |row| {
            format!("The most is {}, for {}.", number_text(row.height()), kind.label(&row.x))
        });
        chart
    });
    drawn.collect()
}

fn draw_lines(series: Vec<ChartSeries<'_>>, kind: PlaceKind, line_kind: ChartKind) -> Vec<Chart> {
    let shape = if line_kind == ChartKind::Step { LineShape::Steps } else { LineShape::Straight };
    let most = (MAX_POINTS / series.len().max(1)).max(40);
    let point = |row: &ChartRow| (place_of(&row.x).unwrap_or_default(), row.height());
    let sorted = |mut rows: Vec<_>| {
        rows.sort_by(|a: &&ChartRow, b: &&ChartRow| point(a).0.total_cmp(&point(b).0));
        rows
    };
    let all = sorted(series.iter().flat_map(|series| series.rows.iter().copied()).collect());
    let label = |row: Option<&&ChartRow>| row.map_or_else(String::new, |row| kind.label(&row.x));
    let (from, until) = (label(all.first()), label(all.last()));
    let all: Vec<ValuePoint> = all.into_iter().map(point).collect();
    let axes = LineAxes::of(&all, (&from, &until));
    let drawn = series.into_iter().map(|ChartSeries { id, title, rows }| {
        let rows = sorted(rows);
        let points: Vec<ValuePoint> = rows.iter().map(|row| point(row)).collect();
        let mut chart = line(id, &title, &points, shape, axes, most);
        let at = |row: &ChartRow| format!("{} at {}", number_text(row.height()), kind.label(&row.x));
        chart.finding = match rows.as_slice() {
            [] => String::new(),
            [one] => format!("{}.", at(one)),
            [first, .., last] => format!("From {} to {}.", at(first), at(last)),
        };
        chart
    });
    drawn.collect()
}

/// The numbers of a chart: the last ones if they are in the order of time, and otherwise the first ones.
fn table_of(chart: &JobChart, rows: &[ChartRow], kind: PlaceKind, most: usize) -> PageTable {
    let has_series = rows.iter().any(|row| !row.series.is_empty());
    let named = |alias: &str, other: &str| name_of(&chart.sql, alias).unwrap_or_else(|| other.to_owned());
    let mut heads = vec![named("x", kind.heading()), format!("#{}", named("y", "value"))];
    if has_series {
        heads.insert(0, named("series", "series"));
    }
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let is_reversed = match chart.kind {
        ChartKind::Line | ChartKind::Step => true,
        ChartKind::Bars => kind.is_time(),
        ChartKind::Table => false,
    };
    let caption =
        if chart.kind == ChartKind::Table { chart.title.clone() } else { "The numbers as a table".to_owned() };
    let mut table = PageTable { is_folded: chart.kind != ChartKind::Table, ..PageTable::new(caption, &heads) };
    let shown: Vec<&ChartRow> =
        if is_reversed { rows.iter().rev().take(most).collect() } else { rows.iter().take(most).collect() };
    let cells = |row: &&ChartRow| {
        let linked = |text: String| PageCell::named(&NamedLink { name: text, url: row.url.clone() });
        let x = cell_text(&row.x);
        let x = if time_of(&x).is_some() || has_series { PageCell::unbroken(x) } else { linked(x) };
        let series = has_series.then(|| linked(row.series.clone()));
        let number = row.y.map_or_else(|| row.y_text.clone().unwrap_or_default(), number_text);
        let y = PageCell { text: number, ..PageCell::number(0) };
        series.into_iter().chain([x, y]).collect()
    };
    table.rows = shown.iter().map(cells).collect();
    let place = "With a larger `rows` in `[report]`, the table shows more.";
    table.note = rest(table.rows.len(), rows.len() as u64, "rows", place);
    table
}
