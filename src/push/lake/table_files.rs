//! The rows of one table as Parquet files of a limited size.

use bytes::Bytes;
use parquet::errors::ParquetError;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Rows, Statement};

use super::manifest::STORE;
use crate::parquet_rows::{ParquetType, ParquetWriter};
use crate::push::PushReport;
use crate::store::{FeedTable, FeedType, microseconds};

/// A file with more bytes than this ends after its current group of rows. It is sent in one request, from memory.
const FILE_BYTES: usize = 8 << 20;

/// A file that is ready to be sent.
pub(super) struct TableFile {
    pub bytes: Bytes,
    pub rows: u64,
    pub deleted: u64,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableFileError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
}

/// Makes the files of a query of the feed, one at a time.
pub(super) struct TableFiles<'q> {
    rows: Rows<'q>,
    columns: Vec<(String, ParquetType)>,
    store: Option<String>,
    /// How many columns of the query belong to the table. `row_version` and `deleted_at` follow.
    width: usize,
    /// The times among the columns of the key.
    key_times: Vec<usize>,
    is_full: bool,
    made: usize,
    pub left_out: u64,
    pub unreadable_times: u64,
}

impl<'q> TableFiles<'q> {
    /// `is_full` makes at least one file, so that readers know the columns of an empty table.
    pub(super) fn start(
        query: &'q mut Statement<'_>,
        table: &FeedTable,
        store: Option<&str>,
        is_full: bool,
    ) -> rusqlite::Result<TableFiles<'q>> {
        let mut columns: Vec<(String, ParquetType)> =
            store.iter().map(|_| (STORE.to_owned(), ParquetType::Text)).collect();
        columns.extend(table.columns.iter().map(|column| {
            let kind = match column.kind {
                FeedType::Text => ParquetType::Text,
                FeedType::Integer => ParquetType::Integer,
                FeedType::Boolean => ParquetType::Boolean,
                FeedType::Time => ParquetType::Time,
            };
            (column.name.clone(), kind)
        }));
        columns.push(("_op".to_owned(), ParquetType::Text));
        columns.push(("_version".to_owned(), ParquetType::Integer));
        let is_key_time = |n: &usize| {
            let column = &table.columns[*n];
            column.kind == FeedType::Time && table.key.contains(&column.name)
        };
        let width = table.columns.len();
        let key_times = (0..width).filter(is_key_time).collect();
        let (store, rows) = (store.map(str::to_owned), query.query([])?);
        Ok(TableFiles { rows, columns, store, width, key_times, is_full, made: 0, left_out: 0, unreadable_times: 0 })
    }

    /// Adds to the report what could not be stored.
    pub(super) fn report(&self, report: &mut PushReport) {
        report.left_out += self.left_out;
        report.unreadable_times += self.unreadable_times;
    }

    /// The next file; none if all rows are in files.
    pub(super) fn next(&mut self) -> Result<Option<TableFile>, TableFileError> {
        let mut writer: Option<ParquetWriter<Vec<u8>>> = None;
        let (mut sent, mut deleted) = (0, 0);
        while let Some(row) = self.rows.next()? {
            if has_unreadable_key(row, &self.key_times)? {
                self.left_out += 1;
                continue;
            }
            let file = match &mut writer {
                Some(file) => file,
                none => none.insert(start(&self.columns)?),
            };
            let is_deleted = row.get_ref(self.width + 1)? != ValueRef::Null;
            let mut place = 0;
            if let Some(store) = &self.store {
                file.push(place, ValueRef::Text(store.as_bytes()));
                place += 1;
            }
            for n in 0..self.width {
                self.unreadable_times += u64::from(!file.push(place, row.get_ref(n)?));
                place += 1;
            }
            file.push(place, ValueRef::Text(if is_deleted { b"d" } else { b"u" }));
            file.push(place + 1, row.get_ref(self.width)?);
            file.end_row()?;
            *(if is_deleted { &mut deleted } else { &mut sent }) += 1;
            if file.bytes_written() > FILE_BYTES {
                break;
            }
        }
        let mut file = match writer {
            Some(file) => file,
            None if self.is_full && self.made == 0 => start(&self.columns)?,
            None => return Ok(None),
        };
        self.made += 1;
        let bytes = std::mem::take(file.finish()?);
        Ok(Some(TableFile { bytes: bytes.into(), rows: sent, deleted }))
    }
}

fn start(columns: &[(String, ParquetType)]) -> Result<ParquetWriter<Vec<u8>>, ParquetError> {
    ParquetWriter::start(Vec::new(), columns.iter().map(|(name, kind)| (name.as_str(), *kind)))
}

/// Whether a row cannot be found again, because a time in its key is none.
fn has_unreadable_key(row: &Row<'_>, key_times: &[usize]) -> rusqlite::Result<bool> {
    for place in key_times {
        if let ValueRef::Text(text) = row.get_ref(*place)?
            && microseconds(text).is_none()
        {
            return Ok(true);
        }
    }
    Ok(false)
}
