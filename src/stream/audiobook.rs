//! Audiobooks and their chapters. Spotify has them in the US, UK, Canada, Ireland, New Zealand and
//! Australia only: without such a `market` they answer 404.

use super::EntryKind;
use super::column::{AUDIOBOOK, SEEN, boolean, integer, list, text};
use super::{
    BASE, ChangeDetection, MembershipTable, Paging, ParentColumn, ReadStrategy, Stream, StreamInput, StreamTable,
};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "audiobooks",
        about: "an audiobook",
        input: StreamInput::Ids(EntityKind::Audiobook),
        endpoint: "/audiobooks/{id}",
        family: EndpointFamily::AUDIOBOOKS,
        paging: Paging::ById { batch: 50 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        options: &["refresh_after"],
        keys: &["audiobook_id"],
        columns: &[AUDIOBOOK, SEEN],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
        table: StreamTable::Entities("audiobooks"),
        takes_market: true,
        ..BASE
    },
    Stream {
        name: "audiobook_chapters",
        about: "a chapter of an audiobook",
        input: StreamInput::Ids(EntityKind::Audiobook),
        endpoint: "/audiobooks/{id}/chapters",
        family: EndpointFamily::AUDIOBOOK_CHAPTERS,
        paging: Paging::Offset { development: 50, extended: 50 },
        entries: Some(EntryKind::Chapters),
        options: &["full_every", "limit_per_parent"],
        keys: &["audiobook_id", "chapter_id"],
        columns: &[
            &[
                text("audiobook_id", "id of the audiobook"),
                text("audiobook_name", "title"),
                integer("position", "position in the audiobook, from 0"),
                text("chapter_id", "Spotify's id of the chapter"),
                text("chapter_name", "title"),
                integer("chapter_number", "number of the chapter"),
                integer("duration_ms", "length in milliseconds"),
                boolean("explicit", "marked as explicit by Spotify"),
                list("languages", "languages, ISO 639"),
                text("description", "description of the chapter"),
                text("release_date", "as Spotify states it: YYYY, YYYY-MM or YYYY-MM-DD"),
                text("release_date_precision", "year, month or day"),
                boolean("is_playable", "playable in the requested market"),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("audiobook_id", ParentColumn::Id)),
            has_market: true,
            ..MembershipTable::new("audiobook_chapters", "chapter", "chapter_id")
        }),
        takes_market: true,
        ..BASE
    },
];
