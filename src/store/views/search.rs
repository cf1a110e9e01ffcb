//! Hits of searches, whatever their kind.

use super::parts::{NAME, PLACE, SEEN};
use super::{Asked, Field, Thing, View, list, one};

const ROW: &[Field] = &[
    one("query", "i.query"),
    one("searched_at", "i.searched_at"),
    one("kind", "i.kind"),
    one("rank", "i.rank"),
    one("id", "i.item_id"),
    one("uri", "i.uri"),
];

/// At most one of the joined things is there: the one of the hit's kind, and a track's album.
const HIT: Thing = Thing {
    keys: &["kind", "item_id"],
    joins: "LEFT JOIN tracks t ON i.kind = 'track' AND t.id = i.item_id\n\
            LEFT JOIN albums al ON al.id = CASE i.kind WHEN 'album' THEN i.item_id ELSE t.album_id END\n\
            LEFT JOIN artists ar ON i.kind = 'artist' AND ar.id = i.item_id\n\
            LEFT JOIN playlists p ON i.kind = 'playlist' AND p.id = i.item_id\n\
            LEFT JOIN shows sh ON i.kind = 'show' AND sh.id = i.item_id\n\
            LEFT JOIN episodes e ON i.kind = 'episode' AND e.id = i.item_id\n\
            LEFT JOIN audiobooks b ON i.kind = 'audiobook' AND b.id = i.item_id",
    fields: &[&[
        one(
            "name",
            "CASE i.kind WHEN 'track' THEN t.name WHEN 'album' THEN al.name \
             ELSE coalesce(ar.name, p.name, sh.name, e.name, b.name) END",
        ),
        list(
            "artist_names",
            NAME,
            "(SELECT position, artist_id FROM track_artists WHERE track_id = t.id UNION ALL \
             SELECT position, artist_id FROM album_artists WHERE i.kind = 'album' AND album_id = i.item_id) l \
             JOIN artists a ON a.id = l.artist_id",
            PLACE,
        ),
        one("album_name", "CASE i.kind WHEN 'track' THEN al.name END"),
        one("release_date", "coalesce(al.release_date, e.release_date)"),
        one("duration_ms", "coalesce(t.duration_ms, e.duration_ms)"),
        one("isrc", "t.isrc"),
        one(
            "spotify_url",
            "CASE i.kind WHEN 'track' THEN t.spotify_url WHEN 'album' THEN al.spotify_url \
             ELSE coalesce(ar.spotify_url, p.spotify_url, sh.spotify_url, e.spotify_url, b.spotify_url) END",
        ),
        one("track_id", "t.id"),
        one("album_id", "CASE i.kind WHEN 'album' THEN i.item_id ELSE t.album_id END"),
        one("artist_id", "CASE i.kind WHEN 'artist' THEN i.item_id END"),
        one("playlist_id", "CASE i.kind WHEN 'playlist' THEN i.item_id END"),
        one("show_id", "CASE i.kind WHEN 'show' THEN i.item_id END"),
        one("episode_id", "CASE i.kind WHEN 'episode' THEN i.item_id END"),
        one("audiobook_id", "CASE i.kind WHEN 'audiobook' THEN i.item_id END"),
    ]],
};

pub(super) const VIEWS: &[View] = &[View {
    name: "search",
    rows: "search_results i",
    shown: None,
    asked: Asked::List("i.list_id"),
    order: "i.searched_at, i.kind, i.rank",
    clock: Some(("i.searched_at", false)),
    fields: &[ROW, SEEN],
    thing: Some(HIT),
}];
