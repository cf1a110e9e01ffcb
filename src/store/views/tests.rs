//! A small store with unusual rows, shared by the tests of exports and queries, and what the views show of it.

use super::*;
use std::process::Command;

/// The tables and views without rows.
pub(crate) fn empty_store() -> Connection {
    let store = Connection::open_in_memory().unwrap();
    fill_schema(&store);
    store
}

pub(crate) fn fill_schema(store: &Connection) {
    crate::store::schema::create_tables(store).unwrap();
    create_all(store).unwrap();
}

/// A playlist with every kind of item, requested by job `j` as `items`, and a user's library.
pub(crate) fn fill(store: &Connection) {
    store.execute_batch(include_str!("sample_rows.sql")).unwrap();
}

fn rows(store: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = store.prepare(sql).unwrap();
    let width = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        all.push((0..width).map(|n| format!("{:?}", row.get_ref(n).unwrap().to_owned_text())).collect());
    }
    all
}

trait OwnedText {
    fn to_owned_text(&self) -> Option<String>;
}

impl OwnedText for rusqlite::types::ValueRef<'_> {
    fn to_owned_text(&self) -> Option<String> {
        use rusqlite::types::ValueRef;
        match self {
            ValueRef::Null => None,
            ValueRef::Integer(n) => Some(n.to_string()),
            ValueRef::Real(n) => Some(n.to_string()),
            ValueRef::Text(t) | ValueRef::Blob(t) => Some(String::from_utf8_lossy(t).into_owned()),
        }
    }
}

#[test]
fn view_has_the_columns_of_its_stream() {
    let store = empty_store();
    for stream in stream::all() {
        let statement = store.prepare(&format!("SELECT * FROM {}", stream.view())).unwrap();
        let expected: Vec<_> = stream.columns().map(|c| c.name).collect();
        assert_eq!(statement.column_names().collect::<Vec<_>>(), expected, "{}", stream.name);
    }
    assert_eq!(StreamView::all().count(), stream::all().count(), "a view without a stream");
}

#[test]
fn item_shows_its_kind() {
    let store = empty_store();
    fill(&store);
    let sql = "SELECT position, kind, track_name, artist_names, album_name, release_date, duration_ms, explicit, \
               episode_name, show_name, is_playable FROM csv_playlist_items WHERE playlist_id = 'P1' ORDER BY position";
    let expected = [
        r#"Some("0") Some("track") Some("One") Some("A, B; C") Some("First") Some("1999") Some("1000") Some("0") None None Some("1")"#,
        r#"Some("1") Some("episode") None None None Some("2020-02-02") Some("3000") Some("1") Some("Talk") Some("Show") None"#,
        r#"Some("2") Some("local") Some("Tape") Some("Me; You") Some("Attic") None Some("4000") None None None None"#,
        r#"Some("3") Some("unavailable") None None None None None None None None None"#,
        r#"Some("4") Some("track") Some("One") Some("A, B; C") Some("First") Some("1999") Some("1000") Some("0") None None Some("1")"#,
    ];
    let found: Vec<_> = rows(&store, sql).iter().map(|row| row.join(" ")).collect();
    assert_eq!(found, expected);
}

#[test]
fn fetch_shows_its_rows_in_the_order_of_its_job() {
    let store = empty_store();
    fill(&store);
    let stream = stream::find("playlist_items").unwrap();
    let scope = RowScope::Fetch { job: "j", fetch: "items" };
    let sql = ViewSelect::new(stream, ["playlist_id", "position"]).scope(scope).sql();
    let found: Vec<_> = rows(&store, &sql).iter().map(|row| row.join(" ")).collect();
    assert_eq!(found.first().map(String::as_str), Some(r#"Some("P2") Some("0")"#));
    assert_eq!(found.len(), 6);
    let same =
        ViewSelect::new(stream, ["playlist_id"]).scope(RowScope::FetchUnordered { job: "j", fetch: "items" }).sql();
    assert_eq!(rows(&store, &same).len(), 6);
    let other = ViewSelect::new(stream, ["playlist_id"]).scope(RowScope::Fetch { job: "j", fetch: "o'ther" }).sql();
    assert_eq!(rows(&store, &other).len(), 0);
}

#[test]
fn ordered_rows_need_no_sort() {
    let store = empty_store();
    let stream = stream::find("playlist_items").unwrap();
    let scope = RowScope::Fetch { job: "j", fetch: "items" };
    let halves = ViewSelect::new(stream, stream.default_columns().map(|c| c.name)).scope(scope).split().unwrap();
    let plan = rows(&store, &format!("EXPLAIN QUERY PLAN {}", halves.rows));
    assert!(!format!("{plan:?}").contains("B-TREE"), "{plan:#?}");
}

#[test]
fn rows_missing_from_the_last_read_are_left_out() {
    let store = empty_store();
    fill(&store);
    let found = rows(&store, "SELECT \"user\", track_id FROM csv_saved_tracks");
    assert_eq!(found, [[r#"Some("home")"#, r#"Some("T1")"#]]);
}

#[test]
fn a_window_keeps_the_newer_rows_of_a_log() {
    let store = empty_store();
    fill(&store);
    let count = |name, since| {
        let stream = stream::find(name).unwrap();
        let scope = RowScope::Fetch { job: "j", fetch: name };
        rows(&store, &ViewSelect::new(stream, [stream.keys[0]]).scope(scope).since(since).sql()).len()
    };
    assert_eq!(count("recently_played", None), 2);
    assert_eq!(count("recently_played", Some("2026-01-02T00:00:00Z")), 1);
    assert_eq!(count("top_tracks", None), 2);
    assert_eq!(count("top_tracks", Some("2026-01-02T15:00:00Z")), 1);
    assert_eq!(count("search", Some("2026-01-02T00:00:00Z")), 1);
}

#[test]
fn only_changed_views_are_created_again() {
    let store = empty_store();
    store.execute_batch("DROP VIEW csv_markets; CREATE VIEW csv_markets AS SELECT 1 AS mine").unwrap();
    create_all(&store).unwrap();
    assert_eq!(rows(&store, "SELECT * FROM csv_markets"), [[r#"Some("1")"#]]);
    store.execute_batch("UPDATE store_info SET value = 'older' WHERE key = 'views'").unwrap();
    create_all(&store).unwrap();
    assert_eq!(rows(&store, "SELECT * FROM csv_markets").len(), 0);
}

#[test]
fn halves_show_what_the_whole_select_shows() {
    let store = empty_store();
    fill(&store);
    for stream in stream::all() {
        let select = ViewSelect::new(stream, stream.columns().map(|c| c.name));
        let Some(halves) = select.split() else { continue };
        let whole = rows(&store, &select.sql());
        let mut parts = rows_with_things(&store, &halves);
        assert_eq!(whole.len(), parts.len(), "{}", stream.name);
        parts.sort();
        let mut whole = whole;
        whole.sort();
        assert_eq!(whole, parts, "{}", stream.name);
    }
}

fn rows_with_things(store: &Connection, halves: &select::SplitQuery) -> Vec<Vec<String>> {
    let mut statement = store.prepare(&halves.rows).unwrap();
    let mut thing = store.prepare(&halves.entity).unwrap();
    let own = statement.column_count() - halves.keys;
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let keys: Vec<rusqlite::types::Value> = (own..own + halves.keys).map(|n| row.get(n).unwrap()).collect();
        let mut things = thing.query(rusqlite::params_from_iter(keys)).unwrap();
        let one = things.next().unwrap().unwrap();
        let (mut mine, mut its) = (0..own, 0..);
        all.push(
            halves
                .from_entity
                .iter()
                .map(|of_thing| match of_thing {
                    true => one.get_ref(its.next().unwrap()).unwrap(),
                    false => row.get_ref(mine.next().unwrap()).unwrap(),
                })
                .map(|value| format!("{:?}", value.to_owned_text()))
                .collect(),
        );
    }
    all
}

#[test]
fn the_systems_own_sqlite_reads_every_view() {
    if Command::new("sqlite3").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Connection::open(&path).unwrap();
    fill_schema(&store);
    fill(&store);
    drop(store);
    for stream in stream::all() {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM {})", stream.view());
        let out = Command::new("sqlite3").arg(&path).arg(&sql).output().unwrap();
        assert!(out.status.success(), "{}: {}", stream.name, String::from_utf8_lossy(&out.stderr));
    }
    let sql = "SELECT artist_names FROM csv_playlist_items WHERE position = 0 AND playlist_id = 'P1'";
    let out = Command::new("sqlite3").arg(&path).arg(sql).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "A, B; C\n");
}
