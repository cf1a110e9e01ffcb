//! A playlist is edited at random, between reads and in the middle of them. The stored playlist must equal
//! the sandbox's own copy, and its history must lead back to every version that a run has seen.
//!
//! The test plays forty seeds; `make torture` plays thousands (`CRATEDIGGER_SEEDS`).

use cratedigger::store::playlist_at;
use serde_json::{Value, json};
use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use crate::support::world::{World, by_ids};

/// A generator of random numbers that is reproducible from its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: usize) -> usize {
        // xorshift64*: short, and random enough for choosing edits.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % sides
    }
}

struct Edited {
    world: World,
    id: String,
    tracks: Vec<String>,
}

impl Edited {
    fn new() -> Edited {
        let options = SandboxOptions {
            mode: QuotaMode::Extended,
            playlist_page_max: 50,
            playlist_items: 170,
            ..SandboxOptions::default()
        };
        let world = World::with(options);
        let (id, tracks) = {
            let catalog = world.sandbox.catalog();
            let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 170);
            let ids = catalog.ids();
            let tracks = ids["tracks"].as_array().unwrap().iter().take(6).map(|id| id.as_str().unwrap().to_owned());
            (catalog.playlist_ids().into_iter().find(plain).unwrap(), tracks.collect())
        };
        let world = world.job(&by_ids("playlist_items", &[&id]));
        Edited { world, id, tracks }
    }

    /// The items that the sandbox holds: URI, when it was added and by whom.
    fn truth(&self) -> Vec<[String; 3]> {
        let rows = self.world.sandbox.catalog().expected_rows(&self.id).unwrap();
        let text = Option::unwrap_or_default;
        rows.into_iter().map(|row| [text(row.uri), text(row.added_at), text(row.added_by)]).collect()
    }

    /// One random edit. It chooses from few tracks, so that the playlist holds the same ones repeatedly.
    fn edit(&self, dice: &mut Dice) -> Value {
        let (id, len) = (&self.id, self.truth().len());
        match dice.below(5) {
            0 => json!({"do": "remove", "playlist": id, "position": dice.below(len + 1), "count": 1 + dice.below(3)}),
            1 | 2 => {
                json!({"do": "move", "playlist": id, "from": dice.below(len + 1), "count": 1 + dice.below(4), "to": dice.below(len + 1)})
            }
            3 => {
                let items: Vec<_> =
                    (0..1 + dice.below(3)).map(|_| &self.tracks[dice.below(self.tracks.len())]).collect();
                json!({"do": "insert", "playlist": id, "position": dice.below(len + 1), "items": items})
            }
            _ => {
                json!({"do": "insert", "playlist": id, "position": dice.below(len + 1), "items": [fixtures::PLAIN_TRACK, null]})
            }
        }
    }

    fn make(&self, edit: Value) {
        self.world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    }

    fn stored(&self) -> Vec<[String; 3]> {
        let rows = self.world.rows(
            "SELECT coalesce(uri, ''), coalesce(added_at, ''), coalesce(added_by, '') FROM playlist_items ORDER BY position",
        );
        rows.into_iter().map(|row| row.try_into().unwrap()).collect()
    }
}

/// The number of items that an edit touches, which is also the largest number of changes it may cause.
fn size(edit: &Value) -> usize {
    let items = edit["items"].as_array().map(Vec::len);
    items.or(edit["count"].as_u64().and_then(|n| usize::try_from(n).ok())).unwrap()
}

#[test]
fn random_edits_are_stored_with_their_history() {
    let seeds: u64 = std::env::var("CRATEDIGGER_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let list = Edited::new();
    let (mut versions, mut moved, mut stale) = (Vec::new(), 0, 0);
    let (mut before, mut ended, mut single) = (Vec::new(), false, 0);
    for seed in 1..=seeds {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let edits = dice.below(4);
        let mut alone = if edits == 1 && ended { Some(0) } else { None };
        for _ in 0..edits {
            let edit = list.edit(&mut dice);
            alone = alone.map(|_| size(&edit));
            list.make(edit);
        }
        if dice.below(2) == 0 {
            alone = None;
            let (page, times) = (dice.below(5), 1 + dice.below(4));
            list.make(json!({"do": "when_served", "playlist": list.id, "page": page, "times": times, "edit": list.edit(&mut dice)}));
        }
        if !(120..=240).contains(&list.truth().len()) {
            alone = None;
        }
        if list.truth().len() < 120 {
            list.make(
                json!({"do": "insert", "playlist": list.id, "position": 0, "items": vec![fixtures::PLAIN_TRACK; 30]}),
            );
        }
        // Otherwise the playlist would grow with every seed, and so would the versions kept for the end.
        if list.truth().len() > 240 {
            list.make(json!({"do": "remove", "playlist": list.id, "position": 20, "count": 70}));
        }
        let changes = || list.world.one("SELECT count(*) FROM playlist_changes").parse::<usize>().unwrap();
        let known = if list.world.database().exists() { changes() } else { 0 };
        let begun = list.truth();
        let ran = list.world.run(&["-q"]);
        list.world.sandbox.clear_log();
        // An edit from an earlier seed may have been waiting for its page and been made only now.
        let alone = alone.filter(|_| begun == list.truth());
        let stored = list.stored();
        match ran.code {
            3 => {
                assert!(ran.stderr.contains("moved"), "seed {seed}: {}", ran.stderr);
                assert_eq!(stored, before, "seed {seed}: the old list is kept");
                moved += 1;
            }
            0 => {
                let version = list.world.sandbox.catalog().snapshot_id(&list.id).unwrap();
                if list.world.one("SELECT snapshot_id FROM lists WHERE kind = 'playlist_items'") == version {
                    assert_eq!(stored, list.truth(), "seed {seed}");
                    if let Some(size) = alone {
                        let new = changes() - known;
                        assert!(new <= size, "seed {seed}: {new} changes were recorded for an edit of {size} items");
                        single += 1;
                    }
                    let seen_at = list.world.one("SELECT max(seen_at) FROM playlist_versions");
                    versions.push((seen_at, stored.clone(), seed));
                } else {
                    // The playlist was edited after its last answer.
                    stale += 1;
                }
            }
            other => panic!("seed {seed}: exit code {other}: {}", ran.stderr),
        }
        ended = ran.code == 0 && stored == list.truth();
        before = stored;
    }
    assert!(single > 0, "no run saw exactly one edit");
    let store = list.world.store();
    for (seen_at, uris, seed) in &versions {
        let then = playlist_at(&store, &list.id, Some(seen_at)).unwrap();
        let text = Option::unwrap_or_default;
        let then: Vec<[String; 3]> =
            then.places.into_iter().map(|p| [text(p.uri), text(p.added_at), text(p.added_by)]).collect();
        assert!(then == *uris, "seed {seed}: the playlist as it was at {seen_at}");
    }
    list.world.cli(&["verify"]).exits(0);
    let read = u64::try_from(versions.len()).unwrap();
    println!("{seeds} seeds: {read} versions, {moved} reads given up as moved, {stale} edited after the last answer");
    assert!(read * 2 > seeds, "most reads must succeed: {read} of {seeds}");
}
