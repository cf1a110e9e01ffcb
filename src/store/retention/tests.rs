use super::*;
use crate::store::create_schema;
use crate::store::retention;
use rusqlite::Connection;

const OLD: &str = "2020-01-01T00:00:00.000Z";
const NEW: &str = "2026-01-01T00:00:00.000Z";
const CUTOFF: &str = "2025-01-01T00:00:00.000Z";

fn store(script: &str) -> WriteTx {
    let conn = Connection::open_in_memory().unwrap();
    create_schema(&conn).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    conn.execute_batch(&script.replace("OLD", &format!("'{OLD}'")).replace("NEW", &format!("'{NEW}'"))).unwrap();
    WriteTx::new(conn, "test".into())
}

fn ids(s: &WriteTx, sql: &str) -> String {
    s.conn.query_row(&format!("SELECT coalesce(group_concat(id, ' '), '') FROM ({sql})"), [], |row| row.get(0)).unwrap()
}

/// An old and a new row of each kind, to which nothing refers.
const OF_EACH: &str = "
    INSERT INTO users (id, first_seen_at, fetched_at) VALUES ('u-old', OLD, OLD), ('u-new', OLD, NEW);
    INSERT INTO artists (id, first_seen_at, fetched_at) VALUES ('a-old', OLD, OLD), ('a-new', OLD, NEW);
    INSERT INTO albums (id, first_seen_at, fetched_at) VALUES ('b-old', OLD, OLD), ('b-new', OLD, NEW);
    INSERT INTO tracks (id, first_seen_at, fetched_at) VALUES ('t-old', OLD, NULL), ('t-new', OLD, NEW);
    INSERT INTO shows (id, first_seen_at, fetched_at) VALUES ('s-old', OLD, OLD), ('s-new', OLD, NEW);
    INSERT INTO episodes (id, first_seen_at, fetched_at) VALUES ('e-old', OLD, OLD), ('e-new', OLD, NEW);
    INSERT INTO audiobooks (id, first_seen_at, fetched_at) VALUES ('k-old', OLD, OLD), ('k-new', OLD, NEW);
    INSERT INTO chapters (id, first_seen_at, fetched_at) VALUES ('c-old', OLD, OLD), ('c-new', OLD, NEW);
    INSERT INTO playlists (id, first_seen_at, fetched_at) VALUES ('p-old', OLD, OLD), ('p-new', OLD, NEW);
    INSERT INTO images (kind, id, position, url, width, height) VALUES ('show', 's-old', 0, 'x', 1, 1), ('show', 's-new', 0, 'x', 1, 1);
    INSERT INTO item_texts (kind, id, what, position, text) VALUES ('episode', 'e-old', 'language', 0, 'de');";

const EVERYTHING: &str = "SELECT id FROM users UNION SELECT id FROM artists UNION SELECT id FROM albums UNION SELECT id FROM tracks
    UNION SELECT id FROM shows UNION SELECT id FROM episodes UNION SELECT id FROM audiobooks UNION SELECT id FROM chapters
    UNION SELECT id FROM playlists";

#[test]
fn old_unreferenced_rows_are_deleted() {
    let mut s = store(OF_EACH);
    assert_eq!(retention::delete_old_rows(&mut s, CUTOFF).unwrap(), 9);
    assert_eq!(ids(&s, EVERYTHING), "a-new b-new c-new e-new k-new p-new s-new t-new u-new");
    assert_eq!(ids(&s, "SELECT id FROM images UNION ALL SELECT id FROM item_texts"), "s-new");
}

#[test]
fn referenced_rows_stay_at_any_age() {
    let mut s = store(&format!(
        "{OF_EACH}
        INSERT INTO lists (id, kind, parent_id, audience, market, variant, checked_at) VALUES (1, 'saved_tracks', '', 'u-old', '', '', NEW);
        UPDATE tracks SET album_id = 'b-old' WHERE id = 't-old';
        INSERT INTO album_artists (album_id, position, artist_id) VALUES ('b-old', 0, 'a-old');
        INSERT INTO saved_tracks (list_id, user_id, position, track_id, first_seen_at) VALUES (1, 'u-old', 0, 't-old', OLD);
        UPDATE episodes SET show_id = 's-old' WHERE id = 'e-new';
        INSERT INTO resume_points (user_id, episode_id, fully_played, resume_position_ms, fetched_at) VALUES ('u-old', 'e-old', 1, 0, NEW);
        UPDATE chapters SET audiobook_id = 'k-old' WHERE id = 'c-new';
        INSERT INTO search_results VALUES (1, NEW, 'x', '', 'playlist', 1, 'p-old', NULL, NEW, NEW, 0);"
    ));
    assert_eq!(retention::delete_old_rows(&mut s, CUTOFF).unwrap(), 1);
    assert_eq!(ids(&s, "SELECT id FROM chapters"), "c-new");
}

/// A library of one user, last read long ago, and a playlist that the newest list of playlists confirms.
const LIBRARY: &str = "
    INSERT INTO users (id, first_seen_at) VALUES ('gone', OLD), ('here', OLD);
    INSERT INTO albums (id, first_seen_at) VALUES ('b', OLD);
    INSERT INTO tracks (id, album_id, first_seen_at) VALUES ('t1', 'b', OLD), ('t2', NULL, OLD);
    INSERT INTO playlists (id, owner_id, first_seen_at) VALUES ('p1', 'gone', OLD), ('p2', 'here', OLD);
    INSERT INTO lists (id, kind, parent_id, audience, market, variant, snapshot_id, stored, read_at, checked_at) VALUES
      (1, 'saved_tracks', '', 'gone', '', '', NULL, 1, OLD, OLD), (2, 'playlist_items', 'p1', 'gone', '', '', 'v', 1, OLD, OLD),
      (3, 'my_playlists', '', 'gone', '', '', NULL, 1, OLD, OLD), (4, 'my_playlists', '', 'here', '', '', NULL, 1, NEW, NEW),
      (5, 'playlist_items', 'p2', 'here', '', '', 'v', 1, OLD, OLD), (6, 'recently_played', '', 'gone', '', '', NULL, 1, OLD, OLD);
    INSERT INTO saved_tracks (list_id, user_id, position, track_id, first_seen_at) VALUES (1, 'gone', 0, 't1', OLD);
    INSERT INTO my_playlists (list_id, user_id, position, playlist_id, first_seen_at) VALUES (3, 'gone', 0, 'p1', OLD), (4, 'here', 0, 'p2', OLD);
    INSERT INTO playlist_items (playlist_id, position, kind, track_id, first_seen_at) VALUES ('p1', 0, 'track', 't1', OLD), ('p2', 0, 'track', 't2', OLD);
    INSERT INTO plays VALUES ('gone', OLD, 't1', NULL, NULL, 6, OLD, OLD, NULL, NULL, 0);
    INSERT INTO checkpoints (list_id, run_id, next_offset, skipped, restarts, started_at, updated_at) VALUES (1, 1, 50, 0, 0, OLD, OLD);
    INSERT INTO staged_items (list_id, position, kind, item_id) VALUES (1, 0, 'track', 't1');";

#[test]
fn library_without_a_reader_is_deleted() {
    let mut s = store(LIBRARY);
    assert!(retention::delete_old_rows(&mut s, CUTOFF).unwrap() > 0);
    assert_eq!(ids(&s, EVERYTHING), "here p2 t2");
    let personal = "SELECT user_id AS id FROM saved_tracks UNION ALL SELECT user_id FROM my_playlists UNION ALL SELECT user_id FROM plays
        UNION ALL SELECT playlist_id FROM playlist_items UNION ALL SELECT 'staged' FROM staged_items";
    assert_eq!(ids(&s, personal), "here p2");
    // As if they had never been read: the next read is a first read.
    assert_eq!(ids(&s, "SELECT id FROM lists WHERE read_at IS NULL AND snapshot_id IS NULL"), "1 2 3 6");
    assert_eq!(retention::delete_old_rows(&mut s, CUTOFF).unwrap(), 0, "once");
}

#[test]
fn retention_deletes_only_rows_of_its_job() {
    let asked = "
        INSERT INTO requested (job, fetch, ordinal, user_id, list_id, item_id) VALUES
          ('mine', 'saved', 0, 'gone', 1, NULL), ('mine', 'lists', 0, 'gone', 3, NULL), ('mine', 'plays', 0, 'gone', 6, NULL),
          ('mine', 'artists', 0, NULL, NULL, 'a-old'), ('other', 'artists', 0, NULL, NULL, 'b-old');";
    let mut s = store(&format!("{OF_EACH}{LIBRARY}{asked}"));
    assert!(retention::delete_old_rows_of_job(&mut s, "mine", CUTOFF).unwrap() > 0);
    // Items of its lists, and entities that it requested by id. Other old rows do not belong to it.
    assert_eq!(ids(&s, "SELECT id FROM artists"), "a-new");
    assert_eq!(ids(&s, "SELECT id FROM tracks"), "t-new t-old t2");
    assert_eq!(ids(&s, "SELECT id FROM albums"), "b-new b-old");
    assert_eq!(ids(&s, "SELECT id FROM playlists"), "p-new p-old p2");
    assert_eq!(ids(&s, "SELECT id FROM shows"), "s-new s-old");
    assert_eq!(ids(&s, "SELECT user_id AS id FROM saved_tracks UNION ALL SELECT user_id FROM plays"), "");
    // Shared with another job, so it stays.
    let mut s = store(&format!(
        "{LIBRARY}{asked}
        INSERT INTO requested (job, fetch, ordinal, list_id) VALUES ('other', 'saved', 0, 1), ('other', 'plays', 0, 6), ('other', 'items', 0, 2);
        INSERT INTO saved_tracks (list_id, user_id, position, track_id, first_seen_at, removed_at) VALUES (1, 'gone', 1, 't2', OLD, OLD);
        INSERT INTO playlist_changes (playlist_id, change, kind, position_after, seen_at) VALUES ('p1', 'added', 'track', 0, OLD);
        INSERT INTO playlist_versions (playlist_id, seen_at, items) VALUES ('p1', '2019-01-01', 0), ('p1', OLD, 1);"
    ));
    retention::delete_old_rows_of_job(&mut s, "mine", CUTOFF).unwrap();
    assert_eq!(ids(&s, "SELECT track_id AS id FROM saved_tracks UNION ALL SELECT track_id FROM plays"), "t1 t2 t1");
    assert_eq!(
        ids(&s, "SELECT change AS id FROM playlist_changes UNION ALL SELECT items FROM playlist_versions"),
        "added 0 1"
    );
}

#[test]
fn history_is_deleted_with_its_list() {
    let mut s = store(&format!(
        "{LIBRARY} INSERT INTO requested (job, fetch, ordinal, user_id, list_id) VALUES ('mine', 'items', 0, 'gone', 2);
        INSERT INTO requested (job, fetch, ordinal, item_id) VALUES ('other', 'lists', 0, 'p1');
        INSERT INTO playlist_changes (playlist_id, change, kind, position_after, seen_at) VALUES ('p1', 'added', 'track', 0, OLD);
        INSERT INTO playlist_versions (playlist_id, seen_at, items) VALUES ('p1', '2019-01-01', 0), ('p1', OLD, 1);"
    ));
    retention::delete_old_rows_of_job(&mut s, "mine", CUTOFF).unwrap();
    assert_eq!(ids(&s, "SELECT playlist_id AS id FROM playlist_items WHERE playlist_id = 'p1'"), "");
    assert_eq!(ids(&s, "SELECT change AS id FROM playlist_changes UNION ALL SELECT items FROM playlist_versions"), "");
}

/// An empty playlist with two readers. The user's list is old, and the app reads it to this day.
const TWO_READERS: &str = "
    INSERT INTO users (id, first_seen_at) VALUES ('u', OLD);
    INSERT INTO playlists (id, first_seen_at, fetched_at) VALUES ('p', OLD, NEW);
    INSERT INTO lists (id, kind, parent_id, audience, market, variant, snapshot_id, stored, read_at, checked_at) VALUES
      (1, 'playlist_items', 'p', 'u', '', '', 'v', 0, OLD, OLD), (2, 'playlist_items', 'p', 'app', '', '', 'w', 0, NEW, NEW);
    INSERT INTO requested (job, fetch, ordinal, list_id, item_id) VALUES ('mine', 'items', 0, 1, 'p'), ('other', 'items', 0, 2, 'p');
    INSERT INTO playlist_changes (playlist_id, change, kind, position_before, seen_at) VALUES ('p', 'removed', 'track', 0, NEW);
    INSERT INTO playlist_versions (playlist_id, seen_at, items) VALUES ('p', OLD, 1), ('p', NEW, 0);";

const HISTORY: &str = "SELECT change AS id FROM playlist_changes UNION ALL SELECT items FROM playlist_versions";

#[test]
fn empty_playlist_keeps_history_of_a_reader() {
    for job in [None, Some("mine")] {
        let mut s = store(TWO_READERS);
        match job {
            None => retention::delete_old_rows(&mut s, CUTOFF).unwrap(),
            Some(job) => retention::delete_old_rows_of_job(&mut s, job, CUTOFF).unwrap(),
        };
        assert_eq!(ids(&s, HISTORY), "removed 1 0", "{job:?}");
        assert_eq!(ids(&s, "SELECT id FROM lists WHERE read_at IS NOT NULL"), "2", "{job:?}");
    }
    // Without a reader, the next read is a first read.
    let mut s = store(&format!("{TWO_READERS} UPDATE lists SET checked_at = OLD, read_at = OLD;"));
    retention::delete_old_rows(&mut s, CUTOFF).unwrap();
    assert_eq!(ids(&s, HISTORY), "");
}

#[test]
fn names_in_a_history_live_as_long_as_it() {
    // A track, an episode and a user that only a change of a playlist mentions.
    let script = format!(
        "{OF_EACH} UPDATE tracks SET album_id = 'b-old' WHERE id = 't-old';
        INSERT INTO lists (id, kind, parent_id, audience, market, variant, stored, read_at, checked_at) VALUES
          (1, 'playlist_items', 'p-new', 'app', '', '', 0, NEW, NEW);
        INSERT INTO requested (job, fetch, ordinal, list_id, item_id) VALUES ('mine', 'items', 0, 1, 'p-new');
        INSERT INTO playlist_changes (playlist_id, change, kind, track_id, episode_id, added_by, position_before, seen_at)
          VALUES ('p-new', 'removed', 'track', 't-old', 'e-old', 'u-old', 0, SEEN);"
    );
    let named =
        "SELECT id FROM (SELECT id FROM tracks UNION ALL SELECT id FROM albums UNION ALL SELECT id FROM episodes
                 UNION ALL SELECT id FROM users) WHERE id LIKE '%-old'";
    for job in [None, Some("mine")] {
        for (seen, left) in [(NEW, "t-old b-old e-old u-old"), (OLD, "")] {
            let mut s = store(&script.replace("SEEN", &format!("'{seen}'")));
            match job {
                None => retention::delete_old_rows(&mut s, CUTOFF).unwrap(),
                Some(job) => retention::delete_old_rows_of_job(&mut s, job, CUTOFF).unwrap(),
            };
            assert_eq!(ids(&s, named), left, "{job:?} {seen}");
        }
    }
}
