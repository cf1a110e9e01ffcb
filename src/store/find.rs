//! In which lists a song is: playlists, and the libraries of users.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};

use super::list_kinds::membership_tables;
use super::views::literal;
use spotify_client::{EntityKind, Reference};

/// A place of an item in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FoundItem {
    /// `playlist`, or the stream of a library, such as `saved_tracks`.
    pub list: String,
    /// The id of the playlist; empty for a library.
    pub list_id: String,
    /// The name of the playlist, or the local name of the user.
    pub list_name: Option<String>,
    /// From 0.
    pub position: i64,
    pub kind: String,
    pub title: Option<String>,
    /// Artists, or the show of an episode.
    pub by: Option<String>,
    pub album: Option<String>,
    pub added_at: Option<String>,
    pub added_by: Option<String>,
    /// The id of the item, or the URI of a local file.
    pub id: String,
}

/// Items with all words of a text in title, artists and album, in any case and order; or with this id, link or ISRC.
const FOUND: &str = "
  found(kind, id, title, creator, album) AS MATERIALIZED (
    SELECT kind, id, name, creator, album FROM (
      SELECT 'track' AS kind, t.id AS id, t.name AS name, (SELECT group_concat(a.name, ', ') FROM (SELECT a.name FROM track_artists x
        JOIN artists a ON a.id = x.artist_id WHERE x.track_id = t.id ORDER BY x.position) a) AS creator, al.name AS album, t.isrc AS code
      FROM tracks t LEFT JOIN albums al ON al.id = t.album_id
      UNION ALL SELECT 'episode', e.id, e.name, s.name, NULL, NULL FROM episodes e LEFT JOIN shows s ON s.id = e.show_id
      UNION ALL SELECT 'album', b.id, b.name, (SELECT group_concat(a.name, ', ') FROM (SELECT a.name FROM album_artists x
        JOIN artists a ON a.id = x.artist_id WHERE x.album_id = b.id ORDER BY x.position) a), NULL, b.upc FROM albums b
      UNION ALL SELECT 'artist', id, name, NULL, NULL, NULL FROM artists
      UNION ALL SELECT 'show', id, name, publisher, NULL, NULL FROM shows
      UNION ALL SELECT 'audiobook', id, name, NULL, NULL, NULL FROM audiobooks
      UNION ALL SELECT 'local', uri, name, artist_names, album_name, NULL FROM local_files)
    WHERE is_wanted(id, code, name, creator, album))";

/// Calls `each` with every place of the wanted items in playlists, by playlist and position, and then in libraries.
///
/// # Errors
/// If the store cannot be read, or `each` fails.
pub fn find_in_lists<E: From<rusqlite::Error>>(
    store: &Connection,
    text: &str,
    mut each: impl FnMut(FoundItem) -> Result<(), E>,
) -> Result<(), E> {
    create_matcher(store, text)?;
    let mut parts = vec![
        "SELECT 1, 'playlist', p.id, p.name, i.position, f.kind, f.title, f.creator, f.album, i.added_at, i.added_by, f.id
         FROM playlist_items i JOIN playlists p ON p.id = i.playlist_id JOIN found f
           ON f.id = coalesce(i.track_id, i.episode_id, i.uri) AND f.kind = i.kind"
            .to_owned(),
    ];
    for table in membership_tables().filter(|table| table.is_personal() && table.item_kind != "playlist") {
        let has_time = table.extra_columns.iter().any(|(column, _)| *column == "added_at");
        parts.push(format!(
            "SELECT 2, l.kind, '', u.local_name, i.position, f.kind, f.title, f.creator, f.album, {}, NULL, f.id
             FROM {} i JOIN lists l ON l.id = i.list_id LEFT JOIN users u ON u.id = l.audience
             JOIN found f ON f.id = i.{} AND f.kind = {} WHERE i.removed_at IS NULL",
            if has_time { "i.added_at" } else { "NULL" },
            table.table,
            table.item_column,
            literal(table.item_kind),
        ));
    }
    let sql = format!("WITH {FOUND} {} ORDER BY 1, 2, 4, 3, 5", parts.join(" UNION ALL "));
    let mut statement = store.prepare(&sql)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        each(FoundItem {
            list: row.get(1)?,
            list_id: row.get(2)?,
            list_name: row.get(3)?,
            position: row.get(4)?,
            kind: row.get(5)?,
            title: row.get(6)?,
            by: row.get(7)?,
            album: row.get(8)?,
            added_at: row.get(9)?,
            added_by: row.get(10)?,
            id: row.get(11)?,
        })?;
    }
    Ok(())
}

/// The function `is_wanted(id, code, texts…)`. SQLite's own LIKE knows the case of ASCII letters only.
fn create_matcher(store: &Connection, text: &str) -> rusqlite::Result<()> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let references: Vec<Reference> = EntityKind::ALL
        .into_iter()
        .filter(|kind| *kind != EntityKind::User)
        .filter_map(|kind| Reference::parse(text, kind).ok())
        .collect();
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    store.create_scalar_function("is_wanted", -1, flags, move |context| {
        let text = |n: usize| context.get::<Option<String>>(n);
        let (id, code) = (text(0)?, text(1)?);
        let is_named = references.iter().any(|reference| match reference {
            Reference::Id(wanted) => id.as_deref() == Some(wanted.as_str()),
            Reference::Isrc(wanted) | Reference::Upc(wanted) => code.as_deref() == Some(wanted.as_str()),
        });
        let mut all = String::new();
        for n in 2..context.len() {
            all.push_str(&text(n)?.unwrap_or_default().to_lowercase());
            all.push(' ');
        }
        Ok(is_named || (!words.is_empty() && words.iter().all(|word| all.contains(word.as_str()))))
    })
}
