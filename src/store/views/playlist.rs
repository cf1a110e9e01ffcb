//! Playlists and what stands in them.

use super::parts::{NAME, PLACE, PLAYLIST, SEEN, TRACK, TRACK_ARTIST_NAMES, USER};
use super::{Asked, Field, Thing, View, list, one};

const ITEM: &[Field] = &[
    one("playlist_id", "i.playlist_id"),
    one("playlist_name", "p.name"),
    one("position", "i.position"),
    one("kind", "i.kind"),
    one("added_at", "i.added_at"),
    one("added_by", "i.added_by"),
    one("uri", "i.uri"),
    // No column of the stream: what Exportify shows in place of `added_by`.
    one("added_by_uri", ADDED_BY_URI),
];

const ADDED_BY_URI: &str = "coalesce((SELECT uri FROM users WHERE id = i.added_by), 'spotify:user:' || i.added_by)";

/// What an item that is an episode or a local file shows in place of a track's.
const OTHER_KINDS: &[Field] = &[
    one("track_name", "coalesce(t.name, f.name)"),
    list("artist_names", NAME, TRACK_ARTIST_NAMES, PLACE).or("f.artist_names"),
    one("album_name", "coalesce(al.name, f.album_name)"),
    one("release_date", "coalesce(al.release_date, e.release_date)"),
    one("release_date_precision", "coalesce(al.release_date_precision, e.release_date_precision)"),
    one("duration_ms", "coalesce(t.duration_ms, e.duration_ms, f.duration_ms)"),
    one("explicit", "coalesce(t.explicit, e.explicit)"),
    one("preview_url", "coalesce(t.preview_url, e.preview_url)"),
    one("spotify_url", "coalesce(t.spotify_url, e.spotify_url)"),
    // An episode's markets are its own table.
    one("is_playable", PLAYABLE),
    one("episode_id", "e.id"),
    one("episode_name", "e.name"),
    one("show_id", "e.show_id"),
    one("show_name", "sh.name"),
    // No column of the stream: what Exportify shows as the name of any item.
    one("item_name", "coalesce(t.name, e.name, f.name)"),
];

const PLAYABLE: &str = "CASE WHEN e.id IS NULL THEN \
     (SELECT m.is_playable FROM track_markets m WHERE m.track_id = t.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1) ELSE \
     (SELECT m.is_playable FROM episode_markets m WHERE m.episode_id = e.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1) END";

const WHAT_STANDS_THERE: Thing = Thing {
    keys: &["track_id", "episode_id", "uri"],
    joins: "LEFT JOIN tracks t ON t.id = i.track_id\n\
            LEFT JOIN albums al ON al.id = t.album_id\n\
            LEFT JOIN episodes e ON e.id = i.episode_id\n\
            LEFT JOIN shows sh ON sh.id = e.show_id\n\
            LEFT JOIN local_files f ON f.uri = i.uri",
    fields: &[OTHER_KINDS, TRACK],
};

pub(super) const VIEWS: &[View] = &[
    View {
        name: "playlists",
        rows: "playlists p LEFT JOIN users o ON o.id = p.owner_id",
        shown: None,
        asked: Asked::Item("p.id"),
        order: "p.id",
        clock: None,
        fields: &[PLAYLIST, &[one("first_seen_at", "p.first_seen_at"), one("fetched_at", "p.fetched_at")]],
        thing: None,
    },
    View {
        name: "playlist_items",
        // The list first, once, and not again for each of its items.
        rows: "playlists p CROSS JOIN playlist_items i ON i.playlist_id = p.id",
        shown: None,
        asked: Asked::Item("p.id"),
        order: "i.position",
        clock: None,
        fields: &[ITEM, SEEN],
        thing: Some(WHAT_STANDS_THERE),
    },
    View {
        name: "user_playlists",
        rows: "user_playlists i JOIN playlists p ON p.id = i.playlist_id LEFT JOIN users o ON o.id = p.owner_id",
        shown: Some("i.removed_at IS NULL"),
        asked: Asked::List("i.list_id"),
        order: "i.position",
        clock: None,
        fields: &[&[one("profile_id", "i.profile_id"), one("position", "i.position")], PLAYLIST, SEEN],
        thing: None,
    },
    View {
        name: "my_playlists",
        rows: "my_playlists i JOIN users u ON u.id = i.user_id JOIN playlists p ON p.id = i.playlist_id \
               LEFT JOIN users o ON o.id = p.owner_id",
        shown: Some("i.removed_at IS NULL"),
        asked: Asked::List("i.list_id"),
        order: "i.position",
        clock: None,
        fields: &[USER, &[one("position", "i.position")], PLAYLIST, SEEN],
        thing: None,
    },
    View {
        name: "my_playlist_items",
        // The user's lists come first: `y`, so that `i` stays the item.
        rows: "my_playlists y JOIN users u ON u.id = y.user_id JOIN playlists p ON p.id = y.playlist_id \
               CROSS JOIN playlist_items i ON i.playlist_id = y.playlist_id",
        shown: Some("y.removed_at IS NULL"),
        asked: Asked::List("y.list_id"),
        order: "y.position, i.position",
        clock: None,
        fields: &[&[one("user", "u.local_name"), one("user_id", "y.user_id")], ITEM, SEEN],
        thing: Some(WHAT_STANDS_THERE),
    },
];
