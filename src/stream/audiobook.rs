//! Audiobooks and their chapters. Spotify has them in the US, UK, Canada, Ireland, New Zealand and
//! Australia only: without such a `market` they answer 404.

use super::column::{AUDIOBOOK, SEEN, boolean, integer, list, text};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "audiobooks",
        about: "an audiobook",
        input: StreamInput::Ids(EntityKind::Audiobook),
        access: StreamAccess::Both,
        endpoint: "/audiobooks/{id}",
        family: "audiobooks",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["audiobook_id"],
        columns: &[AUDIOBOOK, SEEN],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
    },
    Stream {
        name: "audiobook_chapters",
        about: "a chapter of an audiobook",
        input: StreamInput::Ids(EntityKind::Audiobook),
        access: StreamAccess::Both,
        endpoint: "/audiobooks/{id}/chapters",
        family: "audiobook_chapters",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every", "limit_per_parent"],
        keys: &["audiobook_id", "chapter_id"],
        columns: &[
            &[
                text("audiobook_id", "id of the audiobook"),
                text("audiobook_name", "its title"),
                integer("position", "place in the audiobook, from 0"),
                text("chapter_id", "Spotify's id of the chapter"),
                text("chapter_name", "its title"),
                integer("chapter_number", "its number"),
                integer("duration_ms", "length in milliseconds"),
                boolean("explicit", "carries Spotify's explicit label"),
                list("languages", "languages, ISO 639"),
                text("description", "its description"),
                text("release_date", "as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD"),
                text("release_date_precision", "year, month or day"),
                boolean("is_playable", "playable in the market asked for"),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
    },
];
