//! SQL of the column groups that several streams share. Aliases: `t` track, `al` album, `ar` artist, `p`
//! playlist, `o` its owner, `sh` show, `e` episode, `b` audiobook, `u` user, `i` the row that refers to them.

use super::{ViewColumn, column, list_column};

/// When a row of a list was first seen and last fetched.
pub(super) const SEEN: &[ViewColumn] =
    &[column("first_seen_at", "i.first_seen_at"), column("fetched_at", "i.fetched_at")];

/// The owner of the used token; `u` is joined by `i.user_id`.
pub(super) const USER: &[ViewColumn] = &[column("user", "u.local_name"), column("user_id", "i.user_id")];

pub(super) const TRACK_ARTISTS: &str = "track_artists l WHERE l.track_id = t.id";
pub(super) const TRACK_ARTIST_NAMES: &str =
    "track_artists l JOIN artists a ON a.id = l.artist_id WHERE l.track_id = t.id";
const ALBUM_ARTISTS: &str = "album_artists l WHERE l.album_id = al.id";
const ALBUM_ARTIST_NAMES: &str = "album_artists l JOIN artists a ON a.id = l.artist_id WHERE l.album_id = al.id";
/// Lists keep their length: an artist without a name is an empty value and not a missing one.
pub(super) const NAME: &str = "coalesce(a.name, '')";
const URI: &str = "coalesce(a.uri, 'spotify:artist:' || l.artist_id)";
pub(super) const PLACE: &str = "l.position";

/// The joins of [`TRACK`] for a row with a `track_id`.
pub(super) const TRACK_JOINS: &str =
    "LEFT JOIN tracks t ON t.id = i.track_id\nLEFT JOIN albums al ON al.id = t.album_id";

pub(super) const TRACK: &[ViewColumn] = &[
    column("track_id", "t.id"),
    column("track_name", "t.name"),
    list_column("artist_ids", "l.artist_id", TRACK_ARTISTS, PLACE),
    list_column("artist_names", NAME, TRACK_ARTIST_NAMES, PLACE),
    column("album_id", "t.album_id"),
    column("album_name", "al.name"),
    column("album_type", "al.album_type"),
    column("release_date", "al.release_date"),
    column("release_date_precision", "al.release_date_precision"),
    column("disc_number", "t.disc_number"),
    column("track_number", "t.track_number"),
    column("duration_ms", "t.duration_ms"),
    column("explicit", "t.explicit"),
    column("popularity", "t.popularity"),
    column("isrc", "t.isrc"),
    column(
        "is_playable",
        "(SELECT m.is_playable FROM track_markets m WHERE m.track_id = t.id AND m.is_playable IS NOT NULL \
         ORDER BY m.fetched_at DESC, m.market LIMIT 1)",
    ),
    column("spotify_url", "t.spotify_url"),
    column("track_uri", "coalesce(t.uri, 'spotify:track:' || t.id)"),
    column("album_uri", "coalesce(al.uri, 'spotify:album:' || al.id)"),
    list_column("artist_uris", URI, TRACK_ARTIST_NAMES, PLACE),
    list_column("album_artist_ids", "l.artist_id", ALBUM_ARTISTS, PLACE),
    list_column("album_artist_uris", URI, ALBUM_ARTIST_NAMES, PLACE),
    list_column("album_artist_names", NAME, ALBUM_ARTIST_NAMES, PLACE),
    column("album_image_url", ALBUM_IMAGE),
    column("preview_url", "t.preview_url"),
    list_column(
        "artist_genres",
        "g.genre",
        "track_artists l JOIN artist_genres g ON g.artist_id = l.artist_id WHERE l.track_id = t.id \
         GROUP BY g.genre",
        "min(l.position * 1000 + g.position)",
    ),
];

const ALBUM_IMAGE: &str =
    "(SELECT m.url FROM images m WHERE m.kind = 'album' AND m.id = al.id ORDER BY m.position LIMIT 1)";

/// The join of [`ALBUM`] for a row with an `album_id`.
pub(super) const ALBUM_JOINS: &str = "LEFT JOIN albums al ON al.id = i.album_id";

pub(super) const ALBUM: &[ViewColumn] = &[
    column("album_id", "al.id"),
    column("album_name", "al.name"),
    column("album_type", "al.album_type"),
    list_column("album_artist_ids", "l.artist_id", ALBUM_ARTISTS, PLACE),
    list_column("album_artist_names", NAME, ALBUM_ARTIST_NAMES, PLACE),
    column("release_date", "al.release_date"),
    column("release_date_precision", "al.release_date_precision"),
    column("total_tracks", "al.total_tracks"),
    column("label", "al.label"),
    column("upc", "al.upc"),
    column("popularity", "al.popularity"),
    list_column("copyrights", "l.text", "album_copyrights l WHERE l.album_id = al.id", PLACE),
    column("image_url", ALBUM_IMAGE),
    column("spotify_url", "al.spotify_url"),
    column("album_uri", "coalesce(al.uri, 'spotify:album:' || al.id)"),
];

/// The join of [`ARTIST`] for a row with an `artist_id`.
pub(super) const ARTIST_JOINS: &str = "LEFT JOIN artists ar ON ar.id = i.artist_id";

pub(super) const ARTIST: &[ViewColumn] = &[
    column("artist_id", "ar.id"),
    column("artist_name", "ar.name"),
    list_column("genres", "l.genre", "artist_genres l WHERE l.artist_id = ar.id", PLACE),
    column("followers", "ar.followers"),
    column("popularity", "ar.popularity"),
    column(
        "image_url",
        "(SELECT m.url FROM images m WHERE m.kind = 'artist' AND m.id = ar.id ORDER BY m.position LIMIT 1)",
    ),
    column("spotify_url", "ar.spotify_url"),
    column("artist_uri", "coalesce(ar.uri, 'spotify:artist:' || ar.id)"),
];

pub(super) const PLAYLIST: &[ViewColumn] = &[
    column("playlist_id", "p.id"),
    column("playlist_name", "p.name"),
    column("description", "p.description"),
    column("owner_id", "p.owner_id"),
    column("owner_name", "o.display_name"),
    column("public", "p.public"),
    column("collaborative", "p.collaborative"),
    column("total_items", "p.total_items"),
    column("followers", "p.followers"),
    column("snapshot_id", "p.snapshot_id"),
    column("spotify_url", "p.spotify_url"),
    column("playlist_uri", "coalesce(p.uri, 'spotify:playlist:' || p.id)"),
    column("gone_at", "p.gone_at"),
];

/// The join of [`SHOW`] for a row with a `show_id`.
pub(super) const SHOW_JOINS: &str = "LEFT JOIN shows sh ON sh.id = i.show_id";

pub(super) const SHOW: &[ViewColumn] = &[
    column("show_id", "sh.id"),
    column("show_name", "sh.name"),
    column("publisher", "sh.publisher"),
    column("description", "sh.description"),
    column("media_type", "sh.media_type"),
    list_column(
        "languages",
        "l.text",
        "item_texts l WHERE l.kind = 'show' AND l.id = sh.id AND l.what = 'language'",
        PLACE,
    ),
    column("total_episodes", "sh.total_episodes"),
    column("explicit", "sh.explicit"),
    column("is_externally_hosted", "sh.is_externally_hosted"),
    list_column(
        "copyrights",
        "l.text",
        "item_texts l WHERE l.kind = 'show' AND l.id = sh.id AND l.what = 'copyright'",
        PLACE,
    ),
    column("spotify_url", "sh.spotify_url"),
];

/// The joins of [`EPISODE`] for a row with an `episode_id`.
pub(super) const EPISODE_JOINS: &str =
    "LEFT JOIN episodes e ON e.id = i.episode_id\nLEFT JOIN shows sh ON sh.id = e.show_id";

const EPISODE_PLAYABLE: &str = "(SELECT m.is_playable FROM episode_markets m WHERE m.episode_id = e.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1)";

pub(super) const EPISODE: &[ViewColumn] = &[
    column("episode_id", "e.id"),
    column("episode_name", "e.name"),
    column("show_id", "e.show_id"),
    column("show_name", "sh.name"),
    column("release_date", "e.release_date"),
    column("release_date_precision", "e.release_date_precision"),
    column("duration_ms", "e.duration_ms"),
    column("explicit", "e.explicit"),
    list_column(
        "languages",
        "l.text",
        "item_texts l WHERE l.kind = 'episode' AND l.id = e.id AND l.what = 'language'",
        PLACE,
    ),
    column("description", "e.description"),
    column("is_playable", EPISODE_PLAYABLE),
    column("spotify_url", "e.spotify_url"),
];

/// The join of [`AUDIOBOOK`] for a row with an `audiobook_id`.
pub(super) const AUDIOBOOK_JOINS: &str = "LEFT JOIN audiobooks b ON b.id = i.audiobook_id";

pub(super) const AUDIOBOOK: &[ViewColumn] = &[
    column("audiobook_id", "b.id"),
    column("audiobook_name", "b.name"),
    list_column(
        "authors",
        "l.text",
        "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'author'",
        PLACE,
    ),
    list_column(
        "narrators",
        "l.text",
        "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'narrator'",
        PLACE,
    ),
    column("publisher", "b.publisher"),
    column("edition", "b.edition"),
    column("description", "b.description"),
    list_column(
        "languages",
        "l.text",
        "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'language'",
        PLACE,
    ),
    column("media_type", "b.media_type"),
    column("total_chapters", "b.total_chapters"),
    column("explicit", "b.explicit"),
    column("spotify_url", "b.spotify_url"),
];
