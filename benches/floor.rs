//! Lower bounds for the work of an export: the parsing of the pages (P) and the writing of the rows to SQLite (Q).
//!
//! `floor parse FOLDER` parses all entries of the recorded pages in FOLDER from memory, with the types of the
//! client.
//!
//! `floor store FINISHED NEW` writes the rows of the store FINISHED to the empty store NEW with the same schema
//! and pragmas. Each page of 100 items writes its new rows, the staged items and the checkpoint. A transaction is committed
//! after 200 milliseconds and at the end of each list. The rows are loaded before the measurement starts.
//!
//! Prints the CPU seconds (user and system) of that part and the number of rows.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cratedigger::store::{FileAccess, open_writer};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use spotify_client::client::ApiResponse;
use spotify_client::page::{Envelope, RawPage};
use spotify_client::wire::{Album, PlaylistItem, Track};

type BenchError = Box<dyn std::error::Error>;

/// Items per page.
const ITEMS_PER_PAGE: usize = 100;

/// A transaction is committed when it is this old, as in the program.
const MAX_GROUP_AGE: Duration = Duration::from_millis(200);

fn main() -> Result<(), BenchError> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (seconds, rows) = match words[..] {
        ["parse", folder] => parse(Path::new(folder))?,
        ["store", finished, new] => write_store(Path::new(finished), Path::new(new))?,
        _ => return Err("floor parse FOLDER | floor store FINISHED NEW".into()),
    };
    println!("{{\"cpu\": {seconds:.2}, \"rows\": {rows}}}");
    Ok(())
}

/// CPU seconds of this process so far.
fn cpu_seconds() -> Result<f64, BenchError> {
    // Fields 14 and 15 are clock ticks of 10 ms. The name before them may contain spaces.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Ok(f64::from(ticks.sum::<Result<u32, _>>()?) / 100.0)
}

fn parse(folder: &Path) -> Result<(f64, usize), BenchError> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    let (mut seconds, mut rows) = (0.0, 0);
    // The CPU clock is coarse, so it is read only once per many pages.
    for some in files.chunks(ITEMS_PER_PAGE) {
        let bodies: Vec<Bytes> = some.iter().map(|f| std::fs::read(f).map(Bytes::from)).collect::<Result<_, _>>()?;
        let before = cpu_seconds()?;
        for body in bodies {
            rows += parse_page(body)?;
        }
        seconds += cpu_seconds()? - before;
    }
    Ok((seconds, rows))
}

fn parse_page(body: Bytes) -> Result<usize, BenchError> {
    let answer = ApiResponse { status: 200, body, etag: None };
    let page = RawPage::read(&answer, Envelope::Bare).map_err(|unusable| unusable.reason)?.ok_or("no page")?;
    let entries = page.entries();
    for entry in entries.iter().flatten() {
        let item = PlaylistItem::read(entry)?;
        if let Some(raw) = item.item.or(item.track) {
            let track: Track<'_> = serde_json::from_str(raw)?;
            if let Some(album) = track.album {
                std::hint::black_box(serde_json::from_str::<Album<'_>>(album.get())?);
            }
            std::hint::black_box(&track);
        }
    }
    Ok(entries.len())
}

/// The values of a row in the order of the columns.
type TableRow = Vec<Value>;

/// The rows that a page adds, in an order that satisfies the foreign keys.
#[derive(Default)]
struct PageRows {
    new: Vec<(&'static str, TableRow)>,
    items: Vec<TableRow>,
}

fn write_store(finished: &Path, new: &Path) -> Result<(f64, usize), BenchError> {
    let from = Connection::open_with_flags(finished, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let to = open_writer(new, FileAccess::from_mode(0o644))?;
    for table in ["users", "playlists", "lists"] {
        for row in rows(&from, table, "?1 = ?1", "")? {
            insert(&to, table, &row)?;
        }
    }
    let mut known = SourceStore { from: &from, written_ids: HashSet::new() };
    let mut lists = from.prepare("SELECT id, parent_id FROM lists WHERE kind = 'playlist_items' ORDER BY id")?;
    let lists: Vec<(i64, String)> = lists.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    let (mut seconds, mut count) = (0.0, 0);
    for (list, playlist) in lists {
        let items = rows(&from, "playlist_items", "playlist_id = ?1 ORDER BY position", &playlist)?;
        let pages: Vec<PageRows> =
            items.chunks(ITEMS_PER_PAGE).map(|some| known.page(some)).collect::<Result<_, _>>()?;
        let before = cpu_seconds()?;
        to.execute_batch("BEGIN IMMEDIATE")?;
        let mut began = Instant::now();
        for page in &pages {
            write_page(&to, list, page)?;
            if began.elapsed() >= MAX_GROUP_AGE {
                to.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
                began = Instant::now();
            }
        }
        commit_list(&to, list, &playlist)?;
        seconds += cpu_seconds()? - before;
        count += items.len();
    }
    Ok((seconds, count))
}

fn write_page(to: &Connection, list: i64, page: &PageRows) -> Result<(), BenchError> {
    for (table, row) in &page.new {
        insert(to, table, row)?;
    }
    let mut stage = to.prepare_cached(
        "INSERT OR REPLACE INTO staged_items (list_id, position, kind, uri, added_at, added_by, item_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, coalesce(?7, ?8))",
    )?;
    for item in &page.items {
        // Without the playlist id at the start and the two times at the end.
        let middle = item.get(1..8).ok_or("an item with fewer columns")?;
        stage.execute(params_from_iter([&Value::from(list)].into_iter().chain(middle)))?;
    }
    to.prepare_cached(
        "INSERT INTO checkpoints (list_id, run_id, next_offset, skipped, restarts, started_at, updated_at)
         VALUES (?1, 1, ?2, 0, 0, '', '') ON CONFLICT (list_id) DO UPDATE SET next_offset = next_offset + ?2",
    )?
    .execute((list, i64::try_from(page.items.len())?))?;
    Ok(())
}

fn commit_list(to: &Connection, list: i64, playlist: &str) -> Result<(), BenchError> {
    to.prepare_cached(
        "INSERT INTO playlist_items (playlist_id, position, kind, uri, added_at, added_by, track_id, episode_id,
         first_seen_at, fetched_at) SELECT ?2, position, kind, uri, added_at, added_by,
         iif(kind = 'track', item_id, NULL), iif(kind = 'episode', item_id, NULL), '', ''
         FROM staged_items WHERE list_id = ?1 ORDER BY position",
    )?
    .execute((list, playlist))?;
    to.prepare_cached("DELETE FROM staged_items WHERE list_id = ?1")?.execute([list])?;
    to.prepare_cached("DELETE FROM checkpoints WHERE list_id = ?1")?.execute([list])?;
    Ok(to.execute_batch("COMMIT")?)
}

/// The finished store and the ids that earlier pages have written.
struct SourceStore<'a> {
    from: &'a Connection,
    written_ids: HashSet<String>,
}

impl SourceStore<'_> {
    fn page(&mut self, items: &[TableRow]) -> Result<PageRows, BenchError> {
        let mut page = PageRows { new: Vec::new(), items: items.to_vec() };
        for item in items {
            if let Some(Value::Text(track)) = item.get(6) {
                self.track(track, &mut page)?;
            }
        }
        Ok(page)
    }

    fn track(&mut self, id: &str, page: &mut PageRows) -> Result<(), BenchError> {
        if !self.written_ids.insert(id.to_owned()) {
            return Ok(());
        }
        let track = rows(self.from, "tracks", "id = ?1", id)?;
        if let Some(Value::Text(album)) = track.first().and_then(|row| row.get(3))
            && self.written_ids.insert(album.clone())
        {
            let artists = self.artists("album_artists", "album_id = ?1", album, page)?;
            self.add("albums", rows(self.from, "albums", "id = ?1", album)?, page);
            self.add("album_artists", artists, page);
            self.add("images", rows(self.from, "images", "kind = 'album' AND id = ?1", album)?, page);
        }
        let artists = self.artists("track_artists", "track_id = ?1", id, page)?;
        self.add("tracks", track, page);
        self.add("track_artists", artists, page);
        self.add("metrics", rows(self.from, "metrics", "kind = 'track' AND id = ?1", id)?, page);
        Ok(())
    }

    /// The rows that link an object to its artists. New artists are added to the page.
    fn artists(
        &mut self,
        table: &'static str,
        which: &str,
        id: &str,
        page: &mut PageRows,
    ) -> Result<Vec<TableRow>, BenchError> {
        let of = rows(self.from, table, which, id)?;
        for row in &of {
            if let Some(Value::Text(artist)) = row.get(2)
                && self.written_ids.insert(artist.clone())
            {
                self.add("artists", rows(self.from, "artists", "id = ?1", artist)?, page);
            }
        }
        Ok(of)
    }

    fn add(&self, table: &'static str, rows: Vec<TableRow>, page: &mut PageRows) {
        page.new.extend(rows.into_iter().map(|row| (table, row)));
    }
}

fn rows(from: &Connection, table: &str, which: &str, id: &str) -> Result<Vec<TableRow>, BenchError> {
    let mut statement = from.prepare_cached(&format!("SELECT * FROM {table} WHERE {which}"))?;
    let columns = statement.column_count();
    let rows = statement.query_map([id], |row| (0..columns).map(|n| row.get(n)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn insert(to: &Connection, table: &str, row: &TableRow) -> Result<(), BenchError> {
    thread_local! {
        static SQL: std::cell::RefCell<HashMap<String, String>> = std::cell::RefCell::default();
    }
    let sql = SQL.with_borrow_mut(|known| {
        let values = || vec!["?"; row.len()].join(", ");
        known.entry(table.to_owned()).or_insert_with(|| format!("INSERT INTO {table} VALUES ({})", values())).clone()
    });
    to.prepare_cached(&sql)?.execute(params_from_iter(row))?;
    Ok(())
}
