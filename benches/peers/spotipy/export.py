"""A typical program with spotipy: it exports playlists to five SQLite tables and a CSV.

export.py SERVER FOLDER PLAYLIST..., with SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET. Without playlists it exports the saved
tracks of the user of SPOTIFY_REFRESH_TOKEN.
"""

import csv
import os
import sqlite3
import sys
from pathlib import Path

import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyClientCredentials, SpotifyOAuth

TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE artists (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE albums (id TEXT PRIMARY KEY, name TEXT, release_date TEXT);
CREATE TABLE tracks (id TEXT PRIMARY KEY, name TEXT, album_id TEXT, duration_ms INTEGER, isrc TEXT);
CREATE TABLE track_artists (track_id TEXT, position INTEGER, artist_id TEXT, PRIMARY KEY (track_id, position));
CREATE TABLE playlist_items (playlist_id TEXT, position INTEGER, track_id TEXT, added_at TEXT,
                             PRIMARY KEY (playlist_id, position));
"""
HEADER = ["playlist_id", "position", "added_at", "track_name", "artist_names", "album_name", "isrc"]


def pages(spotify, playlist):
    """The pages of a playlist or of the saved tracks, 50 items each."""
    page = spotify.playlist_items(playlist, limit=50) if playlist else spotify.current_user_saved_tracks(limit=50)
    while page:
        yield page
        page = spotify.next(page)


def write_track(db, track):
    """Writes a track with its album and artists."""
    album = track["album"]
    isrc = track.get("external_ids", {}).get("isrc")
    db.execute("INSERT OR REPLACE INTO albums VALUES (?, ?, ?)", (album["id"], album["name"], album["release_date"]))
    db.execute(
        "INSERT OR REPLACE INTO tracks VALUES (?, ?, ?, ?, ?)",
        (track["id"], track["name"], album["id"], track["duration_ms"], isrc),
    )
    for position, artist in enumerate(track["artists"]):
        db.execute("INSERT OR REPLACE INTO artists VALUES (?, ?)", (artist["id"], artist["name"]))
        db.execute("INSERT OR REPLACE INTO track_artists VALUES (?, ?, ?)", (track["id"], position, artist["id"]))
    return isrc


def client(server, is_user):
    # spotipy has no setting for the address of the API.
    SpotifyClientCredentials.OAUTH_TOKEN_URL = SpotifyOAuth.OAUTH_TOKEN_URL = f"{server}/api/token"
    app = {"client_id": os.environ["SPOTIFY_CLIENT_ID"], "client_secret": os.environ["SPOTIFY_CLIENT_SECRET"]}
    cache = {"cache_handler": MemoryCacheHandler()}
    if not is_user:
        return spotipy.Spotify(auth_manager=SpotifyClientCredentials(**app, **cache))
    user = SpotifyOAuth(**app, **cache, redirect_uri="http://127.0.0.1:1/", scope="user-library-read")
    return spotipy.Spotify(auth=user.refresh_access_token(os.environ["SPOTIFY_REFRESH_TOKEN"])["access_token"])


def main(server, folder, playlists):
    spotify = client(server, not playlists)
    spotify.prefix = f"{server}/v1/"

    folder.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(folder / "peer.db")
    db.executescript(TABLES)
    rows = 0
    with open(folder / "peer.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        for playlist in playlists or [""]:
            position = 0
            for page in pages(spotify, playlist):
                for item in page["items"]:
                    track, added_at = item.get("track"), item.get("added_at")
                    known = track and track.get("type") == "track" and track.get("id")
                    if known:
                        isrc = write_track(db, track)
                        artists = "; ".join(artist["name"] for artist in track["artists"])
                        out.writerow(
                            [playlist, position, added_at, track["name"], artists, track["album"]["name"], isrc]
                        )
                    db.execute(
                        "INSERT OR REPLACE INTO playlist_items VALUES (?, ?, ?, ?)",
                        (playlist, position, track["id"] if known else None, added_at),
                    )
                    position += 1
                db.commit()
            rows += position
    print(f"{rows} rows")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
