//! Writes entities, which are rows with an id: artists, albums, tracks and so on.
//!
//! Each table has one upsert statement. It takes a bit mask of the columns that the response contained: an
//! absent key keeps the stored value, and an explicit null overwrites it.

use std::fmt::Write as _;
use std::sync::OnceLock;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{OptionalExtension, params};

use super::changed_entities::ROW_UPDATED;
use super::row_write::RowWrite;
use super::{StoreError, WriteTx, pending_writes};
use spotify_client::EntityKind;

/// A table of entities.
#[derive(Debug)]
pub struct EntityTable {
    pub name: &'static str,
    /// Columns without `id`, `first_seen_at` and `fetched_at`, in the order of the cells.
    pub columns: &'static [&'static str],
    /// The write that puts a row into this table.
    pub(super) write: RowWrite,
    upsert: OnceLock<String>,
    touch: OnceLock<String>,
}

/// What a response says about one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellValue<'a> {
    /// The key was absent.
    Absent,
    Null,
    Text(&'a str),
    /// A number; 0 or 1 for a boolean.
    Int(i64),
}

impl ToSql for CellValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            CellValue::Absent | CellValue::Null => ToSqlOutput::Owned(Value::Null),
            CellValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            CellValue::Int(number) => ToSqlOutput::Owned(Value::Integer(*number)),
        })
    }
}

impl<'a> From<&'a str> for CellValue<'a> {
    fn from(text: &'a str) -> Self {
        CellValue::Text(text)
    }
}

impl From<i64> for CellValue<'_> {
    fn from(number: i64) -> Self {
        CellValue::Int(number)
    }
}

impl From<bool> for CellValue<'_> {
    fn from(flag: bool) -> Self {
        CellValue::Int(i64::from(flag))
    }
}

impl<'a, T: Into<CellValue<'a>>> From<Option<T>> for CellValue<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(CellValue::Null, Into::into)
    }
}

const fn new_table(write: RowWrite, name: &'static str, columns: &'static [&'static str]) -> EntityTable {
    EntityTable { name, columns, write, upsert: OnceLock::new(), touch: OnceLock::new() }
}

impl EntityTable {
    pub fn artists() -> &'static EntityTable {
        static T: EntityTable =
            new_table(RowWrite::Artist, "artists", &["name", "uri", "followers", "popularity", "spotify_url"]);
        &T
    }

    pub fn albums() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Album,
            "albums",
            &[
                "name",
                "uri",
                "album_type",
                "release_date",
                "release_date_precision",
                "total_tracks",
                "label",
                "popularity",
                "upc",
                "ean",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn tracks() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Track,
            "tracks",
            &[
                "name",
                "uri",
                "album_id",
                "disc_number",
                "track_number",
                "duration_ms",
                "explicit",
                "popularity",
                "isrc",
                "ean",
                "upc",
                "preview_url",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn shows() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Show,
            "shows",
            &[
                "name",
                "uri",
                "publisher",
                "description",
                "html_description",
                "media_type",
                "explicit",
                "is_externally_hosted",
                "total_episodes",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn episodes() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Episode,
            "episodes",
            &[
                "name",
                "uri",
                "show_id",
                "description",
                "html_description",
                "release_date",
                "release_date_precision",
                "duration_ms",
                "explicit",
                "is_externally_hosted",
                "preview_url",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn audiobooks() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Audiobook,
            "audiobooks",
            &[
                "name",
                "uri",
                "publisher",
                "edition",
                "description",
                "html_description",
                "media_type",
                "explicit",
                "total_chapters",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn chapters() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Chapter,
            "chapters",
            &[
                "name",
                "uri",
                "audiobook_id",
                "chapter_number",
                "description",
                "html_description",
                "release_date",
                "release_date_precision",
                "duration_ms",
                "explicit",
                "preview_url",
                "spotify_url",
            ],
        );
        &T
    }

    pub fn users() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::User,
            "users",
            &["account_id", "local_name", "display_name", "uri", "country", "product", "followers", "spotify_url"],
        );
        &T
    }

    pub fn playlists() -> &'static EntityTable {
        static T: EntityTable = new_table(
            RowWrite::Playlist,
            "playlists",
            &[
                "name",
                "uri",
                "description",
                "owner_id",
                "public",
                "collaborative",
                "snapshot_id",
                "total_items",
                "followers",
                "spotify_url",
                "gone_at",
            ],
        );
        &T
    }

    /// Returns the table of a kind of entity.
    pub fn for_kind(kind: EntityKind) -> &'static EntityTable {
        match kind {
            EntityKind::Album => EntityTable::albums(),
            EntityKind::Artist => EntityTable::artists(),
            EntityKind::Track => EntityTable::tracks(),
            EntityKind::Playlist => EntityTable::playlists(),
            EntityKind::Show => EntityTable::shows(),
            EntityKind::Episode => EntityTable::episodes(),
            EntityKind::Audiobook => EntityTable::audiobooks(),
            EntityKind::Chapter => EntityTable::chapters(),
            EntityKind::User => EntityTable::users(),
        }
    }

    pub(super) fn upsert_sql(&self) -> &str {
        self.upsert.get_or_init(|| {
            let (mut names, mut values, mut sets, mut differs) = Default::default();
            for (n, column) in self.columns.iter().enumerate() {
                let (bit, parameter) = (1u64 << n, n + 5);
                let _ = write!(&mut names as &mut String, "{column}, ");
                let _ = write!(&mut values as &mut String, "?{parameter}, ");
                let _ = write!(&mut sets as &mut String, "{column} = iif(?4 & {bit}, excluded.{column}, {column}), ");
                let _ = write!(&mut differs as &mut String, "(?4 & {bit} AND {column} IS NOT excluded.{column}) OR ");
            }
            format!(
                "INSERT INTO {} (id, {names}first_seen_at, fetched_at) VALUES (?1, {values}?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET {sets}fetched_at = {ROW_UPDATED}(coalesce(excluded.fetched_at, fetched_at))
                 WHERE {differs}(excluded.fetched_at IS NOT NULL AND fetched_at IS NULL)",
                self.name
            )
        })
    }

    /// When nothing else differs, a complete read only updates `fetched_at`.
    pub(super) fn touch_sql(&self) -> &str {
        self.touch.get_or_init(|| format!("UPDATE {} SET fetched_at = ?2 WHERE id = ?1", self.name))
    }
}

/// Writes one entity. `whole` says that the response was about the entity itself and not a mention of it.
///
/// # Errors
/// If the store cannot be written.
pub fn upsert(
    tx: &mut WriteTx,
    table: &EntityTable,
    id: &str,
    cells: &[CellValue<'_>],
    now: &str,
    whole: bool,
) -> Result<(), StoreError> {
    debug_assert_eq!(cells.len(), table.columns.len(), "cells of {}", table.name);
    let mask =
        cells.iter().enumerate().filter(|(_, c)| **c != CellValue::Absent).fold(0i64, |mask, (n, _)| mask | 1 << n);
    let fetched = if whole { CellValue::Text(now) } else { CellValue::Null };
    let mut row = Vec::with_capacity(4 + cells.len());
    row.extend([CellValue::Text(id), CellValue::Text(now), fetched, CellValue::Int(mask)]);
    row.extend_from_slice(cells);
    pending_writes::write_row(tx, table.write, &row)
}

/// Returns the number of tracks of these albums, where it is known.
///
/// # Errors
/// If the store cannot be read.
pub fn album_track_counts(tx: &WriteTx, albums: &[String]) -> Result<Vec<Option<i64>>, StoreError> {
    let mut statement = tx.prepare("SELECT total_tracks FROM albums WHERE id = ?1")?;
    let mut total = |album: &String| {
        let total = statement.query_row([album], |row| row.get::<_, Option<i64>>(0)).optional();
        Ok(total.map_err(|e| tx.error("cannot be read", e))?.flatten())
    };
    albums.iter().map(&mut total).collect()
}

/// Marks a playlist that Spotify no longer has.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_playlist_gone(tx: &mut WriteTx, playlist: &str, now: &str) -> Result<(), StoreError> {
    let marked = tx
        .prepare("UPDATE playlists SET gone_at = ?2 WHERE id = ?1 AND gone_at IS NULL")?
        .execute(params![playlist, now])
        .map_err(|e| tx.error("cannot be written", e))?;
    tx.changed |= marked > 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn session() -> WriteTx {
        let conn = Connection::open_in_memory().unwrap();
        crate::store::migrations::create_tables(&conn).unwrap();
        WriteTx::new(conn, "test".into())
    }

    /// Writes the artist "a" and returns whether that changed anything that a CSV file may contain.
    fn upsert(s: &mut WriteTx, cells: &[CellValue<'_>], now: &str, whole: bool) -> bool {
        s.changed = false;
        super::upsert(s, EntityTable::artists(), "a", cells, now, whole).unwrap();
        s.changed
    }

    fn artist(s: &WriteTx) -> (Option<String>, Option<i64>, Option<String>) {
        s.conn
            .query_row("SELECT name, followers, fetched_at FROM artists WHERE id = 'a'", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .unwrap()
    }

    #[test]
    fn an_absent_key_keeps_what_is_known_and_a_null_overwrites_it() {
        let mut s = session();
        let full =
            [CellValue::Text("A"), CellValue::Text("u"), CellValue::Int(5), CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &full, "t1", true));
        let stub = [CellValue::Text("A"), CellValue::Absent, CellValue::Absent, CellValue::Absent, CellValue::Absent];
        assert!(!upsert(&mut s, &stub, "t2", false));
        assert_eq!(artist(&s), (Some("A".into()), Some(5), Some("t1".into())));
        let nulled = [CellValue::Text("A"), CellValue::Absent, CellValue::Null, CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &nulled, "t3", true));
        assert_eq!(artist(&s), (Some("A".into()), None, Some("t3".into())));
    }

    #[test]
    fn reading_the_same_again_moves_fetched_at_and_counts_as_no_change() {
        let mut s = session();
        let cells = [CellValue::Text("A"), CellValue::Absent, CellValue::Absent, CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &cells, "t1", false));
        assert_eq!(artist(&s).2, None);
        assert!(upsert(&mut s, &cells, "t2", true), "now known whole");
        assert!(!upsert(&mut s, &cells, "t3", true));
        assert_eq!(artist(&s).2, Some("t3".into()));
    }
}
