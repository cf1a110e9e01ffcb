//! Members of lists, and how a new read replaces the rows of the previous one.
//!
//! Each list stream has its own table, keyed by list and item. Items that a read no longer sees are marked with
//! `removed_at` and stay. Items that come back get a row in `returned_members`.

use rusqlite::{ToSql, params};
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_128;

use super::list_kinds::{has_items_once, membership_table};
use super::{ListCommit, ListProof};
use super::{ListKey, StagedItem, StoreError, WriteTx, staging};
use crate::stream::{MembershipTable, ParentColumn};

pub(super) fn replace(
    tx: &mut WriteTx,
    list: i64,
    key: &ListKey,
    t: &MembershipTable,
    proof: &ListProof,
    same: bool,
    now: &str,
) -> Result<ListCommit, StoreError> {
    let table = t.table;
    // This read did not reach rows beyond this position.
    let read = proof.kind.read_count().unwrap_or(i64::MAX);
    if same {
        let sql = format!(
            "UPDATE {table} SET fetched_at = iif(position < ?3, ?2, fetched_at) WHERE list_id = ?1 AND removed_at IS NULL"
        );
        let stored = tx.execute_counted(&sql, params![list, now, read])?;
        return Ok(ListCommit { stored, ..ListCommit::default() });
    }
    let child = t.item_column;
    tx.execute_counted(
        &format!(
            "UPDATE {table} SET removed_at = ?2, row_version = next_row_version() WHERE list_id = ?1 AND removed_at IS NULL
             AND {child} NOT IN (SELECT item_id FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL)"
        ),
        params![list, now],
    )?;
    // The row of an item that returned no longer says that it was removed, so record that separately.
    tx.execute_counted(
        &format!(
            "INSERT OR IGNORE INTO returned_members (list_id, item_id, removed_at, returned_at, row_version)
             SELECT list_id, {child}, removed_at, ?2, next_row_version() FROM {table}
             WHERE list_id = ?1 AND removed_at IS NOT NULL
             AND {child} IN (SELECT item_id FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL)"
        ),
        params![list, now],
    )?;
    let (mut columns, mut values, mut sets, mut differs) = (String::new(), String::new(), String::new(), String::new());
    // The variant may contain more than the column, as in "single, first 5".
    let variant = key.variant.split(',').next().unwrap_or_default();
    let mut parameters: Vec<&dyn ToSql> = vec![&list, &now, &read];
    if let Some((column, from)) = t.parent {
        columns.push_str(&format!("{column}, "));
        parameters.push(match from {
            ParentColumn::Id => &key.parent_id,
            ParentColumn::Audience => &key.audience,
        });
        values.push_str(&format!("?{}, ", parameters.len()));
    }
    if t.has_market {
        columns.push_str("market, ");
        parameters.push(&key.market);
        values.push_str(&format!("?{}, ", parameters.len()));
    }
    if let Some(column) = t.variant {
        columns.push_str(&format!("{column}, "));
        parameters.push(&variant);
        values.push_str(&format!("?{}, ", parameters.len()));
    }
    for (column, staged) in t.extra_columns {
        columns.push_str(&format!("{column}, "));
        values.push_str(&format!("{staged}, "));
        // A blank does not replace a known value.
        sets.push_str(&format!("{column} = coalesce(excluded.{column}, {column}), "));
        differs.push_str(&format!(" OR {column} IS NOT coalesce(excluded.{column}, {column})"));
    }
    // If an item is listed twice, its first position counts: min() selects the row it came from.
    let stored = tx.execute_counted(
        &format!(
            "INSERT INTO {table} (list_id, {columns}position, {child}, first_seen_at, fetched_at, row_version)
             SELECT ?1, {values}min(position), item_id, ?2, ?2, next_row_version() FROM staged_items
             WHERE list_id = ?1 AND item_id IS NOT NULL GROUP BY item_id
             ON CONFLICT (list_id, {child}) DO UPDATE SET {sets}position = excluded.position,
             row_version = iif(position <> excluded.position OR removed_at IS NOT NULL{differs}, excluded.row_version, row_version),
             fetched_at = iif(excluded.position < ?3, excluded.fetched_at, fetched_at), removed_at = NULL"
        ),
        &parameters,
    )?;
    Ok(ListCommit { stored, changed: true, ..ListCommit::default() })
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMember {
    /// Position, from 0.
    pub position: i64,
    pub id: String,
    /// When it was saved, in libraries.
    pub added_at: Option<String>,
}

/// Returns the current items of a list by position, including duplicates. Positions that could not be read are
/// left out.
///
/// # Errors
/// If the store cannot be read.
pub fn current(tx: &WriteTx, list: i64, kind: &str) -> Result<Vec<ListMember>, StoreError> {
    let Some(t) = membership_table(kind) else { return Ok(Vec::new()) };
    let added = if t.extra_columns.iter().any(|(column, _)| *column == "added_at") { "added_at" } else { "NULL" };
    read(tx,
        &format!(
            "SELECT position, {}, {added} FROM {} WHERE list_id = ?1 AND removed_at IS NULL
             UNION ALL SELECT d.value ->> 0, d.value ->> 1, d.value ->> 2 FROM lists l, json_each(l.doubled) d WHERE l.id = ?1
             ORDER BY 1",
            t.item_column, t.table
        ),
        params![list],
    )
}

/// Returns the staged items of a range of positions.
///
/// # Errors
/// If the store cannot be read.
pub fn staged(tx: &WriteTx, list: i64, from: i64, to: i64) -> Result<Vec<ListMember>, StoreError> {
    read(
        tx,
        "SELECT position, item_id, added_at FROM staged_items
         WHERE list_id = ?1 AND position >= ?2 AND position < ?3 AND item_id IS NOT NULL ORDER BY position",
        params![list, from, to],
    )
}

/// Stages the items that are presumed to follow those that were read, so that the list can be committed.
///
/// # Errors
/// If the store cannot be written.
pub fn stage_presumed(tx: &mut WriteTx, list: i64, kind: &'static str, rows: &[ListMember]) -> Result<(), StoreError> {
    let kind = membership_table(kind).map(|t| t.item_kind).unwrap_or_default();
    for row in rows {
        let (item_id, added_at) = (Some(row.id.as_str()), row.added_at.as_deref());
        staging::stage(
            tx,
            list,
            &StagedItem { position: row.position, kind, item_id, added_at, ..StagedItem::default() },
        )?;
    }
    Ok(())
}

/// Returns the positions below `below` at which a staged item appears again. A list of members keeps only the
/// first position.
///
/// # Errors
/// If the store cannot be read.
pub fn duplicates(tx: &WriteTx, list: i64, key: &ListKey, below: i64) -> Result<Vec<ListMember>, StoreError> {
    if !has_items_once(key.kind) {
        return Ok(Vec::new());
    }
    // SQLite would sort all rows to find these few.
    let sql = "SELECT position, item_id, added_at FROM staged_items
               WHERE list_id = ?1 AND position < ?2 AND item_id IS NOT NULL ORDER BY position";
    let repeated = || -> rusqlite::Result<Vec<ListMember>> {
        let (mut seen, mut repeated) = (FxHashSet::default(), Vec::new());
        let mut statement = tx.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![list, below])?;
        while let Some(row) = rows.next()? {
            if !seen.insert(xxh3_128(row.get_ref(1)?.as_bytes()?)) {
                repeated.push(ListMember { position: row.get(0)?, id: row.get(1)?, added_at: row.get(2)? });
            }
        }
        Ok(repeated)
    };
    repeated().map_err(|e| tx.error("cannot be read", e))
}

/// Whether these duplicates include an item that the published list does not have twice.
///
/// # Errors
/// If the store cannot be read.
pub fn repeats_more(tx: &WriteTx, list: i64, duplicates: &[ListMember]) -> Result<bool, StoreError> {
    if duplicates.is_empty() {
        return Ok(false);
    }
    let sql = "SELECT d.value ->> 0, d.value ->> 1, d.value ->> 2 FROM lists l, json_each(l.doubled) d WHERE l.id = ?1";
    let known = read(tx, sql, params![list])?;
    Ok(duplicates.iter().any(|row| known.iter().all(|known| known.id != row.id)))
}

/// Whether an item appears twice in a staged list within the length of a page.
///
/// # Errors
/// If the store cannot be read.
pub fn has_duplicate_nearby(tx: &WriteTx, list: i64) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM staged_items a JOIN staged_items b ON b.list_id = a.list_id
                 AND b.position BETWEEN a.position + 1 AND a.position + 50
               WHERE a.list_id = ?1 AND a.item_id = b.item_id)";
    Ok(tx.query_one(sql, params![list])?.unwrap_or(false))
}

/// Returns all duplicates in the format of `lists.doubled`.
pub(super) fn duplicates_as_json(tx: &WriteTx, list: i64, key: &ListKey) -> Result<Option<String>, StoreError> {
    let rows = duplicates(tx, list, key, i64::MAX)?;
    let values: Vec<_> = rows.iter().map(|row| (row.position, &row.id, &row.added_at)).collect();
    Ok(if values.is_empty() { None } else { serde_json::to_string(&values).ok() })
}

fn read(tx: &WriteTx, sql: &str, parameters: &[&dyn ToSql]) -> Result<Vec<ListMember>, StoreError> {
    let read =
        |row: &rusqlite::Row<'_>| Ok(ListMember { position: row.get(0)?, id: row.get(1)?, added_at: row.get(2)? });
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map(parameters, read).map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}
