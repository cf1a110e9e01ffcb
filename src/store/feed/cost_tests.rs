//! What stamping costs, counted in steps of SQLite's virtual machine: a count does not depend on the machine.

use rusqlite::{Connection, StatementStatus};

use super::RowVersion;
use crate::store::changed_entities::ChangedEntities;
use crate::store::row_write::RowWrite;

/// The same statement without stamping.
fn without_stamping(sql: &str) -> String {
    let mut sql = sql.replace(", row_version)", ")").replace(", next_row_version())", ")");
    sql = sql
        .replace(", row_version = excluded.row_version", "")
        .replace(",\n                 row_version = excluded.row_version", "");
    if let Some(start) = sql.find(",\n                 row_version = iif(") {
        let end = start + sql[start..].find("row_version)").unwrap() + "row_version)".len();
        sql.replace_range(start..end, "");
    }
    assert!(!sql.contains("row_version"), "{sql}");
    sql
}

/// Steps for writing a page of 50 tracks with two artists each, `times` times.
fn steps(stamps: bool, times: i64) -> i32 {
    let conn = Connection::open_in_memory().unwrap();
    crate::store::schema::create_tables(&conn).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let (_version, _changed) = (RowVersion::register(&conn).unwrap(), ChangedEntities::register(&conn).unwrap());
    let sql = |write: RowWrite| if stamps { write.sql().to_owned() } else { without_stamping(write.sql()) };
    let (mut tracks, mut credits) =
        (conn.prepare(&sql(RowWrite::Track)).unwrap(), conn.prepare(&sql(RowWrite::TrackArtist)).unwrap());
    for time in 0..times {
        for n in 0..50 {
            let (id, mask) = (format!("track {n}"), (1i64 << 13) - 1);
            let name = format!("name at {}", time / 2);
            tracks.raw_bind_parameter(1, &id).unwrap();
            tracks.raw_bind_parameter(2, "2026").unwrap();
            tracks.raw_bind_parameter(4, mask).unwrap();
            tracks.raw_bind_parameter(5, &name).unwrap();
            tracks.raw_execute().unwrap();
            for position in 0..2 {
                credits.raw_bind_parameter(1, &id).unwrap();
                credits.raw_bind_parameter(2, position).unwrap();
                credits.raw_bind_parameter(3, format!("artist {n}")).unwrap();
                credits.raw_execute().unwrap();
            }
        }
    }
    tracks.get_status(StatementStatus::VmStep) + credits.get_status(StatementStatus::VmStep)
}

#[test]
fn stamping_adds_few_steps() {
    // The first time all rows are new. Then they are seen again, changed, seen again and so on.
    for (times, percent) in [(1, 5), (2, 3), (10, 8)] {
        let (with, without) = (steps(true, times), steps(false, times));
        let limit = without + without * percent / 100;
        assert!(with <= limit, "{times}: {with} steps instead of {without}");
    }
}
