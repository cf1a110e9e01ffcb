//! The entries of a page, staged as rows of their list.

use serde_json::value::RawValue;

use super::cell::{id, plain};
use super::{Asked, Trouble, album, artist, audiobook, parse, playlist, show, track};
use crate::store::{Member, Session, StoreError, Table};
use spotify_client::Kind;
use spotify_client::wire::{Album, Category, Episode, Saved, Track};

/// What the entries of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Entries of a playlist.
    PlaylistItems,
    /// Simplified albums.
    Albums,
    /// Whole tracks.
    Tracks,
    /// Simplified tracks of the parent album.
    AlbumTracks,
    /// Episodes of the parent show.
    Episodes,
    /// Chapters of the parent audiobook.
    Chapters,
    /// Simplified playlists.
    Playlists,
    /// Whole artists.
    Artists,
    /// Browse categories.
    Categories,
    /// Two-letter codes.
    Markets,
    /// `{added_at, …}` around a thing of this kind.
    Saved(Kind),
}

/// What staging a page met that could not be stored whole.
#[derive(Debug, Default)]
pub struct Staged {
    /// Place, reason and detail of each.
    pub gaps: Vec<(i64, &'static str, Option<String>)>,
}

/// Stages the entries of a page whose first one stands at `offset`.
///
/// # Errors
/// If the store cannot be written; a malformed entry is a gap.
pub fn stage_entries(
    s: &mut Session,
    list: i64,
    shape: Shape,
    parent: &str,
    offset: i64,
    entries: &[Option<&str>],
    asked: &Asked,
) -> Result<Staged, StoreError> {
    let mut staged = Staged::default();
    for (position, entry) in (offset..).zip(entries) {
        let gap = if shape == Shape::PlaylistItems {
            playlist::item(s, list, position, *entry, asked).map(|gap| gap.map(|g| (g.reason, g.detail)))
        } else {
            match entry {
                None => Ok(Some(("null_item", None))),
                Some(raw) => member(s, list, shape, parent, position, raw, asked).map(|()| None),
            }
        };
        match gap {
            Ok(None) => {}
            Ok(Some((reason, detail))) => staged.gaps.push((position, reason, detail)),
            Err(Trouble::Malformed(detail)) => staged.gaps.push((position, "malformed", Some(detail))),
            Err(Trouble::Store(e)) => return Err(e),
        }
    }
    Ok(staged)
}

fn member(
    s: &mut Session,
    list: i64,
    shape: Shape,
    parent: &str,
    position: i64,
    raw: &str,
    asked: &Asked,
) -> Result<(), Trouble> {
    let mut place = Member { position, ..Member::default() };
    let (saved, category, played_from): (Saved<'_>, Category<'_>, String);
    let (kind, id) = match shape {
        Shape::PlaylistItems => return Err(Trouble::Malformed("not a list of things".into())),
        Shape::Albums => ("album", album::album(s, &parse::<Album<'_>>(raw)?, asked, false)?),
        Shape::Tracks => ("track", track::track(s, &parse(raw)?, asked, true)?),
        Shape::AlbumTracks => ("track", track::track_on(s, &parse::<Track<'_>>(raw)?, Some(parent), asked, false)?),
        Shape::Episodes => ("episode", show::episode(s, &parse::<Episode<'_>>(raw)?, asked, Some(parent), true)?),
        Shape::Chapters => ("chapter", audiobook::chapter(s, &parse(raw)?, asked, Some(parent), true)?),
        Shape::Playlists => ("playlist", Some(playlist::playlist(s, &parse(raw)?, asked, false)?)),
        Shape::Artists => ("artist", artist::artist(s, &parse(raw)?, asked, true)?),
        Shape::Categories => {
            category = parse(raw)?;
            place.detail = plain(&category.name);
            let id = id(&category.id).map(str::to_owned);
            if let Some(id) = &id {
                artist::images(s, "category", id, &category.icons)?;
            }
            ("category", id)
        }
        Shape::Markets => {
            let code: String = serde_json::from_str(raw).map_err(|e| Trouble::Malformed(e.to_string()))?;
            ("market", Some(code))
        }
        Shape::Saved(kind) => {
            saved = parse(raw)?;
            place.added_at = plain(&saved.added_at).or(plain(&saved.played_at));
            if let Some(context) = saved.context.value() {
                played_from = serde_json::json!([plain(&context.kind), plain(&context.uri)]).to_string();
                place.detail = Some(&played_from);
            }
            let inside = match kind {
                Kind::Track => saved.track,
                Kind::Album => saved.album,
                Kind::Show => saved.show,
                Kind::Episode => saved.episode,
                Kind::Audiobook => saved.audiobook,
                _ => None,
            };
            // Audiobooks are documented without the wrapping.
            let id = super::entity(s, kind, inside.map_or(raw, RawValue::get), asked)?;
            (kind.word(), Some(id))
        }
    };
    let id = id.ok_or_else(|| Trouble::Malformed("it has no id".into()))?;
    s.stage(list, &Member { kind, item_id: Some(&id), ..place })?;
    Ok(())
}

/// Makes sure that what a list belongs to has a row, so that the list can point at it.
///
/// # Errors
/// If the store cannot be written.
pub fn ensure_row(s: &mut Session, kind: Kind, id: &str, asked: &Asked) -> Result<(), StoreError> {
    let table = table_of(kind);
    let cells = vec![crate::store::Cell::Absent; table.columns.len()];
    s.upsert(table, id, &cells, &asked.now, false).map(|_| ())
}

/// The table that things of a kind stand in.
pub fn table_of(kind: Kind) -> &'static Table {
    match kind {
        Kind::Album => Table::albums(),
        Kind::Artist => Table::artists(),
        Kind::Track => Table::tracks(),
        Kind::Playlist => Table::playlists(),
        Kind::Show => Table::shows(),
        Kind::Episode => Table::episodes(),
        Kind::Audiobook => Table::audiobooks(),
        Kind::Chapter => Table::chapters(),
        Kind::User => Table::users(),
    }
}
