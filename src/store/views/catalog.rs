//! Catalog views: artists, albums, tracks, podcasts, audiobooks, browse lists.

use super::parts::{ALBUM, ALBUM_JOINS, ARTIST, AUDIOBOOK, EPISODE, PLACE, SEEN, SHOW, TRACK, TRACK_JOINS};
use super::{RequestedBy, RowEntity, StreamView, ViewColumn, column, list_column};

const ALBUM_OF_ROW: Option<RowEntity> = Some(RowEntity { keys: &["album_id"], joins: ALBUM_JOINS, fields: &[ALBUM] });
const TRACK_OF_ROW: Option<RowEntity> = Some(RowEntity { keys: &["track_id"], joins: TRACK_JOINS, fields: &[TRACK] });

const AUDIOBOOK_CHAPTER: &[ViewColumn] = &[
    column("audiobook_id", "i.audiobook_id"),
    column("audiobook_name", "b.name"),
    column("position", "i.position"),
    column("chapter_id", "i.chapter_id"),
    column("chapter_name", "c.name"),
    column("chapter_number", "c.chapter_number"),
    column("duration_ms", "c.duration_ms"),
    column("explicit", "c.explicit"),
    list_column(
        "languages",
        "l.text",
        "item_texts l WHERE l.kind = 'chapter' AND l.id = c.id AND l.what = 'language'",
        PLACE,
    ),
    column("description", "c.description"),
    column("release_date", "c.release_date"),
    column("release_date_precision", "c.release_date_precision"),
    column(
        "is_playable",
        "(SELECT m.is_playable FROM chapter_markets m WHERE m.chapter_id = c.id AND m.is_playable IS NOT NULL \
         ORDER BY m.fetched_at DESC, m.market LIMIT 1)",
    ),
    column("spotify_url", "c.spotify_url"),
];

pub(super) const VIEWS: &[StreamView] = &[
    StreamView {
        name: "albums",
        rows: "albums al",
        visible_if: None,
        requested_by: RequestedBy::Item("al.id"),
        order: "al.id",
        fields: &[ALBUM, &[column("first_seen_at", "al.first_seen_at"), column("fetched_at", "al.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "album_tracks",
        rows: "album_tracks i LEFT JOIN albums al ON al.id = i.album_id LEFT JOIN tracks t ON t.id = i.track_id",
        fields: &[
            &[column("album_id", "i.album_id"), column("position", "i.position"), column("track_id", "i.track_id")],
            TRACK,
            SEEN,
        ],
        ..LIST
    },
    StreamView {
        name: "artists",
        rows: "artists ar",
        visible_if: None,
        requested_by: RequestedBy::Item("ar.id"),
        order: "ar.id",
        fields: &[ARTIST, &[column("first_seen_at", "ar.first_seen_at"), column("fetched_at", "ar.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "artist_albums",
        rows: "artist_releases i LEFT JOIN artists ar ON ar.id = i.artist_id",
        fields: &[
            &[
                column("artist_id", "i.artist_id"),
                column("artist_name", "ar.name"),
                column("album_group", "i.album_group"),
                column("position", "i.position"),
            ],
            SEEN,
        ],
        entity: ALBUM_OF_ROW,
        ..LIST
    },
    StreamView {
        name: "artist_top_tracks",
        rows: "artist_top_tracks i LEFT JOIN artists ar ON ar.id = i.artist_id",
        fields: &[
            &[
                column("artist_id", "i.artist_id"),
                column("artist_name", "ar.name"),
                column("market", "i.market"),
                column("rank", "i.position + 1"),
            ],
            SEEN,
        ],
        entity: TRACK_OF_ROW,
        ..LIST
    },
    StreamView {
        name: "tracks",
        rows: "tracks t LEFT JOIN albums al ON al.id = t.album_id",
        visible_if: None,
        requested_by: RequestedBy::Item("t.id"),
        order: "t.id",
        fields: &[TRACK, &[column("first_seen_at", "t.first_seen_at"), column("fetched_at", "t.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "shows",
        rows: "shows sh",
        visible_if: None,
        requested_by: RequestedBy::Item("sh.id"),
        order: "sh.id",
        fields: &[SHOW, &[column("first_seen_at", "sh.first_seen_at"), column("fetched_at", "sh.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "show_episodes",
        rows: "show_episodes i LEFT JOIN shows sh ON sh.id = i.show_id LEFT JOIN episodes e ON e.id = i.episode_id",
        fields: &[&[column("position", "i.position"), column("show_id", "i.show_id")], EPISODE, SEEN],
        ..LIST
    },
    StreamView {
        name: "episodes",
        rows: "episodes e LEFT JOIN shows sh ON sh.id = e.show_id",
        visible_if: None,
        requested_by: RequestedBy::Item("e.id"),
        order: "e.id",
        fields: &[EPISODE, &[column("first_seen_at", "e.first_seen_at"), column("fetched_at", "e.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "audiobooks",
        rows: "audiobooks b",
        visible_if: None,
        requested_by: RequestedBy::Item("b.id"),
        order: "b.id",
        fields: &[AUDIOBOOK, &[column("first_seen_at", "b.first_seen_at"), column("fetched_at", "b.fetched_at")]],
        ..LIST
    },
    StreamView {
        name: "audiobook_chapters",
        rows: "audiobook_chapters i LEFT JOIN audiobooks b ON b.id = i.audiobook_id \
               LEFT JOIN chapters c ON c.id = i.chapter_id",
        fields: &[AUDIOBOOK_CHAPTER, SEEN],
        ..LIST
    },
    StreamView {
        name: "new_releases",
        rows: "new_releases i",
        fields: &[&[column("position", "i.position")], SEEN],
        entity: ALBUM_OF_ROW,
        ..LIST
    },
    StreamView {
        name: "categories",
        rows: "categories i",
        fields: &[
            &[
                column("position", "i.position"),
                column("category_id", "i.id"),
                column("category_name", "i.name"),
                column(
                    "image_url",
                    "(SELECT m.url FROM images m WHERE m.kind = 'category' AND m.id = i.id \
                     ORDER BY m.position LIMIT 1)",
                ),
            ],
            SEEN,
        ],
        ..LIST
    },
    StreamView { name: "markets", rows: "markets i", fields: &[&[column("market", "i.market")], SEEN], ..LIST },
];

/// Defaults for the views of lists. Entities override the first three.
const LIST: StreamView = StreamView {
    name: "",
    rows: "",
    visible_if: Some("i.removed_at IS NULL"),
    requested_by: RequestedBy::List("i.list_id"),
    order: "i.position",
    time_column: None,
    fields: &[],
    entity: None,
};
