//! The CSV files with rows of the deleted user.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::FORGOTTEN_AUDIENCE;
use super::person::PurgedUser;
use crate::store::{OF_LIST, RecordedFile, info, recorded_files};
use crate::stream::{self, Stream};
use spotify_client::EntityKind;

/// What happens to a file with rows of the deleted user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserFileFate {
    /// It contains no one else's rows, so it is deleted.
    Delete,
    /// Other users have rows in it too, so only the rows of this user are deleted.
    DropRows,
    /// It shows the result of a query over several users, which only the job itself can write again.
    Render,
    /// It shows what the app read, or the result of a query over the whole store. The same applies if it mentions the user.
    RenderIfMentioned,
}

/// The records of all files with rows of a user, and what happens to each.
///
/// # Errors
/// If the store cannot be read.
pub fn files_of_user(store: &Connection, user: &PurgedUser) -> rusqlite::Result<Vec<(RecordedFile, UserFileFate)>> {
    let readers = readers_by_fetch(store)?;
    let requesters = requesters_by_list(store)?;
    let fate = |file: &RecordedFile| match list_of(file) {
        Some(list) if is_own_list(file, list, user, &requesters) => Some(UserFileFate::Delete),
        _ => file_fate(file, user, &readers),
    };
    Ok(recorded_files(store, None)?.into_iter().filter_map(|file| fate(&file).map(|fate| (file, fate))).collect())
}

/// For each fetch of each job: the users with a token that ever read it. The empty name is the app.
type Readers = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn readers_by_fetch(store: &Connection) -> rusqlite::Result<Readers> {
    let mut readers = Readers::new();
    let sql = format!(
        // `requested` names the user of lists that belong to a user. For other lists, the record of the run does, until it
        // is deleted.
        "SELECT r.job, r.fetch, coalesce(r.user_id, nullif(l.audience, 'app'), ''), NULL FROM requested r
           LEFT JOIN lists l ON l.id = r.list_id
           WHERE (r.user_id IS NOT NULL OR r.list_id IS NOT NULL) AND coalesce(l.audience, '') NOT LIKE '{FORGOTTEN_AUDIENCE}%'
         UNION SELECT r.job, f.fetch, f.user_id, f.stream FROM run_fetches f JOIN runs r ON r.id = f.run_id"
    );
    let mut rows = store.prepare(&sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let fetches = readers.entry(row.get(0)?).or_default();
        let (reader, stream): (String, Option<String>) = (row.get(2)?, row.get(3)?);
        // A job of a user reads the catalog for the user, and its rows say nothing about anyone.
        let is_catalog = stream.is_some_and(|stream| !is_about_people(&stream));
        fetches.entry(row.get(1)?).or_default().insert(if is_catalog { String::new() } else { reader });
    }
    Ok(readers)
}

/// The users for whom a job requested each list, such as a playlist. The empty name is the app.
type Requesters = BTreeMap<(String, String), BTreeSet<String>>;

fn requesters_by_list(store: &Connection) -> rusqlite::Result<Requesters> {
    let mut requesters = Requesters::new();
    // A fetch of the playlists of a user requests the list of them. A playlist that has left it had a file too.
    let sql = "SELECT r.job, l.parent_id, coalesce(r.user_id, nullif(l.audience, 'app'), '') FROM requested r
                 JOIN lists l ON l.id = r.list_id WHERE l.parent_id <> ''
               UNION SELECT r.job, y.playlist_id, y.user_id FROM requested r JOIN my_playlists y ON y.list_id = r.list_id";
    let mut rows = store.prepare(sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        requesters.entry((row.get(0)?, row.get(1)?)).or_default().insert(row.get(2)?);
    }
    Ok(requesters)
}

/// The id of the list that a file is for: the source of such a file is `playlist_items list ID`, with a format and a user.
fn list_of(file: &RecordedFile) -> Option<&str> {
    file.source.split_once(OF_LIST).and_then(|(_, list)| list.split(' ').next())
}

/// Whether a list, and so each file for it, goes with the user. Its rows do not matter: the name of the file of an empty
/// playlist is its title.
fn is_own_list(file: &RecordedFile, list: &str, user: &PurgedUser, requesters: &Requesters) -> bool {
    let of_list = requesters.get(&(file.job.clone(), list.to_owned()));
    user.playlists.iter().any(|(id, _)| id == list)
        || of_list.is_some_and(|names| names.iter().all(|name| user.is_recorded_as(name)))
}

/// Whether the rows of a stream may belong to a user or describe one.
fn is_about_people(name: &str) -> bool {
    let about = |kind: EntityKind| matches!(kind, EntityKind::User | EntityKind::Playlist);
    let names = |stream: &Stream| stream.references.iter().any(|(kind, _)| about(*kind));
    stream::find(name).is_none_or(|stream| stream.needs_user() || names(stream))
}

fn file_fate(file: &RecordedFile, user: &PurgedUser, readers: &Readers) -> Option<UserFileFate> {
    if file.is_of_all_jobs() {
        // Every purge writes the overview again, from the remaining data.
        return Some(UserFileFate::Render);
    }
    // The name of a fetch contains no blank, so the last word of `saved_tracks of home` is a user.
    if let Some((_, of)) = file.source.rsplit_once(" of ") {
        return user.is_recorded_as(of).then_some(UserFileFate::Delete);
    }
    // The files of one list are `playlist_items list ID`.
    let name = file.source_without_format();
    let name = name.split_once(OF_LIST).map_or(name, |(name, _)| name);
    let is_query = file.shows_a_query();
    let fetches = readers.get(&file.job);
    let of_file: Vec<&String> = match is_query {
        true => fetches.into_iter().flat_map(BTreeMap::values).flatten().collect(),
        false => {
            let of_fetch = fetches.and_then(|fetches| fetches.get(name.strip_suffix(" not found").unwrap_or(name)));
            of_fetch.into_iter().flatten().collect()
        }
    };
    // What the app read alone can be read again, and a file without it is written again by the next export.
    let users: Vec<&String> = of_file.into_iter().filter(|reader| !reader.is_empty()).collect();
    let is_theirs = |reader: &&String| user.is_recorded_as(reader);
    match (users.iter().any(is_theirs), users.iter().all(is_theirs)) {
        // A query can read the whole store, and the app alone may have read the user's profile.
        (false, _) => (is_query || users.is_empty()).then_some(UserFileFate::RenderIfMentioned),
        (true, true) => Some(UserFileFate::Delete),
        (true, false) if is_query => Some(UserFileFate::Render),
        (true, false) => Some(UserFileFate::DropRows),
    }
}

/// Records the new content of a file after rows were dropped from it. The next export renders it if it still can.
///
/// # Errors
/// If the store cannot be written.
pub fn record_dropped_rows(
    store: &Connection,
    path: &str,
    sha256: &str,
    bytes: u64,
    rows: u64,
) -> rusqlite::Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = "UPDATE published_files SET sha256 = ?2, bytes = ?3, rows = ?4, inputs = '' WHERE path = ?1";
    store.execute(sql, params![path, sha256, number(bytes), number(rows)]).map(drop)
}

/// Makes the next export render this file.
///
/// # Errors
/// If the store cannot be written.
pub fn forget_inputs(store: &Connection, path: &str) -> rusqlite::Result<()> {
    store.execute("UPDATE published_files SET inputs = '' WHERE path = ?1", [path]).map(drop)
}

/// Whether a file was rendered since [`forget_inputs`].
///
/// # Errors
/// If the store cannot be read.
pub fn is_rendered(store: &Connection, path: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM published_files WHERE path = ?1 AND inputs <> '')";
    store.query_row(sql, [path], |row| row.get(0))
}

/// The start of the keys in `store_info` of files that a purge could not clear. The rest is the path.
const LEFT_FILE: &str = "purge_left ";

/// The files with rows of deleted users that earlier purges could not clear: paths below the CSV folder.
///
/// # Errors
/// If the store cannot be read.
pub fn left_files(store: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT substr(key, length(?1) + 1) FROM store_info WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
    let mut keys = store.prepare(sql)?;
    keys.query_map([LEFT_FILE], |row| row.get(0))?.collect()
}

/// Records that a purge could not clear a file, so that the next purge checks it again.
///
/// # Errors
/// If the store cannot be written.
pub fn note_left_file(store: &Connection, path: &str) -> rusqlite::Result<()> {
    info::set_value(store, &format!("{LEFT_FILE}{path}"), "")
}

/// Deletes the record of [`note_left_file`].
///
/// # Errors
/// If the store cannot be written.
pub fn forget_left_file(store: &Connection, path: &str) -> rusqlite::Result<()> {
    store.execute("DELETE FROM store_info WHERE key = ?1", [format!("{LEFT_FILE}{path}")]).map(drop)
}
