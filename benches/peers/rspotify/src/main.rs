//! A typical program with rspotify: it exports playlists to five SQLite tables and a CSV.
//!
//! `rspotify-peer SERVER FOLDER PLAYLIST...`, with SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET. Without playlists it exports
//! the saved tracks of the user of SPOTIFY_REFRESH_TOKEN.

use std::path::Path;
use std::pin::pin;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _};
use rspotify::model::{FullTrack, PlayableItem, PlaylistId};
use rspotify::prelude::*;
use rspotify::{AuthCodeSpotify, ClientCredsSpotify, ClientResult, Config, Credentials, OAuth, Token};
use rusqlite::Connection;

/// Rows per commit: one page.
const PAGE: i64 = 50;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE artists (id TEXT PRIMARY KEY, name TEXT);
    CREATE TABLE albums (id TEXT PRIMARY KEY, name TEXT, release_date TEXT);
    CREATE TABLE tracks (id TEXT PRIMARY KEY, name TEXT, album_id TEXT, duration_ms INTEGER, isrc TEXT);
    CREATE TABLE track_artists (track_id TEXT, position INTEGER, artist_id TEXT, PRIMARY KEY (track_id, position));
    CREATE TABLE playlist_items (playlist_id TEXT, position INTEGER, track_id TEXT, added_at TEXT,
                                 PRIMARY KEY (playlist_id, position));
";

const HEADER: [&str; 7] =
    ["playlist_id", "position", "added_at", "track_name", "artist_names", "album_name", "isrc"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().context("which server?")?;
    let folder = arguments.next().context("which folder?")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;

    let credentials = Credentials::new(&std::env::var("SPOTIFY_CLIENT_ID")?, &std::env::var("SPOTIFY_CLIENT_SECRET")?);
    let config =
        Config { api_base_url: format!("{server}/v1/"), auth_base_url: format!("{server}/"), ..Config::default() };
    let db = Connection::open(folder.join("peer.db"))?;
    db.execute_batch(TABLES)?;
    let mut csv = csv::Writer::from_path(folder.join("peer.csv"))?;
    csv.write_record(HEADER)?;
    let mut rows = 0;
    let playlists: Vec<String> = arguments.collect();
    if playlists.is_empty() {
        let spotify = AuthCodeSpotify::with_config(credentials, OAuth::default(), config);
        let refresh_token = Some(std::env::var("SPOTIFY_REFRESH_TOKEN")?);
        *spotify.token.lock().await.expect("a lock") = Some(Token { refresh_token, ..Token::default() });
        spotify.refresh_token().await?;
        let items = spotify.current_user_saved_tracks(None).map(|saved| {
            saved.map(|saved| (Some(saved.added_at), Some(PlayableItem::Track(saved.track))))
        });
        rows += export(&db, &mut csv, "", items).await?;
    } else {
        let spotify = ClientCredsSpotify::with_config(credentials, config);
        spotify.request_token().await?;
        for playlist in playlists {
            let items = spotify.playlist_items(PlaylistId::from_id(playlist.as_str())?, None, None);
            rows += export(&db, &mut csv, &playlist, items.map(|item| item.map(|item| (item.added_at, item.item)))).await?;
        }
    }
    csv.flush()?;
    println!("{rows} rows");
    Ok(())
}

/// When an item was added, and what it is.
type Item = (Option<DateTime<Utc>>, Option<PlayableItem>);

/// Writes the items of a list and returns how many they are.
async fn export(
    db: &Connection,
    csv: &mut csv::Writer<std::fs::File>,
    playlist: &str,
    items: impl Stream<Item = ClientResult<Item>>,
) -> anyhow::Result<i64> {
    let mut items = pin!(items);
    let mut position = 0;
    db.execute_batch("BEGIN")?;
    while let Some(item) = items.next().await {
        write(db, csv, playlist, position, item?)?;
        position += 1;
        if position % PAGE == 0 {
            db.execute_batch("COMMIT; BEGIN")?;
        }
    }
    db.execute_batch("COMMIT")?;
    Ok(position)
}

fn write(
    db: &Connection,
    csv: &mut csv::Writer<std::fs::File>,
    playlist: &str,
    position: i64,
    (added_at, item): Item,
) -> anyhow::Result<()> {
    let added_at = added_at.map(|at| at.to_rfc3339());
    let mut id = None;
    if let Some(PlayableItem::Track(track)) = &item {
        id = track.id.as_ref().map(|id| id.id());
        if let Some(id) = id {
            let artists = write_track(db, id, track)?;
            csv.write_record([
                playlist,
                &position.to_string(),
                added_at.as_deref().unwrap_or_default(),
                &track.name,
                &artists,
                &track.album.name,
                track.external_ids.get("isrc").map_or("", String::as_str),
            ])?;
        }
    }
    db.prepare_cached("INSERT OR REPLACE INTO playlist_items VALUES (?, ?, ?, ?)")?
        .execute((playlist, position, id, &added_at))?;
    Ok(())
}

/// Writes a track with its album and artists, and returns the artists' names.
fn write_track(db: &Connection, id: &str, track: &FullTrack) -> anyhow::Result<String> {
    let album = track.album.id.as_ref().map(|id| id.id());
    db.prepare_cached("INSERT OR REPLACE INTO albums VALUES (?, ?, ?)")?
        .execute((album, &track.album.name, &track.album.release_date))?;
    db.prepare_cached("INSERT OR REPLACE INTO tracks VALUES (?, ?, ?, ?, ?)")?.execute((
        id,
        &track.name,
        album,
        track.duration.num_milliseconds(),
        track.external_ids.get("isrc"),
    ))?;
    for (position, artist) in (0i64..).zip(&track.artists) {
        let artist_id = artist.id.as_ref().map(|id| id.id());
        db.prepare_cached("INSERT OR REPLACE INTO artists VALUES (?, ?)")?.execute((artist_id, &artist.name))?;
        db.prepare_cached("INSERT OR REPLACE INTO track_artists VALUES (?, ?, ?)")?
            .execute((id, position, artist_id))?;
    }
    Ok(track.artists.iter().map(|artist| artist.name.as_str()).collect::<Vec<_>>().join("; "))
}
