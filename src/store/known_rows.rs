//! What Spotify sent before of items that it now sends blank: a null in place of an item, or an item without the
//! time at which it was added.
//!
//! A null does not say which item it was. The items around it do: where one item of the old list is missing
//! between two items that are still neighbors of the null, it is that item. It stays, and counts as skipped.

use std::collections::{HashMap, HashSet};

use rusqlite::params;
use xxhash_rust::xxh3::xxh3_64;

use super::list_kinds::{is_playlist, membership_table};
use super::playlist_diff::diff_items;
use super::write_tx::row_count;
use super::{ListKey, ListProof, StagedItem, StoreError, WriteTx, members, staging};
use spotify_client::EntityKind;

/// A position of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KnownRow {
    /// What identifies the item: the id of an entity, or the URI of an item of a playlist. None if it was not read.
    name: Option<String>,
    kind: String,
    item_id: Option<String>,
    added_at: Option<String>,
    added_by: Option<String>,
}

/// An item that Spotify did not send, but that keeps its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Position of the null.
    pub position: i64,
    /// Id or URI of the item.
    pub item: String,
    /// Position of the note about it, which is another one where an item came twice and its later place is right.
    pub noted_at: i64,
}

/// Stages the known items in place of nulls, and fills in the times that a playlist sent before.
pub(super) fn stage_known(
    tx: &mut WriteTx,
    list: i64,
    key: &ListKey,
    proof: &ListProof,
) -> Result<Vec<KeptRow>, StoreError> {
    if is_playlist(key.kind) {
        return stage_known_items(tx, list, &key.parent_id);
    }
    if membership_table(key.kind).is_none() || proof.skipped == 0 {
        return Ok(Vec::new());
    }
    let (old, new) = (members::current(tx, list, key.kind)?, members::staged(tx, list, 0, i64::MAX)?);
    let read = proof.kind.read_count().unwrap_or(proof.served);
    let old = by_position(old, 0);
    // Positions behind the first items that are wanted are no nulls.
    let length = if proof.first_items_only { read.min(row_count(old.len())) } else { read };
    let new = by_position(new, length);
    stage_matched(tx, (list, item_kind(key)), &old, &new)
}

/// Stages the items of an earlier reading of the same day in place of those that did not come.
pub(super) fn stage_known_tops(
    tx: &mut WriteTx,
    list: i64,
    (key, kind): (&ListKey, EntityKind),
    proof: &ListProof,
    day: &str,
) -> Result<Vec<KeptRow>, StoreError> {
    if proof.skipped == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT rank - 1, item_id FROM top_items
               WHERE user_id = ?1 AND kind = ?2 AND time_range = ?3 AND day = ?4";
    let read =
        |row: &rusqlite::Row<'_>| Ok(members::ListMember { position: row.get(0)?, id: row.get(1)?, added_at: None });
    let mut statement = tx.prepare(sql)?;
    let old = statement.query_map(params![key.audience, kind.as_str(), key.variant, day], read);
    let old = old.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(|e| tx.error("cannot be read", e))?;
    drop(statement);
    let old = by_position(old, 0);
    let new = by_position(members::staged(tx, list, 0, i64::MAX)?, proof.served);
    stage_matched(tx, (list, kind.as_str()), &old, &new)
}

/// Stages the known items that the list replaces with a repeated one, if its total says that nothing was removed.
/// Two reads have shown the same by then.
pub(super) fn stage_displaced(
    tx: &mut WriteTx,
    list: i64,
    key: &ListKey,
    proof: &ListProof,
) -> Result<Vec<KeptRow>, StoreError> {
    let is_partial = proof.first_items_only || proof.kind.read_count().is_some();
    let duplicates = members::duplicates(tx, list, key, i64::MAX)?;
    let before: Option<i64> = tx.query_one("SELECT announced FROM lists WHERE id = ?1", params![list])?;
    let Some((announced, before)) = proof.announced.zip(before) else { return Ok(Vec::new()) };
    if is_partial || duplicates.is_empty() || announced < before || announced > proof.served {
        return Ok(Vec::new());
    }
    let old = by_position(members::current(tx, list, key.kind)?, 0);
    let mut new = by_position(members::staged(tx, list, 0, i64::MAX)?, proof.served);
    // Of the places of a repeated item, the one that it had before is right, and else the first.
    let is_known: HashSet<usize> = same_items(&old, &new).into_iter().map(|(at, _)| at).collect();
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in new.iter().enumerate() {
        if let Some(name) = &row.name {
            places.entry(name.clone()).or_default().push(at);
        }
    }
    let (mut noted_elsewhere, mut free) = (HashMap::new(), Vec::new());
    for places in places.into_values().filter(|places| places.len() > 1) {
        let right = places.iter().copied().find(|at| is_known.contains(at)).unwrap_or(places[0]);
        // All places but the first have a note.
        noted_elsewhere.insert(row_count(places[0]), row_count(right));
        for at in places.into_iter().filter(|at| *at != right && !is_known.contains(at)) {
            new[at] = KnownRow::default();
            free.push(at);
        }
    }
    let mut kept = stage_matched(tx, (list, item_kind(key)), &old, &new)?;
    // Where the order changes from page to page, the neighbors of an item say nothing, but the total says that it is
    // there. It takes one of the other places.
    free.sort_unstable();
    free.retain(|at| kept.iter().all(|row| row.position != row_count(*at)));
    let here: HashSet<&str> =
        new.iter().filter_map(|row| row.name.as_deref()).chain(kept.iter().map(|row| row.item.as_str())).collect();
    let missing = old.iter().filter(|row| row.name.as_deref().is_some_and(|name| !here.contains(name)));
    let displaced: Vec<(usize, KnownRow)> = free.into_iter().zip(missing.cloned()).collect();
    for (at, row) in displaced {
        kept.extend(keep_row(tx, (list, item_kind(key)), at, &row)?);
    }
    let noted_at = |row: &KeptRow| noted_elsewhere.get(&row.position).copied().unwrap_or(row.position);
    Ok(kept.into_iter().map(|row| KeptRow { noted_at: noted_at(&row), ..row }).collect())
}

/// The rows of a list by their positions.
fn by_position(rows: Vec<members::ListMember>, length: i64) -> Vec<KnownRow> {
    let length = rows.iter().map(|row| row.position + 1).fold(length, i64::max);
    let mut places = vec![KnownRow::default(); usize::try_from(length).unwrap_or(0)];
    for row in rows {
        let place = usize::try_from(row.position).ok().and_then(|position| places.get_mut(position));
        if let Some(place) = place {
            *place = KnownRow { name: Some(row.id), added_at: row.added_at, ..KnownRow::default() };
        }
    }
    places
}

fn item_kind(key: &ListKey) -> &'static str {
    membership_table(key.kind).map(|table| table.item_kind).unwrap_or_default()
}

/// Stages the old items that belong in the empty places of a new list.
fn stage_matched(
    tx: &mut WriteTx,
    (list, kind): (i64, &str),
    old: &[KnownRow],
    new: &[KnownRow],
) -> Result<Vec<KeptRow>, StoreError> {
    let mut kept = Vec::new();
    for (at, from) in match_nulls(old, new) {
        kept.extend(keep_row(tx, (list, kind), at, &old[from])?);
    }
    Ok(kept)
}

/// Stages an old item at a place of the new list.
fn keep_row(
    tx: &mut WriteTx,
    (list, kind): (i64, &str),
    at: usize,
    row: &KnownRow,
) -> Result<Option<KeptRow>, StoreError> {
    let Some(id) = &row.name else { return Ok(None) };
    let (position, added_at) = (row_count(at), row.added_at.as_deref());
    staging::stage(tx, list, &StagedItem { position, kind, item_id: Some(id), added_at, ..StagedItem::default() })?;
    Ok(Some(KeptRow { position, item: id.clone(), noted_at: position }))
}

fn stage_known_items(tx: &mut WriteTx, list: i64, playlist: &str) -> Result<Vec<KeptRow>, StoreError> {
    let is_blank = "SELECT EXISTS (SELECT 1 FROM staged_items WHERE list_id = ?1
                      AND (uri IS NULL OR added_at IS NULL OR added_by IS NULL))
                    AND EXISTS (SELECT 1 FROM playlist_items WHERE playlist_id = ?2)";
    if tx.query_one::<bool>(is_blank, params![list, playlist])? != Some(true) {
        return Ok(Vec::new());
    }
    let of_old = "SELECT uri, kind, coalesce(track_id, episode_id), added_at, added_by FROM playlist_items
                  WHERE playlist_id = ?1 ORDER BY position";
    let of_new = "SELECT uri, kind, item_id, added_at, added_by FROM staged_items WHERE list_id = ?1 ORDER BY position";
    let (old, new) = (read_rows(tx, of_old, &playlist)?, read_rows(tx, of_new, &list)?);
    let mut kept = Vec::new();
    for (at, from) in match_nulls(&old, &new) {
        let KnownRow { name: Some(uri), kind, item_id, added_at, added_by } = &old[from] else { continue };
        tx.execute(
            "UPDATE staged_items SET uri = ?3, kind = ?4, item_id = ?5, added_at = coalesce(added_at, ?6),
             added_by = coalesce(added_by, ?7) WHERE list_id = ?1 AND position = ?2",
            params![list, row_count(at), uri, kind, item_id, added_at, added_by],
        )?;
        kept.push(KeptRow { position: row_count(at), item: uri.clone(), noted_at: row_count(at) });
    }
    for (at, from) in same_items(&old, &new) {
        let (known, sent) = (&old[from], &new[at]);
        let is_blank =
            sent.added_at.is_none() && known.added_at.is_some() || sent.added_by.is_none() && known.added_by.is_some();
        if sent.name.is_some() && is_blank {
            tx.execute(
                "UPDATE staged_items SET added_at = coalesce(added_at, ?3), added_by = coalesce(added_by, ?4)
                 WHERE list_id = ?1 AND position = ?2",
                params![list, row_count(at), known.added_at, known.added_by],
            )?;
        }
    }
    Ok(kept)
}

/// Marks the items of a playlist that Spotify did not send. Returns whether that changes a row.
pub(super) fn mark_unavailable(tx: &WriteTx, playlist: &str, kept: &[KeptRow]) -> Result<bool, StoreError> {
    let positions = kept.iter().map(|row| row.position.to_string()).collect::<Vec<_>>().join(",");
    let changed = tx.execute_counted(
        "UPDATE playlist_items SET unavailable = instr(?2, ',' || position || ',') > 0, row_version = next_row_version()
         WHERE playlist_id = ?1 AND unavailable <> (instr(?2, ',' || position || ',') > 0)",
        params![playlist, format!(",{positions},")],
    )?;
    Ok(changed > 0)
}

fn read_rows(tx: &WriteTx, sql: &str, of: &dyn rusqlite::ToSql) -> Result<Vec<KnownRow>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(KnownRow {
            name: row.get(0)?,
            kind: row.get(1)?,
            item_id: row.get(2)?,
            added_at: row.get(3)?,
            added_by: row.get(4)?,
        })
    };
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map([of], read).map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}

/// Pairs of a new and an old position with the same item.
fn same_items(old: &[KnownRow], new: &[KnownRow]) -> Vec<(usize, usize)> {
    // Nulls are no items: each has a hash of its own.
    let hashes = |rows: &[KnownRow], side: &str| -> Vec<u64> {
        let hash = |(place, row): (usize, &KnownRow)| match &row.name {
            Some(name) => xxh3_64(name.as_bytes()),
            None => xxh3_64(format!("\u{0}{side}{place}").as_bytes()),
        };
        rows.iter().enumerate().map(hash).collect()
    };
    let origin = diff_items(&hashes(old, "old"), &hashes(new, "new")).origin;
    origin.into_iter().enumerate().filter_map(|(at, from)| Some((at, from?))).collect()
}

/// Pairs of the position of a null and the old position of the item that it replaces.
fn match_nulls(old: &[KnownRow], new: &[KnownRow]) -> Vec<(usize, usize)> {
    if new.iter().all(|row| row.name.is_some()) {
        return Vec::new();
    }
    let mut origin = vec![None; new.len()];
    let mut is_found = vec![false; old.len()];
    for (at, from) in same_items(old, new) {
        origin[at] = Some(from);
        is_found[from] = true;
    }
    let mut matched = Vec::new();
    let mut at = 0;
    while at < new.len() {
        if origin[at].is_some() {
            at += 1;
            continue;
        }
        // Everything up to the next item that both lists have.
        let end = (at..new.len()).find(|place| origin[*place].is_some()).unwrap_or(new.len());
        let before = at.checked_sub(1).and_then(|place| origin[place]).map_or(0, |from| from + 1);
        let behind = origin.get(end).copied().flatten().unwrap_or(old.len());
        let gap = before..behind.max(before);
        let nulls: Vec<usize> = (at..end).filter(|place| new[*place].name.is_none()).collect();
        let nulls_before = gap.clone().filter(|place| old[*place].name.is_none()).count();
        if nulls.len() > nulls_before {
            let mut missing: Vec<usize> = gap.filter(|place| !is_found[*place] && old[*place].name.is_some()).collect();
            for null in nulls {
                let fits = |from: &usize| is_compatible(&old[*from], &new[null]);
                if let Some(n) = missing.iter().position(fits) {
                    matched.push((null, missing.remove(n)));
                }
            }
        }
        at = end;
    }
    matched
}

/// Whether a null may stand for an item: what the list says about both is the same.
fn is_compatible(known: &KnownRow, null: &KnownRow) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    same(&known.added_at, &null.added_at) && same(&known.added_by, &null.added_by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<KnownRow> {
        let row = |name: char| KnownRow { name: (name != '-').then(|| name.to_string()), ..KnownRow::default() };
        text.chars().map(row).collect()
    }

    #[test]
    fn nulls_replace_items_with_the_same_neighbors() {
        let cases = [
            ("same", "abc", "abc", ""),
            ("null in place", "abc", "a-c", "1=b"),
            ("null behind a new item", "abc", "na-c", "2=b"),
            ("at the start", "abc", "-bc", "0=a"),
            ("at the end", "abc", "ab-", "2=c"),
            ("removed next to a known null", "a-cd", "a-d", ""),
            ("null again", "a-c", "a-c", ""),
            ("two in a row", "abcd", "a--d", "1=b 2=c"),
            ("one of two is removed", "abcd", "a-d", "1=b"),
            ("moved", "abc", "ca-", "2=b"),
            ("new null, nothing missing", "abc", "ab-c", ""),
            ("all", "ab", "--", "0=a 1=b"),
        ];
        for (case, old, new, want) in cases {
            let (old, new) = (rows(old), rows(new));
            let pair = |(at, from): &(usize, usize)| format!("{at}={}", old[*from].name.as_deref().unwrap_or("-"));
            let found = match_nulls(&old, &new).iter().map(pair).collect::<Vec<_>>().join(" ");
            assert_eq!(found, want, "{case}");
        }
    }

    #[test]
    fn a_null_with_another_time_is_another_item() {
        let at = |row: &mut KnownRow, time: &str| row.added_at = Some(time.to_owned());
        let (mut old, mut new) = (rows("abcd"), rows("a-d"));
        at(&mut old[1], "1");
        at(&mut old[2], "2");
        at(&mut new[1], "2");
        assert_eq!(match_nulls(&old, &new), [(1, 2)]);
    }
}
