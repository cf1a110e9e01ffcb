//! Search results: one response has a page per type.

use crate::store::staging;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::code::{CodeCheck, SearchedCode, check_hit};
use super::list::StagedPage;
use super::other_kind::{describe_other_kind, find_other_kind};
use super::{IngestContext, IngestError, album, ingest_entity, no_id, parse_object, playlist, with_repair};
use crate::store::{SEARCH_POSITIONS_PER_TYPE, StagedItem, StoreError, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::PageObject;

/// What one response of a search contained.
#[derive(Debug, Default)]
pub struct StagedSearchPage {
    pub staged: StagedPage,
    /// Hits in this response, including nulls.
    pub served: i64,
    /// Whether any type has more hits.
    pub more: bool,
    /// Total hits that Spotify announced, over all types.
    pub announced: i64,
    /// Hits that this response should have had and did not.
    pub missing: i64,
    /// Wanted and announced hits beyond this response.
    pub beyond: i64,
    /// How many ranks this response covers.
    pub covered: i64,
    /// Hits that the response before left out, since this one begins with known hits.
    pub left_out: i64,
    /// The page of a type repeats the page before it.
    pub repeats_previous: bool,
    /// Types with a page that cannot be read, while the pages of other types can.
    pub odd_kinds: Vec<EntityKind>,
    /// Rank and id of hits that name no code, where a code was searched for.
    pub unverified: Vec<(i64, String)>,
}

/// Which part of a search a response covers.
#[derive(Debug, Clone, Copy)]
pub struct SearchWindow {
    /// Rank of its first hit, from 0.
    pub offset: i64,
    /// Maximum number of hits per type in this response.
    pub limit: i64,
    /// Wanted number of hits per type.
    pub max_hits: i64,
    /// A page with fewer hits, behind which more follow, is continued where it ends. Otherwise its hits are missing.
    pub accepts_short_pages: bool,
    /// How many hits the response before was short of. If Spotify left out these hits and did not make the page smaller,
    /// this response begins with hits that are known.
    pub short_before: i64,
}

/// The pages of a response by the plural of their type.
type SearchPages<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Returns the page of one type.
fn page_of_kind<'a>(pages: &SearchPages<'a>, kind: EntityKind) -> Result<PageObject<'a>, IngestError> {
    let key = kind.plural();
    let raw = pages.get(key).ok_or_else(|| IngestError::Malformed(format!("the answer has no {key}")))?;
    let page: Option<PageObject<'_>> =
        raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten();
    page.filter(|page| page.entries().is_some())
        .ok_or_else(|| IngestError::Malformed(format!("the answer has no page of {key}")))
}

/// Stages the hits of one response. Hits of a type beyond `max_hits` are skipped, and where a code was searched for,
/// so are hits that name another one.
///
/// # Errors
/// If the response has another shape, or the store cannot be written.
pub fn stage_search(
    s: &mut WriteTx,
    list: i64,
    body: &str,
    kinds: &[EntityKind],
    (window, codes): (SearchWindow, &[SearchedCode]),
    asked: &IngestContext,
) -> Result<StagedSearchPage, IngestError> {
    let SearchWindow { offset, limit, max_hits: most, .. } = window;
    let pages: SearchPages<'_> = serde_json::from_str(body).map_err(|e| IngestError::Malformed(e.to_string()))?;
    let pages: Vec<_> = kinds.iter().map(|kind| page_of_kind(&pages, *kind)).collect();
    let covered = if window.accepts_short_pages { covered_ranks(&pages, limit) } else { limit };
    let mut found = StagedSearchPage { covered, ..StagedSearchPage::default() };
    let has_page = pages.iter().any(Result::is_ok);
    for ((n, kind), page) in (0i64..).zip(kinds).zip(pages) {
        let page = match page {
            Ok(page) => page,
            Err(_) if has_page => {
                found.odd_kinds.push(*kind);
                continue;
            }
            Err(e) => return Err(e),
        };
        found.announced += page.total().unwrap_or(0);
        let wanted = page.total().unwrap_or(0).min(most) - offset;
        let due = wanted.clamp(0, if has_more(&page) { covered } else { limit });
        found.beyond += (wanted - covered).max(0);
        let came = row_count(&page);
        found.missing += (due - came).max(0);
        found.more |= has_more(&page);
        let came = came.min(covered);
        for (rank, entry) in (offset..most.min(offset + covered)).zip(page.entries().unwrap_or_default()) {
            found.served += 1;
            let position = n * SEARCH_POSITIONS_PER_TYPE + rank;
            let Some(raw) = entry else {
                found.staged.unstored.push((rank, "null_item", None));
                continue;
            };
            if let Some(other) = find_other_kind(*kind, raw.get()) {
                found.staged.unstored.push((rank, "other_kind", Some(describe_other_kind(other, raw.get()))));
                continue;
            }
            let is_searched_by_code = codes.iter().any(|code| code.kind == *kind);
            let check = if is_searched_by_code { check_hit(s, *kind, raw.get(), codes)? } else { CodeCheck::Same };
            if let CodeCheck::Different(other) = check {
                found.staged.unstored.push((rank, "code_mismatch", Some(mismatch_detail(raw.get(), &other))));
                continue;
            }
            match write_hit(s, *kind, raw.get(), asked) {
                Ok(id) => {
                    if check == CodeCheck::Unknown {
                        found.unverified.push((rank, id.clone()));
                    }
                    asked.findings.move_to(&mut found.staged.fields, Some(&id));
                    let uri = if id.starts_with("spotify:") { id.clone() } else { format!("spotify:{kind}:{id}") };
                    staging::stage(
                        s,
                        list,
                        &StagedItem {
                            position,
                            kind: kind.as_str(),
                            item_id: Some(&id),
                            uri: Some(&uri),
                            ..StagedItem::default()
                        },
                    )?;
                }
                Err(IngestError::Malformed(detail)) => found.staged.unstored.push((rank, "malformed", Some(detail))),
                Err(IngestError::Store(e)) => return Err(store_error(e)),
            }
        }
        let first = n * SEARCH_POSITIONS_PER_TYPE + offset;
        let end = first + came.min(most - offset);
        found.repeats_previous |= offset > 0 && staging::repeats_previous_rows(s, list, first, end)?;
        // A hit counts once in a search, at its first rank.
        for (position, id) in staging::discard_repeated(s, list, kind.as_str(), first, end)? {
            let rank = position % SEARCH_POSITIONS_PER_TYPE;
            if rank < offset + window.short_before {
                found.left_out += 1;
                continue;
            }
            found.staged.unstored.push((rank, "listed_twice", Some(format!("{id} is a hit of a better rank, too"))));
        }
    }
    Ok(found)
}

/// The hits of a page, nulls counted.
fn row_count(page: &PageObject<'_>) -> i64 {
    i64::try_from(page.served()).unwrap_or(i64::MAX)
}

/// Whether hits of this type follow behind the page.
fn has_more(page: &PageObject<'_>) -> bool {
    page.has_next() && page.served() > 0
}

/// How many ranks a response covers: as many as the shortest page behind which hits follow.
fn covered_ranks(pages: &[Result<PageObject<'_>, IngestError>], limit: i64) -> i64 {
    let pages = pages.iter().flatten().filter(|page| has_more(page));
    pages.map(|page| row_count(page).min(limit)).min().unwrap_or(limit)
}

/// Discards what one response of a search staged.
///
/// # Errors
/// If the store cannot be written.
pub fn discard_search(
    s: &mut WriteTx,
    list: i64,
    kinds: &[EntityKind],
    window: SearchWindow,
) -> Result<(), StoreError> {
    for (n, _) in (0i64..).zip(kinds) {
        let first = n * SEARCH_POSITIONS_PER_TYPE + window.offset;
        staging::discard_between(s, list, first, first + window.limit)?;
    }
    Ok(())
}

/// Returns the hits of one kind, without nulls.
pub(super) fn hits_of_kind(body: &str, kind: EntityKind) -> Result<Vec<&str>, IngestError> {
    let pages: SearchPages<'_> = serde_json::from_str(body).map_err(|e| IngestError::Malformed(e.to_string()))?;
    let page = page_of_kind(&pages, kind)?;
    Ok(page.entries().unwrap_or_default().iter().flatten().map(|raw| raw.get()).collect())
}

/// A search returns full tracks and artists, and simplified albums and playlists.
pub(super) fn write_hit(
    s: &mut WriteTx,
    kind: EntityKind,
    raw: &str,
    asked: &IngestContext,
) -> Result<String, IngestError> {
    if matches!(kind, EntityKind::Track | EntityKind::Artist) {
        return ingest_entity(s, kind, raw, asked);
    }
    asked.findings.discard();
    with_repair(raw, asked, |raw| {
        let id = match kind {
            EntityKind::Playlist => Some(playlist::write_playlist(s, &parse_object(raw, asked)?, asked, false)?),
            EntityKind::Album => album::write_album(s, &parse_object(raw, asked)?, asked, false)?,
            EntityKind::Show => super::show::write_show(s, &parse_object(raw, asked)?, asked, false)?,
            EntityKind::Episode => super::show::write_episode(s, &parse_object(raw, asked)?, asked, None, false)?,
            _ => super::audiobook::write_audiobook(s, &parse_object(raw, asked)?, asked, false)?,
        };
        id.ok_or_else(no_id)
    })
}

/// What a hit is, and which other codes it names.
fn mismatch_detail(raw: &str, codes: &[String]) -> String {
    let hit: serde_json::Value = serde_json::from_str(raw).unwrap_or_default();
    let name = hit["uri"].as_str().or(hit["id"].as_str()).unwrap_or("a hit");
    format!("{name} has the code {}", codes.join(" and "))
}

fn store_error(e: StoreError) -> IngestError {
    IngestError::Store(e)
}
