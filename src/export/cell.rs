//! Writes one SQLite value as a CSV cell.
//!
//! Text is always quoted, numbers and booleans are never quoted. So a reader that samples only the first rows
//! still learns how text is quoted, and null (nothing) differs from the empty string (`""`).
//! No quoting style of the `csv` crate distinguishes the two, so cells are quoted here and quoting is
//! turned off in the crate. Property tests read the files back with the crate and with an independent reader.

use std::io::Write;

use rusqlite::types::ValueRef;

use super::guard::is_guarded;
use super::style::CsvStyle;
use crate::settings::TimeFormat;
use crate::stream::ColumnType;

/// Maximum number of characters that Excel shows in one cell.
const EXCEL_CELL: usize = 32_767;

/// A change or a special property of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CellMark {
    /// The formula guard added a leading `'`.
    pub guarded: bool,
    /// NUL characters were replaced with U+FFFD.
    pub nul: bool,
    /// The text is longer than an Excel cell.
    pub long: bool,
}

/// Appends a value as a cell. `kind` is none for the columns of a query: each value there has its own type.
pub(super) fn write_cell(
    style: &CsvStyle,
    kind: Option<ColumnType>,
    value: ValueRef<'_>,
    out: &mut Vec<u8>,
) -> CellMark {
    match value {
        ValueRef::Null => {
            out.extend_from_slice(style.null.as_bytes());
            CellMark::default()
        }
        ValueRef::Integer(n) => {
            match kind {
                Some(ColumnType::Boolean) => out.extend_from_slice(if n == 0 { b"false" } else { b"true" }),
                None | Some(ColumnType::Integer | ColumnType::Time) => number(n, out),
                Some(ColumnType::Text | ColumnType::List) => {
                    return write_text(style, n.to_string().as_bytes(), out);
                }
            }
            CellMark::default()
        }
        ValueRef::Real(n) => {
            number(n, out);
            CellMark::default()
        }
        ValueRef::Text(bytes) => match (kind, style.time_format) {
            (Some(ColumnType::Time), TimeFormat::Spreadsheet) => {
                write_text(style, spreadsheet_time(bytes).as_deref().unwrap_or(bytes), out)
            }
            _ => write_text(style, bytes, out),
        },
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            write_text(style, hex.as_bytes(), out)
        }
    }
}

fn number(n: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{n}").expect("writing to a Vec cannot fail");
}

/// Appends text as a quoted cell.
pub(super) fn write_text(style: &CsvStyle, bytes: &[u8], out: &mut Vec<u8>) -> CellMark {
    let lossy;
    let bytes = match std::str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(_) => {
            // Only a query with a cast can produce such text. The CSV file stays UTF-8.
            lossy = String::from_utf8_lossy(bytes).into_owned();
            lossy.as_bytes()
        }
    };
    let mut mark =
        CellMark { guarded: is_guarded(style.formula_guard, bytes), nul: false, long: bytes.len() > EXCEL_CELL };
    out.push(b'"');
    if mark.guarded {
        out.push(b'\'');
    }
    if bytes.iter().any(|b| *b == b'"' || *b == 0) {
        for b in bytes {
            match b {
                b'"' => out.extend_from_slice(b"\"\""),
                0 => {
                    mark.nul = true;
                    out.extend_from_slice("\u{fffd}".as_bytes());
                }
                _ => out.push(*b),
            }
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
    mark
}

/// Converts `2026-01-02T03:04:05Z`, with or without a fraction, into `2026-01-02 03:04:05`.
fn spreadsheet_time(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, tail) = bytes.split_at_checked(19)?;
    let digits = |range: std::ops::Range<usize>| head[range].iter().all(u8::is_ascii_digit);
    let shape = head[4] == b'-' && head[7] == b'-' && head[10] == b'T' && head[13] == b':' && head[16] == b':';
    let numbers = digits(0..4) && digits(5..7) && digits(8..10) && digits(11..13) && digits(14..16) && digits(17..19);
    if !(shape && numbers && tail.last() == Some(&b'Z')) {
        return None;
    }
    let mut time = head.to_vec();
    time[10] = b' ';
    Some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CsvProfile;

    fn cell(style: &CsvStyle, kind: Option<ColumnType>, value: ValueRef<'_>) -> String {
        let mut out = Vec::new();
        write_cell(style, kind, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn null_empty_number_and_text_are_distinct() {
        let plain = CsvStyle::default();
        let written = [
            (Some(ColumnType::Text), ValueRef::Null, ""),
            (Some(ColumnType::Text), ValueRef::Text(b""), "\"\""),
            (Some(ColumnType::Text), ValueRef::Text(b"12"), "\"12\""),
            (Some(ColumnType::Text), ValueRef::Text(b"a \"b\"\n"), "\"a \"\"b\"\"\n\""),
            (Some(ColumnType::Text), ValueRef::Text(b"a\0"), "\"a\u{fffd}\""),
            (Some(ColumnType::Text), ValueRef::Text(b"=1"), "\"'=1\""),
            (Some(ColumnType::Integer), ValueRef::Integer(-7), "-7"),
            (Some(ColumnType::Boolean), ValueRef::Integer(1), "true"),
            (Some(ColumnType::Boolean), ValueRef::Integer(0), "false"),
            (None, ValueRef::Integer(1), "1"),
            (None, ValueRef::Real(0.1), "0.1"),
            (None, ValueRef::Blob(&[0xff, 0]), "\"ff00\""),
            (None, ValueRef::Text(&[b'a', 0xff]), "\"a\u{fffd}\""),
        ];
        for (kind, value, expected) in written {
            assert_eq!(cell(&plain, kind, value), expected);
        }
    }

    #[test]
    fn spreadsheet_gets_times_in_its_own_form() {
        let excel = CsvStyle::for_profile(CsvProfile::Excel);
        let time = |text: &'static str| cell(&excel, Some(ColumnType::Time), ValueRef::Text(text.as_bytes()));
        assert_eq!(time("2026-01-02T03:04:05Z"), "\"2026-01-02 03:04:05\"");
        assert_eq!(time("2026-01-02T03:04:05.678Z"), "\"2026-01-02 03:04:05\"");
        assert_eq!(time("0000"), "\"0000\"");
        assert_eq!(
            cell(&excel, Some(ColumnType::Text), ValueRef::Text(b"2026-01-02T03:04:05Z")),
            "\"2026-01-02T03:04:05Z\""
        );
    }
}
