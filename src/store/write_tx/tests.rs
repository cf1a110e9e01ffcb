//! Tests of groups of tasks.

use super::*;
use crate::store::CellValue;
use crate::store::row_write::{RowWrite, write_row};

fn session() -> WriteTx {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    crate::store::schema::create_tables(&conn).unwrap();
    WriteTx::new(conn, "test".into())
}

fn add(s: &mut WriteTx, key: &str) -> Result<(), StoreError> {
    s.changed = true;
    s.execute("INSERT INTO store_info (key, value) VALUES (?1, '')", &[&key])
}

fn keys(s: &WriteTx) -> String {
    s.query_one(
        "SELECT group_concat(key) FROM store_info WHERE key <> 'data_version' AND key NOT LIKE 'feed%' ORDER BY key",
        &[],
    )
    .unwrap()
    .unwrap_or_default()
}

fn failure() -> StoreError {
    StoreError::Closed { why: "a test".into(), hint: None }
}

#[test]
fn failed_task_is_rolled_back_alone() {
    let mut s = session();
    s.run_in_group(|s| add(s, "a")).unwrap();
    let failed: Result<(), _> = s.run_in_group(|s| {
        add(s, "b")?;
        s.remember_written(1, 1);
        Err(failure())
    });
    assert!(matches!(failed, Err(StoreError::Closed { .. })));
    assert!(!s.was_written(1, 1));
    s.run_in_group(|s| add(s, "c")).unwrap();
    s.commit_group().unwrap();
    assert_eq!(keys(&s), "a,c");
    let failed: Result<(), _> = s.run_in_group(|s| add(s, "d").and(Err(failure())));
    assert!(failed.is_err() && s.conn.is_autocommit(), "a group whose only task failed is over");
    assert_eq!(keys(&s), "a,c");
}

#[test]
fn durable_task_commits_its_group_once() {
    let mut s = session();
    s.run_in_group(|s| add(s, "a")).unwrap();
    assert_eq!(s.transact(|s| Ok(keys(s))).unwrap(), "a");
    assert!(!s.conn.is_autocommit(), "a task that only reads commits nothing");
    s.transact(|s| add(s, "b")).unwrap();
    assert!(s.conn.is_autocommit());
    assert_eq!(info::data_version(&s.conn).unwrap(), 1);
    s.transact(|_| Ok(())).unwrap();
    assert!(s.conn.is_autocommit());
    assert_eq!(info::data_version(&s.conn).unwrap(), 1);
}

#[test]
fn old_or_large_group_is_committed() {
    let mut s = session();
    s.run_in_group(|s| add(s, "a")).unwrap();
    assert!(s.group_wait().is_some_and(|wait| wait <= MAX_GROUP_IDLE));
    if let Some(group) = &mut s.group {
        group.began -= MAX_GROUP_AGE;
    }
    assert_eq!(s.group_wait(), Some(Duration::ZERO));
    s.run_in_group(|s| add(s, "b")).unwrap();
    assert!(s.conn.is_autocommit());
    let text = "x".repeat(MAX_PENDING_BYTES);
    let cells = ["id", "now", &text].map(CellValue::Text);
    s.run_in_group(|s| write_row(s, RowWrite::AlbumArtistsFrom, &cells[..2])).unwrap();
    assert!(!s.conn.is_autocommit());
    s.run_in_group(|s| write_row(s, RowWrite::Genre, &cells)).unwrap_err();
    assert!(s.conn.is_autocommit());
}

#[test]
fn failed_commit_rolls_back_and_says_so() {
    let mut s = session();
    s.run_in_group(|s| add(s, "a")).unwrap();
    let broken = "INSERT INTO track_artists (track_id, position, artist_id) VALUES ('no', 0, 'no')";
    s.run_in_group(|s| s.execute("PRAGMA defer_foreign_keys = ON", &[]).and_then(|()| s.execute(broken, &[]))).unwrap();
    assert!(matches!(s.commit_group(), Err(StoreError::OutcomeUnknown { .. })));
    assert!(s.conn.is_autocommit());
    assert_eq!(keys(&s), "");
}

#[test]
fn lost_group_is_no_error_of_one_page() {
    let mut s = session();
    s.run_in_group(|s| add(s, "a")).unwrap();
    // On a full disk, SQLite may roll back the whole transaction by itself.
    let lost: Result<(), _> = s.run_in_group(|s| s.execute("ROLLBACK", &[]).and(Err(failure())));
    assert!(matches!(lost, Err(StoreError::OutcomeUnknown { .. })), "{lost:?}");
}
