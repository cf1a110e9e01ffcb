//! Podcasts and their episodes.

use super::EntryKind;
use super::column::{EPISODE, SEEN, SHOW, integer};
use super::{
    BASE, ChangeDetection, MembershipTable, Paging, ParentColumn, ReadStrategy, Stream, StreamInput, StreamTable,
};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "shows",
        about: "a podcast",
        input: StreamInput::Ids(EntityKind::Show),
        endpoint: "/shows/{id}",
        family: EndpointFamily::SHOWS,
        paging: Paging::ById { batch: 50 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        options: &["refresh_after"],
        keys: &["show_id"],
        columns: &[SHOW, SEEN],
        references: &[(EntityKind::Show, "show_id")],
        table: StreamTable::Entities("shows"),
        takes_market: true,
        needs_market: true,
        ..BASE
    },
    Stream {
        name: "show_episodes",
        about: "an episode of a podcast",
        input: StreamInput::Ids(EntityKind::Show),
        endpoint: "/shows/{id}/episodes",
        family: EndpointFamily::SHOW_EPISODES,
        paging: Paging::Offset { development: 50, extended: 50 },
        changes: ChangeDetection::NewestFirst,
        entries: Some(EntryKind::Episodes),
        options: &["full_every", "limit_per_parent"],
        keys: &["show_id", "episode_id"],
        columns: &[&[integer("position", "position in the show's list, from 0")], EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("show_id", ParentColumn::Id)),
            has_market: true,
            ..MembershipTable::new("show_episodes", "episode", "episode_id")
        }),
        takes_market: true,
        needs_market: true,
        ..BASE
    },
    Stream {
        name: "episodes",
        about: "an episode",
        input: StreamInput::Ids(EntityKind::Episode),
        endpoint: "/episodes/{id}",
        family: EndpointFamily::EPISODES,
        paging: Paging::ById { batch: 50 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        options: &["refresh_after"],
        keys: &["episode_id"],
        columns: &[EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
        table: StreamTable::Entities("episodes"),
        takes_market: true,
        needs_market: true,
        ..BASE
    },
];
