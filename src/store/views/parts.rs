//! The SQL of the column groups that several streams share. Aliases: `t` track, `al` album,
//! `ar` artist, `p` playlist, `o` its owner, `sh` show, `e` episode, `b` audiobook, `u` user,
//! `i` the row that names them.

use super::{Field, list, one};

/// When a row of a list was met and read.
pub(super) const SEEN: &[Field] = &[one("first_seen_at", "i.first_seen_at"), one("fetched_at", "i.fetched_at")];

/// Who asked; `u` is joined by `i.user_id`.
pub(super) const USER: &[Field] = &[one("user", "u.local_name"), one("user_id", "i.user_id")];

pub(super) const TRACK_ARTISTS: &str = "track_artists l WHERE l.track_id = t.id";
pub(super) const TRACK_ARTIST_NAMES: &str =
    "track_artists l JOIN artists a ON a.id = l.artist_id WHERE l.track_id = t.id";
const ALBUM_ARTISTS: &str = "album_artists l WHERE l.album_id = al.id";
const ALBUM_ARTIST_NAMES: &str = "album_artists l JOIN artists a ON a.id = l.artist_id WHERE l.album_id = al.id";
/// Lists keep their length: an artist without a name is an empty value, not a missing one.
pub(super) const NAME: &str = "coalesce(a.name, '')";
const URI: &str = "coalesce(a.uri, 'spotify:artist:' || l.artist_id)";
pub(super) const PLACE: &str = "l.position";

/// The joins of [`TRACK`] below a row with a `track_id`.
pub(super) const TRACK_JOINS: &str =
    "LEFT JOIN tracks t ON t.id = i.track_id\nLEFT JOIN albums al ON al.id = t.album_id";

pub(super) const TRACK: &[Field] = &[
    one("track_id", "t.id"),
    one("track_name", "t.name"),
    list("artist_ids", "l.artist_id", TRACK_ARTISTS, PLACE),
    list("artist_names", NAME, TRACK_ARTIST_NAMES, PLACE),
    one("album_id", "t.album_id"),
    one("album_name", "al.name"),
    one("album_type", "al.album_type"),
    one("release_date", "al.release_date"),
    one("release_date_precision", "al.release_date_precision"),
    one("disc_number", "t.disc_number"),
    one("track_number", "t.track_number"),
    one("duration_ms", "t.duration_ms"),
    one("explicit", "t.explicit"),
    one("popularity", "t.popularity"),
    one("isrc", "t.isrc"),
    one(
        "is_playable",
        "(SELECT m.is_playable FROM track_markets m WHERE m.track_id = t.id AND m.is_playable IS NOT NULL \
         ORDER BY m.fetched_at DESC, m.market LIMIT 1)",
    ),
    one("spotify_url", "t.spotify_url"),
    one("track_uri", "coalesce(t.uri, 'spotify:track:' || t.id)"),
    one("album_uri", "coalesce(al.uri, 'spotify:album:' || al.id)"),
    list("artist_uris", URI, TRACK_ARTIST_NAMES, PLACE),
    list("album_artist_ids", "l.artist_id", ALBUM_ARTISTS, PLACE),
    list("album_artist_uris", URI, ALBUM_ARTIST_NAMES, PLACE),
    list("album_artist_names", NAME, ALBUM_ARTIST_NAMES, PLACE),
    one("album_image_url", ALBUM_IMAGE),
    one("preview_url", "t.preview_url"),
    list(
        "artist_genres",
        "g.genre",
        "track_artists l JOIN artist_genres g ON g.artist_id = l.artist_id WHERE l.track_id = t.id \
         GROUP BY g.genre",
        "min(l.position * 1000 + g.position)",
    ),
];

const ALBUM_IMAGE: &str =
    "(SELECT m.url FROM images m WHERE m.kind = 'album' AND m.id = al.id ORDER BY m.position LIMIT 1)";

/// The join of [`ALBUM`] below a row with an `album_id`.
pub(super) const ALBUM_JOINS: &str = "LEFT JOIN albums al ON al.id = i.album_id";

pub(super) const ALBUM: &[Field] = &[
    one("album_id", "al.id"),
    one("album_name", "al.name"),
    one("album_type", "al.album_type"),
    list("album_artist_ids", "l.artist_id", ALBUM_ARTISTS, PLACE),
    list("album_artist_names", NAME, ALBUM_ARTIST_NAMES, PLACE),
    one("release_date", "al.release_date"),
    one("release_date_precision", "al.release_date_precision"),
    one("total_tracks", "al.total_tracks"),
    one("label", "al.label"),
    one("upc", "al.upc"),
    one("popularity", "al.popularity"),
    list("copyrights", "l.text", "album_copyrights l WHERE l.album_id = al.id", PLACE),
    one("image_url", ALBUM_IMAGE),
    one("spotify_url", "al.spotify_url"),
    one("album_uri", "coalesce(al.uri, 'spotify:album:' || al.id)"),
];

/// The join of [`ARTIST`] below a row with an `artist_id`.
pub(super) const ARTIST_JOINS: &str = "LEFT JOIN artists ar ON ar.id = i.artist_id";

pub(super) const ARTIST: &[Field] = &[
    one("artist_id", "ar.id"),
    one("artist_name", "ar.name"),
    list("genres", "l.genre", "artist_genres l WHERE l.artist_id = ar.id", PLACE),
    one("followers", "ar.followers"),
    one("popularity", "ar.popularity"),
    one(
        "image_url",
        "(SELECT m.url FROM images m WHERE m.kind = 'artist' AND m.id = ar.id ORDER BY m.position LIMIT 1)",
    ),
    one("spotify_url", "ar.spotify_url"),
    one("artist_uri", "coalesce(ar.uri, 'spotify:artist:' || ar.id)"),
];

pub(super) const PLAYLIST: &[Field] = &[
    one("playlist_id", "p.id"),
    one("playlist_name", "p.name"),
    one("description", "p.description"),
    one("owner_id", "p.owner_id"),
    one("owner_name", "o.display_name"),
    one("public", "p.public"),
    one("collaborative", "p.collaborative"),
    one("total_items", "p.total_items"),
    one("followers", "p.followers"),
    one("snapshot_id", "p.snapshot_id"),
    one("spotify_url", "p.spotify_url"),
    one("playlist_uri", "coalesce(p.uri, 'spotify:playlist:' || p.id)"),
    one("gone_at", "p.gone_at"),
];

/// The join of [`SHOW`] below a row with a `show_id`.
pub(super) const SHOW_JOINS: &str = "LEFT JOIN shows sh ON sh.id = i.show_id";

pub(super) const SHOW: &[Field] = &[
    one("show_id", "sh.id"),
    one("show_name", "sh.name"),
    one("publisher", "sh.publisher"),
    one("description", "sh.description"),
    one("media_type", "sh.media_type"),
    list("languages", "l.text", "item_texts l WHERE l.kind = 'show' AND l.id = sh.id AND l.what = 'language'", PLACE),
    one("total_episodes", "sh.total_episodes"),
    one("explicit", "sh.explicit"),
    one("is_externally_hosted", "sh.is_externally_hosted"),
    list("copyrights", "l.text", "item_texts l WHERE l.kind = 'show' AND l.id = sh.id AND l.what = 'copyright'", PLACE),
    one("spotify_url", "sh.spotify_url"),
];

/// The joins of [`EPISODE`] below a row with an `episode_id`.
pub(super) const EPISODE_JOINS: &str =
    "LEFT JOIN episodes e ON e.id = i.episode_id\nLEFT JOIN shows sh ON sh.id = e.show_id";

const EPISODE_PLAYABLE: &str = "(SELECT m.is_playable FROM episode_markets m WHERE m.episode_id = e.id AND m.is_playable IS NOT NULL \
     ORDER BY m.fetched_at DESC, m.market LIMIT 1)";

pub(super) const EPISODE: &[Field] = &[
    one("episode_id", "e.id"),
    one("episode_name", "e.name"),
    one("show_id", "e.show_id"),
    one("show_name", "sh.name"),
    one("release_date", "e.release_date"),
    one("release_date_precision", "e.release_date_precision"),
    one("duration_ms", "e.duration_ms"),
    one("explicit", "e.explicit"),
    list("languages", "l.text", "item_texts l WHERE l.kind = 'episode' AND l.id = e.id AND l.what = 'language'", PLACE),
    one("description", "e.description"),
    one("is_playable", EPISODE_PLAYABLE),
    one("spotify_url", "e.spotify_url"),
];

/// The join of [`AUDIOBOOK`] below a row with an `audiobook_id`.
pub(super) const AUDIOBOOK_JOINS: &str = "LEFT JOIN audiobooks b ON b.id = i.audiobook_id";

pub(super) const AUDIOBOOK: &[Field] = &[
    one("audiobook_id", "b.id"),
    one("audiobook_name", "b.name"),
    list("authors", "l.text", "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'author'", PLACE),
    list(
        "narrators",
        "l.text",
        "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'narrator'",
        PLACE,
    ),
    one("publisher", "b.publisher"),
    one("edition", "b.edition"),
    one("description", "b.description"),
    list(
        "languages",
        "l.text",
        "item_texts l WHERE l.kind = 'audiobook' AND l.id = b.id AND l.what = 'language'",
        PLACE,
    ),
    one("media_type", "b.media_type"),
    one("total_chapters", "b.total_chapters"),
    one("explicit", "b.explicit"),
    one("spotify_url", "b.spotify_url"),
];
