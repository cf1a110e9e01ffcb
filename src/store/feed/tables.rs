//! The tables of the feed, and the view of each.

use rusqlite::Connection;

use crate::store::schema::{self, CURRENT_SCHEMA};

/// The tables with rows that have a version. The last five say how complete the others are, and as of when.
pub const FEED_TABLES: [&str; 51] = [
    "artists",
    "artist_genres",
    "albums",
    "album_artists",
    "album_copyrights",
    "tracks",
    "track_artists",
    "track_markets",
    "local_files",
    "shows",
    "episodes",
    "episode_markets",
    "audiobooks",
    "chapters",
    "chapter_markets",
    "item_texts",
    "images",
    "users",
    "playlists",
    "playlist_items",
    "playlist_changes",
    "playlist_versions",
    "playlist_details",
    "artist_releases",
    "album_tracks",
    "artist_top_tracks",
    "show_episodes",
    "audiobook_chapters",
    "user_playlists",
    "my_playlists",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "saved_episodes",
    "saved_audiobooks",
    "followed_artists",
    "returned_members",
    "top_items",
    "plays",
    "imported_tracks",
    "resume_points",
    "search_results",
    "new_releases",
    "categories",
    "markets",
    "metrics",
    "lists",
    "runs",
    "run_fetches",
    "run_lists",
    "skipped_items",
];

/// Columns that are left out: the time when a row was last seen is no change of it.
const LEFT_OUT: [&str; 2] = ["fetched_at", "row_version"];

/// A table of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedTable {
    pub name: &'static str,
    /// The columns of its view without `row_version` and `deleted_at`.
    pub columns: Vec<FeedColumn>,
    /// The columns that identify a row, in the order of the key.
    pub key: Vec<String>,
}

/// A column of a table of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedColumn {
    pub name: String,
    pub kind: FeedType,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedType {
    Text,
    Integer,
    /// An integer: 0 or 1.
    Boolean,
    /// A text: a time in UTC.
    Time,
}

/// The columns with 0 or 1.
const BOOLEANS: [&str; 9] = [
    "explicit",
    "is_playable",
    "is_externally_hosted",
    "public",
    "collaborative",
    "fully_played",
    "known_gap",
    "restless",
    "unavailable",
];

impl FeedType {
    fn of(column: &str, sqlite_type: &str) -> FeedType {
        match sqlite_type {
            "INTEGER" if BOOLEANS.contains(&column) => FeedType::Boolean,
            "INTEGER" => FeedType::Integer,
            _ if column.ends_with("_at") => FeedType::Time,
            _ => FeedType::Text,
        }
    }
}

impl FeedTable {
    /// The name of its view.
    pub fn view(&self) -> String {
        format!("feed_{}", self.name)
    }

    fn is_integer(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.name == column && known.kind == FeedType::Integer)
    }

    /// The `CREATE VIEW` statement.
    fn view_sql(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let part = |column: &str| {
            let place = self.key.iter().position(|part| part == column)? + 1;
            let text = format!("d.key_{place}");
            Some(if self.is_integer(column) { format!("CAST({text} AS INTEGER)") } else { text })
        };
        let of_deleted = names.iter().map(|column| part(column).unwrap_or_else(|| "NULL".into())).collect::<Vec<_>>();
        let same = self.key.iter().map(|column| format!("r.{column} = {}", part(column).unwrap_or_default()));
        format!(
            "CREATE VIEW {} AS\nSELECT {}, max(row_version, 1) AS row_version, NULL AS deleted_at FROM {table}\n\
             UNION ALL SELECT {}, d.row_version, d.deleted_at FROM deleted_rows d WHERE d.table_name = '{table}'\n\
             AND NOT EXISTS (SELECT 1 FROM {table} r WHERE {})",
            self.view(),
            names.join(", "),
            of_deleted.join(", "),
            same.collect::<Vec<_>>().join(" AND "),
            table = self.name,
        )
    }
}

/// Returns the tables of the feed with their columns.
///
/// # Errors
/// Whatever SQLite reports.
pub fn feed_tables(conn: &Connection) -> rusqlite::Result<Vec<FeedTable>> {
    FEED_TABLES.iter().map(|name| read_table(conn, name)).collect()
}

/// Returns the tables of the feed of a store that this program creates.
///
/// # Errors
/// Whatever SQLite reports.
pub fn known_feed_tables() -> rusqlite::Result<Vec<FeedTable>> {
    let empty = Connection::open_in_memory()?;
    schema::create_tables(&empty)?;
    feed_tables(&empty)
}

fn read_table(conn: &Connection, name: &'static str) -> rusqlite::Result<FeedTable> {
    let mut statement = conn.prepare_cached("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut rows = statement.query([name])?;
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (column, kind, place): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if LEFT_OUT.contains(&column.as_str()) {
            continue;
        }
        if place > 0 {
            key.push((place, column.clone()));
        }
        let kind = FeedType::of(&column, &kind);
        columns.push(FeedColumn { name: column, kind });
    }
    key.sort();
    Ok(FeedTable { name, columns, key: key.into_iter().map(|(_, column)| column).collect() })
}

/// Text that changes with the views.
pub(in crate::store) fn views_format() -> String {
    let column = |name: &str| FeedColumn { name: name.into(), kind: FeedType::Integer };
    let sample = FeedTable { name: "sample", columns: vec![column("id"), column("name")], key: vec!["id".into()] };
    format!("{CURRENT_SCHEMA} {} {}", LEFT_OUT.concat(), sample.view_sql())
}

/// Creates the views, which do not exist yet.
pub(in crate::store) fn create_views(conn: &Connection) -> rusqlite::Result<()> {
    feed_tables(conn)?.iter().try_for_each(|table| conn.execute_batch(&table.view_sql()))
}

/// The name of the trigger that keeps the keys of a table's deleted rows.
pub(in crate::store) fn delete_trigger(table: &str) -> String {
    format!("{table}_row_deleted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{self, ColumnType};

    #[test]
    fn flags_of_streams_are_booleans() {
        let tables = known_feed_tables().unwrap();
        let stored: Vec<&FeedColumn> = tables.iter().flat_map(|table| &table.columns).collect();
        let columns = stream::all().flat_map(|stream| stream.columns.iter().copied().flatten());
        let flags: Vec<_> = columns.filter(|column| column.column_type == ColumnType::Boolean).collect();
        assert!(flags.len() > 10);
        for flag in flags {
            let mut same = stored.iter().filter(|column| column.name == flag.name);
            assert!(same.all(|column| column.kind == FeedType::Boolean), "{}", flag.name);
        }
    }
}
