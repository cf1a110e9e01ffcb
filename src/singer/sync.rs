//! Sends the selected tables: what changed since the state, or everything.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use xxhash_rust::xxh3::xxh3_64;

use super::messages::{self, RecordWriter};
use super::state::Bookmark;
use super::{SingerError, SingerState};
use crate::store::{FeedSnapshot, FeedTable};

/// What to send.
#[derive(Debug, Clone)]
pub struct SingerOptions {
    /// The selected tables with their selected columns.
    pub tables: Vec<FeedTable>,
    /// The state that earlier messages have reached.
    pub state: SingerState,
    /// Send all rows.
    pub full: bool,
    pub now: DateTime<Utc>,
}

/// The counts of the sent tables and rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SingerReport {
    pub tables: usize,
    /// Tables that were sent completely.
    pub full: usize,
    pub rows: u64,
    pub deleted: u64,
    /// The version of the store that was sent.
    pub version: i64,
    /// Times that no target can read. They became null.
    pub unreadable_times: u64,
    /// Rows with such a time in their key. They were left out.
    pub left_out: u64,
}

/// Sends the tables of one state of the store.
///
/// # Errors
/// If the store cannot be read, or the target has ended.
pub fn send(snapshot: &FeedSnapshot, options: SingerOptions, out: &mut dyn Write) -> Result<SingerReport, SingerError> {
    let SingerOptions { tables, mut state, full, now } = options;
    let mut report = SingerReport { version: snapshot.state.version, ..SingerReport::default() };
    let extracted_at = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    for table in &tables {
        let columns = columns_hash(table);
        let before = state.bookmark(table.name);
        let known = before.filter(|mark| {
            let is_same = mark.columns.as_ref().is_none_or(|known| *known == columns);
            !full && is_same && !snapshot.state.needs_full_read(&mark.epoch, mark.row_version)
        });
        let (since, version) = match known {
            Some(mark) => (Some(mark.row_version), mark.version),
            // Each complete load has a later version than the one before it.
            None => {
                let earliest = before.and_then(|mark| mark.version).map_or(0, |version| version.saturating_add(1));
                (None, Some(now.timestamp_millis().max(earliest)))
            }
        };
        messages::write_schema(out, table)?;
        let mut records = RecordWriter::of(table, version, &extracted_at);
        let mut query = snapshot.rows(table, since)?;
        let mut rows = query.query([]).map_err(|source| snapshot.error(source))?;
        while let Some(row) = rows.next().map_err(|source| snapshot.error(source))? {
            records.write(out, row)?;
        }
        if let (None, Some(version)) = (since, version) {
            messages::write_activate_version(out, table.name, version)?;
            report.full += 1;
        }
        let row_version = snapshot.state.version;
        let columns = Some(columns);
        let epoch = snapshot.state.epoch.clone();
        state.set(table.name, Bookmark { row_version, epoch, version, columns });
        if records.rows + records.deleted > 0 || since.is_none() {
            messages::write_state(out, &state.value())?;
        }
        report.tables += 1;
        report.rows += records.rows;
        report.deleted += records.deleted;
        report.unreadable_times += records.unreadable_times;
        report.left_out += records.left_out;
    }
    messages::write_state(out, &state.value())?;
    out.flush()?;
    Ok(report)
}

/// Changes with the columns that are sent: rows that have not changed lack a column that was added.
fn columns_hash(table: &FeedTable) -> String {
    let columns: String = table.columns.iter().map(|column| format!("{} {:?}\n", column.name, column.kind)).collect();
    format!("{:016x}", xxh3_64(columns.as_bytes()))
}
