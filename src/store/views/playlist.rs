//! Playlists and their items.

use super::parts::{NAME, PLACE, PLAYLIST, SEEN, TRACK, TRACK_ARTIST_NAMES, USER};
use super::{RequestedBy, RowEntity, StreamView, ViewColumn, column, list_column};

const ITEM: &[ViewColumn] = &[
    column("playlist_id", "i.playlist_id"),
    column("playlist_name", "p.name"),
    column("position", "i.position"),
    column("kind", "iif(i.unavailable, 'unavailable', i.kind)"),
    column("added_at", "i.added_at"),
    column("added_by", "i.added_by"),
    column("uri", "i.uri"),
    // Not a column of the stream: Exportify shows it instead of `added_by`.
    column("added_by_uri", ADDED_BY_URI),
];

const ADDED_BY_URI: &str = "coalesce((SELECT uri FROM users WHERE id = i.added_by), 'spotify:user:' || i.added_by)";

/// Columns of an item that is an episode or a local file.
const OTHER_KINDS: &[ViewColumn] = &[
    column("track_name", "coalesce(t.name, f.name)"),
    list_column("artist_names", NAME, TRACK_ARTIST_NAMES, PLACE).with_fallback("f.artist_names"),
    column("album_name", "coalesce(al.name, f.album_name)"),
    column("release_date", "coalesce(al.release_date, e.release_date)"),
    column("release_date_precision", "coalesce(al.release_date_precision, e.release_date_precision)"),
    column("duration_ms", "coalesce(t.duration_ms, e.duration_ms, f.duration_ms)"),
    column("explicit", "coalesce(t.explicit, e.explicit)"),
    column("preview_url", "coalesce(t.preview_url, e.preview_url)"),
    column("spotify_url", "coalesce(t.spotify_url, e.spotify_url)"),
    // The markets of an episode are in another table.
    column("is_playable", PLAYABLE),
    column("episode_id", "e.id"),
    column("episode_name", "e.name"),
    column("show_id", "e.show_id"),
    column("show_name", "sh.name"),
    // Not a column of the stream: Exportify shows it as the name of any item.
    column("item_name", "coalesce(t.name, e.name, f.name)"),
];

const PLAYABLE: &str = "CASE WHEN e.id IS NULL THEN \
     (SELECT m.is_playable FROM track_markets m WHERE m.track_id = t.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1) ELSE \
     (SELECT m.is_playable FROM episode_markets m WHERE m.episode_id = e.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1) END";

const WHAT_STANDS_THERE: RowEntity = RowEntity {
    keys: &["track_id", "episode_id", "uri"],
    joins: "LEFT JOIN tracks t ON t.id = i.track_id\n\
            LEFT JOIN albums al ON al.id = t.album_id\n\
            LEFT JOIN episodes e ON e.id = i.episode_id\n\
            LEFT JOIN shows sh ON sh.id = e.show_id\n\
            LEFT JOIN local_files f ON f.uri = i.uri",
    fields: &[OTHER_KINDS, TRACK],
};

pub(super) const VIEWS: &[StreamView] = &[
    StreamView {
        name: "playlists",
        rows: "playlists p LEFT JOIN users o ON o.id = p.owner_id",
        visible_if: None,
        requested_by: RequestedBy::Item("p.id"),
        order: "p.id",
        time_column: None,
        fields: &[PLAYLIST, &[column("first_seen_at", "p.first_seen_at"), column("fetched_at", "p.fetched_at")]],
        entity: None,
    },
    StreamView {
        name: "playlist_items",
        // Read the playlist first, once, and not again for each of its items.
        rows: "playlists p CROSS JOIN playlist_items i ON i.playlist_id = p.id",
        visible_if: None,
        requested_by: RequestedBy::Item("p.id"),
        order: "i.position",
        time_column: None,
        fields: &[ITEM, SEEN],
        entity: Some(WHAT_STANDS_THERE),
    },
    StreamView {
        name: "user_playlists",
        rows: "user_playlists i JOIN playlists p ON p.id = i.playlist_id LEFT JOIN users o ON o.id = p.owner_id",
        visible_if: Some("i.removed_at IS NULL"),
        requested_by: RequestedBy::List("i.list_id"),
        order: "i.position",
        time_column: None,
        fields: &[&[column("profile_id", "i.profile_id"), column("position", "i.position")], PLAYLIST, SEEN],
        entity: None,
    },
    StreamView {
        name: "my_playlists",
        rows: "my_playlists i JOIN users u ON u.id = i.user_id JOIN playlists p ON p.id = i.playlist_id \
               LEFT JOIN users o ON o.id = p.owner_id",
        visible_if: Some("i.removed_at IS NULL"),
        requested_by: RequestedBy::List("i.list_id"),
        order: "i.position",
        time_column: None,
        fields: &[USER, &[column("position", "i.position")], PLAYLIST, SEEN],
        entity: None,
    },
    StreamView {
        name: "my_playlist_items",
        // The user's playlists come first, as `y`, so that `i` remains the item.
        rows: "my_playlists y JOIN users u ON u.id = y.user_id JOIN playlists p ON p.id = y.playlist_id \
               CROSS JOIN playlist_items i ON i.playlist_id = y.playlist_id",
        visible_if: Some("y.removed_at IS NULL"),
        requested_by: RequestedBy::List("y.list_id"),
        order: "y.position, i.position",
        time_column: None,
        fields: &[&[column("user", "u.local_name"), column("user_id", "y.user_id")], ITEM, SEEN],
        entity: Some(WHAT_STANDS_THERE),
    },
];
