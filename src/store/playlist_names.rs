//! Playlists by name, and their names over time.

use rusqlite::{Connection, OptionalExtension};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPlaylist {
    pub id: String,
    /// Current name.
    pub name: Option<String>,
    /// Profile name of the owner, or the id.
    pub owner: Option<String>,
    /// When Spotify first reported it as deleted.
    pub gone_at: Option<String>,
}

/// Returns the ids and titles of playlists, at most 1,000.
///
/// # Errors
/// If the store cannot be read.
pub fn playlist_titles(store: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT id, coalesce(name, '') FROM playlists ORDER BY name, id LIMIT 1000";
    store.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Returns the playlist with this id, or the playlists that have or had this name. An exact match wins over one
/// that ignores case.
///
/// # Errors
/// If the store cannot be read.
pub fn find_playlists_by_name(store: &Connection, name: &str) -> rusqlite::Result<Vec<NamedPlaylist>> {
    let find = |condition: &str| -> rusqlite::Result<Vec<NamedPlaylist>> {
        let sql = format!(
            "SELECT p.id, p.name, coalesce(u.display_name, u.id), p.gone_at FROM playlists p LEFT JOIN users u ON u.id = p.owner_id
             WHERE {condition} ORDER BY p.name, p.id LIMIT 20"
        );
        let read = |row: &rusqlite::Row<'_>| {
            Ok(NamedPlaylist { id: row.get(0)?, name: row.get(1)?, owner: row.get(2)?, gone_at: row.get(3)? })
        };
        store.prepare(&sql)?.query_map([name], read)?.collect()
    };
    for condition in [
        "p.id = ?1",
        "p.name = ?1",
        "lower(p.name) = lower(?1)",
        "p.id IN (SELECT playlist_id FROM playlist_details WHERE lower(name) = lower(?1))",
    ] {
        let found = find(condition)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Returns the playlists with a text in their names, whatever the case, by name.
///
/// # Errors
/// If the store cannot be read.
pub fn playlists_with_name_part(store: &Connection, part: &str) -> rusqlite::Result<Vec<NamedPlaylist>> {
    let (mut found, part) = (Vec::new(), part.to_lowercase());
    let sql = "SELECT p.id, p.name, coalesce(u.display_name, u.id), p.gone_at FROM playlists p
               LEFT JOIN users u ON u.id = p.owner_id WHERE p.name IS NOT NULL ORDER BY p.name, p.id";
    let mut statement = store.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        if name.to_lowercase().contains(&part) {
            found.push(NamedPlaylist { id: row.get(0)?, name: Some(name), owner: row.get(2)?, gone_at: row.get(3)? });
        }
    }
    Ok(found)
}

/// Returns name and description of a playlist at a time (ISO 8601 in UTC), or the newest.
///
/// # Errors
/// If the store cannot be read.
pub fn playlist_details_at(
    store: &Connection,
    playlist: &str,
    at: Option<&str>,
) -> rusqlite::Result<(Option<String>, Option<String>)> {
    let sql = "SELECT name, description FROM playlist_details WHERE playlist_id = ?1 AND seen_at <= ?2
               ORDER BY seen_at DESC LIMIT 1";
    let found = store.query_row(sql, [playlist, at.unwrap_or("9")], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or_default())
}

/// The ids of the owners of the playlists with items that a run was refused; `None` for a playlist without a known
/// owner.
///
/// # Errors
/// If the store cannot be read.
pub fn owners_of_refused_playlists(store: &Connection, run: i64) -> rusqlite::Result<Vec<Option<String>>> {
    let sql = "SELECT DISTINCT p.owner_id FROM skipped_items s LEFT JOIN playlists p ON p.id = s.item_id
               WHERE s.run_id = ?1 AND s.stream = 'playlist_items' AND s.reason = 'forbidden' AND NOT s.known_gap";
    store.prepare(sql)?.query_map([run], |row| row.get(0))?.collect()
}
