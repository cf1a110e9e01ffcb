//! The tracks that a job shows, collected once for all sections of its page.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::{OWN, ReportedJob};

/// More tracks are not counted in memory before they are written to the temporary table.
const MAX_COUNTED: usize = 100_000;

/// How often a track is in the playlists of a job, and in how many of them.
#[derive(Default)]
struct TrackPlaces {
    places: i64,
    lists: i64,
    /// The last list in which it was.
    last_list: usize,
}

/// Fills the temporary table `report_tracks` with the tracks that the job shows and their places in its playlists. The items
/// of all playlists are read once for that, since a store may have millions of them.
///
/// # Errors
/// If the store cannot be read.
pub fn collect_tracks(store: &Connection, job: &ReportedJob) -> rusqlite::Result<()> {
    store.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS report_tracks
           (id TEXT PRIMARY KEY, places INTEGER NOT NULL, lists INTEGER NOT NULL) WITHOUT ROWID;
         DELETE FROM temp.report_tracks",
    )?;
    let own: Vec<String> = store
        .prepare(&format!("{OWN} SELECT id FROM own"))?
        .query_map([&job.name, &job.scope], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut items =
        store.prepare("SELECT track_id FROM playlist_items WHERE playlist_id = ?1 AND track_id IS NOT NULL")?;
    let mut counted: FxHashMap<Box<str>, TrackPlaces> = FxHashMap::default();
    for (list, playlist) in (1..).zip(&own) {
        let mut rows = items.query([playlist])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            let track = match counted.get_mut(id) {
                Some(track) => track,
                None => counted.entry(id.into()).or_default(),
            };
            track.places += 1;
            track.lists += i64::from(track.last_list != list);
            track.last_list = list;
        }
        // Between two lists, so that no track counts twice for a list.
        if counted.len() > MAX_COUNTED {
            write(store, &mut counted)?;
        }
    }
    write(store, &mut counted)?;
    let others = format!(
        "{OWN} INSERT OR IGNORE INTO temp.report_tracks SELECT id, 0, 0 FROM (
           SELECT t.id FROM asked q JOIN tracks t ON t.id = q.item_id
           UNION ALL SELECT i.track_id FROM asked q JOIN album_tracks i ON i.list_id = q.list_id WHERE i.removed_at IS NULL
           UNION ALL SELECT i.track_id FROM asked q JOIN artist_top_tracks i ON i.list_id = q.list_id WHERE i.removed_at IS NULL
           UNION ALL SELECT i.track_id FROM asked q JOIN saved_tracks i ON i.list_id = q.list_id WHERE i.removed_at IS NULL)
         WHERE id IS NOT NULL"
    );
    store.execute(&others, [&job.name, &job.scope])?;
    Ok(())
}

/// Adds counts to the temporary table.
fn write(store: &Connection, counted: &mut FxHashMap<Box<str>, TrackPlaces>) -> rusqlite::Result<()> {
    let mut add = store.prepare(
        "INSERT INTO temp.report_tracks VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET places = places + excluded.places, lists = lists + excluded.lists",
    )?;
    for (id, track) in counted.drain() {
        add.execute(params![id, track.places, track.lists])?;
    }
    Ok(())
}
