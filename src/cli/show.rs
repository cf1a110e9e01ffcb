//! `show PLAYLIST [--at TIME]`: shows a playlist as it is now, or as it was at an earlier time.

use chrono::Utc;
use rusqlite::Connection;
use serde_json::json;

use super::args::ShowArgs;
use super::error_exits::{store_error, unreadable_store};
use super::local_time::format_stored;
use super::store_file::require_store;
use super::table::format_table;
use super::time_argument::{self, DayBound};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{nearest, printable};
use crate::store::timestamp;
use crate::store::{
    NamedPlaylist, PlaylistPlace, PlaylistVersion, ReplayError, find_playlists_by_name, open_current_schema,
    playlist_at, playlist_details_at, playlist_titles, playlists_with_name_part, title_and_owner,
};
use spotify_client::{EntityKind, SpotifyId};

pub fn run(args: &ShowArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let at = args.at.as_deref();
    let at = at
        .map(|text| time_argument::parse_time(text, "--at", settings.defaults.timezone, Utc::now(), DayBound::End))
        .transpose()?;
    let at = at.map(timestamp);
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let store = open_current_schema(&database).map_err(store_error)?;
    let unreadable = unreadable_store(&database);
    let playlist = find(&store, &args.playlist, &unreadable)?;
    let name = printable(playlist.name.as_deref().unwrap_or(&playlist.id));
    let seen = playlist_at(&store, &playlist.id, at.as_deref()).map_err(|e| match e {
        ReplayError::Store(e) => unreadable(e),
        e @ ReplayError::Broken { .. } => {
            CommandError::new(ExitStatus::Storage, anyhow::Error::new(e).context(name.clone()))
                .with_hint("`cratedigger verify` lists all problems of the store")
        }
        e @ (ReplayError::NotYetSeen { .. } | ReplayError::NeverRead) => {
            CommandError::new(ExitStatus::Usage, anyhow::anyhow!("{name} ({}): {e}", playlist.id))
        }
    })?;
    let (called, description) = playlist_details_at(&store, &playlist.id, at.as_deref()).map_err(&unreadable)?;
    let called = called.or_else(|| playlist.name.clone());
    if context.json {
        let items = seen.places.iter().enumerate().map(|(n, place)| item(&store, n, place));
        let items = items.collect::<Result<Vec<_>, _>>().map_err(&unreadable)?;
        let value = json!({
            "id": playlist.id, "name": called, "description": description, "owner": playlist.owner,
            "gone_at": playlist.gone_at, "at": at, "seen_at": seen.seen_at, "until": seen.until,
            "snapshot_id": seen.snapshot_id, "items": items,
        });
        print::json(&value).or_exit(ExitStatus::Storage)?;
        return Ok(ExitStatus::Complete);
    }
    let mut out = heading(&playlist, called.as_deref(), description.as_deref(), &seen);
    let mut rows = vec![["AT", "ADDED", "BY", "TITLE", "ARTISTS"].map(str::to_owned).to_vec()];
    for (n, place) in seen.places.iter().enumerate() {
        let (name, artists) = recorded_names(&store, place).map_err(&unreadable)?;
        let name = name.or_else(|| place.uri.clone()).unwrap_or_else(|| format!("({})", place.kind));
        let added = place.added_at.as_deref().map_or("", |at| at.get(..10).unwrap_or(at));
        let by = place.added_by.as_deref().unwrap_or("");
        rows.push([&n.to_string(), added, by, &name, artists.as_deref().unwrap_or("")].map(print::shorten).to_vec());
    }
    out.push_str(&format_table(&rows));
    print::stdout(&out).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

/// Finds a playlist by id, URI or link, or else by name.
fn find(
    store: &Connection,
    text: &str,
    unreadable: &dyn Fn(rusqlite::Error) -> CommandError,
) -> Result<NamedPlaylist, CommandError> {
    let id = SpotifyId::parse(text, EntityKind::Playlist).map(|id| id.as_str().to_owned());
    let mut found = find_playlists_by_name(store, id.as_deref().unwrap_or(text)).map_err(unreadable)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(last), false) => {
            found.push(last);
            let each = found.iter().map(|p| format!("{} (by {})", p.id, p.owner.as_deref().unwrap_or("unknown")));
            let each = each.collect::<Vec<_>>().join(", ");
            let error =
                anyhow::anyhow!("{} playlists are named {:?}: {}", found.len(), printable(text), printable(&each));
            Err(CommandError::new(ExitStatus::Usage, error).with_hint("use the id of one of them"))
        }
        (None, _) => {
            let error = anyhow::anyhow!("the store has no playlist {:?}", printable(text));
            let hint = match similar_names(store, text).map_err(unreadable)? {
                Some(similar) => format!("did you mean {similar}?"),
                None => "use its id, URI, link or name; playlists that were never read are not in the store".to_owned(),
            };
            Err(CommandError::new(ExitStatus::Usage, error).with_hint(hint))
        }
    }
}

/// Names of playlists that contain the text, or else the nearest name; `None` if no name is like it.
fn similar_names(store: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    const SHOWN: usize = 5;
    let quoted = |name: &str| format!("\"{}\"", printable(name));
    let found = playlists_with_name_part(store, text)?;
    let mut names: Vec<&str> = found.iter().filter_map(|one| one.name.as_deref()).collect();
    names.dedup();
    if names.is_empty() {
        let titles = playlist_titles(store)?;
        let all = titles.iter().map(|(_, title)| title.as_str()).filter(|title| !title.is_empty());
        let near = nearest(text, all);
        return Ok((!near.is_empty()).then(|| near.into_iter().map(quoted).collect::<Vec<_>>().join(" or ")));
    }
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names.into_iter().take(SHOWN).map(quoted).collect();
    let end = if more > 0 { format!(", or one of {more} more") } else { String::new() };
    Ok(Some(format!("{}{end}", shown.join(", "))))
}

fn heading(playlist: &NamedPlaylist, name: Option<&str>, description: Option<&str>, seen: &PlaylistVersion) -> String {
    let owner = playlist.owner.as_deref().map_or_else(String::new, |owner| format!(" by {}", printable(owner)));
    let mut out = format!("{} ({}){owner}\n", print::shorten(name.unwrap_or("?")), playlist.id);
    if let Some(text) = description.filter(|text| !text.is_empty()) {
        out.push_str(&format!("{}\n", print::shorten(text)));
    }
    let since = seen.seen_at.as_deref().map_or_else(|| "?".to_owned(), format_stored);
    let items = print::count(seen.places.len(), "item");
    out.push_str(&match &seen.until {
        Some(until) => format!("{items}, as seen from {since} until {}\n", format_stored(until)),
        None => format!("{items}, as seen since {since}\n"),
    });
    if let Some(gone) = &playlist.gone_at {
        out.push_str(&format!("no longer on Spotify since {}\n", format_stored(gone)));
    }
    out.push('\n');
    out
}

fn recorded_names(store: &Connection, place: &PlaylistPlace) -> rusqlite::Result<(Option<String>, Option<String>)> {
    title_and_owner(store, &place.kind, place.item_id.as_deref().or(place.uri.as_deref()))
}

fn item(store: &Connection, position: usize, place: &PlaylistPlace) -> rusqlite::Result<serde_json::Value> {
    let (name, artists) = recorded_names(store, place)?;
    Ok(json!({
        "position": position, "kind": place.kind, "uri": place.uri, "item_id": place.item_id, "name": name,
        "artists": artists, "added_at": place.added_at, "added_by": place.added_by,
    }))
}
