//! What changed in the lists of a job since a given time, one change after another.
//!
//! This comes from what the store records anyway: the changes and versions of playlists, the history of their
//! names, and when an item entered and left a list. The content of a list at its first read is a baseline,
//! reported as one entry. Logs (plays, tops, searches) only grow and are not reported.

use rusqlite::{Connection, OptionalExtension, params};

use spotify_client::EntityKind;

use super::EntityTable;
use super::list_kinds::membership_table;
use crate::stream::{self, MembershipTable, Stream, StreamInput};

/// Identifies a list for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ListName {
    /// `playlist`, or the stream that reads it.
    pub list: String,
    /// Id of the parent; empty if there is none.
    pub id: String,
    /// Name of the parent.
    pub name: Option<String>,
    /// Local name of the user who owns the list.
    pub user: Option<String>,
    /// Group, time range or locale; empty if none.
    pub variant: String,
}

/// One change in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ListChange {
    /// `added`, `removed`, `moved`, `renamed`, `described`, `gone`, or `first_read` for a baseline.
    pub change: String,
    /// When the change was seen.
    pub seen_at: String,
    /// When the list was last checked before that.
    pub seen_before_at: Option<String>,
    /// For a baseline: the number of items in the list.
    pub items: Option<i64>,
    pub title: Option<String>,
    /// Artists, show or owner of the item.
    pub by: Option<String>,
    /// `spotify:` URI of the item.
    pub uri: Option<String>,
    pub item_id: Option<String>,
    /// When it was added, according to Spotify; for releases, the release date.
    pub added_at: Option<String>,
    /// User who added it.
    pub added_by: Option<String>,
    /// Position before the change, from 0.
    pub position_before: Option<i64>,
    /// Position after the change, from 0.
    pub position_after: Option<i64>,
    /// Text before the change, for `renamed` and `described`.
    pub text_before: Option<String>,
    /// Text after the change.
    pub text_after: Option<String>,
}

/// Passes every change that was seen at or after `since` in the lists that a job last requested to `each`: list
/// by list, each in the order in which the changes were seen.
///
/// # Errors
/// If the store cannot be read, or `each` fails.
pub fn changes_of_job<E: From<rusqlite::Error>>(
    store: &Connection,
    job: &str,
    since: &str,
    mut each: impl FnMut(&ListName, &ListChange) -> Result<(), E>,
) -> Result<(), E> {
    for (id, name) in playlists_of_job(store, job)? {
        let list = ListName { list: "playlist".into(), id: id.clone(), name, user: None, variant: String::new() };
        playlist_changes(store, &id, since, &mut |change| each(&list, change))?;
    }
    for (id, table, list) in lists_of_job(store, job)? {
        member_changes(store, id, &table, since, &mut |change| each(&list, change))?;
    }
    Ok(())
}

/// The playlists that a job requests, reads as a user's playlists, or sees in a library, in the order of the
/// job.
fn playlists_of_job(store: &Connection, job: &str) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let sql = "
        WITH asked AS (SELECT fetch, ordinal, list_id, item_id FROM requested WHERE job = ?1), mine AS (
          SELECT fetch, ordinal AS place, l.parent_id AS id FROM asked JOIN lists l ON l.id = list_id WHERE l.kind = 'playlist_items'
          UNION ALL SELECT fetch, m.position, m.playlist_id FROM asked JOIN my_playlists m USING (list_id)
          UNION ALL SELECT fetch, ordinal, item_id FROM asked WHERE item_id IS NOT NULL)
        SELECT p.id, p.name FROM mine JOIN playlists p USING (id) GROUP BY p.id ORDER BY min(fetch), min(place), p.id";
    store.prepare(sql)?.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

type ChangeSink<'a, E> = &'a mut dyn FnMut(&ListChange) -> Result<(), E>;

fn playlist_changes<E: From<rusqlite::Error>>(
    store: &Connection,
    id: &str,
    since: &str,
    each: ChangeSink<'_, E>,
) -> Result<(), E> {
    let first_version = store
        .prepare_cached("SELECT seen_at, items FROM playlist_versions WHERE playlist_id = ?1 ORDER BY seen_at LIMIT 1")?
        .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    if let Some((seen_at, items)) = first_version.filter(|(seen_at, _)| seen_at.as_str() >= since) {
        each(&baseline(seen_at, items))?;
    }
    let mut names = store.prepare_cached(
        "SELECT seen_at, name, description, name_before, description_before FROM (
           SELECT *, lag(name) OVER w AS name_before, lag(description) OVER w AS description_before, row_number() OVER w AS n
           FROM playlist_details WHERE playlist_id = ?1 WINDOW w AS (ORDER BY seen_at))
         WHERE n > 1 AND seen_at >= ?2 ORDER BY seen_at",
    )?;
    // Renames and removals, reported between the changes of the items by time.
    let mut other_changes = Vec::new();
    let mut rows = names.query([id, since])?;
    while let Some(row) = rows.next()? {
        for (change, after, before) in [("renamed", 1, 3), ("described", 2, 4)] {
            let (text_after, text_before): (Option<String>, Option<String>) = (row.get(after)?, row.get(before)?);
            if text_after != text_before {
                let seen_at = row.get(0)?;
                other_changes.push(ListChange {
                    change: change.into(),
                    seen_at,
                    text_before,
                    text_after,
                    ..ListChange::default()
                });
            }
        }
    }
    let deleted_at: Option<String> = store
        .prepare_cached("SELECT gone_at FROM playlists WHERE id = ?1 AND gone_at >= ?2")?
        .query_row([id, since], |row| row.get(0))
        .optional()?;
    other_changes.extend(deleted_at.map(|seen_at| ListChange {
        change: "gone".into(),
        seen_at,
        ..ListChange::default()
    }));
    other_changes.sort_by(|a, b| a.seen_at.cmp(&b.seen_at));
    let mut other_changes = other_changes.into_iter().peekable();
    let mut changes = store.prepare_cached(
        "SELECT change, seen_at, seen_before_at, kind, coalesce(track_id, episode_id), uri, added_at, added_by, position_before,
                position_after FROM playlist_changes WHERE playlist_id = ?1 AND seen_at >= ?2 ORDER BY seen_at, id",
    )?;
    let mut rows = changes.query([id, since])?;
    while let Some(row) = rows.next()? {
        let seen_at: String = row.get(1)?;
        while let Some(other) = other_changes.next_if(|other| other.seen_at <= seen_at) {
            each(&other)?;
        }
        let (kind, item_id, uri): (String, Option<String>, Option<String>) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let (title, by) = title_and_owner(store, &kind, item_id.as_deref().or(uri.as_deref()))?;
        each(&ListChange {
            change: row.get(0)?,
            seen_at,
            seen_before_at: row.get(2)?,
            title,
            by,
            uri,
            item_id,
            added_at: row.get(6)?,
            added_by: row.get(7)?,
            position_before: row.get(8)?,
            position_after: row.get(9)?,
            ..ListChange::default()
        })?;
    }
    other_changes.try_for_each(|other| each(&other))?;
    Ok(())
}

/// The lists of a job with rows that record when an item entered and left.
fn lists_of_job(store: &Connection, job: &str) -> rusqlite::Result<Vec<(i64, MembershipTable, ListName)>> {
    let sql = "SELECT l.id, l.kind, l.parent_id, l.variant, u.local_name
               FROM requested r JOIN lists l ON l.id = r.list_id LEFT JOIN users u ON u.id = l.audience
               WHERE r.job = ?1 AND l.first_read_at IS NOT NULL GROUP BY l.id ORDER BY min(r.fetch), min(r.ordinal), l.id";
    let mut statement = store.prepare(sql)?;
    let mut rows = statement.query([job])?;
    let mut lists = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, id): (String, String) = (row.get(1)?, row.get(2)?);
        let Some((stream, table)) = stream::find(&kind).zip(membership_table(&kind)) else { continue };
        let user: Option<String> = row.get(4)?;
        let name = parent_name(store, stream, &id)?;
        let user = user.filter(|_| table.is_personal());
        lists.push((row.get(0)?, table, ListName { list: kind, id, name, user, variant: row.get(3)? }));
    }
    Ok(lists)
}

/// Returns the name of the parent of a list.
fn parent_name(store: &Connection, stream: &Stream, id: &str) -> rusqlite::Result<Option<String>> {
    let StreamInput::Ids(kind) = stream.input else { return Ok(None) };
    let column = if kind == EntityKind::User { "display_name" } else { "name" };
    let sql = format!("SELECT {column} FROM {} WHERE id = ?1", EntityTable::for_kind(kind).name);
    Ok(store.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?.flatten())
}

fn member_changes<E: From<rusqlite::Error>>(
    store: &Connection,
    list: i64,
    target: &MembershipTable,
    since: &str,
    each: ChangeSink<'_, E>,
) -> Result<(), E> {
    let (table, child) = (target.table, target.item_column);
    let first = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let (read_at, items) = store
        .prepare_cached(&format!(
            "SELECT first_read_at, (SELECT count(*) FROM {table} WHERE list_id = ?1 AND first_seen_at <= first_read_at)
             FROM lists WHERE id = ?1"
        ))?
        .query_row([list], first)?;
    if read_at.as_str() >= since {
        each(&baseline(read_at.clone(), items))?;
    }
    let added_at =
        if target.extra_columns.iter().any(|(column, _)| *column == "added_at") { "added_at" } else { "NULL" };
    let mut changes = store.prepare_cached(&format!(
        "SELECT 'removed', removed_at AS at, {child}, {added_at}, position FROM {table} WHERE list_id = ?1 AND removed_at >= ?2
         UNION ALL SELECT 'added', first_seen_at, {child}, {added_at}, position FROM {table}
         WHERE list_id = ?1 AND first_seen_at >= ?2 AND first_seen_at > ?3
         UNION ALL SELECT 'removed', removed_at, item_id, NULL, NULL FROM returned_members
         WHERE list_id = ?1 AND removed_at >= ?2
         UNION ALL SELECT 'added', r.returned_at, r.item_id, {added_at}, position FROM returned_members r
         JOIN {table} t ON t.list_id = r.list_id AND t.{child} = r.item_id WHERE r.list_id = ?1 AND r.returned_at >= ?2
         ORDER BY at, 5"
    ))?;
    let mut rows = changes.query(params![list, since, read_at])?;
    while let Some(row) = rows.next()? {
        let (change, item_id, place): (String, String, Option<i64>) = (row.get(0)?, row.get(2)?, row.get(4)?);
        let what = target.item_kind;
        let (title, by) = title_and_owner(store, what, Some(&item_id))?;
        let released = (what == "album" && added_at == "NULL").then(|| release_date(store, &item_id)).transpose()?;
        let (before, after) = if change == "added" { (None, place) } else { (place, None) };
        each(&ListChange {
            change,
            seen_at: row.get(1)?,
            title,
            by,
            item_id: Some(item_id),
            added_at: row.get::<_, Option<String>>(3)?.or(released.flatten()),
            position_before: before,
            position_after: after,
            ..ListChange::default()
        })?;
    }
    Ok(())
}

fn baseline(seen_at: String, items: i64) -> ListChange {
    ListChange { change: "first_read".into(), seen_at, items: Some(items), ..ListChange::default() }
}

fn release_date(store: &Connection, album: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT release_date FROM albums WHERE id = ?1";
    Ok(store.prepare_cached(sql)?.query_row([album], |row| row.get(0)).optional()?.flatten())
}

/// Returns the title of an entity and its artists, show or owner, by id. Local files are found by URI.
///
/// # Errors
/// If the store cannot be read.
pub fn title_and_owner(
    store: &Connection,
    kind: &str,
    id: Option<&str>,
) -> rusqlite::Result<(Option<String>, Option<String>)> {
    let sql = match kind {
        "track" => {
            "SELECT name, (SELECT group_concat(a.name, ', ' ORDER BY x.position) FROM track_artists x
             JOIN artists a ON a.id = x.artist_id WHERE x.track_id = t.id) FROM tracks t WHERE id = ?1"
        }
        "album" => {
            "SELECT name, (SELECT group_concat(a.name, ', ' ORDER BY x.position) FROM album_artists x
             JOIN artists a ON a.id = x.artist_id WHERE x.album_id = t.id) FROM albums t WHERE id = ?1"
        }
        "episode" => "SELECT e.name, s.name FROM episodes e LEFT JOIN shows s ON s.id = e.show_id WHERE e.id = ?1",
        "chapter" => {
            "SELECT c.name, b.name FROM chapters c LEFT JOIN audiobooks b ON b.id = c.audiobook_id WHERE c.id = ?1"
        }
        "playlist" => {
            "SELECT p.name, coalesce(u.display_name, u.id) FROM playlists p LEFT JOIN users u ON u.id = p.owner_id WHERE p.id = ?1"
        }
        "local" => "SELECT name, artist_names FROM local_files WHERE uri = ?1",
        "artist" => "SELECT name, NULL FROM artists WHERE id = ?1",
        "show" => "SELECT name, publisher FROM shows WHERE id = ?1",
        "audiobook" => "SELECT name, publisher FROM audiobooks WHERE id = ?1",
        "category" => "SELECT name, NULL FROM categories WHERE id = ?1 LIMIT 1",
        "market" | "unavailable" => return Ok((id.map(str::to_owned), None)),
        // Items of playlists that are neither tracks nor episodes.
        _ => "SELECT name, artist_names FROM local_files WHERE uri = ?1",
    };
    let found = store.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}
