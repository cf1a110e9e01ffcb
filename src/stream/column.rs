//! The columns of a stream's rows: name, type and meaning.
//!
//! The groups at the end are columns that several streams share. A stream always lists a whole group, so that
//! a track looks the same in every CSV file that contains one.

/// The type of a column's values, as a reader of the CSV file should parse them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Any text; always quoted.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false` (1 or 0 in SQLite).
    Boolean,
    /// A point in time, ISO 8601 in UTC.
    Time,
    /// A list, joined with the list separator.
    List,
}

/// One column of a stream.
#[derive(Debug)]
pub struct Column {
    /// The name in views, CSV files and job files.
    pub name: &'static str,
    /// The type of its values.
    pub column_type: ColumnType,
    /// The meaning, for the docs and the data package.
    pub about: &'static str,
    /// Spotify sends it only to apps with Extended Quota.
    pub extended_quota_only: bool,
    /// Whether it is in the CSV file of a job that names no columns.
    pub in_default_csv: bool,
}

impl Column {
    /// The same column, left out unless a job names it.
    pub(super) const fn on_request(mut self) -> Self {
        self.in_default_csv = false;
        self
    }

    /// The same column, withdrawn from apps in Development Mode.
    pub(super) const fn extended_quota(mut self) -> Self {
        self.extended_quota_only = true;
        self
    }
}

const fn column(name: &'static str, column_type: ColumnType, about: &'static str) -> Column {
    Column { name, column_type, about, extended_quota_only: false, in_default_csv: true }
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

/// When a row was first seen and last read. These columns are in every view but in no default CSV file, since they
/// change with every run.
pub(super) const SEEN: &[Column] = &[
    time("first_seen_at", "time when cratedigger first saw this row").on_request(),
    time("fetched_at", "time when it was last read from Spotify; null if it was only seen as part of something else")
        .on_request(),
];

/// The signed-in user: the first columns of every stream of a user.
pub(super) const USER: &[Column] =
    &[text("user", "local name of the signed-in user"), text("user_id", "Spotify's id of the account").on_request()];

/// A track and its album.
pub(super) const TRACK: &[Column] = &[
    text("track_id", "Spotify's id of the track"),
    text("track_name", "title of the track"),
    list("artist_ids", "ids of its artists, in order"),
    list("artist_names", "names of its artists, in order"),
    text("album_id", "id of its album"),
    text("album_name", "title of its album"),
    text("album_type", "album, single or compilation"),
    text("release_date", "as Spotify states it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("disc_number", "disc, from 1"),
    integer("track_number", "number on its disc, from 1"),
    integer("duration_ms", "length in milliseconds"),
    boolean("explicit", "marked as explicit by Spotify"),
    integer("popularity", "0 to 100").extended_quota(),
    text("isrc", "International Standard Recording Code"),
    boolean("is_playable", "playable in the requested market; null without a market"),
    text("spotify_url", "link to Spotify"),
];

/// More columns of a track, on request only.
pub(super) const TRACK_MORE: &[Column] = &[
    text("track_uri", "spotify: URI of the track").on_request(),
    text("album_uri", "spotify: URI of its album").on_request(),
    list("artist_uris", "spotify: URIs of its artists, in order").on_request(),
    list("album_artist_ids", "ids of the album's artists, in order").on_request(),
    list("album_artist_uris", "spotify: URIs of the album's artists, in order").on_request(),
    list("album_artist_names", "names of the album's artists, in order").on_request(),
    text("album_image_url", "largest cover of the album").on_request(),
    text("preview_url", "30-second preview, if Spotify still offers one").on_request(),
    list("artist_genres", "genres of its artists, if the artists were fetched").on_request(),
];

/// An album in a row of its own.
pub(super) const ALBUM: &[Column] = &[
    text("album_id", "Spotify's id of the album"),
    text("album_name", "title of the album"),
    text("album_type", "album, single or compilation"),
    list("album_artist_ids", "ids of its artists, in order"),
    list("album_artist_names", "names of its artists, in order"),
    text("release_date", "as Spotify states it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("total_tracks", "number of tracks"),
    text("label", "record label; filled in once the album itself was fetched").extended_quota(),
    text("upc", "Universal Product Code; filled in once the album itself was fetched"),
    integer("popularity", "0 to 100; filled in once the album itself was fetched").extended_quota(),
    list("copyrights", "copyright lines; filled in once the album itself was fetched"),
    text("image_url", "largest cover"),
    text("spotify_url", "link to Spotify"),
    text("album_uri", "spotify: URI of the album").on_request(),
];

/// An artist in a row of its own.
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

/// A playlist in a row of its own.
pub(super) const PLAYLIST: &[Column] = &[
    text("playlist_id", "Spotify's id of the playlist"),
    text("playlist_name", "name of the playlist"),
    text("description", "description, with HTML entities decoded"),
    text("owner_id", "id of the owner"),
    text("owner_name", "display name of the owner"),
    boolean("public", "shown on the owner's profile; null if not relevant"),
    boolean("collaborative", "whether others may edit it"),
    integer("total_items", "number of items that Spotify announces"),
    integer("followers", "number of followers").extended_quota(),
    text("snapshot_id", "Spotify's id of this version of the playlist"),
    text("spotify_url", "link to Spotify"),
    text("playlist_uri", "spotify: URI of the playlist").on_request(),
    time("gone_at", "time when it was first found missing").on_request(),
];

/// A podcast.
pub(super) const SHOW: &[Column] = &[
    text("show_id", "Spotify's id of the show"),
    text("show_name", "name of the show"),
    text("publisher", "publisher").extended_quota(),
    text("description", "description"),
    text("media_type", "audio, video or mixed"),
    list("languages", "languages, ISO 639"),
    integer("total_episodes", "number of episodes"),
    boolean("explicit", "marked as explicit by Spotify"),
    boolean("is_externally_hosted", "whether it is hosted outside Spotify"),
    list("copyrights", "copyright lines"),
    text("spotify_url", "link to Spotify"),
];

/// An episode of a podcast.
pub(super) const EPISODE: &[Column] = &[
    text("episode_id", "Spotify's id of the episode"),
    text("episode_name", "title of the episode"),
    text("show_id", "id of the show"),
    text("show_name", "name of the show"),
    text("release_date", "as Spotify states it: YYYY, YYYY-MM or YYYY-MM-DD"),
    text("release_date_precision", "year, month or day"),
    integer("duration_ms", "length in milliseconds"),
    boolean("explicit", "marked as explicit by Spotify"),
    list("languages", "languages, ISO 639"),
    text("description", "description"),
    boolean("is_playable", "playable in the requested market"),
    text("spotify_url", "link to Spotify"),
];

/// An audiobook.
pub(super) const AUDIOBOOK: &[Column] = &[
    text("audiobook_id", "Spotify's id of the audiobook"),
    text("audiobook_name", "title of the audiobook"),
    list("authors", "authors"),
    list("narrators", "narrators"),
    text("publisher", "publisher").extended_quota(),
    text("edition", "edition"),
    text("description", "description"),
    list("languages", "languages, ISO 639"),
    text("media_type", "audio"),
    integer("total_chapters", "number of chapters"),
    boolean("explicit", "marked as explicit by Spotify"),
    text("spotify_url", "link to Spotify"),
];
