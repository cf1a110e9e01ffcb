//! The hits of a search: one page per type in one answer.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::list::Staged;
use super::{Asked, Trouble, album, entity, parse, playlist};
use crate::store::{Member, PLACES_OF_A_TYPE, Session, StoreError};
use spotify_client::Kind;
use spotify_client::wire::Page;

/// What one answer of a search held.
#[derive(Debug, Default)]
pub struct Found {
    /// What could not be stored whole.
    pub staged: Staged,
    /// Hits in this answer, nulls counted.
    pub served: i64,
    /// Whether any type has more.
    pub more: bool,
    /// Hits that Spotify announced, over all types.
    pub announced: i64,
    /// Hits that were due in this answer and did not come.
    pub lacks: i64,
    /// Hits that are wanted and announced beyond this answer.
    pub beyond: i64,
    /// A type's page has the hits of the one before once more.
    pub repeats: bool,
}

/// Where an answer stands in a search.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Rank of its first hit, from 0.
    pub offset: i64,
    /// Hits of a type that it may hold.
    pub limit: i64,
    /// Hits of a type that are wanted in all.
    pub most: i64,
}

/// The page of a type in the answer.
fn page_of<'a>(pages: &BTreeMap<&str, &'a RawValue>, kind: Kind) -> Result<Page<'a>, Trouble> {
    let key = kind.plural();
    let raw = pages.get(key).ok_or_else(|| Trouble::Malformed(format!("the answer has no {key}")))?;
    parse(raw.get())
}

/// Stages the hits of one answer; hits of a type beyond `most` are left out.
///
/// # Errors
/// If the answer has another shape, or the store cannot be written.
pub fn stage_search(
    s: &mut Session,
    list: i64,
    body: &str,
    kinds: &[Kind],
    window: Window,
    asked: &Asked,
) -> Result<Found, Trouble> {
    let Window { offset, limit, most } = window;
    let pages: BTreeMap<&str, &RawValue> = serde_json::from_str(body).map_err(|e| Trouble::Malformed(e.to_string()))?;
    let mut found = Found::default();
    for (n, kind) in (0i64..).zip(kinds) {
        let page = page_of(&pages, *kind)?;
        found.announced += page.total().unwrap_or(0);
        let wanted = page.total().unwrap_or(0).min(most) - offset;
        let due = wanted.clamp(0, limit);
        found.beyond += (wanted - limit).max(0);
        let came = i64::try_from(page.served()).unwrap_or(i64::MAX);
        found.lacks += (due - came).max(0);
        found.more |= page.has_next() && page.served() > 0;
        for (rank, entry) in (offset..most).zip(page.items.as_deref().unwrap_or_default()) {
            found.served += 1;
            let position = n * PLACES_OF_A_TYPE + rank;
            let Some(raw) = entry else {
                found.staged.gaps.push((rank, "null_item", None));
                continue;
            };
            match hit(s, *kind, raw.get(), asked) {
                Ok(id) => {
                    let uri = format!("spotify:{kind}:{id}");
                    s.stage(
                        list,
                        &Member {
                            position,
                            kind: kind.word(),
                            item_id: Some(&id),
                            uri: Some(&uri),
                            ..Member::default()
                        },
                    )?;
                }
                Err(Trouble::Malformed(detail)) => found.staged.gaps.push((rank, "malformed", Some(detail))),
                Err(Trouble::Store(e)) => return Err(store(e)),
            }
        }
        let first = n * PLACES_OF_A_TYPE + offset;
        found.repeats |= offset > 0 && s.repeats(list, first, first + came.min(most - offset))?;
    }
    Ok(found)
}

/// Takes back what one answer of a search staged.
///
/// # Errors
/// If the store cannot be written.
pub fn unstage_search(s: &mut Session, list: i64, kinds: &[Kind], window: Window) -> Result<(), StoreError> {
    for (n, _) in (0i64..).zip(kinds) {
        let first = n * PLACES_OF_A_TYPE + window.offset;
        s.unstage_between(list, first, first + window.limit)?;
    }
    Ok(())
}

/// Writes the first hit of a search for one kind and returns its id.
///
/// # Errors
/// If the answer has another shape, or the store cannot be written.
pub fn first_hit(s: &mut Session, body: &str, kind: Kind, asked: &Asked) -> Result<Option<String>, Trouble> {
    let pages: BTreeMap<&str, &RawValue> = serde_json::from_str(body).map_err(|e| Trouble::Malformed(e.to_string()))?;
    let page = page_of(&pages, kind)?;
    let first = page.items.as_deref().unwrap_or_default().iter().flatten().next();
    first.map(|raw| hit(s, kind, raw.get(), asked)).transpose()
}

/// Tracks and artists come whole in a search; albums and playlists as mentions.
fn hit(s: &mut Session, kind: Kind, raw: &str, asked: &Asked) -> Result<String, Trouble> {
    match kind {
        Kind::Track | Kind::Artist => entity(s, kind, raw, asked),
        Kind::Playlist => playlist::playlist(s, &parse(raw)?, asked, false),
        Kind::Album => {
            album::album(s, &parse(raw)?, asked, false)?.ok_or_else(|| Trouble::Malformed("it has no id".into()))
        }
        Kind::Show => {
            super::show::show(s, &parse(raw)?, asked, false)?.ok_or_else(|| Trouble::Malformed("it has no id".into()))
        }
        Kind::Episode => super::show::episode(s, &parse(raw)?, asked, None, false)?
            .ok_or_else(|| Trouble::Malformed("it has no id".into())),
        _ => super::audiobook::audiobook(s, &parse(raw)?, asked, false)?
            .ok_or_else(|| Trouble::Malformed("it has no id".into())),
    }
}

fn store(e: StoreError) -> Trouble {
    Trouble::Store(e)
}
