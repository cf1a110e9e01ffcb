//! Random job files over random states of the sandbox, planned and run. Exact prices equal the number of calls, and
//! ranges contain it, in every mode of the plan.
//!
//! This runs six seeds; `CRATEDIGGER_SEEDS` sets another number.

use spotify_sandbox::{
    Fault, FaultAction, LibraryEdit, LibrarySection, PlaylistEdit, QuotaMode, SandboxOptions, fixtures,
};

use super::plan::plan_and_run;
use crate::limits::quota::said_to_be;
use crate::support::world::{World, by_ids, fetch};
use crate::sync::edited_playlists::Dice;
use crate::sync::users::signed_in;

const LISTS: [&str; 6] = [
    fixtures::HOME_PLAYLIST,
    // Its total is wrong, it has nulls, and an empty page that links to a next page.
    fixtures::EDGE_CASE_PLAYLIST,
    fixtures::EMPTY_PLAYLIST,
    fixtures::SHARED_PLAYLIST,
    fixtures::FOREIGN_PLAYLIST,
    fixtures::SPOTIFY_PLAYLIST,
];

/// Streams of a user that a job may have without further keys.
const OWN: [&str; 9] = [
    "me",
    "my_playlists",
    "my_playlist_items",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "followed_artists",
    "top_tracks",
    "recently_played",
];

/// Lists of which a job may want the newest items only.
const LIMITED: [(&str, &str, &str); 3] = [
    ("show_episodes", fixtures::SHOW, "market = \"DE\"\n"),
    ("audiobook_chapters", fixtures::AUDIOBOOK, "market = \"US\"\n"),
    ("artist_albums", fixtures::BUSY_ARTIST, ""),
];

fn some<'a>(dice: &mut Dice, of: &[&'a str]) -> Vec<&'a str> {
    let mut out: Vec<&str> = of.iter().copied().filter(|_| dice.below(2) == 0).collect();
    if out.is_empty() {
        out.push(of[dice.below(of.len())]);
    }
    out
}

fn rolled_ids(world: &World, kind: &str, dice: &mut Dice, most: usize) -> Vec<String> {
    let ids = world.sandbox.catalog().ids();
    let ids: Vec<String> = ids[kind].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    (0..=dice.below(most)).map(|_| ids[dice.below(ids.len())].clone()).collect()
}

/// A job of a few fetches.
fn job(world: &World, dice: &mut Dice) -> String {
    let users = ["user = \"home\"", "users = [\"home\", \"studio\"]", "users = [\"studio\", \"home\"]"];
    let mut out = format!("{}\n", users[dice.below(users.len())]);
    let mut before: Vec<String> = Vec::new();
    for n in 0..=dice.below(5) {
        let ids = |kind: &str, dice: &mut Dice, most: usize| {
            let ids = rolled_ids(world, kind, dice, most);
            by_ids(kind, &ids.iter().map(String::as_str).collect::<Vec<_>>())
        };
        // Some fetches request what one before has requested.
        let again = dice.below(before.len() + 4);
        let form = if again < before.len() { 20 } else { dice.below(14) };
        let one = match form {
            20 => before[again].clone(),
            11 => {
                let (stream, parent, more) = LIMITED[dice.below(LIMITED.len())];
                format!("{}{more}limit_per_parent = {}\n", by_ids(stream, &[parent]), 1 + dice.below(70))
            }
            12 => by_ids("playlists", &some(dice, &LISTS[4..])),
            13 => by_ids("user_playlists", &[fixtures::CURATOR_USER]),
            0 => by_ids("playlist_items", &some(dice, &LISTS)),
            1 | 2 => fetch(OWN[dice.below(OWN.len())], ""),
            3 => ids("artists", dice, 30),
            4 => ids("tracks", dice, 30),
            5 => ids("albums", dice, 12),
            6 => by_ids("album_tracks", &some(dice, &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM])),
            7 => by_ids("artist_albums", &some(dice, &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST])),
            8 => format!("{}market = \"DE\"\n", by_ids("show_episodes", &[fixtures::SHOW])),
            9 => fetch("search", &format!("query = \"signal\"\nmax_results = {}", 1 + dice.below(60))),
            _ => {
                let parent = by_ids("playlist_items", &some(dice, &LISTS[..3]));
                let parent = parent.replacen("[[fetch]]", &format!("[[fetch]]\nname = \"parent_{n}\""), 1);
                let child = fetch("artists", &format!("name = \"child_{n}\"\nfrom = \"parent_{n}\""));
                out.push_str(&format!("{parent}{child}where = \"position < {}\"\n", dice.below(30)));
                continue;
            }
        };
        out.push_str(&one.replacen("[[fetch]]", &format!("[[fetch]]\nname = \"f{n}\""), 1));
        before.push(one);
    }
    out
}

/// Changes something at Spotify.
fn edit(world: &World, dice: &mut Dice) {
    let catalog = world.sandbox.catalog();
    let playlist = LISTS[dice.below(4)].to_owned();
    let len = catalog.expected_rows(&playlist).map_or(0, |rows| rows.len());
    match dice.below(6) {
        5 => {
            // The show lists its oldest episode first, or follows no order.
            let mut positions: Vec<usize> = (0..world.true_ids("shows", fixtures::SHOW, "episodes").len()).collect();
            match dice.below(2) {
                0 => positions.reverse(),
                _ => positions.rotate_left(30),
            }
            let path = "/v1/shows/*/episodes";
            world.sandbox.clear_faults();
            world.sandbox.inject(Fault::on_path(path, FaultAction::Reordered { positions }));
        }
        0 => {
            let items = vec![Some(fixtures::PLAIN_TRACK.to_owned()); 1 + dice.below(140)];
            catalog.edit(PlaylistEdit::Insert { playlist, position: dice.below(len + 1), items }).unwrap();
        }
        1 if len > 0 => {
            let position = dice.below(len);
            catalog.edit(PlaylistEdit::Remove { playlist, position, count: 1 + dice.below(len - position) }).unwrap();
        }
        2 => catalog.edit(PlaylistEdit::Touch { playlist }).unwrap(),
        3 => {
            let id = rolled_ids(world, "tracks", dice, 1).remove(0);
            let (user, section) = (fixtures::HOME_USER.to_owned(), LibrarySection::Tracks);
            catalog.edit_library(LibraryEdit::Save { user, section, id, added_at_ms: None, twice: false }).unwrap();
        }
        _ => {
            let (user, section) = (fixtures::HOME_USER.to_owned(), LibrarySection::Tracks);
            // Only a few rows may be left.
            drop(catalog.edit_library(LibraryEdit::Remove { user, section, position: dice.below(40) }));
        }
    }
}

#[test]
fn random_jobs_cost_what_the_plan_says() {
    let seeds = std::env::var("CRATEDIGGER_SEEDS").map_or(6, |seeds| seeds.parse().unwrap());
    let (mut plans, mut exact) = (0.0, 0.0);
    for seed in 1..=seeds {
        let dice = &mut Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 7));
        let mode = [QuotaMode::Development, QuotaMode::Extended][dice.below(2)];
        let world = World::with(SandboxOptions { mode, seed, etags: dice.below(3) == 0, ..SandboxOptions::default() });
        let class = match (dice.below(4), mode) {
            (0, _) => "auto",
            (_, QuotaMode::Development) => "development",
            (_, QuotaMode::Extended) => "extended",
        };
        let world =
            signed_in(said_to_be(class, world), &[("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)]);
        // It takes a thousand calls.
        world.delete_large_playlist();
        let text = job(&world, dice);
        let world = world.job(&text);
        for turn in 0..3 {
            exact += plan_and_run(&world, &format!("seed {seed}, turn {turn}, {class} in {mode:?}, {text}"));
            plans += 1.0;
            (0..dice.below(4)).for_each(|_| edit(&world, dice));
        }
    }
    assert!(exact / plans > 0.4, "{} of the prices are exact", exact / plans);
}
