//! Ids that Spotify refused: a run does not ask for them again until they are due.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, TimeSpan, WriteTx};

/// Identifies an id that Spotify refused. Another market or another user may get a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingIdKey {
    pub stream: &'static str,
    /// The requested id.
    pub id: String,
    /// `app`, or the id of the owner of the used token.
    pub audience: String,
    /// Requested market; empty if there was none.
    pub market: String,
}

/// Returns reason and details for each id that Spotify refused when it was requested in that time. A refusal that is
/// not settled is left out: its id is requested again.
///
/// # Errors
/// If the store cannot be read.
pub fn find(tx: &WriteTx, gaps: &[MissingIdKey], when: &TimeSpan) -> Result<Vec<Option<(String, String)>>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT reason, coalesce(detail, '') FROM known_gaps
         WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4 AND checked_at BETWEEN ?5 AND ?6 AND is_settled",
    )?;
    gaps.iter()
        .map(|MissingIdKey { stream, id, audience, market }| {
            let gap = statement
                .query_row(params![stream, id, audience, market, when.since, when.until], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional();
            gap.map_err(|e| tx.error("cannot be read", e))
        })
        .collect()
}

/// Whether an id was refused and did not answer since then.
///
/// # Errors
/// If the store cannot be read.
pub fn is_known(tx: &WriteTx, key: &MissingIdKey) -> Result<bool, StoreError> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM known_gaps WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4)";
    Ok(tx.query_one(sql, params![key.stream, key.id, key.audience, key.market])?.unwrap_or(false))
}

/// A playlist that a list of playlists names.
#[derive(Debug, Clone)]
pub struct ListedPlaylist {
    pub key: MissingIdKey,
    /// Its version now.
    pub snapshot_id: Option<String>,
    /// It belongs to another account, so a new version does not make it readable.
    pub is_foreign: bool,
}

/// Returns reason and details for each playlist that Spotify refused. A refusal holds in `recent` for the version that
/// was refused and where the version says nothing. A 403 holds for its version in `always` too.
///
/// # Errors
/// If the store cannot be read.
pub fn find_playlists(
    tx: &WriteTx,
    listed: &[ListedPlaylist],
    recent: &TimeSpan,
    always: &TimeSpan,
) -> Result<Vec<Option<(String, String)>>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT reason, coalesce(detail, '') FROM known_gaps
         WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4 AND is_settled AND (
           checked_at BETWEEN ?5 AND ?6 AND (?9 OR snapshot_id IS NULL OR ?10 IS NULL OR snapshot_id = ?10)
           OR checked_at BETWEEN ?7 AND ?8 AND snapshot_id = ?10 AND reason = 'forbidden')",
    )?;
    let mut find = |list: &ListedPlaylist| {
        let MissingIdKey { stream, id, audience, market } = &list.key;
        let (recent_span, always_span) = ((&recent.since, &recent.until), (&always.since, &always.until));
        let found = statement.query_row(
            params![
                stream,
                id,
                audience,
                market,
                recent_span.0,
                recent_span.1,
                always_span.0,
                always_span.1,
                list.is_foreign,
                list.snapshot_id
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        found.optional().map_err(|e| tx.error("cannot be read", e))
    };
    listed.iter().map(&mut find).collect()
}

/// Records that Spotify refused an id, and the version that a playlist has now. Returns whether that was known before.
///
/// # Errors
/// If the store cannot be written.
pub fn record(tx: &mut WriteTx, gap: &MissingIdKey, reason: &str, detail: &str, now: &str) -> Result<bool, StoreError> {
    let MissingIdKey { stream, id, audience, market } = gap;
    let known = tx
        .prepare("SELECT reason FROM known_gaps WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4")?
        .query_row(params![stream, id, audience, market], |row| row.get::<_, String>(0))
        .optional()
        .map_err(|e| tx.error("cannot be read", e))?
        .is_some_and(|before| before == reason);
    tx.execute(
        "INSERT INTO known_gaps (stream, id, audience, market, reason, detail, since_at, checked_at, snapshot_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, (SELECT snapshot_id FROM playlists WHERE id = ?2)) ON CONFLICT (stream, id, audience, market) DO UPDATE SET
         reason = excluded.reason, detail = excluded.detail,
         since_at = iif(reason = excluded.reason, since_at, excluded.since_at), checked_at = excluded.checked_at,
         is_settled = 1, snapshot_id = excluded.snapshot_id",
        params![stream, id, audience, market, reason, detail, now],
    )?;
    Ok(known)
}

/// Returns when an id was first refused for a reason, and when it was last refused.
///
/// # Errors
/// If the store cannot be read.
pub fn refused_since(tx: &WriteTx, gap: &MissingIdKey, reason: &str) -> Result<Option<(String, String)>, StoreError> {
    let MissingIdKey { stream, id, audience, market } = gap;
    tx.prepare(
        "SELECT since_at, checked_at FROM known_gaps
         WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4 AND reason = ?5",
    )?
    .query_row(params![stream, id, audience, market, reason], |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
    .map_err(|e| tx.error("cannot be read", e))
}

/// Marks a recorded refusal as one that may be a mistake, so that the next run requests the id again.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_unsettled(tx: &mut WriteTx, gap: &MissingIdKey) -> Result<(), StoreError> {
    let MissingIdKey { stream, id, audience, market } = gap;
    tx.execute(
        "UPDATE known_gaps SET is_settled = 0 WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4",
        params![stream, id, audience, market],
    )
}

/// Deletes the record of an id that Spotify answers again.
///
/// # Errors
/// If the store cannot be written.
pub fn clear(tx: &mut WriteTx, gap: &MissingIdKey) -> Result<(), StoreError> {
    let MissingIdKey { stream, id, audience, market } = gap;
    tx.execute(
        "DELETE FROM known_gaps WHERE stream = ?1 AND id = ?2 AND audience = ?3 AND market = ?4",
        params![stream, id, audience, market],
    )
}
