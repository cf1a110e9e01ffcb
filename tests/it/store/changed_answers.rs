//! What stays in the store when Spotify changes the type of a field or blanks an object that it sent before.

use cratedigger::ingest::{IngestContext, ensure_row, stage_entries};
use cratedigger::store::{FileAccess, ListKey, Store, StoreIdentity, lists};
use cratedigger::stream::EntryKind;
use serde_json::{Value, json};
use spotify_client::EntityKind;

/// Reads `pages` one after the other as pages of a list, and returns the columns of the row that `sql` selects
/// as one text, with the number of entries that were not stored.
fn read_pages(kind: EntryKind, list: &'static str, pages: Vec<Value>, sql: &'static str) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let identity = StoreIdentity { host: "test".into(), state_id: "test".into(), state_folder: "test".into() };
    let store = Store::open(&folder.path().join("store.db"), FileAccess::from_mode(0o600), &identity).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut unstored = 0;
    for page in pages {
        let entries: Vec<String> = page.as_array().unwrap().iter().map(Value::to_string).collect();
        let staged = runtime.block_on(store.write(move |tx| {
            let asked = IngestContext::new("2026-11-23T09:00:00.000Z".into(), String::new(), None);
            ensure_row(tx, EntityKind::Artist, "parent", &asked)?;
            ensure_row(tx, EntityKind::Show, "parent", &asked)?;
            let key = ListKey {
                kind: list,
                parent_id: "parent".into(),
                audience: "app".into(),
                market: String::new(),
                variant: String::new(),
            };
            let id = lists::open(tx, &key)?.id;
            lists::discard_checkpoint(tx, id)?;
            let entries: Vec<Option<&str>> = entries.iter().map(|entry| Some(entry.as_str())).collect();
            stage_entries(tx, id, kind, "parent", 0, &entries, &asked)
        }));
        unstored += staged.unwrap().unstored.len();
    }
    store.close();
    let conn = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = statement.query_row([], |row| {
        let cell = |n| match row.get::<_, rusqlite::types::Value>(n)? {
            rusqlite::types::Value::Integer(number) => Ok(number.to_string()),
            rusqlite::types::Value::Text(text) => Ok(text),
            _ => Ok("-".to_owned()),
        };
        (0..columns).map(cell).collect::<rusqlite::Result<Vec<_>>>()
    });
    (row.unwrap().join("|"), unstored)
}

const TRACK: &str = "SELECT t.name, t.duration_ms, t.explicit, a.name, a.release_date, group_concat(r.name)
    FROM tracks t JOIN albums a ON a.id = t.album_id JOIN track_artists x ON x.track_id = t.id
    JOIN artists r ON r.id = x.artist_id";

fn saved_track() -> Value {
    json!({"added_at": "2026-01-01T00:00:00Z", "track": {
        "id": "t1", "name": "Song", "uri": "spotify:track:t1", "duration_ms": 1000, "explicit": true,
        "artists": [{"id": "r1", "name": "Singer"}],
        "album": {"id": "a1", "name": "Record", "release_date": "1999", "release_date_precision": "year", "total_tracks": 9,
                  "artists": [{"id": "r1", "name": "Singer"}], "images": []}}})
}

/// The saved track with the value at a JSON pointer replaced.
fn changed(pointer: &str, value: Value) -> Value {
    let mut entry = saved_track();
    *entry.pointer_mut(pointer).unwrap() = value;
    entry
}

#[test]
fn changed_field_type_costs_no_row() {
    let same = "Song|1000|1|Record|1999|Singer";
    let cases = [
        ("/track/duration_ms", json!({"totalMilliseconds": 1000}), same),
        ("/track/duration_ms", json!("2000"), "Song|2000|1|Record|1999|Singer"),
        ("/track/duration_ms", json!(["1000"]), same),
        ("/track/explicit", json!("false"), "Song|1000|0|Record|1999|Singer"),
        ("/track/explicit", json!({"reason": "?"}), same),
        ("/track/name", json!(["Song"]), same),
        ("/track/name", json!(7), "7|1000|1|Record|1999|Singer"),
        ("/track/artists", json!([{"id": "r1", "name": "Singer"}, null]), same),
        ("/track/artists", json!("Singer"), same),
        ("/track/album/images", json!([null]), same),
        ("/track/album/images", json!("none"), same),
        ("/track/album/release_date", json!(1999), same),
        ("/track/album/total_tracks", json!("9"), same),
        ("/added_at", json!({"date": 1}), same),
    ];
    for (pointer, value, want) in cases {
        let pages = vec![json!([saved_track()]), json!([changed(pointer, value.clone())])];
        let (row, unstored) = read_pages(EntryKind::Saved(EntityKind::Track), "saved_tracks", pages, TRACK);
        assert_eq!((row.as_str(), unstored), (want, 0), "{pointer} = {value}");
    }
}

#[test]
fn blank_values_do_not_replace_known_ones() {
    let blank = json!({"added_at": "2026-01-01T00:00:00Z", "track": {
        "id": "t1", "name": "", "uri": "spotify:track:t1", "duration_ms": 0, "artists": [{"id": "r1", "name": ""}],
        "album": {"id": "a1", "name": "", "release_date": "0000", "release_date_precision": "year", "artists": []}}});
    let pages = vec![json!([saved_track()]), json!([blank])];
    let (row, unstored) = read_pages(EntryKind::Saved(EntityKind::Track), "saved_tracks", pages, TRACK);
    assert_eq!((row.as_str(), unstored), ("Song|1000|1|Record|1999|Singer", 0));
}

#[test]
fn blank_values_are_stored_where_nothing_is_known() {
    let blank = changed("/track/album/release_date", json!("0000"));
    let pages = vec![json!([blank]), json!([saved_track()])];
    let first = read_pages(EntryKind::Saved(EntityKind::Track), "saved_tracks", pages[..1].to_vec(), TRACK);
    assert_eq!(first.0, "Song|1000|1|Record|0000|Singer");
    let then = read_pages(EntryKind::Saved(EntityKind::Track), "saved_tracks", pages, TRACK);
    assert_eq!(then.0, "Song|1000|1|Record|1999|Singer");
}

#[test]
fn discographies_and_episodes_are_read_field_by_field() {
    let album =
        |total: Value| json!([{"id": "a1", "name": "Record", "uri": "u", "total_tracks": total, "artists": []}]);
    let (row, unstored) = read_pages(
        EntryKind::Albums,
        "artist_albums",
        vec![album(json!(9)), album(json!("10"))],
        "SELECT name, total_tracks FROM albums",
    );
    assert_eq!((row.as_str(), unstored), ("Record|10", 0));
    let episode = |duration: Value| json!([{"id": "e1", "name": "Part 1", "duration_ms": duration, "languages": "en"}]);
    let (row, unstored) = read_pages(
        EntryKind::Episodes,
        "show_episodes",
        vec![episode(json!(5)), episode(json!({"ms": 6}))],
        "SELECT name, duration_ms FROM episodes",
    );
    assert_eq!((row.as_str(), unstored), ("Part 1|6", 0));
}
