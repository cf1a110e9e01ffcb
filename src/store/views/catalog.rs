//! What Spotify has for everyone: artists, albums, tracks, podcasts, audiobooks, browse lists.

use super::parts::{ALBUM, ALBUM_JOINS, ARTIST, AUDIOBOOK, EPISODE, PLACE, SEEN, SHOW, TRACK, TRACK_JOINS};
use super::{Asked, Field, Thing, View, list, one};

const ALBUM_OF_ROW: Option<Thing> = Some(Thing { keys: &["album_id"], joins: ALBUM_JOINS, fields: &[ALBUM] });
const TRACK_OF_ROW: Option<Thing> = Some(Thing { keys: &["track_id"], joins: TRACK_JOINS, fields: &[TRACK] });

const AUDIOBOOK_CHAPTER: &[Field] = &[
    one("audiobook_id", "i.audiobook_id"),
    one("audiobook_name", "b.name"),
    one("position", "i.position"),
    one("chapter_id", "i.chapter_id"),
    one("chapter_name", "c.name"),
    one("chapter_number", "c.chapter_number"),
    one("duration_ms", "c.duration_ms"),
    one("explicit", "c.explicit"),
    list("languages", "l.text", "item_texts l WHERE l.kind = 'chapter' AND l.id = c.id AND l.what = 'language'", PLACE),
    one("description", "c.description"),
    one("release_date", "c.release_date"),
    one("release_date_precision", "c.release_date_precision"),
    one(
        "is_playable",
        "(SELECT m.is_playable FROM chapter_markets m WHERE m.chapter_id = c.id AND m.is_playable IS NOT NULL \
         ORDER BY m.fetched_at DESC, m.market LIMIT 1)",
    ),
    one("spotify_url", "c.spotify_url"),
];

pub(super) const VIEWS: &[View] = &[
    View {
        name: "albums",
        rows: "albums al",
        shown: None,
        asked: Asked::Item("al.id"),
        order: "al.id",
        fields: &[ALBUM, &[one("first_seen_at", "al.first_seen_at"), one("fetched_at", "al.fetched_at")]],
        ..LIST
    },
    View {
        name: "album_tracks",
        rows: "album_tracks i LEFT JOIN albums al ON al.id = i.album_id LEFT JOIN tracks t ON t.id = i.track_id",
        fields: &[
            &[one("album_id", "i.album_id"), one("position", "i.position"), one("track_id", "i.track_id")],
            TRACK,
            SEEN,
        ],
        ..LIST
    },
    View {
        name: "artists",
        rows: "artists ar",
        shown: None,
        asked: Asked::Item("ar.id"),
        order: "ar.id",
        fields: &[ARTIST, &[one("first_seen_at", "ar.first_seen_at"), one("fetched_at", "ar.fetched_at")]],
        ..LIST
    },
    View {
        name: "artist_albums",
        rows: "artist_releases i LEFT JOIN artists ar ON ar.id = i.artist_id",
        fields: &[
            &[
                one("artist_id", "i.artist_id"),
                one("artist_name", "ar.name"),
                one("album_group", "i.album_group"),
                one("position", "i.position"),
            ],
            SEEN,
        ],
        thing: ALBUM_OF_ROW,
        ..LIST
    },
    View {
        name: "artist_top_tracks",
        rows: "artist_top_tracks i LEFT JOIN artists ar ON ar.id = i.artist_id",
        fields: &[
            &[
                one("artist_id", "i.artist_id"),
                one("artist_name", "ar.name"),
                one("market", "i.market"),
                one("rank", "i.position + 1"),
            ],
            SEEN,
        ],
        thing: TRACK_OF_ROW,
        ..LIST
    },
    View {
        name: "tracks",
        rows: "tracks t LEFT JOIN albums al ON al.id = t.album_id",
        shown: None,
        asked: Asked::Item("t.id"),
        order: "t.id",
        fields: &[TRACK, &[one("first_seen_at", "t.first_seen_at"), one("fetched_at", "t.fetched_at")]],
        ..LIST
    },
    View {
        name: "shows",
        rows: "shows sh",
        shown: None,
        asked: Asked::Item("sh.id"),
        order: "sh.id",
        fields: &[SHOW, &[one("first_seen_at", "sh.first_seen_at"), one("fetched_at", "sh.fetched_at")]],
        ..LIST
    },
    View {
        name: "show_episodes",
        rows: "show_episodes i LEFT JOIN shows sh ON sh.id = i.show_id LEFT JOIN episodes e ON e.id = i.episode_id",
        fields: &[&[one("position", "i.position"), one("show_id", "i.show_id")], EPISODE, SEEN],
        ..LIST
    },
    View {
        name: "episodes",
        rows: "episodes e LEFT JOIN shows sh ON sh.id = e.show_id",
        shown: None,
        asked: Asked::Item("e.id"),
        order: "e.id",
        fields: &[EPISODE, &[one("first_seen_at", "e.first_seen_at"), one("fetched_at", "e.fetched_at")]],
        ..LIST
    },
    View {
        name: "audiobooks",
        rows: "audiobooks b",
        shown: None,
        asked: Asked::Item("b.id"),
        order: "b.id",
        fields: &[AUDIOBOOK, &[one("first_seen_at", "b.first_seen_at"), one("fetched_at", "b.fetched_at")]],
        ..LIST
    },
    View {
        name: "audiobook_chapters",
        rows: "audiobook_chapters i LEFT JOIN audiobooks b ON b.id = i.audiobook_id \
               LEFT JOIN chapters c ON c.id = i.chapter_id",
        fields: &[AUDIOBOOK_CHAPTER, SEEN],
        ..LIST
    },
    View {
        name: "new_releases",
        rows: "new_releases i",
        fields: &[&[one("position", "i.position")], SEEN],
        thing: ALBUM_OF_ROW,
        ..LIST
    },
    View {
        name: "categories",
        rows: "categories i",
        fields: &[
            &[
                one("position", "i.position"),
                one("category_id", "i.id"),
                one("category_name", "i.name"),
                one(
                    "image_url",
                    "(SELECT m.url FROM images m WHERE m.kind = 'category' AND m.id = i.id \
                     ORDER BY m.position LIMIT 1)",
                ),
            ],
            SEEN,
        ],
        ..LIST
    },
    View { name: "markets", rows: "markets i", fields: &[&[one("market", "i.market")], SEEN], ..LIST },
];

/// What the views of lists have in common; entities override the first three.
const LIST: View = View {
    name: "",
    rows: "",
    shown: Some("i.removed_at IS NULL"),
    asked: Asked::List("i.list_id"),
    order: "i.position",
    clock: None,
    fields: &[],
    thing: None,
};
