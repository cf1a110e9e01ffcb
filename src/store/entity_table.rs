//! The tables of entities and their upserts.
//!
//! Each table has one upsert statement. It takes a bit mask of the columns that the response contained: an absent key
//! keeps the stored value, and an explicit null overwrites it.

use std::fmt::Write as _;
use std::sync::OnceLock;

use spotify_client::EntityKind;

use super::dependency_kind::ROW_UPDATED;
use super::feed::NEXT_ROW_VERSION;
use super::row_write::RowWrite;

/// How far the bit of a blank column is above the bit of the column in an upsert's mask.
pub(super) const BLANK_SHIFT: usize = 32;

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
                let blank = bit << BLANK_SHIFT;
                let replaces = format!("?4 & {bit} AND NOT (?4 & {blank} AND {column} IS NOT NULL)");
                let _ = write!(&mut sets as &mut String, "{column} = iif({replaces}, excluded.{column}, {column}), ");
                let _ = write!(&mut differs as &mut String, "({replaces} AND {column} IS NOT excluded.{column}) OR ");
            }
            format!(
                "INSERT INTO {} (id, {names}first_seen_at, fetched_at, row_version) VALUES (?1, {values}?2, ?3, {NEXT_ROW_VERSION}())
                 ON CONFLICT (id) DO UPDATE SET {sets}fetched_at = {ROW_UPDATED}(coalesce(excluded.fetched_at, fetched_at)),
                 row_version = iif({differs}0, excluded.row_version, row_version)
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
