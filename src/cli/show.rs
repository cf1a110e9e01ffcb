//! `show PLAYLIST [--at TIME]`: a playlist as it stands, or as it was at any time seen.

use chrono::Utc;
use rusqlite::Connection;
use serde_json::json;

use super::args::Show;
use super::when::{self, Of};
use super::workshop::{must_exist, storage, unreadable};
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::printable;
use crate::run::stamp;
use crate::store::{
    AsOf, NamedPlaylist, Place, ReplayError, details_at, open_current, playlist_at, playlists_called, title,
};
use spotify_client::{Id, Kind};

/// Shows a playlist.
pub fn run(args: &Show, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let at = args.at.as_deref();
    let at = at.map(|text| when::parse(text, "--at", settings.defaults.timezone, Utc::now(), Of::End)).transpose()?;
    let at = at.map(stamp);
    let database = context.project.database(&settings);
    must_exist(context, &settings)?;
    let store = open_current(&database).map_err(storage)?;
    let unreadable = unreadable(&database);
    let playlist = find(&store, &args.playlist, &unreadable)?;
    let name = printable(playlist.name.as_deref().unwrap_or(&playlist.id));
    let seen = playlist_at(&store, &playlist.id, at.as_deref()).map_err(|e| match e {
        ReplayError::Store(e) => unreadable(e),
        e @ ReplayError::Broken { .. } => Failure::new(Exit::Storage, anyhow::Error::new(e).context(name.clone()))
            .with_hint("`cratedigger verify` says what else is wrong"),
        e @ (ReplayError::Before { .. } | ReplayError::NeverRead) => {
            Failure::new(Exit::Usage, anyhow::anyhow!("{name} ({}): {e}", playlist.id))
        }
    })?;
    let (called, description) = details_at(&store, &playlist.id, at.as_deref()).map_err(&unreadable)?;
    let called = called.or_else(|| playlist.name.clone());
    if context.json {
        let items = seen.places.iter().enumerate().map(|(n, place)| item(&store, n, place));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(&unreadable)?;
        let value = json!({
            "id": playlist.id, "name": called, "description": description, "owner": playlist.owner,
            "gone_at": playlist.gone_at, "at": at, "seen_at": seen.seen_at, "until": seen.until,
            "snapshot_id": seen.snapshot_id, "items": items,
        });
        print::json(&value).or_exit(Exit::Storage)?;
        return Ok(Exit::Complete);
    }
    let mut out = heading(&playlist, called.as_deref(), description.as_deref(), &seen);
    let mut rows = vec![["AT", "ADDED", "BY", "TITLE", "ARTISTS"].map(str::to_owned).to_vec()];
    for (n, place) in seen.places.iter().enumerate() {
        let (name, artists) = named(&store, place).map_err(&unreadable)?;
        let name = name.or_else(|| place.uri.clone()).unwrap_or_else(|| format!("({})", place.kind));
        let added = place.added_at.as_deref().map_or("", |at| at.get(..10).unwrap_or(at));
        let by = place.added_by.as_deref().unwrap_or("");
        rows.push([&n.to_string(), added, by, &name, artists.as_deref().unwrap_or("")].map(print::brief).to_vec());
    }
    out.push_str(&print::table(&rows));
    print::stdout(&out).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}

/// The playlist that is meant: by id, URI or link, else by name.
fn find(
    store: &Connection,
    text: &str,
    unreadable: &dyn Fn(rusqlite::Error) -> Failure,
) -> Result<NamedPlaylist, Failure> {
    let id = Id::parse(text, Kind::Playlist).map(|id| id.as_str().to_owned());
    let mut found = playlists_called(store, id.as_deref().unwrap_or(text)).map_err(unreadable)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            found.push(last);
            let each = found.iter().map(|p| format!("{} (by {})", p.id, p.owner.as_deref().unwrap_or("nobody known")));
            let each = each.collect::<Vec<_>>().join(", ");
            let error =
                anyhow::anyhow!("{} playlists are called {:?}: {}", found.len(), printable(text), printable(&each));
            Err(Failure::new(Exit::Usage, error).with_hint("name one by its id"))
        }
        (None, _) => {
            let error = anyhow::anyhow!("the store knows no playlist {:?}", printable(text));
            Err(Failure::new(Exit::Usage, error)
                .with_hint("name it by its id, URI, link or name; what was never read is not in the store"))
        }
    }
}

fn heading(playlist: &NamedPlaylist, name: Option<&str>, description: Option<&str>, seen: &AsOf) -> String {
    let owner = playlist.owner.as_deref().map_or_else(String::new, |owner| format!(" by {}", printable(owner)));
    let mut out = format!("{} ({}){owner}\n", print::brief(name.unwrap_or("?")), playlist.id);
    if let Some(text) = description.filter(|text| !text.is_empty()) {
        out.push_str(&format!("{}\n", print::brief(text)));
    }
    let since = seen.seen_at.as_deref().unwrap_or("?");
    let items = print::count(seen.places.len(), "item");
    out.push_str(&match &seen.until {
        Some(until) => format!("{items}, as seen from {since} until {until}\n"),
        None => format!("{items}, as seen since {since}\n"),
    });
    if let Some(gone) = &playlist.gone_at {
        out.push_str(&format!("gone at Spotify since {gone}\n"));
    }
    out.push('\n');
    out
}

fn named(store: &Connection, place: &Place) -> rusqlite::Result<(Option<String>, Option<String>)> {
    title(store, &place.kind, place.item_id.as_deref().or(place.uri.as_deref()))
}

fn item(store: &Connection, position: usize, place: &Place) -> rusqlite::Result<serde_json::Value> {
    let (name, artists) = named(store, place)?;
    Ok(json!({
        "position": position, "kind": place.kind, "uri": place.uri, "item_id": place.item_id, "name": name,
        "artists": artists, "added_at": place.added_at, "added_by": place.added_by,
    }))
}
