//! What each fetch requested, and in which order.

use rusqlite::{Connection, params};

use super::{StoreError, WriteTx, info};

/// One item that a fetch requested, in the order of the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestedItem {
    /// The user it was for.
    pub user_id: Option<String>,
    /// The list, for streams that read lists.
    pub list_id: Option<i64>,
    /// The id, for streams that read by id.
    pub item_id: Option<String>,
}

/// Returns the users that the fetches of a job read, in the order of the job: id and local name.
///
/// # Errors
/// If the store cannot be read.
pub fn users_of_job(store: &rusqlite::Connection, job: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = store.prepare(
        "SELECT r.user_id, coalesce(u.local_name, r.user_id) FROM requested r JOIN users u ON u.id = r.user_id
         WHERE r.job = ?1 GROUP BY r.user_id ORDER BY min(r.ordinal)",
    )?;
    let rows = statement.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Positions reserved for each user of a fetch.
const POSITIONS_PER_USER: i64 = 1 << 32;

/// Offset of positions that are being moved, below the positions of all users.
const TEMPORARY_OFFSET: i64 = 1 << 62;

/// A user named by a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedUser {
    pub name: String,
    /// The account, if it is known.
    pub user_id: Option<String>,
}

/// A user with requested rows.
struct RequestedUserRows {
    user_id: Option<String>,
    name: Option<String>,
    first: i64,
}

/// Replaces what a fetch requested for one user or without a user. The rows of its other users stay. `place` is
/// the position of the user in the job.
///
/// # Errors
/// If the store cannot be written.
pub fn replace(
    tx: &mut WriteTx,
    job: &str,
    fetch: &str,
    user: Option<&str>,
    place: i64,
    requested: &[RequestedItem],
) -> Result<(), StoreError> {
    write(tx, (job, fetch), user, place, requested)?;
    tx.prepare("DELETE FROM store_info WHERE key = ?1")?
        .execute([unfinished_key(job, fetch, place)])
        .map(drop)
        .map_err(|e| tx.error("cannot be written", e))
}

fn write(
    tx: &mut WriteTx,
    (job, fetch): (&str, &str),
    user: Option<&str>,
    place: i64,
    requested: &[RequestedItem],
) -> Result<(), StoreError> {
    let first = place * POSITIONS_PER_USER;
    if read(tx, job, fetch, user)? == (first, requested.to_vec()) {
        return Ok(());
    }
    tx.changed = true;
    tx.prepare("DELETE FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3")?
        .execute(params![job, fetch, user])
        .map_err(|e| tx.error("cannot be written", e))?;
    let mut insert = tx.prepare(
        "INSERT INTO requested (job, fetch, ordinal, user_id, list_id, item_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (ordinal, r) in (first..).zip(requested) {
        insert
            .execute(params![job, fetch, ordinal, r.user_id, r.list_id, r.item_id])
            .map_err(|e| tx.error("cannot be written", e))?;
    }
    Ok(())
}

/// Moves what a fetch requested to the positions of the users that its job names now, and deletes the rows of
/// other users. If the account of a user is unknown because the grant is lost, the user is found by the local
/// name, and those rows stay.
///
/// # Errors
/// If the store cannot be written.
pub fn reassign_users(
    tx: &mut WriteTx,
    job: &str,
    fetch: &str,
    users: Option<&[RequestedUser]>,
) -> Result<(), StoreError> {
    let mut taken = Vec::new();
    for known in users_of_fetch(tx, job, fetch)? {
        let is = |user: &RequestedUser| match (&user.user_id, &known.user_id) {
            (Some(named), Some(known)) => named == known,
            (None, Some(_)) => known.name.as_ref() == Some(&user.name),
            (_, None) => false,
        };
        let place = match users {
            Some(users) => users.iter().position(is),
            None => known.user_id.is_none().then_some(0),
        };
        let first = place.and_then(|place| i64::try_from(place).ok()).map(|place| place * POSITIONS_PER_USER);
        match first.filter(|first| !taken.contains(first)) {
            None => tx.execute(
                "DELETE FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3",
                params![job, fetch, known.user_id],
            )?,
            Some(first) => {
                taken.push(first);
                if first == known.first / POSITIONS_PER_USER * POSITIONS_PER_USER {
                    continue;
                }
                // Move the rows out of the way first: another user who has yet to move may have that position.
                tx.execute(
                    "UPDATE requested SET ordinal = ?4 + ordinal % ?5 WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3",
                    params![job, fetch, known.user_id, first - TEMPORARY_OFFSET, POSITIONS_PER_USER],
                )?;
            }
        }
        tx.changed = true;
    }
    tx.execute(
        "UPDATE requested SET ordinal = ordinal + ?3 WHERE job = ?1 AND fetch = ?2 AND ordinal < 0",
        params![job, fetch, TEMPORARY_OFFSET],
    )
}

/// Returns the users of a fetch and their first positions.
fn users_of_fetch(tx: &WriteTx, job: &str, fetch: &str) -> Result<Vec<RequestedUserRows>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT r.user_id, u.local_name, min(r.ordinal) FROM requested r LEFT JOIN users u ON u.id = r.user_id
         WHERE r.job = ?1 AND r.fetch = ?2 GROUP BY r.user_id",
    )?;
    let read =
        |row: &rusqlite::Row<'_>| Ok(RequestedUserRows { user_id: row.get(0)?, name: row.get(1)?, first: row.get(2)? });
    let rows = statement.query_map(params![job, fetch], read).map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}

/// Records what a fetch has requested so far, if it was interrupted and has never come to its end. A fetch that has keeps what
/// it requested then. `recorded_for` is the user in the records of its runs.
///
/// # Errors
/// If the store cannot be written.
pub fn replace_unfinished(
    tx: &mut WriteTx,
    (job, fetch, recorded_for): (&str, &str, &str),
    user: Option<&str>,
    place: i64,
    requested: &[RequestedItem],
) -> Result<(), StoreError> {
    let known = read(tx, job, fetch, user)?.1.len();
    let key = unfinished_key(job, fetch, place);
    // Records of runs expire. What a fetch requested stays, with a mark if it was interrupted.
    let ended = "SELECT EXISTS (SELECT 1 FROM run_fetches f JOIN runs r ON r.id = f.run_id
                 WHERE r.job = ?1 AND f.fetch = ?2 AND f.user_id = ?3 AND f.state IN ('complete', 'partial'))
                 OR ?4 > 0 AND NOT EXISTS (SELECT 1 FROM store_info WHERE key = ?5)";
    let has_ended: bool = tx
        .prepare(ended)?
        .query_row(params![job, fetch, recorded_for, i64::try_from(known).unwrap_or(i64::MAX), key], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))?;
    // A run that was stopped early has requested less than the one before it.
    if has_ended || known >= requested.len() {
        return Ok(());
    }
    write(tx, (job, fetch), user, place, requested)?;
    info::set_value(tx.conn(), &key, "").map_err(|e| tx.error("cannot be written", e))
}

/// The key in `store_info` that says that the rows for a user are only the requests that a fetch made before it was
/// interrupted. Users are named by their places, so that a purge need not know it.
fn unfinished_key(job: &str, fetch: &str, place: i64) -> String {
    format!("{UNFINISHED}{job} {fetch} {place}")
}

/// The start of such keys.
const UNFINISHED: &str = "unfinished ";

/// A condition on a row `q` of `requested`: its fetch came to its end.
pub(super) fn of_finished_fetch() -> String {
    format!(
        "(NOT EXISTS (SELECT 1 FROM store_info WHERE key > '{UNFINISHED}' AND key < '{UNFINISHED}~') OR NOT EXISTS
          (SELECT 1 FROM store_info WHERE key = '{UNFINISHED}' || q.job || ' ' || q.fetch || ' ' || (q.ordinal / {POSITIONS_PER_USER})))"
    )
}

/// Whether a run has finished a fetch, completely or with gaps.
///
/// # Errors
/// If the store cannot be read.
pub fn has_ever_finished(store: &Connection, job: &str, fetch: &str) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM run_fetches f JOIN runs r ON r.id = f.run_id
           WHERE r.job = ?1 AND f.fetch = ?2 AND f.state IN ('complete', 'partial'))
         OR EXISTS (SELECT 1 FROM requested q WHERE q.job = ?1 AND q.fetch = ?2 AND {})",
        of_finished_fetch()
    );
    store.query_row(&sql, [job, fetch], |row| row.get(0))
}

fn read(tx: &WriteTx, job: &str, fetch: &str, user: Option<&str>) -> Result<(i64, Vec<RequestedItem>), StoreError> {
    let mut first = None;
    let mut read = |row: &rusqlite::Row<'_>| {
        let ordinal: i64 = row.get(3)?;
        first.get_or_insert(ordinal);
        Ok(RequestedItem { user_id: row.get(0)?, list_id: row.get(1)?, item_id: row.get(2)? })
    };
    let mut statement = tx.prepare(
        "SELECT user_id, list_id, item_id, ordinal FROM requested WHERE job = ?1 AND fetch = ?2 AND user_id IS ?3 ORDER BY ordinal",
    )?;
    let rows = statement.query_map(params![job, fetch, user], &mut read).map_err(|e| tx.error("cannot be read", e))?;
    let rows = rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))?;
    Ok((first.unwrap_or(-1), rows))
}
