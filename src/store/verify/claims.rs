//! What runs and lists say of themselves, held against each other.

use rusqlite::Connection;

use super::{StoreReport, named};
use crate::store::pending;
use crate::store::proof::standing;

/// What lists say against the record of the runs that read them.
pub(super) fn lists(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let claims = [
        (
            // What was presumed has a record of its own, later than the whole read.
            "SELECT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             AND r.read_at = (SELECT max(o.read_at) FROM run_lists o WHERE o.list_id = l.id)
             WHERE (r.content_hash, r.announced, r.stored, r.served, r.skipped, r.snapshot_before) IS NOT
                   (l.content_hash, l.announced, l.stored, l.served, l.skipped, l.snapshot_id)",
            "what the run recorded of it is not what stands in lists",
        ),
        (
            // Records go with their runs, which retention deletes; of each job the newest stay.
            "WITH kept (since) AS (SELECT iif((SELECT count(*) = max(id) FROM runs), '',
               (SELECT max(first) FROM (SELECT min(started_at) AS first FROM runs GROUP BY job))))
             SELECT l.kind, l.parent_id, l.id FROM lists l, kept WHERE l.read_at > kept.since
             AND NOT EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it was read, and no run has recorded how",
        ),
        (
            // Retention deletes rows of logs, and with these the hash over them.
            "SELECT l.kind, l.parent_id, l.id FROM lists l WHERE l.rows_hash IS NULL AND l.read_at IS NOT NULL
             AND l.kind NOT IN ('search', 'top_artists', 'top_tracks', 'recently_played')
             AND EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it has no hash that its rows could be held against",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id WHERE NOT CASE r.proof
               WHEN 'version' THEN r.snapshot_before IS NOT NULL
                 AND coalesce(r.announced, r.served) = r.served AND coalesce(r.snapshot_after, r.snapshot_before) = r.snapshot_before
               WHEN 'total' THEN r.announced IS r.served
               WHEN 'end' THEN r.announced IS NULL
               WHEN 'wrong_total' THEN r.announced IS NOT NULL AND r.announced <> r.served
               ELSE r.proof IN ('cut', 'content', 'presumed') END",
            "what a run recorded of it does not prove what it is said to prove",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             WHERE l.kind = 'playlist_items' AND r.proof <> 'cut' AND r.stored <> r.served",
            "a run recorded other rows than items, and each has one",
        ),
    ];
    for (sql, what) in claims {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name = named(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?, row.get(2)?);
            report.add("list", format!("{name}: {what}"));
        }
    }
    let mut statement = conn.prepare("SELECT kind, min(id) FROM lists WHERE read_at IS NOT NULL GROUP BY kind")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind: String = row.get(0)?;
        if standing(&kind).is_none() {
            report.add(
                "list",
                format!("list {} is of the kind {kind}, and no stream reads such a list", row.get::<_, i64>(1)?),
            );
        }
    }
    Ok(())
}

/// The pages that wait to reach their tables.
pub(super) fn waiting(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT id, writes FROM pending_writes ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.waiting_pages += 1;
        if !pending::can_be_read(row.get_ref(1)?.as_blob()?) {
            let id: i64 = row.get(0)?;
            report.add("waiting", format!("the page {id} that waits to reach its tables cannot be read"));
        }
    }
    Ok(())
}

/// What runs say of themselves.
pub(super) fn runs(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    report.runs = conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
    let claims = [
        (
            "SELECT id FROM runs r WHERE state = 'complete'
             AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id AND f.state <> 'complete')",
            "is called complete, and a fetch of it is not",
        ),
        (
            "SELECT id FROM runs WHERE exit_code IS NOT NULL AND (state = 'complete') <> (exit_code = 0)",
            "has an exit code that is not that of its state",
        ),
        (
            "SELECT id FROM runs r WHERE state <> 'running'
             AND rows < (SELECT coalesce(sum(served), 0) FROM run_fetches f WHERE f.run_id = r.id)",
            "counts fewer items than its fetches were served",
        ),
        (
            "SELECT DISTINCT run_id FROM run_fetches f WHERE state = 'complete' AND EXISTS (SELECT 1 FROM skipped_items s
             WHERE s.run_id = f.run_id AND s.fetch = f.fetch AND s.reason IN ('moved', 'endless', 'repeated_page', 'cut_short', 'no_cursor'))",
            "has a fetch that is called complete with a list that was not proved whole",
        ),
        (
            // A run that goes on with a list counts what an earlier one met and recorded, of whatever job. Records
            // that retention has deleted are no longer there to be counted.
            "SELECT r.id FROM runs r JOIN (SELECT run_id, stream, sum(skipped) AS skipped FROM run_fetches GROUP BY 1, 2) f
             ON f.run_id = r.id WHERE f.skipped > (SELECT count(*) FROM skipped_items s WHERE s.run_id <= r.id AND s.stream = f.stream)
             AND (SELECT count(*) = max(id) FROM runs)",
            "counts more items that could not be had than are recorded with a reason",
        ),
    ];
    for (sql, what) in claims {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            report.add("run", format!("run {} {what}", row.get::<_, i64>(0)?));
        }
    }
    Ok(())
}
