//! A column of a stream's rows: its name, its type and what it means.
//!
//! The groups at the end are columns that several streams share; a group is listed whole, so that
//! a track looks the same in every CSV that shows one.

/// The type of a column's values, as a reader of the CSV should take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Any text; always quoted.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false` (1 or 0 in SQLite).
    Boolean,
    /// An instant, ISO 8601 in UTC.
    Time,
    /// A list, joined with the list separator.
    List,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Its name in views, CSVs and job files.
    pub name: &'static str,
    /// The type of its values.
    pub column_type: ColumnType,
    /// What it holds, for docs and the data package.
    pub about: &'static str,
    /// Spotify gives it to apps with Extended Quota only.
    pub extended_quota_only: bool,
    /// Stands in a CSV whose job names no columns.
    pub in_default_csv: bool,
}

impl Column {
    /// Left out unless a job asks for it.
    pub(super) const fn on_request(mut self) -> Self {
        self.in_default_csv = false;
        self
    }

    /// Withdrawn from apps in Development Mode.
    pub(super) const fn extended_quota(mut self) -> Self {
        self.extended_quota_only = true;
        self
    }
}

const fn column(name: &'static str, kind: ColumnType, about: &'static str) -> Column {
    Column { name, column_type: kind, about, extended_quota_only: false, in_default_csv: true }
}

pub(super) const fn text(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Text, about)
}
pub(super) const fn integer(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Integer, about)
}
pub(super) const fn boolean(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Boolean, about)
}
pub(super) const fn time(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Time, about)
}
pub(super) const fn list(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::List, about)
}

/// When a row was met and read; in every view, in no default CSV, since they churn.
pub(super) const SEEN: &[Column] = &[
    time("first_seen_at", "when cratedigger first saw this row").on_request(),
    time("fetched_at", "when it was last read from Spotify; null if only met in passing").on_request(),
];

/// Who asked: first in the rows of every stream of a user.
pub(super) const USER: &[Column] =
    &[text("user", "local name of the signed-in user"), text("user_id", "Spotify's id of the account").on_request()];

/// A track and the album it is on.
pub(super) const TRACK: &[Column] = &[
    text("track_id", "Spotify's id of the track"),
    text("track_name", "title of the track"),
    list("artist_ids", "ids of its artists, in order"),
    list("artist_names", "names of its artists, in order"),
    text("album_id", "id of its album"),
    text("album_name", "title of its album"),
    text("album_type", "album, single or compilation"),
    text("release_date", "as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("disc_number", "disc, from 1"),
    integer("track_number", "number on its disc, from 1"),
    integer("duration_ms", "length in milliseconds"),
    boolean("explicit", "carries Spotify's explicit label"),
    integer("popularity", "0 to 100").extended_quota(),
    text("isrc", "International Standard Recording Code"),
    boolean("is_playable", "playable in the market asked for; null without a market"),
    text("spotify_url", "link to Spotify"),
];

/// More about a track, for those who ask.
pub(super) const TRACK_MORE: &[Column] = &[
    text("track_uri", "spotify: URI of the track").on_request(),
    text("album_uri", "spotify: URI of its album").on_request(),
    list("artist_uris", "spotify: URIs of its artists, in order").on_request(),
    list("album_artist_ids", "ids of the album's artists, in order").on_request(),
    list("album_artist_uris", "spotify: URIs of the album's artists, in order").on_request(),
    list("album_artist_names", "names of the album's artists, in order").on_request(),
    text("album_image_url", "largest cover of the album").on_request(),
    text("preview_url", "30-second preview, where Spotify still gives one").on_request(),
    list("artist_genres", "genres of its artists, where they were fetched").on_request(),
];

/// An album as a thing of its own.
pub(super) const ALBUM: &[Column] = &[
    text("album_id", "Spotify's id of the album"),
    text("album_name", "title of the album"),
    text("album_type", "album, single or compilation"),
    list("album_artist_ids", "ids of its artists, in order"),
    list("album_artist_names", "names of its artists, in order"),
    text("release_date", "as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("total_tracks", "number of tracks"),
    text("label", "record label; known once the album itself was fetched").extended_quota(),
    text("upc", "Universal Product Code; known once the album itself was fetched"),
    integer("popularity", "0 to 100; known once the album itself was fetched").extended_quota(),
    list("copyrights", "copyright lines; known once the album itself was fetched"),
    text("image_url", "largest cover"),
    text("spotify_url", "link to Spotify"),
    text("album_uri", "spotify: URI of the album").on_request(),
];

/// An artist as a thing of its own.
pub(super) const ARTIST: &[Column] = &[
    text("artist_id", "Spotify's id of the artist"),
    text("artist_name", "name of the artist"),
    list("genres", "genres; deprecated by Spotify and often empty"),
    integer("followers", "number of followers").extended_quota(),
    integer("popularity", "0 to 100").extended_quota(),
    text("image_url", "largest picture"),
    text("spotify_url", "link to Spotify"),
    text("artist_uri", "spotify: URI of the artist").on_request(),
];

/// A playlist as a thing of its own.
pub(super) const PLAYLIST: &[Column] = &[
    text("playlist_id", "Spotify's id of the playlist"),
    text("playlist_name", "its name"),
    text("description", "its description"),
    text("owner_id", "id of its owner"),
    text("owner_name", "display name of its owner"),
    boolean("public", "on its owner's profile; null if not relevant"),
    boolean("collaborative", "others may edit it"),
    integer("total_items", "number of items that Spotify announces"),
    integer("followers", "number of followers").extended_quota(),
    text("snapshot_id", "Spotify's version of it"),
    text("spotify_url", "link to Spotify"),
    text("playlist_uri", "spotify: URI of the playlist").on_request(),
    time("gone_at", "when it was first found missing").on_request(),
];

/// A podcast.
pub(super) const SHOW: &[Column] = &[
    text("show_id", "Spotify's id of the show"),
    text("show_name", "its name"),
    text("publisher", "its publisher").extended_quota(),
    text("description", "its description"),
    text("media_type", "audio, video or mixed"),
    list("languages", "languages, ISO 639"),
    integer("total_episodes", "number of episodes"),
    boolean("explicit", "carries Spotify's explicit label"),
    boolean("is_externally_hosted", "not hosted by Spotify"),
    list("copyrights", "copyright lines"),
    text("spotify_url", "link to Spotify"),
];

/// An episode of a podcast.
pub(super) const EPISODE: &[Column] = &[
    text("episode_id", "Spotify's id of the episode"),
    text("episode_name", "its title"),
    text("show_id", "id of its show"),
    text("show_name", "name of its show"),
    text("release_date", "as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("duration_ms", "length in milliseconds"),
    boolean("explicit", "carries Spotify's explicit label"),
    list("languages", "languages, ISO 639"),
    text("description", "its description"),
    boolean("is_playable", "playable in the market asked for"),
    text("spotify_url", "link to Spotify"),
];

/// An audiobook.
pub(super) const AUDIOBOOK: &[Column] = &[
    text("audiobook_id", "Spotify's id of the audiobook"),
    text("audiobook_name", "its title"),
    list("authors", "its authors"),
    list("narrators", "its narrators"),
    text("publisher", "its publisher").extended_quota(),
    text("edition", "its edition"),
    text("description", "its description"),
    list("languages", "languages, ISO 639"),
    text("media_type", "audio"),
    integer("total_chapters", "number of chapters"),
    boolean("explicit", "carries Spotify's explicit label"),
    text("spotify_url", "link to Spotify"),
];
