//! How many changes a run saw in the lists of its job, for its report.

use rusqlite::{Connection, params};

use super::list_kinds::membership_table;

/// What changed in the lists of a job during a run. The first read of a list is no change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct RunChanges {
    /// Lists that the job requests.
    pub lists: i64,
    /// Lists with a change.
    pub changed: i64,
    pub added: i64,
    pub removed: i64,
    /// Items of playlists at another position.
    pub moved: i64,
}

/// Counts the changes that were seen by a run, or since its start.
///
/// # Errors
/// If the store cannot be read.
pub fn changes_of_run(store: &Connection, job: &str, run: i64, started_at: &str) -> rusqlite::Result<RunChanges> {
    let mut changes = RunChanges::default();
    let lists = "SELECT count(DISTINCT list_id) FROM requested WHERE job = ?1 AND list_id IS NOT NULL";
    changes.lists = store.query_row(lists, [job], |row| row.get(0))?;
    let playlists = "SELECT count(DISTINCT playlist_id), coalesce(sum(change = 'added'), 0), \
                     coalesce(sum(change = 'removed'), 0), coalesce(sum(change = 'moved'), 0) FROM playlist_changes WHERE seen_at >= ?1 AND run_id = ?2";
    store.query_row(playlists, params![started_at, run], |row| changes.count(row))?;
    let kinds: Vec<String> = store
        .prepare("SELECT DISTINCT l.kind FROM requested r JOIN lists l ON l.id = r.list_id WHERE r.job = ?1")?
        .query_map([job], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in kinds.iter().filter_map(|kind| membership_table(kind)) {
        let members = format!(
            "SELECT count(DISTINCT i.list_id), coalesce(sum(i.removed_at IS NULL), 0), coalesce(sum(i.removed_at IS NOT NULL), 0), 0
             FROM (SELECT DISTINCT list_id FROM requested WHERE job = ?1) r JOIN lists l ON l.id = r.list_id
             JOIN {} i ON i.list_id = l.id
             WHERE l.changed_at >= ?2 AND (i.removed_at >= ?2 OR (i.removed_at IS NULL AND i.first_seen_at >= ?2 AND i.first_seen_at > l.first_read_at))",
            table.table
        );
        store.query_row(&members, params![job, started_at], |row| changes.count(row))?;
    }
    Ok(changes)
}

impl RunChanges {
    /// Adds the counts of a row: lists, added, removed, moved.
    fn count(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        self.changed += row.get::<_, i64>(0)?;
        self.added += row.get::<_, i64>(1)?;
        self.removed += row.get::<_, i64>(2)?;
        self.moved += row.get::<_, i64>(3)?;
        Ok(())
    }
}
