//! Everything that runs repaired, converted, kept or skipped, for people.

use rusqlite::{Connection, OptionalExtension, params};

/// Something that a run could not store as Spotify sent it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SkipEntry {
    /// The newest run that met it.
    pub run: i64,
    pub job: String,
    pub fetch: String,
    pub stream: String,
    /// Id of the parent of the list.
    pub list: Option<String>,
    pub list_name: Option<String>,
    /// Position in the list, from 0.
    pub position: Option<i64>,
    /// Id or URI. Of a field, it is that of the first item.
    pub item_id: Option<String>,
    pub title: Option<String>,
    /// null_item, malformed, not_found, unreadable_field, converted_field, blank_field, …
    pub reason: String,
    pub detail: Option<String>,
    /// Number of items.
    pub items: i64,
    /// It was reported before, so the run was complete all the same.
    pub known: bool,
    pub seen_at: String,
}

/// Which entries are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkipFilter<'a> {
    pub job: Option<&'a str>,
    pub run: Option<i64>,
}

const ENTRIES: &str = "
    WITH notes (run, fetch, stream, parent, position, item, reason, detail, items, known, seen_at, field) AS (
      SELECT run_id, fetch, stream, parent_id, position, item_id, reason, detail, 1, known_gap, seen_at, NULL FROM skipped_items
      UNION ALL
      SELECT n.run_id, n.fetch, n.stream, nullif(l.parent_id, ''), NULL, n.example_id, n.problem || '_field',
        n.path || ': ' || CASE n.problem WHEN 'converted' THEN 'converted from ' || n.sent ELSE n.sent END
        || coalesce(', such as ' || n.example, ''), n.items, 0, n.noted_at, n.path
      FROM field_notes n LEFT JOIN lists l ON l.id = n.list_id)
    SELECT max(n.run), r.job, n.fetch, n.stream, n.parent, n.position, n.item, n.reason, n.detail, n.items, n.known, n.seen_at
    FROM notes n JOIN runs r ON r.id = n.run
    WHERE (?1 IS NULL OR r.job = ?1) AND (?2 IS NULL OR n.run = ?2)
    GROUP BY r.job, n.fetch, n.stream, n.parent, n.position, iif(n.field IS NULL, n.item, NULL), n.reason, n.field
    ORDER BY r.job, n.fetch, n.parent, n.position, n.reason, n.field, n.item";

/// Calls `each` for every entry, each item and field once. Rows of runs that retention deleted are not there.
///
/// # Errors
/// If the store cannot be read, or the error of `each`.
pub fn each_skip<E: From<rusqlite::Error>>(
    store: &Connection,
    filter: SkipFilter<'_>,
    mut each: impl FnMut(SkipEntry) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = store.prepare(ENTRIES)?;
    let mut rows = statement.query(params![filter.job, filter.run])?;
    while let Some(row) = rows.next()? {
        let (list, item_id): (Option<String>, Option<String>) = (row.get(4)?, row.get(6)?);
        each(SkipEntry {
            run: row.get(0)?,
            job: row.get(1)?,
            fetch: row.get(2)?,
            stream: row.get(3)?,
            list_name: find_name(store, list.as_deref())?,
            list,
            position: row.get(5)?,
            title: find_name(store, item_id.as_deref())?,
            item_id,
            reason: row.get(7)?,
            detail: row.get(8)?,
            items: row.get(9)?,
            known: row.get(10)?,
            seen_at: row.get(11)?,
        })?;
    }
    Ok(())
}

/// The name of an entity, whatever its kind, by id or URI.
fn find_name(store: &Connection, id: Option<&str>) -> rusqlite::Result<Option<String>> {
    let Some(uri) = id else { return Ok(None) };
    let id = if uri.starts_with("spotify:local:") { uri } else { uri.rsplit(':').next().unwrap_or(uri) };
    let of = |table: &str| format!("SELECT name FROM {table} WHERE id = ?1");
    let tables = ["tracks", "albums", "artists", "playlists", "shows", "episodes", "audiobooks", "chapters"];
    let names = tables.map(of).join(" UNION ALL ");
    let sql = format!(
        "SELECT name FROM ({names} UNION ALL SELECT display_name FROM users WHERE id = ?1
         UNION ALL SELECT name FROM local_files WHERE uri = ?2) WHERE name <> '' LIMIT 1"
    );
    Ok(store.prepare_cached(&sql)?.query_row([id, uri], |row| row.get(0)).optional()?.flatten())
}
