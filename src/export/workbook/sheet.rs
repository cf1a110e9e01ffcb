//! One sheet of a workbook: the rows of a fetch or query as an Excel table.

use rusqlite::types::ValueRef;
use rust_xlsxwriter::{Format, IgnoreError, Table, TableColumn, Worksheet};

use super::super::render::{ColumnStats, InferredType, RenderError};
use super::super::row_spool::SpooledRows;
use super::super::style::LIST_SEPARATOR;
use super::super::typed_rows::RowValues;
use super::failed;
use super::names::{UniqueNames, table_name};
use crate::store::microseconds;
use crate::stream::ColumnType;

/// Most rows below the header.
pub(super) const MOST_ROWS: u64 = 1_048_575;

/// Most links of a sheet. The library does not count them, and Excel does not open a file with more.
const MOST_LINKS: u64 = 65_530;

/// Most UTF-16 units of a cell.
const MOST_UNITS: usize = 32_767;

/// Excel has 15 digits of a number.
const LARGEST_NUMBER: u64 = 999_999_999_999_999;

/// The number of 1 March 1900. Earlier dates are wrong in Excel, which knows a 29 February 1900.
const FIRST_DAY: f64 = 61.0;

/// The number of 1 January 1970.
const DAY_OF_1970: f64 = 25_569.0;

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellKind {
    /// As SQLite has them.
    Any,
    Text,
    Number,
    Boolean,
    Time,
    List,
    Link,
    /// The day of `release_date`, if it has one.
    Day,
}

/// A column of a sheet.
pub(super) struct SheetColumn {
    /// The column of the rows with its values.
    from: usize,
    kind: CellKind,
    /// The type of its values, if it is not declared.
    inferred: InferredType,
    pub header: String,
    pub about: String,
}

impl SheetColumn {
    /// What the sheet `about` says about its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            CellKind::Any => match self.inferred {
                InferredType::Empty => "empty",
                InferredType::Integer => "whole number",
                InferredType::Number => "number",
                InferredType::Text => "text",
            },
            CellKind::Text => "text",
            CellKind::Number => "whole number",
            CellKind::Boolean => "true or false",
            CellKind::Time => "time (UTC)",
            CellKind::List => "list, joined with \"; \"",
            CellKind::Link => "link",
            CellKind::Day => "day",
        }
    }

    /// Whether it has ids or codes, which a program may take for numbers.
    fn is_code(&self) -> bool {
        let is_text = match self.kind {
            CellKind::Text | CellKind::List => true,
            CellKind::Any => self.inferred == InferredType::Text,
            _ => false,
        };
        let name = self.header.as_str();
        let ends = ["_id", "_ids", "_uri", "_uris", "upc", "isrc"].iter().any(|end| name.ends_with(end));
        is_text && (ends || matches!(name, "id" | "ids" | "uri" | "input"))
    }

    fn width(&self) -> f64 {
        let by_kind: f64 = match self.kind {
            CellKind::Boolean => 9.0,
            CellKind::Number | CellKind::Day => 12.0,
            CellKind::Time => 19.0,
            CellKind::Any => 24.0,
            CellKind::Text if self.is_code() => 24.0,
            CellKind::Text | CellKind::List | CellKind::Link => 30.0,
        };
        // Room for the button of the filter.
        let of_header = self.header.chars().count().min(40) as f64 + 4.0;
        by_kind.max(of_header)
    }
}

/// What did not fit into a sheet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SheetLosses {
    /// Links that are plain text.
    pub plain_links: u64,
    /// Cells that were cut off.
    pub cut: u64,
    /// Cells in which NUL became U+FFFD.
    pub nul: u64,
}

/// The formats of cells, which all sheets share.
pub(super) struct CellFormats {
    header: Format,
    code: Format,
    time: Format,
    day: Format,
}

impl CellFormats {
    pub(super) fn new() -> CellFormats {
        CellFormats {
            // The style of a table is not shown by every program.
            header: Format::new().set_bold(),
            code: Format::new().set_num_format("@"),
            time: Format::new().set_num_format("yyyy\\-mm\\-dd hh:mm:ss"),
            day: Format::new().set_num_format("yyyy\\-mm\\-dd"),
        }
    }
}

/// The columns of a sheet: those of its rows, and the day of a release next to its date.
pub(super) fn columns_of(columns: &[ColumnStats]) -> Vec<SheetColumn> {
    let mut names = UniqueNames::default();
    let has_day = columns.iter().any(|column| column.column.header == "release_day");
    let mut all = Vec::new();
    for (from, ColumnStats { column, inferred, .. }) in columns.iter().enumerate() {
        let name = column.header.as_ref();
        let kind = match column.column_type {
            _ if name == "spotify_url" => CellKind::Link,
            None => CellKind::Any,
            Some(ColumnType::Text) => CellKind::Text,
            Some(ColumnType::Integer) => CellKind::Number,
            Some(ColumnType::Boolean) => CellKind::Boolean,
            Some(ColumnType::Time) => CellKind::Time,
            Some(ColumnType::List) => CellKind::List,
        };
        let wanted = if name.trim().is_empty() { format!("column {}", from + 1) } else { name.to_owned() };
        all.push(SheetColumn {
            from,
            kind,
            header: names.take(&wanted, 255),
            about: column.about.to_owned(),
            inferred: *inferred,
        });
        if name == "release_date" && !has_day {
            let header = names.take("release_day", 255);
            let about = "release_date as a day; empty if only the year or the month is known".to_owned();
            all.push(SheetColumn { from, kind: CellKind::Day, header, about, inferred: *inferred });
        }
    }
    all
}

/// Writes the rows of a sheet.
pub(super) fn write(
    sheet: &mut Worksheet,
    name: &str,
    columns: &[SheetColumn],
    rows: &mut SpooledRows,
    formats: &CellFormats,
) -> Result<SheetLosses, RenderError> {
    let too_wide = |_| RenderError::Format("a sheet has at most 16,384 columns".into());
    let last = u16::try_from(columns.len().saturating_sub(1)).map_err(too_wide)?;
    // A table has at least one row.
    let last_row = u32::try_from(rows.stats.rows.max(1)).map_err(|e| RenderError::Format(e.to_string()))?;
    for (at, column) in (0..).zip(columns) {
        sheet.set_column_width(at, column.width()).map_err(failed)?;
        if column.is_code() {
            sheet.set_column_format(at, &formats.code).map_err(failed)?;
        }
        if matches!(column.kind, CellKind::Text | CellKind::List | CellKind::Any) {
            sheet.ignore_error_range(1, at, last_row, at, IgnoreError::NumberStoredAsText).map_err(failed)?;
        }
    }
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let headers: Vec<TableColumn> = columns
        .iter()
        .map(|column| TableColumn::new().set_header(&column.header).set_header_format(&formats.header))
        .collect();
    let table = Table::new().set_name(table_name(name)).set_columns(&headers);
    sheet.add_table(0, 0, last_row, last, &table).map_err(failed)?;
    let mut cells = Cells { sheet, formats, losses: SheetLosses::default(), links: 0 };
    let mut at = 0;
    rows.read(|row| {
        at += 1;
        (0..).zip(columns).try_for_each(|(n, column)| cells.write((at, n), column.kind, row, column.from))
    })?;
    Ok(cells.losses)
}

/// The cells of a sheet.
struct Cells<'s> {
    sheet: &'s mut Worksheet,
    formats: &'s CellFormats,
    losses: SheetLosses,
    links: u64,
}

impl Cells<'_> {
    fn write(&mut self, at: (u32, u16), kind: CellKind, row: &RowValues<'_>, from: usize) -> Result<(), RenderError> {
        match (kind, row.get(from)?) {
            (_, ValueRef::Null) => Ok(()),
            (CellKind::Day, ValueRef::Text(text)) => match day_number(text) {
                Some(day) => self.number(at, day, Some(&self.formats.day)),
                None => Ok(()),
            },
            (CellKind::Day, _) => Ok(()),
            (CellKind::Boolean, ValueRef::Integer(n)) => {
                self.sheet.write_boolean(at.0, at.1, n != 0).map(drop).map_err(failed)
            }
            (CellKind::Time, ValueRef::Text(text)) => match microseconds(text).and_then(excel_time) {
                Some(time) => self.number(at, time, Some(&self.formats.time)),
                None => self.text(at, text),
            },
            #[expect(clippy::cast_precision_loss, reason = "it has at most 15 digits")]
            (CellKind::Any | CellKind::Number, ValueRef::Integer(n)) if n.unsigned_abs() <= LARGEST_NUMBER => {
                self.number(at, n as f64, None)
            }
            (_, ValueRef::Integer(n)) => self.text(at, n.to_string().as_bytes()),
            (_, ValueRef::Real(n)) if n.is_finite() => self.number(at, n, None),
            (_, ValueRef::Real(n)) => self.text(at, if n > 0.0 { b"Infinity" } else { b"-Infinity" }),
            (CellKind::Link, ValueRef::Text(text)) => self.link(at, text),
            (CellKind::List, ValueRef::Text(text)) => {
                let joined = String::from_utf8_lossy(text).replace(LIST_SEPARATOR, "; ");
                self.text(at, joined.as_bytes())
            }
            (_, ValueRef::Text(text)) => self.text(at, text),
            (_, ValueRef::Blob(bytes)) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                self.text(at, hex.as_bytes())
            }
        }
    }

    fn number(&mut self, at: (u32, u16), number: f64, format: Option<&Format>) -> Result<(), RenderError> {
        let written = match format {
            Some(format) => self.sheet.write_number_with_format(at.0, at.1, number, format),
            None => self.sheet.write_number(at.0, at.1, number),
        };
        written.map(drop).map_err(failed)
    }

    /// Writes a text as it is: never as a formula, a number or a link.
    fn text(&mut self, at: (u32, u16), text: &[u8]) -> Result<(), RenderError> {
        let text = self.fit(&String::from_utf8_lossy(text));
        self.sheet.write_string(at.0, at.1, text).map(drop).map_err(failed)
    }

    fn link(&mut self, at: (u32, u16), text: &[u8]) -> Result<(), RenderError> {
        let is_plain =
            |url: &str| url.len() <= 2_000 && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
        let url =
            std::str::from_utf8(text).ok().filter(|url| url.starts_with("https://open.spotify.com/") && is_plain(url));
        let Some(url) = url else { return self.text(at, text) };
        if self.links == MOST_LINKS {
            self.losses.plain_links += 1;
            return self.text(at, text);
        }
        self.links += 1;
        self.sheet.write_url_with_text(at.0, at.1, url, url).map(drop).map_err(failed)
    }

    /// A text as a cell can have it.
    fn fit(&mut self, text: &str) -> String {
        let mut fitting = text.to_owned();
        if text.contains('\0') {
            self.losses.nul += 1;
            fitting = text.replace('\0', "\u{fffd}");
        }
        if fitting.len() > MOST_UNITS && fitting.encode_utf16().count() > MOST_UNITS {
            self.losses.cut += 1;
            let mut units = 0;
            let end = fitting.char_indices().find(|(_, c)| {
                units += c.len_utf16();
                units > MOST_UNITS
            });
            let end = end.map_or(fitting.len(), |(end, _)| end);
            fitting.truncate(end);
        }
        fitting
    }
}

/// A time as Excel counts it: in days.
fn excel_time(microseconds: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of the next centuries are exact")]
    let days = microseconds as f64 / 86_400_000_000.0 + DAY_OF_1970;
    // The end of the year 9999.
    (FIRST_DAY..2_958_466.0).contains(&days).then_some(days)
}

/// A date with a day as Excel counts it.
fn day_number(date: &[u8]) -> Option<f64> {
    let day = std::str::from_utf8(date).ok().filter(|date| date.len() == 10)?;
    excel_time(microseconds(format!("{day}T00:00:00Z").as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_excel_does() {
        for (date, expected) in [
            ("1900-03-01", Some(61.0)),
            ("1900-02-28", None),
            ("1970-01-01", Some(25_569.0)),
            ("2026-11-30", Some(46_356.0)),
            ("9999-12-31", Some(2_958_465.0)),
            ("2026-11", None),
            ("2026", None),
            ("2026-02-30", None),
            ("0000-00-00", None),
        ] {
            assert_eq!(day_number(date.as_bytes()), expected, "{date}");
        }
        assert_eq!(excel_time(microseconds(b"2026-11-30T12:00:00Z").unwrap()), Some(46_356.5));
    }
}
