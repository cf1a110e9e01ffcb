//! Search results of any kind.

use super::parts::{NAME, PLACE, SEEN};
use super::{RequestedBy, RowEntity, StreamView, ViewColumn, column, list_column};

const ROW: &[ViewColumn] = &[
    column("query", "i.query"),
    column("searched_at", "i.searched_at"),
    column("kind", "i.kind"),
    column("rank", "i.rank"),
    column("id", "i.item_id"),
    column("uri", "i.uri"),
];

/// At most one of the joined entities exists: the one of the hit's kind, and the album of a track.
const HIT: RowEntity = RowEntity {
    keys: &["kind", "item_id"],
    joins: "LEFT JOIN tracks t ON i.kind = 'track' AND t.id = i.item_id\n\
            LEFT JOIN albums al ON al.id = CASE i.kind WHEN 'album' THEN i.item_id ELSE t.album_id END\n\
            LEFT JOIN artists ar ON i.kind = 'artist' AND ar.id = i.item_id\n\
            LEFT JOIN playlists p ON i.kind = 'playlist' AND p.id = i.item_id\n\
            LEFT JOIN shows sh ON i.kind = 'show' AND sh.id = i.item_id\n\
            LEFT JOIN episodes e ON i.kind = 'episode' AND e.id = i.item_id\n\
            LEFT JOIN audiobooks b ON i.kind = 'audiobook' AND b.id = i.item_id",
    fields: &[&[
        column(
            "name",
            "CASE i.kind WHEN 'track' THEN t.name WHEN 'album' THEN al.name \
             ELSE coalesce(ar.name, p.name, sh.name, e.name, b.name) END",
        ),
        list_column(
            "artist_names",
            NAME,
            "(SELECT position, artist_id FROM track_artists WHERE track_id = t.id UNION ALL \
             SELECT position, artist_id FROM album_artists WHERE i.kind = 'album' AND album_id = i.item_id) l \
             JOIN artists a ON a.id = l.artist_id",
            PLACE,
        ),
        column("album_name", "CASE i.kind WHEN 'track' THEN al.name END"),
        column("release_date", "coalesce(al.release_date, e.release_date)"),
        column("duration_ms", "coalesce(t.duration_ms, e.duration_ms)"),
        column("isrc", "t.isrc"),
        column(
            "spotify_url",
            "CASE i.kind WHEN 'track' THEN t.spotify_url WHEN 'album' THEN al.spotify_url \
             ELSE coalesce(ar.spotify_url, p.spotify_url, sh.spotify_url, e.spotify_url, b.spotify_url) END",
        ),
        column("track_id", "t.id"),
        column("album_id", "CASE i.kind WHEN 'album' THEN i.item_id ELSE t.album_id END"),
        column("artist_id", "CASE i.kind WHEN 'artist' THEN i.item_id END"),
        column("playlist_id", "CASE i.kind WHEN 'playlist' THEN i.item_id END"),
        column("show_id", "CASE i.kind WHEN 'show' THEN i.item_id END"),
        column("episode_id", "CASE i.kind WHEN 'episode' THEN i.item_id END"),
        column("audiobook_id", "CASE i.kind WHEN 'audiobook' THEN i.item_id END"),
    ]],
};

pub(super) const VIEWS: &[StreamView] = &[StreamView {
    name: "search",
    rows: "search_results i",
    visible_if: None,
    requested_by: RequestedBy::List("i.list_id"),
    order: "i.searched_at, i.kind, i.rank",
    time_column: Some(("i.searched_at", false)),
    fields: &[ROW, SEEN],
    entity: Some(HIT),
}];
