//! Facts about the store itself: the host of its rows and the state folder it belongs to.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// What a store belongs to.
#[derive(Debug, Clone)]
pub struct StoreIdentity {
    /// `host:port` of `spotify.api_url`. Simulated rows never mix with real ones.
    pub host: String,
    /// Random id in the state folder.
    pub state_id: String,
    /// Path of the state folder and why it was chosen, for error messages.
    pub state_folder: String,
}

impl StoreIdentity {
    /// The path of the state folder.
    pub(super) fn state_path(&self) -> &Path {
        Path::new(folder_path(&self.state_folder))
    }
}

/// Saves the identity at the first use and refuses another one later.
pub(super) fn check_identity(conn: &Connection, path: &Path, identity: &StoreIdentity) -> Result<(), StoreError> {
    let sql = |source| StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source };
    if is_empty(conn).map_err(sql)? {
        // A mistyped address at the first try must not force the user to start with another file.
        return write_identity(conn, identity).map_err(sql);
    }
    let mismatch = |why| StoreError::Mismatch { path: path.to_path_buf(), why, state_folder: None };
    if let Some(host) = get_value(conn, "api_host").map_err(sql)?
        && host != identity.host
    {
        return Err(mismatch(format!(
            "contains rows from {host}, but spotify.api_url is now {}: simulated and real data must not mix",
            identity.host
        )));
    }
    if let Some(id) = get_value(conn, "state_id").map_err(sql)?
        && id != identity.state_id
    {
        let known = get_value(conn, "state_folder").map_err(sql)?.unwrap_or_default();
        if folder_path(&known) == folder_path(&identity.state_folder) {
            return Err(StoreError::StateReplaced { path: path.to_path_buf(), folder: folder_path(&known).to_owned() });
        }
        return Err(StoreError::Mismatch {
            path: path.to_path_buf(),
            why: format!(
                "was filled with the state folder {known}, but the state folder is now {}",
                identity.state_folder
            ),
            state_folder: Some(folder_path(&known).to_owned()),
        });
    }
    write_identity(conn, identity).map_err(sql)
}

/// The path in the description of a state folder, which ends with how the path was chosen.
fn folder_path(described: &str) -> &str {
    described.rsplit_once(" (from ").map_or(described, |(path, _)| path)
}

/// The state folder with which a store was filled, as a path. `None` if the store cannot be read or does not name one.
pub fn known_state_folder(database: &Path) -> Option<String> {
    let conn = super::open_reader(database).ok()?;
    get_value(&conn, "state_folder").ok()?.map(|described| folder_path(&described).to_owned())
}

/// The random id of the state folder with which a store was filled. `None` if the store cannot be read or does not name one.
pub fn known_state_id(database: &Path) -> Option<String> {
    get_value(&super::open_reader(database).ok()?, "state_id").ok()?
}

fn write_identity(conn: &Connection, identity: &StoreIdentity) -> rusqlite::Result<()> {
    for (key, value) in
        [("api_host", &identity.host), ("state_id", &identity.state_id), ("state_folder", &identity.state_folder)]
    {
        // Write only what differs, so that a run with nothing due does not touch the file.
        if get_value(conn, key)?.as_ref() != Some(value) {
            set_value(conn, key, value)?;
        }
    }
    Ok(())
}

/// Whether the store contains nothing from Spotify.
fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    let tables = [
        "artists",
        "albums",
        "tracks",
        "shows",
        "episodes",
        "audiobooks",
        "chapters",
        "playlists",
        "users",
        "lists WHERE read_at IS NOT NULL",
    ];
    let some = tables.map(|table| format!("EXISTS (SELECT 1 FROM {table})")).join(" OR ");
    conn.query_row(&format!("SELECT NOT ({some})"), [], |row| row.get(0))
}

/// Reads a value from `store_info`.
pub(super) fn get_value(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.query_row("SELECT value FROM store_info WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// Writes a value to `store_info`.
pub(super) fn set_value(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO store_info (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        params![key, value],
    )?;
    Ok(())
}

/// Returns the counter that is incremented whenever a row changes that a CSV file may contain.
///
/// # Errors
/// If the store cannot be read.
pub fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    Ok(get_value(conn, "data_version")?.and_then(|v| v.parse().ok()).unwrap_or(0))
}
