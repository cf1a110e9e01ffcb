//! `published_files`: which files were written, so that an unchanged file is not even rendered.
//!
//! A record is written after the files. If the process is killed in between, the next export renders them
//! again, finds the same bytes and records them.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::info;
use super::views::ViewSelect;

/// The source of the page of a job.
pub const REPORT_SOURCE: &str = "report page";

/// The source of the workbook of a job.
pub const WORKBOOK_SOURCE: &str = "job workbook";

/// The source of the overview of all jobs. Its record has an empty name of the job: it is in no job's folder.
pub const OVERVIEW_SOURCE: &str = "overview";

/// A CSV file that was written.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct PublishedFile {
    /// Path below the CSV folder.
    pub path: String,
    /// Name of the fetch, or the number of the query.
    pub source: String,
    /// Fingerprint of everything the file was made from.
    pub inputs: String,
    pub sha256: String,
    pub bytes: u64,
    /// Rows below the header.
    pub rows: u64,
    /// Cells that the formula guard changed.
    pub guarded: u64,
    /// The `data_version` of the store in the file, if its entities are compared one by one.
    pub data_version: Option<i64>,
}

/// The record of a file that was written before.
#[derive(Debug)]
pub struct KnownFile {
    /// Fingerprint of everything the file was made from.
    pub inputs: String,
    pub sha256: String,
    pub bytes: u64,
    /// The `data_version` of the store in the file.
    pub data_version: Option<i64>,
}

/// # Errors
/// If the store cannot be read.
pub fn known_file(store: &Connection, path: &str) -> rusqlite::Result<Option<KnownFile>> {
    let sql = "SELECT inputs, sha256, bytes, data_version FROM published_files WHERE path = ?1";
    let known = |row: &Row<'_>| {
        let bytes: i64 = row.get(2)?;
        let (bytes, data_version) = (u64::try_from(bytes).unwrap_or(0), row.get(3)?);
        Ok(KnownFile { inputs: row.get(0)?, sha256: row.get(1)?, bytes, data_version })
    };
    store.query_row(sql, [path], known).optional()
}

/// Records the files that a run of a job wrote, all or none.
///
/// # Errors
/// If the store cannot be written.
pub fn record_files(
    store: &Connection,
    job: &str,
    run: i64,
    written_at: &str,
    files: &[PublishedFile],
) -> rusqlite::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let own = begin_if_needed(store)?;
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for file in files {
        let (bytes, rows, guarded) = (number(file.bytes), number(file.rows), number(file.guarded));
        store.execute(
            "INSERT OR REPLACE INTO published_files \
             (path, job, source, run_id, inputs, sha256, bytes, rows, guarded, published_at, data_version) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                file.path,
                job,
                file.source,
                run,
                file.inputs,
                file.sha256,
                bytes,
                rows,
                guarded,
                written_at,
                file.data_version
            ],
        )?;
    }
    own.map_or(Ok(()), Transaction::commit)
}

/// Whether a fetch requested the same item twice. In that case no column identifies a row of it.
///
/// # Errors
/// If the store cannot be read.
pub fn has_duplicate_requests(store: &Connection, job: &str, fetch: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM requested WHERE job = ?1 AND fetch = ?2 \
               GROUP BY user_id, list_id, item_id HAVING count(*) > 1)";
    store.query_row(sql, [job, fetch], |row| row.get(0))
}

/// Whether a fetch requested lists, and none of them was ever read completely or is deleted. In that case it
/// has nothing to export, not even an empty file.
///
/// # Errors
/// If the store cannot be read.
pub fn no_list_was_read(store: &Connection, job: &str, fetch: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 AND count(l.id) = count(*) AND count(l.read_at) = 0 AND count(l.gone_at) = 0
               FROM requested r LEFT JOIN lists l ON l.id = r.list_id WHERE r.job = ?1 AND r.fetch = ?2";
    store.query_row(sql, [job, fetch], |row| row.get(0))
}

/// Whether a view has any of these rows.
///
/// # Errors
/// If the store cannot be read.
pub fn has_rows(store: &Connection, rows: &ViewSelect<'_>) -> rusqlite::Result<bool> {
    store.query_row(&format!("SELECT EXISTS ({})", rows.sql()), [], |row| row.get(0))
}

/// A list that a fetch requested and that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedList {
    /// The id of its parent, such as a playlist.
    pub id: String,
    /// Its title; empty if none is known.
    pub title: String,
}

/// Returns the lists that a fetch requested and that were read, of all users or of one, in the order of the job.
///
/// # Errors
/// If the store cannot be read.
pub fn lists_of_fetch(
    store: &Connection,
    (job, fetch): (&str, &str),
    user: Option<&str>,
) -> rusqlite::Result<Vec<RequestedList>> {
    // The playlists of a user are those of the list that was requested.
    let sql = "WITH read_lists (id, ordinal, position) AS (
                 SELECT l.parent_id, r.ordinal, 0 FROM requested r JOIN lists l ON l.id = r.list_id
                 WHERE r.job = ?1 AND r.fetch = ?2 AND (?3 IS NULL OR r.user_id = ?3) AND l.read_at IS NOT NULL
                 UNION ALL
                 SELECT y.playlist_id, r.ordinal, y.position FROM requested r JOIN my_playlists y ON y.list_id = r.list_id
                 WHERE r.job = ?1 AND r.fetch = ?2 AND (?3 IS NULL OR r.user_id = ?3) AND y.removed_at IS NULL
                   AND EXISTS (SELECT 1 FROM lists l WHERE l.parent_id = y.playlist_id AND l.read_at IS NOT NULL))
               SELECT x.id, coalesce(p.name, ar.name, al.name, sh.name, b.name, '') FROM read_lists x
               LEFT JOIN playlists p ON p.id = x.id LEFT JOIN artists ar ON ar.id = x.id
               LEFT JOIN albums al ON al.id = x.id LEFT JOIN shows sh ON sh.id = x.id
               LEFT JOIN audiobooks b ON b.id = x.id
               WHERE x.id <> '' GROUP BY x.id ORDER BY min(x.ordinal), min(x.position)";
    let mut lists = store.prepare(sql)?;
    let read = |row: &Row<'_>| Ok(RequestedList { id: row.get(0)?, title: row.get(1)? });
    lists.query_map(params![job, fetch, user], read)?.collect()
}

/// Returns the files that show a list of a fetch under an earlier title of the list, without those in `current`.
///
/// # Errors
/// If the store cannot be read.
pub fn files_of_earlier_titles(
    store: &Connection,
    job: &str,
    current: &[(String, String)],
) -> rusqlite::Result<Vec<OutdatedFile>> {
    let mut files = store.prepare("SELECT path, sha256 FROM published_files WHERE job = ?1 AND source = ?2")?;
    let mut earlier = Vec::new();
    for (source, path) in current {
        let read = |row: &Row<'_>| {
            // The last file of the list goes only if the new one was written.
            Ok(OutdatedFile { path: row.get(0)?, source: source.clone(), sha256: row.get(1)?, is_newest: true })
        };
        let found: Vec<OutdatedFile> = files.query_map([job, source], read)?.collect::<Result<_, _>>()?;
        earlier.extend(found.into_iter().filter(|file| file.path_below_job(job) != Some(path.as_str())));
    }
    Ok(earlier)
}

/// Returns the pages of a job that are none of `current`: a job with several users has a page for each of them, and no other.
///
/// # Errors
/// If the store cannot be read.
pub fn other_pages(store: &Connection, job: &str, current: &[&str]) -> rusqlite::Result<Vec<OutdatedFile>> {
    let sql = "SELECT path, source, sha256 FROM published_files
               WHERE job = ?1 AND (source = ?2 OR substr(source, 1, length(?2) + 4) = ?2 || ' of ')";
    let mut pages = store.prepare(sql)?;
    let read = |row: &Row<'_>| {
        Ok(OutdatedFile { path: row.get(0)?, source: row.get(1)?, sha256: row.get(2)?, is_newest: false })
    };
    let mut found: Vec<OutdatedFile> = pages.query_map([job, REPORT_SOURCE], read)?.collect::<Result<_, _>>()?;
    found.retain(|page| page.path_below_job(job).is_some_and(|path| !current.contains(&path)));
    Ok(found)
}

/// The start of the keys in `store_info` of files of earlier dates or titles that stay because they were changed by hand.
/// The rest is the path below the CSV folder.
const EDITED_FILE: &str = "edited_file ";

/// Records that such files stay without a record of their content.
///
/// # Errors
/// If the store cannot be written.
pub fn note_edited_files(store: &Connection, paths: &[String]) -> rusqlite::Result<()> {
    paths.iter().try_for_each(|path| info::set_value(store, &format!("{EDITED_FILE}{path}"), ""))
}

/// Returns the paths of [`note_edited_files`], below the CSV folder.
///
/// # Errors
/// If the store cannot be read.
pub fn edited_files(store: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT substr(key, length(?1) + 1) FROM store_info WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
    let mut keys = store.prepare(sql)?;
    keys.query_map([EDITED_FILE], |row| row.get(0))?.collect()
}

/// Deletes the records of these files, all or none, so that the next export renders them.
///
/// # Errors
/// If the store cannot be written.
pub fn forget_files(store: &Connection, paths: &[String]) -> rusqlite::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let own = begin_if_needed(store)?;
    let mut forget = store.prepare("DELETE FROM published_files WHERE path = ?1")?;
    paths.iter().try_for_each(|path| forget.execute([path]).map(drop))?;
    own.map_or(Ok(()), Transaction::commit)
}

/// Starts a transaction unless the connection is in one.
fn begin_if_needed(store: &Connection) -> rusqlite::Result<Option<Transaction<'_>>> {
    let begin = || Transaction::new_unchecked(store, TransactionBehavior::Immediate);
    store.is_autocommit().then(begin).transpose()
}

/// A file that a job wrote some time ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutdatedFile {
    /// Path below the CSV folder.
    pub path: String,
    /// Name of the fetch, or the number of the query.
    pub source: String,
    /// Hash of the file's content.
    pub sha256: String,
    /// The job wrote no later file from this source.
    pub is_newest: bool,
}

impl OutdatedFile {
    /// Returns the path below the folder of the job.
    pub fn path_below_job<'f>(&'f self, job: &str) -> Option<&'f str> {
        self.path.strip_prefix(job)?.strip_prefix('/')
    }
}

/// Returns the files that a job wrote before a time and has not written since.
///
/// # Errors
/// If the store cannot be read.
pub fn outdated_files(store: &Connection, job: &str, before: &str) -> rusqlite::Result<Vec<OutdatedFile>> {
    let mut files = store.prepare(
        "SELECT path, source, sha256, NOT EXISTS (SELECT 1 FROM published_files later WHERE later.job = old.job
           AND later.source = old.source AND (later.published_at, later.path) > (old.published_at, old.path))
         FROM published_files old WHERE job = ?1 AND published_at < ?2 ORDER BY path",
    )?;
    let old = |row: &Row<'_>| {
        Ok(OutdatedFile { path: row.get(0)?, source: row.get(1)?, sha256: row.get(2)?, is_newest: row.get(3)? })
    };
    files.query_map([job, before], old)?.collect()
}

/// Returns the size of the largest file that a job wrote, if the store knows it.
pub fn largest_file(database: &std::path::Path, job: &str) -> Option<u64> {
    let store = super::open_reader(database).ok()?;
    let sql = "SELECT max(bytes) FROM published_files WHERE job = ?1";
    let largest: Option<i64> = store.query_row(sql, [job], |row| row.get(0)).ok()?;
    u64::try_from(largest?).ok()
}

/// What a source says before the id of the list that a file is for. The name of a fetch contains no blank.
pub const OF_LIST: &str = " list ";

/// The record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// Path below the CSV folder.
    pub path: String,
    pub job: String,
    /// Name of the fetch, or the number of the query.
    pub source: String,
    pub sha256: String,
    pub bytes: u64,
    /// Rows below the header.
    pub rows: u64,
}

impl RecordedFile {
    /// Returns the path below the folder of the job.
    pub fn path_below_job(&self) -> &str {
        self.path.strip_prefix(&self.job).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&self.path)
    }

    /// The source without its format: `query 1` of `query 1 as jsonl`.
    pub fn source_without_format(&self) -> &str {
        self.source.split_once(" as ").map_or(self.source.as_str(), |(name, _)| name)
    }

    /// Whether it has the rows of one list of a fetch.
    pub fn shows_one_list(&self) -> bool {
        self.source.contains(OF_LIST)
    }

    /// Whether it is the overview, which belongs to no job.
    pub fn is_of_all_jobs(&self) -> bool {
        self.job.is_empty()
    }

    /// Whether it has the result of a query or is a page or workbook, and not the rows of a fetch.
    pub fn shows_a_query(&self) -> bool {
        // A page and a workbook show something of all fetches, as a query may.
        let name = self.source_without_format();
        [REPORT_SOURCE, WORKBOOK_SOURCE].contains(&name)
            || name.strip_prefix("query ").is_some_and(|number| number.parse::<u32>().is_ok())
    }
}

/// Returns the records of all files, or of the files of one job.
///
/// # Errors
/// If the store cannot be read.
pub fn recorded_files(store: &Connection, job: Option<&str>) -> rusqlite::Result<Vec<RecordedFile>> {
    let mut files = store.prepare(
        "SELECT path, job, source, sha256, bytes, rows FROM published_files WHERE ?1 IS NULL OR job = ?1 ORDER BY path",
    )?;
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    let read = |row: &Row<'_>| {
        let (path, job, source, sha256) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(RecordedFile { path, job, source, sha256, bytes: number(row.get(4)?), rows: number(row.get(5)?) })
    };
    files.query_map([job], read)?.collect()
}

/// Returns how a run of a job ended, if its record still exists.
///
/// # Errors
/// If the store cannot be read.
pub fn run_state(store: &Connection, run: i64, job: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT state FROM runs WHERE id = ?1 AND job = ?2";
    store.query_row(sql, params![run, job], |row| row.get(0)).optional()
}
