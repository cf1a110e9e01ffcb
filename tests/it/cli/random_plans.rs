//! Random job files over random states of the sandbox, planned and run. Exact prices equal the number of calls, and
//! ranges contain it, in every mode of the plan.
//!
//! This runs six seeds; `CRATEDIGGER_SEEDS` sets another number.

use spotify_sandbox::{LibraryEdit, LibrarySection, PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

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
const OWN: [&str; 8] = [
    "my_playlists",
    "my_playlist_items",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "followed_artists",
    "top_tracks",
    "recently_played",
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
    let mut out = "user = \"home\"\n".to_owned();
    for n in 0..=dice.below(4) {
        let ids = |kind: &str, dice: &mut Dice, most: usize| {
            let ids = rolled_ids(world, kind, dice, most);
            by_ids(kind, &ids.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let one = match dice.below(11) {
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
    }
    out
}

/// Changes something at Spotify.
fn edit(world: &World, dice: &mut Dice) {
    let catalog = world.sandbox.catalog();
    let playlist = LISTS[dice.below(4)].to_owned();
    let len = catalog.expected_rows(&playlist).map_or(0, |rows| rows.len());
    match dice.below(5) {
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
        let world = signed_in(said_to_be(class, world), &[("home", fixtures::HOME_USER)]);
        // It takes a thousand calls.
        world.sandbox.catalog().edit(PlaylistEdit::Delete { playlist: fixtures::LARGE_PLAYLIST.to_owned() }).unwrap();
        let text = job(&world, dice);
        let world = world.job(&text);
        for turn in 0..3 {
            exact += plan_and_run(&world, &format!("seed {seed}, turn {turn}, {class} in {mode:?}, {text}"));
            plans += 1.0;
            (0..dice.below(4)).for_each(|_| edit(&world, dice));
        }
    }
    assert!(exact / plans > 0.5, "{} of the prices are exact", exact / plans);
}
