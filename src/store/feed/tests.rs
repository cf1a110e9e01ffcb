//! A replica that only ever saw increments has the same rows as the store, whatever happens to the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use rusqlite::types::Value;

use super::*;
use crate::store::{
    CellValue, CreditedEntity, EntityTable, FetchRecord, FetchState, ListKey, ListProof, MarketAvailability,
    MarketTable, PurgedUser, RunRecord, RunState, SkippedItem, StagedItem, children, entity, list_commit, lists,
    open_writer, purge, retention, runs, skipped_items, staging,
};
use crate::store::{FileAccess, ProofKind, views};

/// Random numbers that depend on the seed alone.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn id(&mut self, letter: char) -> String {
        format!("{letter}{}", self.below(4))
    }
}

/// The bytes of an empty store, so that its schema is created once.
fn empty_store() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let conn = open_writer(&path, FileAccess::from_mode(0o600)).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(conn);
        std::fs::read(path).unwrap()
    })
}

type Rows = BTreeMap<Vec<String>, Vec<Value>>;

/// A copy of the store that is kept up to date from increments.
#[derive(Default)]
struct Replica {
    epoch: String,
    version: i64,
    tables: BTreeMap<&'static str, Rows>,
    full_reads: usize,
}

impl Replica {
    fn pull(&mut self, conn: &Connection, tables: &[FeedTable], dice: &mut Dice) {
        let one_state = conn.unchecked_transaction().unwrap();
        let feed = feed_state(conn).unwrap();
        if feed.needs_full_read(&self.epoch, self.version) {
            (self.version, self.epoch) = (0, feed.epoch.clone());
            self.tables.clear();
            self.full_reads += 1;
        }
        for table in tables {
            let key: Vec<usize> =
                table.key.iter().map(|key| table.columns.iter().position(|c| c.name == *key).unwrap()).collect();
            let sql = format!("SELECT * FROM {} WHERE row_version > ?1", table.view());
            let mut changes = rows(conn, &sql, [self.version]);
            // In any order, and as often as a reader likes.
            let turn = dice.below(changes.len().max(1));
            changes.rotate_left(turn);
            if dice.below(2) == 0 {
                changes.extend(changes.clone());
            }
            let replica = self.tables.entry(table.name).or_default();
            for mut row in changes {
                let deleted_at = row.pop().unwrap();
                let key = key_of(&row, &key);
                row.pop();
                if deleted_at == Value::Null {
                    replica.insert(key, row);
                } else {
                    replica.remove(&key);
                }
            }
            let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
            let now = rows(conn, &format!("SELECT {} FROM {}", names.join(", "), table.name), []);
            let now: Rows = now.into_iter().map(|row| (key_of(&row, &key), row)).collect();
            assert_eq!(*replica, now, "{}", table.name);
        }
        self.version = feed.version;
        one_state.commit().unwrap();
    }
}

fn key_of(row: &[Value], places: &[usize]) -> Vec<String> {
    places.iter().map(|place| format!("{:?}", row[*place])).collect()
}

fn rows(conn: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Vec<Vec<Value>> {
    let mut statement = conn.prepare_cached(sql).unwrap();
    let width = statement.column_count();
    let read = statement.query_map(parameters, |row| (0..width).map(|n| row.get(n)).collect());
    read.unwrap().collect::<Result<_, _>>().unwrap()
}

/// A store to which random things happen.
struct World {
    folder: tempfile::TempDir,
    tx: Option<WriteTx>,
    reader: Option<Connection>,
    tables: Vec<FeedTable>,
    dice: Dice,
    day: usize,
    backup: Option<Vec<u8>>,
    /// Tasks that failed, such as those that would break a reference.
    failed: usize,
}

type Done = Result<(), StoreError>;

impl World {
    fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.db"), empty_store()).unwrap();
        let mut world = World {
            folder,
            tx: None,
            reader: None,
            tables: Vec::new(),
            dice: Dice(seed),
            day: 0,
            backup: None,
            failed: 0,
        };
        world.open();
        world.tables = feed_tables(world.reader.as_ref().unwrap()).unwrap();
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.db")
    }

    fn open(&mut self) {
        let connect = || {
            let conn = Connection::open(self.path()).unwrap();
            conn.execute_batch("PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA synchronous=OFF").unwrap();
            conn.set_prepared_statement_cache_capacity(200);
            conn
        };
        let conn = connect();
        let record = begin_epoch_if_restored(&conn, &self.path(), self.folder.path()).unwrap();
        let mut tx = WriteTx::new(conn, self.path());
        tx.epoch_record = record;
        (self.tx, self.reader) = (Some(tx), Some(connect()));
    }

    /// Without the last words of a process that ends by itself.
    fn kill(&mut self) {
        (self.tx, self.reader) = (None, None);
    }

    fn now(&self) -> String {
        format!("2026-{:02}-{:02}T00:00:00.{:03}Z", 1 + self.day / 28, 1 + self.day % 28, self.day % 7)
    }

    fn step(&mut self, replica: &mut Replica) {
        self.day += self.dice.below(2);
        match self.dice.below(16) {
            0 | 1 => replica.pull(self.reader.as_ref().unwrap(), &self.tables, &mut self.dice),
            2 if self.dice.below(3) == 0 => self.restore_or_back_up(),
            2 => {
                // Killed with an open group.
                let now = self.now();
                let (tx, dice) = (self.tx.as_mut().unwrap(), &mut self.dice);
                self.failed += usize::from(tx.run_in_group(|tx| write_something(tx, dice, &now)).is_err());
                self.kill();
                self.open();
            }
            3 => {
                // Another program deletes rows by hand.
                let table = self.dice.of(&["images", "metrics", "track_artists", "item_texts", "playlist_changes"]);
                let _ = self.tx.as_mut().unwrap().commit_group();
                self.kill();
                let other = Connection::open(self.path()).unwrap();
                let some = format!("DELETE FROM {table} WHERE {}", if table == "metrics" { "popularity" } else { "1" });
                other.execute(&some, []).unwrap();
                drop(other);
                self.open();
            }
            part => {
                let now = self.now();
                let (tx, dice) = (self.tx.as_mut().unwrap(), &mut self.dice);
                let done = if part == 4 {
                    tx.run_in_group(|tx| write_something(tx, dice, &now))
                } else {
                    tx.transact(|tx| write_something(tx, dice, &now))
                };
                // A task that fails is undone, and the next one begins at the same version.
                self.failed += usize::from(done.is_err());
            }
        }
    }

    fn restore_or_back_up(&mut self) {
        let mut tx = self.tx.take().unwrap();
        let _ = tx.commit_group();
        tx.note_version();
        tx.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        self.kill();
        drop(tx);
        match self.backup.take() {
            None => self.backup = Some(std::fs::read(self.path()).unwrap()),
            Some(bytes) => {
                for end in ["s.db-wal", "s.db-shm"] {
                    let _ = std::fs::remove_file(self.folder.path().join(end));
                }
                std::fs::write(self.path(), bytes).unwrap();
            }
        }
        self.open();
    }
}

fn write_something(tx: &mut WriteTx, dice: &mut Dice, now: &str) -> Done {
    match dice.below(12) {
        0 | 1 => {
            let (table, letter) = dice.of(&[
                (EntityTable::artists(), 'a'),
                (EntityTable::albums(), 'l'),
                (EntityTable::playlists(), 'p'),
                (EntityTable::users(), 'u'),
                (EntityTable::shows(), 's'),
            ]);
            let id = dice.id(letter);
            put(tx, dice, table, &id, now)
        }
        2 => write_parts(tx, dice, now),
        3 | 4 => write_playlist(tx, dice, now),
        5 | 6 => write_list(tx, dice, now),
        7 => write_run(tx, dice, now),
        8 => {
            let before = format!("2026-{:02}-01", 1 + dice.below(3));
            match dice.below(4) {
                0 => retention::delete_old_rows(tx, &before).map(drop),
                1 => retention::delete_old_rows_of_job(tx, "job", &before).map(drop),
                2 => retention::delete_old_runs(tx, &before).map(drop),
                _ => delete_old_tombstones(tx, "9999").map(drop),
            }
        }
        9 if dice.below(3) == 0 => {
            let user_ids = BTreeSet::from([dice.id('u')]);
            purge::purge_user(tx, &PurgedUser { user_ids, ..PurgedUser::default() }).map(drop)
        }
        9 => entity::mark_playlist_gone(tx, &dice.id('p'), now),
        10 => {
            let uri = format!("spotify:local:{}", dice.id('f'));
            let name = dice.of(&[None, Some("n1"), Some("n2")]);
            children::set_local_file(tx, &uri, name, None, None, dice.of(&[None, Some(5)]), now)
        }
        _ => {
            let id = dice.id('u');
            put(tx, dice, EntityTable::users(), &id, now)?;
            put(tx, dice, EntityTable::users(), "u9", now)?;
            crate::store::accounts::record(tx, dice.of(&[None, Some("x")]), &id, "u9")?;
            crate::store::accounts::copy_profile(tx, &id, "u9")
        }
    }
}

/// Writes an entity with random values in some of its columns.
fn put(tx: &mut WriteTx, dice: &mut Dice, table: &'static EntityTable, id: &str, now: &str) -> Done {
    let cells: Vec<CellValue<'_>> = table
        .columns
        .iter()
        .map(|column| match *column {
            // These refer to other rows.
            "album_id" | "owner_id" | "show_id" | "audiobook_id" => CellValue::Absent,
            "followers"
            | "popularity"
            | "total_tracks"
            | "total_items"
            | "total_episodes"
            | "explicit"
            | "public"
            | "collaborative"
            | "is_externally_hosted"
            | "disc_number"
            | "track_number"
            | "duration_ms" => dice.of(&[
                CellValue::Absent,
                CellValue::Null,
                CellValue::Int(0),
                CellValue::BlankInt(0),
                CellValue::Int(7),
            ]),
            _ => dice.of(&[
                CellValue::Absent,
                CellValue::Absent,
                CellValue::Null,
                CellValue::Text("x"),
                CellValue::Text("a\u{0}b"),
                CellValue::BlankText(""),
            ]),
        })
        .collect();
    entity::upsert(tx, table, id, &cells, now, dice.below(2) == 0)
}

fn write_parts(tx: &mut WriteTx, dice: &mut Dice, now: &str) -> Done {
    let (artist, album, track) = (dice.id('a'), dice.id('l'), dice.id('t'));
    for (table, id) in
        [(EntityTable::artists(), "a1"), (EntityTable::artists(), &artist), (EntityTable::albums(), &album)]
    {
        put(tx, dice, table, id, now)?;
    }
    put(tx, dice, EntityTable::tracks(), &track, now)?;
    let words = ["w1", "w2", "w3"];
    let some = &words[..dice.below(4)];
    children::set_genres(tx, &artist, some)?;
    children::set_artists(tx, CreditedEntity::Track, &track, &["a1", &artist][dice.below(2)..])?;
    children::add_artists(tx, CreditedEntity::Album, &album, &["a1", &artist][dice.below(2)..])?;
    children::set_copyrights(tx, &album, &[(Some("C"), dice.of(&[None, Some("x")]))][dice.below(2)..])?;
    children::set_texts(tx, "show", "s1", "language", some)?;
    children::set_images(tx, "album", &album, &[(words[dice.below(3)], None, Some(1))][dice.below(2)..])?;
    let fact = MarketAvailability { is_playable: dice.of(&[None, Some(true), Some(false)]), ..Default::default() };
    children::set_market(tx, MarketTable::Tracks, &track, dice.of(&["", "DE"]), fact, now)?;
    children::set_metrics(
        tx,
        "track",
        &track,
        &now[..10],
        dice.of(&[None, Some(1)]),
        dice.of(&[None, Some(2), Some(3)]),
    )?;
    put(tx, dice, EntityTable::episodes(), "e1", now)?;
    put(tx, dice, EntityTable::users(), "u1", now)?;
    children::set_market(tx, MarketTable::Episodes, "e1", "DE", fact, now)?;
    children::set_resume_point(tx, "u1", "e1", dice.of(&[None, Some(true)]), dice.of(&[None, Some(4)]), now)
}

fn key(kind: &'static str, parent: &str, audience: &str) -> ListKey {
    let (parent_id, audience) = (parent.to_owned(), audience.to_owned());
    ListKey { kind, parent_id, audience, market: String::new(), variant: String::new() }
}

fn write_playlist(tx: &mut WriteTx, dice: &mut Dice, now: &str) -> Done {
    let (playlist, user) = (dice.id('p'), dice.id('u'));
    put(tx, dice, EntityTable::playlists(), &playlist, now)?;
    put(tx, dice, EntityTable::users(), &user, now)?;
    for n in 0..4 {
        put(tx, dice, EntityTable::tracks(), &format!("t{n}"), now)?;
    }
    let key = key("playlist_items", &playlist, dice.of(&["app", "u0", "u1"]));
    let list = lists::open(tx, &key)?.id;
    let length = dice.below(7);
    for position in 0..length {
        let track = dice.id('t');
        let kind = dice.of(&["track", "track", "local", "unavailable"]);
        let uri = format!("spotify:track:{track}");
        let item_id = Some(track.as_str()).filter(|_| kind == "track");
        let uri = Some(uri.as_str()).filter(|_| kind != "unavailable");
        let added_by = Some(user.as_str()).filter(|_| dice.below(2) == 0);
        let position = i64::try_from(position).unwrap();
        staging::stage(tx, list, &StagedItem { position, kind, item_id, uri, added_by, ..StagedItem::default() })?;
    }
    commit_list(tx, dice, list, &key, length, now)
}

fn write_list(tx: &mut WriteTx, dice: &mut Dice, now: &str) -> Done {
    let user = dice.id('u');
    put(tx, dice, EntityTable::users(), &user, now)?;
    let (kind, parent, table, letter) = dice.of(&[
        ("saved_tracks", "", EntityTable::tracks(), 't'),
        ("followed_artists", "", EntityTable::artists(), 'a'),
        ("my_playlists", "", EntityTable::playlists(), 'p'),
        ("album_tracks", "l1", EntityTable::tracks(), 't'),
        ("top_tracks", "", EntityTable::tracks(), 't'),
        ("recently_played", "", EntityTable::tracks(), 't'),
        ("search", "words", EntityTable::albums(), 'l'),
    ]);
    put(tx, dice, EntityTable::albums(), "l1", now)?;
    for n in 0..4 {
        put(tx, dice, table, &format!("{letter}{n}"), now)?;
    }
    let key = key(kind, parent, if parent.is_empty() { &user } else { "app" });
    let list = lists::open(tx, &key)?.id;
    let length = dice.below(5);
    for position in 0..length {
        let (id, added_at) = (dice.id(letter), format!("2026-01-0{}T00:00:00.000Z", 1 + dice.below(3)));
        let kind = match letter {
            't' => "track",
            'a' => "artist",
            'p' => "playlist",
            _ => "album",
        };
        let (item_id, added_at, position) = (Some(&*id), Some(&*added_at), i64::try_from(position).unwrap());
        let detail = Some("[null, null]");
        staging::stage(tx, list, &StagedItem { position, kind, item_id, added_at, detail, ..StagedItem::default() })?;
    }
    commit_list(tx, dice, list, &key, length, now)
}

fn commit_list(tx: &mut WriteTx, dice: &mut Dice, list: i64, key: &ListKey, length: usize, now: &str) -> Done {
    let run = runs::start(tx, "job", None, "", now)?;
    tx.execute(
        "INSERT OR REPLACE INTO requested (job, fetch, ordinal, list_id) VALUES ('job', 'f', ?1, ?1)",
        params![list],
    )?;
    let served = i64::try_from(length).unwrap();
    let kind = dice.of(&[ProofKind::EndReached, ProofKind::Content, ProofKind::OneAnswer]);
    let proof = ListProof { kind, served, announced: Some(served), ..ListProof::default() };
    list_commit::commit(tx, list, key, &proof, run, now)?;
    if dice.below(3) == 0 {
        lists::mark_unchanged(tx, list, now)?;
    }
    Ok(())
}

fn write_run(tx: &mut WriteTx, dice: &mut Dice, now: &str) -> Done {
    let run = runs::start(tx, "other", None, "", now)?;
    runs::update_counts(tx, run, 2, 3)?;
    let item = SkippedItem { fetch: "f".into(), stream: "tracks", reason: "malformed", ..SkippedItem::default() };
    skipped_items::record(tx, run, &item, now)?;
    let fetch = FetchRecord {
        fetch: "f".into(),
        user_id: String::new(),
        stream: "tracks",
        reason: None,
        asked: 1,
        unchanged: 0,
        presumed: 0,
        calls: 1,
        announced: None,
        served: 1,
        stored: 1,
        skipped: 1,
    };
    runs::finish_fetch(tx, run, FetchState::Complete, &fetch)?;
    if dice.below(2) == 0 {
        skipped_items::clear(tx, run, ("f", ""), "")?;
        tx.execute("DELETE FROM run_fetches WHERE run_id = ?1", params![run])?;
    }
    let end = RunRecord {
        state: RunState::Complete,
        reason: None,
        not_before: None,
        exit_code: 0,
        calls: 1,
        rows: 1,
        app_class: None,
    };
    runs::finish(tx, run, &end, now)
}

#[test]
fn replica_of_increments_equals_the_store() {
    let seeds = std::env::var("CRATEDIGGER_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let (mut full_reads, mut failed) = (0, 0);
    for seed in 0..seeds {
        let outcome = std::panic::catch_unwind(|| {
            let (mut world, mut replica) = (World::new(seed), Replica::default());
            for _ in 0..24 {
                world.step(&mut replica);
            }
            let _ = world.tx.as_mut().unwrap().commit_group();
            world.kill();
            world.open();
            replica.pull(world.reader.as_ref().unwrap(), &world.tables, &mut world.dice);
            (replica.full_reads, world.failed)
        });
        let outcome = outcome.unwrap_or_else(|_| panic!("seed {seed}"));
        (full_reads, failed) = (full_reads + outcome.0, failed + outcome.1);
    }
    let seeds = usize::try_from(seeds).unwrap();
    assert!(failed < 4 * seeds, "{failed} tasks failed");
    assert!(full_reads < 4 * seeds, "{full_reads} full reads: increments are not tested");
}

/// The SQL of an empty store with its views, in memory.
fn session() -> WriteTx {
    let conn = Connection::open_in_memory().unwrap();
    crate::store::schema::create_tables(&conn).unwrap();
    views::create_all(&conn).unwrap();
    WriteTx::new(conn, "test".into())
}

#[test]
fn rows_seen_again_keep_their_version() {
    let mut tx = session();
    let write = |tx: &mut WriteTx, now: &str, name: &str| {
        let mut cells = vec![CellValue::Absent; EntityTable::tracks().columns.len()];
        cells[0] = CellValue::Text(name);
        let now = now.to_owned();
        tx.transact(|tx| {
            entity::upsert(tx, EntityTable::users(), "u", &[CellValue::Absent; 8], &now, false)?;
            for id in ["t0", "t1", "t2"] {
                entity::upsert(tx, EntityTable::tracks(), id, &cells, &now, true)?;
            }
            children::set_images(tx, "album", "l", &[("url", None, None)])?;
            children::set_metrics(tx, "track", "t0", "2026-01-01", Some(1), None)?;
            children::set_resume_point(tx, "u", "e", Some(true), None, &now)?;
            let key = key("saved_tracks", "", "u");
            let list = lists::open(tx, &key)?.id;
            for (position, id) in (0..).zip(if name == "C" { ["t0", "t2", "t1"] } else { ["t0", "t1", "t2"] }) {
                let item = StagedItem { position, kind: "track", item_id: Some(id), ..StagedItem::default() };
                staging::stage(tx, list, &item)?;
            }
            let run = runs::start(tx, "j", None, "", &now)?;
            let proof = ListProof { served: 3, announced: Some(3), ..ListProof::default() };
            list_commit::commit(tx, list, &key, &proof, run, &now).map(drop)
        })
        .unwrap();
    };
    tx.conn.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
    write(&mut tx, "2026-01-01T00:00:00.000Z", "A");
    let tables = feed_tables(&tx.conn).unwrap();
    let changed_since = |tx: &WriteTx, version: i64| -> Vec<(&str, usize)> {
        let count = |table: &FeedTable| {
            let sql = format!("SELECT 1 FROM {} WHERE row_version > ?1", table.view());
            (table.name, rows(&tx.conn, &sql, [version]).len())
        };
        let of_runs = |name: &str| matches!(name, "lists" | "runs" | "run_lists");
        tables.iter().map(count).filter(|(name, count)| *count > 0 && !of_runs(name)).collect()
    };
    assert_eq!(
        changed_since(&tx, 0),
        [("tracks", 3), ("images", 1), ("users", 1), ("saved_tracks", 3), ("resume_points", 1), ("metrics", 1)]
    );
    let first = feed_state(&tx.conn).unwrap().version;
    write(&mut tx, "2026-01-02T00:00:00.000Z", "A");
    assert_eq!(changed_since(&tx, first), [], "nothing has changed");
    let second = feed_state(&tx.conn).unwrap().version;
    write(&mut tx, "2026-01-03T00:00:00.000Z", "B");
    assert_eq!(changed_since(&tx, second), [("tracks", 3)]);
    let third = feed_state(&tx.conn).unwrap().version;
    write(&mut tx, "2026-01-04T00:00:00.000Z", "C");
    assert_eq!(changed_since(&tx, third), [("tracks", 3), ("saved_tracks", 2)], "two have moved");
}

#[test]
fn every_table_is_in_the_feed_or_is_no_content() {
    /// Working tables, and what only this store needs.
    const NO_CONTENT: [&str; 14] = [
        "store_info",
        "checkpoints",
        "staged_items",
        "known_gaps",
        "requested",
        "published_files",
        "etags",
        "changed_things",
        "fires",
        "unproved_lists",
        "field_notes",
        "code_matches",
        "file_marks",
        "deleted_rows",
    ];
    let tx = session();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut known: Vec<&str> = FEED_TABLES.into_iter().chain(NO_CONTENT).collect();
    known.sort_unstable();
    let names: Vec<Value> = rows(&tx.conn, names, []).into_iter().flatten().collect();
    let known: Vec<Value> = known.into_iter().map(|name| Value::Text(name.to_owned())).collect();
    assert_eq!(names, known, "a table with content gets `row_version` and a trigger, and is named in `FEED_TABLES`");
    for table in FEED_TABLES {
        let trigger = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let count: i64 = tx.conn.query_row(trigger, [delete_trigger(table)], |row| row.get(0)).unwrap();
        assert_eq!(count, 1, "{table}");
    }
}
