//! Charts from the operator's own SQL. A problem with one costs that chart alone: the page and the run name it.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::types::Value;

use super::chart::{LineShape, ValuePoint, bars, line, number_text, rows_of_bars};
use super::dates::{short_day, time_of};
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

/// Number of bars in a drawing. Lying bars need more space.
const MAX_BARS: usize = 104;
const MAX_LYING_BARS: usize = 20;

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
    series: String,
    url: Option<String>,
}

impl ChartRow {
    /// The height in a drawing.
    fn height(&self) -> f64 {
        self.y.unwrap_or_default()
    }

    fn has_place(&self) -> bool {
        match self.x {
            Value::Null => false,
            Value::Real(x) => x.is_finite(),
            _ => true,
        }
    }

    fn can_be_drawn(&self) -> bool {
        self.has_place() && self.y.is_some_and(f64::is_finite)
    }
}

/// Says how many rows have no place in a drawing, and why.
fn undrawn(rows: &[ChartRow]) -> Option<String> {
    let count = |is_it: fn(&ChartRow) -> bool| rows.iter().filter(|row| is_it(row)).count() as u64;
    let without_x = count(|row| !row.has_place());
    let without_y = count(|row| row.has_place() && row.y.is_none());
    let infinite = count(|row| row.has_place() && row.y.is_some_and(f64::is_infinite));
    let reasons = [(without_x, "without x"), (without_y, "without y"), (infinite, "with an infinite y")];
    let reasons: Vec<String> =
        reasons.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{} {why}", grouped(*n))).collect();
    let all = without_x + without_y + infinite;
    let verb = if all == 1 { "is" } else { "are" };
    (all > 0).then(|| format!("{} {verb} not drawn: {}.", counted(all, "row"), reasons.join(", ")))
}

fn draw(shown: &PageChart<'_>, id: &str, most_rows: usize) -> Result<Section, ChartProblem> {
    let found = shown.reader.first_rows(&shown.chart.sql, shown.bound, MAX_ROWS).map_err(|error| ChartProblem {
        on_page: "its SQL failed, and the run says why".to_owned(),
        for_run: format!("its SQL failed: {error}"),
    })?;
    if let Some(problem) = shown.chart.wrong_columns(&found.columns) {
        return Err(problem.replace('`', "").into());
    }
    let rows = chart_rows(&found)?;
    let mut section = Section::default();
    let mut series: Vec<(&str, Vec<&ChartRow>)> = Vec::new();
    for row in rows.iter().filter(|row| row.can_be_drawn()) {
        match series.iter_mut().find(|(name, _)| *name == row.series) {
            Some((_, of_series)) => of_series.push(row),
            None => series.push((&row.series, vec![row])),
        }
    }
    let drawn = series.len().min(MAX_DRAWINGS);
    let mut notes = Vec::new();
    if found.has_more {
        let shown = counted(found.rows.len() as u64, "row");
        notes.push(format!("The SQL has more than {shown}, and only these are shown."));
    }
    if rows.is_empty() {
        section.lead = "The SQL of this chart has no rows yet.".to_owned();
        return Ok(section);
    }
    if shown.chart.kind != ChartKind::Table {
        notes.extend(undrawn(&rows));
        if series.len() > drawn {
            notes.push(format!("{drawn} of {} series are drawn.", grouped(series.len() as u64)));
        }
        for (n, (name, of_series)) in series.iter().take(drawn).enumerate() {
            let title = if name.is_empty() { shown.chart.title.as_str() } else { *name };
            let points = (MAX_POINTS / drawn).max(40);
            let chart = match shown.chart.kind {
                ChartKind::Bars => draw_bars(format!("{id}-{n}"), title, of_series, &mut notes),
                kind => draw_line(format!("{id}-{n}"), title, of_series, kind, points)?,
            };
            section.charts.push(chart);
        }
    }
    section.lead = notes.join(" ");
    section.tables.push(table_of(shown.chart, &rows, most_rows));
    Ok(section)
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
        let number = match &row[y] {
            Value::Integer(n) => Some(*n as f64),
            Value::Real(n) => Some(*n),
            Value::Null => None,
            Value::Text(_) | Value::Blob(_) => {
                return Err("its column y has something that is not a number".to_owned().into());
            }
        };
        let (series, url) = (text(row, place("series")).unwrap_or_default(), text(row, place("url")));
        rows.push(ChartRow { x: row[x].clone(), y: number, series, url });
    }
    Ok(rows)
}

fn draw_bars(id: String, title: &str, rows: &[&ChartRow], notes: &mut Vec<String>) -> super::chart::Chart {
    let names: Vec<String> = rows.iter().map(|row| x_text(&row.x)).collect();
    let is_short = |name: &String| name.parse::<NaiveDate>().is_ok() || name.len() <= 4 || is_month(name);
    let is_whole = rows.iter().all(|row| row.height() >= 0.0 && row.height().fract() == 0.0);
    let stands = is_whole && names.iter().all(is_short);
    let most = if stands { MAX_BARS } else { MAX_LYING_BARS };
    let shown = rows.len().min(most);
    if shown < rows.len() {
        notes.push(format!("{shown} of {} bars are drawn.", grouped(rows.len() as u64)));
    }
    let first = rows.iter().zip(&names).take(shown);
    let mut chart = if stands {
        let values: Vec<_> = first.map(|(row, name)| (short_day(name), row.height() as u64, 0)).collect();
        bars(id, title, &values, false)
    } else {
        rows_of_bars(id, title, &first.map(|(row, name)| (name.clone(), row.height())).collect::<Vec<_>>())
    };
    let highest = rows.iter().zip(&names).take(shown).max_by(|(a, _), (b, _)| a.height().total_cmp(&b.height()));
    chart.finding =
        highest.map_or(String::new(), |(row, name)| format!("The most is {}, for {name}.", number_text(row.height())));
    chart
}

/// `2026-11`
fn is_month(name: &str) -> bool {
    format!("{name}-01").parse::<NaiveDate>().is_ok()
}

fn draw_line(
    id: String,
    title: &str,
    rows: &[&ChartRow],
    kind: ChartKind,
    most: usize,
) -> Result<super::chart::Chart, ChartProblem> {
    let mut points: Vec<(ValuePoint, String)> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(place) = place_of(&row.x) else {
            return Err("its column x has something that is neither a time nor a number".to_owned().into());
        };
        points.push(((place, row.height()), x_text(&row.x)));
    }
    points.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0));
    let values: Vec<ValuePoint> = points.iter().map(|(point, _)| *point).collect();
    let shape = if kind == ChartKind::Step { LineShape::Steps } else { LineShape::Straight };
    let (first, last) = (&points[0], &points[points.len() - 1]);
    let mut chart = line(id, title, &values, shape, (&first.1, &last.1), most);
    chart.finding = match points.len() {
        1 => format!("{} at {}.", number_text(first.0.1), first.1),
        _ => format!("From {} at {} to {} at {}.", number_text(first.0.1), first.1, number_text(last.0.1), last.1),
    };
    Ok(chart)
}

/// The place of a value on the axis: a number, or the seconds of a time.
fn place_of(x: &Value) -> Option<f64> {
    match x {
        Value::Integer(n) => Some(*n as f64),
        Value::Real(n) => n.is_finite().then_some(*n),
        Value::Text(text) => {
            let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
            let month = || format!("{text}-01").parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
            let at = text.parse::<DateTime<Utc>>().ok().or_else(day).or_else(month)?;
            Some(at.timestamp() as f64)
        }
        Value::Null | Value::Blob(_) => None,
    }
}

fn x_text(x: &Value) -> String {
    match x {
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => number_text(*n),
        Value::Text(text) => time_of(text).unwrap_or_else(|| text.clone()),
        Value::Null | Value::Blob(_) => "–".to_owned(),
    }
}

/// The numbers of a chart, the last ones of a line and the first ones of bars.
fn table_of(chart: &JobChart, rows: &[ChartRow], most: usize) -> PageTable {
    let has_series = rows.iter().any(|row| !row.series.is_empty());
    let heads: &[&str] = if has_series { &["series", "x", "#y"] } else { &["x", "#y"] };
    let is_line = matches!(chart.kind, ChartKind::Line | ChartKind::Step);
    let caption =
        if chart.kind == ChartKind::Table { chart.title.clone() } else { "The numbers as a table".to_owned() };
    let mut table = PageTable { is_folded: chart.kind != ChartKind::Table, ..PageTable::new(caption, heads) };
    let shown: Vec<&ChartRow> =
        if is_line { rows.iter().rev().take(most).collect() } else { rows.iter().take(most).collect() };
    let cells = |row: &&ChartRow| {
        let linked = |text: String| PageCell::named(&NamedLink { name: text, url: row.url.clone() });
        let x = x_text(&row.x);
        let x = if time_of(&x).is_some() || has_series { PageCell::unbroken(x) } else { linked(x) };
        let series = has_series.then(|| linked(row.series.clone()));
        let y = PageCell { text: row.y.map_or_else(String::new, number_text), ..PageCell::number(0) };
        series.into_iter().chain([x, y]).collect()
    };
    table.rows = shown.iter().map(cells).collect();
    let place = "With a larger `rows` in `[report]`, the table shows more.";
    table.note = rest(table.rows.len(), rows.len() as u64, "rows", place);
    table
}
