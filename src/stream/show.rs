//! Podcasts and their episodes.

use super::column::{EPISODE, SEEN, SHOW, integer};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "shows",
        about: "a podcast",
        input: StreamInput::Ids(EntityKind::Show),
        access: StreamAccess::Both,
        endpoint: "/shows/{id}",
        family: "shows",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["show_id"],
        columns: &[SHOW, SEEN],
        references: &[(EntityKind::Show, "show_id")],
    },
    Stream {
        name: "show_episodes",
        about: "an episode of a podcast",
        input: StreamInput::Ids(EntityKind::Show),
        access: StreamAccess::Both,
        endpoint: "/shows/{id}/episodes",
        family: "show_episodes",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::NewestFirst,
        row_mode: RowMode::CurrentState,
        options: &["full_every", "limit_per_parent"],
        keys: &["show_id", "episode_id"],
        columns: &[&[integer("position", "place in the show, newest first, from 0")], EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
    },
    Stream {
        name: "episodes",
        about: "an episode",
        input: StreamInput::Ids(EntityKind::Episode),
        access: StreamAccess::Both,
        endpoint: "/episodes/{id}",
        family: "episodes",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["episode_id"],
        columns: &[EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
    },
];
