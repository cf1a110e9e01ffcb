//! Workbooks, read with another library than the one that wrote them.

use std::collections::BTreeMap;
use std::path::Path;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use chrono::{DateTime, SecondsFormat};

/// The rows of a sheet by the names of their columns.
pub type SheetRows = Vec<BTreeMap<String, Data>>;

fn open(path: &Path) -> Xlsx<std::io::BufReader<std::fs::File>> {
    open_workbook(path).unwrap_or_else(|e: calamine::XlsxError| panic!("{}: {e}", path.display()))
}

/// The names of the sheets.
pub fn sheet_names(path: &Path) -> Vec<String> {
    open(path).sheet_names()
}

/// All cells of a sheet.
pub fn cells(path: &Path, sheet: &str) -> Vec<Vec<Data>> {
    let range = open(path).worksheet_range(sheet).unwrap_or_else(|e| panic!("{sheet}: {e}"));
    range.rows().map(<[Data]>::to_vec).collect()
}

/// The rows below the header of a sheet.
pub fn sheet_rows(path: &Path, sheet: &str) -> SheetRows {
    let mut rows = cells(path, sheet).into_iter();
    let header: Vec<String> = rows.next().unwrap().iter().map(ToString::to_string).collect();
    rows.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

/// A cell as a CSV file shows it. A time has milliseconds only if it has a fraction.
pub fn as_csv(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Bool(flag) => flag.to_string(),
        Data::Float(n) => n.to_string(),
        Data::DateTime(time) => {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a time")]
            let milliseconds = ((time.as_f64() - 25_569.0) * 86_400_000.0).round() as i64;
            DateTime::from_timestamp_millis(milliseconds).unwrap().to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        other => panic!("{other:?}"),
    }
}
