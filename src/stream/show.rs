//! Podcasts and their episodes.

use super::column::{EPISODE, SEEN, SHOW, integer};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "shows",
        about: "a podcast",
        takes: Takes::Ids(Kind::Show),
        classes: Classes::Both,
        endpoint: "/shows/{id}",
        family: "shows",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &["refresh_after"],
        keys: &["show_id"],
        columns: &[SHOW, SEEN],
        refs: &[(Kind::Show, "show_id")],
    },
    Stream {
        name: "show_episodes",
        about: "an episode of a podcast",
        takes: Takes::Ids(Kind::Show),
        classes: Classes::Both,
        endpoint: "/shows/{id}/episodes",
        family: "show_episodes",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: Order::NewestFirst,
        keeps: Keeps::Now,
        options: &["full_every", "limit_per_parent"],
        keys: &["show_id", "episode_id"],
        columns: &[&[integer("position", "place in the show, newest first, from 0")], EPISODE, SEEN],
        refs: &[(Kind::Episode, "episode_id"), (Kind::Show, "show_id")],
    },
    Stream {
        name: "episodes",
        about: "an episode",
        takes: Takes::Ids(Kind::Episode),
        classes: Classes::Both,
        endpoint: "/episodes/{id}",
        family: "episodes",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &["refresh_after"],
        keys: &["episode_id"],
        columns: &[EPISODE, SEEN],
        refs: &[(Kind::Episode, "episode_id"), (Kind::Show, "show_id")],
    },
];
