//! Playlists and the items in them.

use super::artist::{images, metrics};
use super::cell::{boolean, id, inner, int, link, number, plain, text};
use super::{Asked, Fingerprint, Trouble, parse, show, track, user};
use crate::store::{Cell, Member, Session, Table};
use spotify_client::wire::{Discriminator, Playlist, PlaylistItem, scan};

/// Writes a playlist without its items and returns its id.
///
/// # Errors
/// If it has no id or the store cannot be written.
pub fn playlist(s: &mut Session, p: &Playlist<'_>, asked: &Asked, whole: bool) -> Result<String, Trouble> {
    let id = id(&p.id).ok_or_else(|| Trouble::Malformed("the playlist has no id".into()))?;
    let owner = p.owner.value().map(|owner| user::user(s, owner, asked, false)).transpose()?.flatten();
    let total = p.contents().and_then(|page| page.total()).map_or(Cell::Absent, Cell::Int);
    let cells = [
        text(&p.name),
        text(&p.uri),
        text(&p.description),
        owner.as_deref().map_or(Cell::Absent, Cell::Text),
        boolean(&p.public),
        boolean(&p.collaborative),
        text(&p.snapshot_id),
        total,
        inner(&p.followers, |f| int(&f.total)),
        link(&p.external_urls),
        if whole { Cell::Null } else { Cell::Absent },
    ];
    s.upsert(Table::playlists(), id, &cells, &asked.now, whole)?;
    images(s, "playlist", id, &p.images)?;
    if whole {
        metrics(s, "playlist", id, p.followers.value().and_then(|f| number(&f.total)), None, asked)?;
    }
    Ok(id.to_owned())
}

/// Why an entry of a playlist is not stored whole.
pub(super) struct Gap {
    pub reason: &'static str,
    pub detail: Option<String>,
}

/// Stages one entry of a playlist. Every place gets a row, whatever stands there.
pub(super) fn item(
    s: &mut Session,
    list: i64,
    position: i64,
    raw: Option<&str>,
    asked: &Asked,
) -> Result<Option<Gap>, Trouble> {
    let nothing = Member { position, kind: "unavailable", ..Member::default() };
    let Some(raw) = raw else {
        s.stage(list, &nothing)?;
        return Ok(Some(Gap { reason: "null_item", detail: None }));
    };
    let entry = match PlaylistItem::read(raw) {
        Ok(entry) => entry,
        Err(e) => {
            s.stage(list, &nothing)?;
            return Ok(Some(Gap { reason: "malformed", detail: Some(e.to_string()) }));
        }
    };
    let added_by = entry.added_by.value().map(|by| user::user(s, by, asked, false)).transpose()?.flatten();
    let place = Member { added_at: plain(&entry.added_at), added_by: added_by.as_deref(), ..nothing };
    // Both names may stand there; the one that holds something counts.
    let Some(raw) = entry.item.or(entry.track) else {
        s.stage(list, &place)?;
        return Ok(Some(Gap { reason: "null_item", detail: None }));
    };
    match held(s, raw, entry.is_local.value() == Some(&true), asked) {
        Ok(Held { kind, id, uri }) => {
            s.stage(list, &Member { kind, item_id: id.as_deref(), uri: uri.as_deref(), ..place })?;
            Ok(None)
        }
        Err(Trouble::Malformed(detail)) => {
            s.stage(list, &place)?;
            Ok(Some(Gap { reason: "malformed", detail: Some(detail) }))
        }
        Err(store) => Err(store),
    }
}

/// What stands at a place of a playlist.
struct Held {
    kind: &'static str,
    id: Option<String>,
    uri: Option<String>,
}

fn held(s: &mut Session, raw: &str, marked_local: bool, asked: &Asked) -> Result<Held, Trouble> {
    let fingerprint = Fingerprint::of(raw, true, asked);
    if !marked_local && let Some(held) = met_before(s, raw, &fingerprint) {
        return Ok(held);
    }
    let what: Discriminator<'_> = parse(raw)?;
    let uri = plain(&what.uri).map(str::to_owned);
    let local = marked_local
        || what.is_local.value() == Some(&true)
        || uri.as_deref().is_some_and(|u| u.starts_with("spotify:local:"));
    if local {
        let uri = uri.ok_or_else(|| Trouble::Malformed("a local file without a uri".into()))?;
        if !fingerprint.is_known(s) {
            track::local_file(s, &uri, &parse(raw)?, asked)?;
            fingerprint.remember(s);
        }
        return Ok(Held { kind: "local", id: None, uri: Some(uri) });
    }
    // `type` decides: boolean keys of the same name inside the object have contradicted it.
    let kind = match plain(&what.kind) {
        Some("episode") => "episode",
        Some("track") | None => "track",
        Some(other) => return Err(Trouble::Malformed(format!("an item of the unknown type {other:?}"))),
    };
    let known = id(&what.id).map(str::to_owned);
    if known.is_some() && fingerprint.is_known(s) {
        return Ok(Held { kind, id: known, uri });
    }
    let id = match kind {
        "episode" => show::episode(s, &parse(raw)?, asked, None, true)?,
        _ => track::track(s, &parse(raw)?, asked, true)?,
    };
    let id = id.ok_or_else(|| Trouble::Malformed(format!("a {kind} without an id")))?;
    fingerprint.remember(s);
    Ok(Held { kind, id: Some(id), uri })
}

/// A track or episode that was written before in this run: which one it is, without reading it.
/// Local files and whatever is not plain are read like the rest.
fn met_before(s: &Session, raw: &str, fingerprint: &Fingerprint) -> Option<Held> {
    if !fingerprint.is_known(s) {
        return None;
    }
    let [id, uri, kind, is_local] = scan::values(raw, ["id", "uri", "type", "is_local"]);
    let (id, uri) = (scan::plain_text(id?)?, scan::plain_text(uri?)?);
    let kind = match kind? {
        "\"track\"" => "track",
        "\"episode\"" => "episode",
        _ => return None,
    };
    let plain = !id.is_empty() && is_local != Some("true") && !uri.starts_with("spotify:local:");
    plain.then(|| Held { kind, id: Some(id.to_owned()), uri: Some(uri.to_owned()) })
}
