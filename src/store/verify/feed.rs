//! Checks what copies in other databases rely on: no row is newer than the feed, and deleted rows leave their key.

use rusqlite::Connection;

use super::StoreReport;
use crate::store::feed::{FEED_TABLES, delete_trigger, feed_state};

pub(super) fn check_feed(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let feed = feed_state(conn)?;
    if feed.epoch.is_empty() || feed.version == 0 {
        report.add("feed", "store_info lacks feed_version or feed_epoch".to_owned());
        return Ok(());
    }
    if feed.since > feed.version {
        report.add("feed", format!("feed_since is {} and feed_version {}", feed.since, feed.version));
    }
    let mut trigger =
        conn.prepare("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1)")?;
    for table in FEED_TABLES {
        if !trigger.query_row([delete_trigger(table)], |row| row.get::<_, bool>(0))? {
            report.add("feed", format!("{table} has no trigger that keeps the keys of deleted rows"));
        }
        let newer = format!("SELECT count(*) FROM {table} WHERE row_version > ?1");
        let count: i64 = conn.query_row(&newer, [feed.version], |row| row.get(0))?;
        if count > 0 {
            report.add("feed", format!("{table}: {count} rows are newer than feed_version {}", feed.version));
        }
    }
    // Another program that deleted rows used the version that the next transaction takes.
    let newer = "SELECT count(*) FROM deleted_rows WHERE row_version > ?1 + 1";
    let count: i64 = conn.query_row(newer, [feed.version], |row| row.get(0))?;
    if count > 0 {
        report.add("feed", format!("deleted_rows: {count} rows are newer than feed_version {}", feed.version));
    }
    Ok(())
}
