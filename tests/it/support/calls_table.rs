//! The cost of exports in calls: sent, the fewest possible, and those of a simple client.
//!
//! One program serves the test, which compares our calls with the fewest, and `make bench-calls`, which prints
//! the table. A simple client reads every list completely in pages of 50 and every object with its own request.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use spotify_sandbox::{LibraryEdit, LibrarySection, PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

use super::world::{SCOPES, World};

/// The size of the exports.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub playlists: usize,
    pub items: usize,
    pub saved: usize,
    pub artists: usize,
    /// Positions in the library at which a track is removed.
    pub removed: [usize; 3],
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Line {
    pub what: String,
    /// Calls sent, without those that verify that a list is complete.
    pub sent: usize,
    /// Calls that verify lists.
    pub proofs: usize,
    pub fewest: usize,
    pub plain: usize,
    /// An explanation of `fewest`, if needed.
    pub why: Option<String>,
}

/// Whether a call only checks that a list did not change.
pub fn is_proof(call: &str, before: &HashSet<&str>) -> bool {
    call.contains("fields=snapshot_id") || (call.starts_with("/me/playlists") && before.contains(call))
}

/// A world with the user `digger` and a job.
pub fn digging(mode: QuotaMode, options: SandboxOptions, job: &str) -> World {
    let world = World::with(SandboxOptions { mode, playlists: 0, ..options });
    let class = if mode == QuotaMode::Development { "development" } else { "extended" };
    let settings = format!(
        "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\napp_mode = \"{class}\"\n[limits]\nrequests_per_second = 1000.0\n\
         calls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"\n",
        world.sandbox.api_url(),
        world.sandbox.accounts_url()
    );
    world.project.write("config/cratedigger.toml", settings);
    sign_in(world, "digger", fixtures::DIGGER_USER).job(&format!("user = \"digger\"\n{job}"))
}

/// Signs a user in by an import.
pub fn sign_in(world: World, name: &str, id: &str) -> World {
    let token = world.sandbox.sign_in(id, SCOPES, false).refresh_token;
    let line = json!({
        "user": name, "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
        "authorized_at": chrono::Utc::now().to_rfc3339(),
    });
    let mut command = world.command(&["auth", "import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The first run after an import looks up the account, so it is not counted here.
    world.project.write("jobs/warm-up.toml", format!("user = \"{name}\"\n[[fetch]]\nstream = \"me\"\n"));
    world.run(&["warm-up"]).exits(0);
    world.new_calls();
    world
}

fn line(world: &World, what: &str, fewest: usize, plain: usize) -> Line {
    world.run(&["x"]).exits(0);
    let calls = world.new_calls();
    let mut before = HashSet::new();
    let mut proofs = 0;
    for call in &calls {
        proofs += usize::from(is_proof(call, &before));
        before.insert(call);
    }
    Line { what: what.to_owned(), sent: calls.len() - proofs, proofs, fewest, plain, why: None }
}

fn pages(items: usize) -> usize {
    items.div_ceil(50).max(1)
}

/// Calls for a playlist in Development Mode: the first answer has a hundred items, and each page fifty.
fn playlist_calls(items: usize) -> usize {
    1 + items.saturating_sub(100).div_ceil(50)
}

fn playlists(sizes: Sizes) -> Vec<Line> {
    let Sizes { playlists, items, .. } = sizes;
    let options = SandboxOptions { digger_playlists: playlists, playlist_items: items, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"my_playlist_items\"\n");
    let (lists, plain) = (pages(playlists), pages(playlists) + playlists * pages(items));
    let first = format!("first export of {playlists} playlists of {items} items");
    let mut out = vec![
        line(&world, &first, lists + playlists * playlist_calls(items), plain),
        line(&world, "the same again, nothing changed", lists, plain),
    ];
    let ids: Vec<String> = world.rows("SELECT playlist_id FROM my_playlists ORDER BY position").concat();
    for id in ids.iter().step_by(playlists / 5).take(5) {
        let track = Some(fixtures::PLAIN_TRACK.to_owned());
        let edit = PlaylistEdit::Insert { playlist: id.clone(), position: 3, items: vec![track] };
        world.sandbox.catalog().edit(edit).unwrap();
    }
    out.push(line(&world, "again with 5 changed", lists + 5 * playlist_calls(items + 1), plain));
    out
}

fn library(sizes: Sizes) -> Vec<Line> {
    let Sizes { saved, removed, .. } = sizes;
    let options = SandboxOptions { digger_tracks: saved, tracks: saved + 200, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    let mut out = vec![
        line(&world, &format!("{saved} saved tracks, first"), pages(saved), pages(saved)),
        line(&world, "the same, unchanged", 1, pages(saved)),
    ];
    save_new(&world, 10);
    out.push(line(&world, "with 10 new", 1, pages(saved + 10)));
    // Positions refer to the present library. Removing starts at the end, so that no position moves.
    for position in removed.into_iter().rev() {
        remove(&world, position);
    }
    save_new(&world, 10);
    let total = saved + 20 - 3;
    // The row after the last removal has moved down by eight: ten new rows are above it, and two removed ones were.
    // A client that does not know the positions has to read every page down to it, or guess.
    let read_on = (removed[2] + 10 - 2) / 50 + 1;
    let mut last = line(&world, &format!("with 10 new and 3 removed, at {removed:?}"), read_on, pages(total));
    last.why =
        Some(format!("{read_on} pages from the first row to the last removal; 4 would be enough with known positions"));
    out.push(last);
    assert_eq!(saved_by(&world), truth(&world), "the store equals the library");
    out
}

/// Saves tracks that are not in the library.
pub fn save_new(world: &World, count: usize) {
    let there: HashSet<String> = truth(world).into_iter().map(|(id, _)| id).collect();
    let rows = world.sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap();
    let mut new: Vec<String> = Vec::new();
    for id in rows.into_iter().filter(|row| row.kind == "track").filter_map(|row| row.id) {
        if new.len() < count && !there.contains(&id) && !new.contains(&id) {
            new.push(id);
        }
    }
    assert_eq!(new.len(), count);
    for id in new {
        let (user, section) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks);
        world
            .sandbox
            .catalog()
            .edit_library(LibraryEdit::Save { user, section, id, added_at_ms: None, twice: false })
            .unwrap();
    }
}

pub fn remove(world: &World, position: usize) {
    let (user, section) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks);
    world.sandbox.catalog().edit_library(LibraryEdit::Remove { user, section, position }).unwrap();
}

/// The library in the sandbox: id and time of each track.
pub fn truth(world: &World) -> Vec<(String, String)> {
    let truth = world.truth("users", fixtures::DIGGER_USER);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    truth["saved_tracks"].as_array().unwrap().iter().map(|row| (text(&row["id"]), text(&row["added_at"]))).collect()
}

pub fn saved_by(world: &World) -> Vec<(String, String)> {
    let rows = world.rows("SELECT track_id, added_at FROM saved_tracks WHERE removed_at IS NULL ORDER BY position");
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// A playlist with tracks by exactly this number of artists.
fn artists(sizes: Sizes, mode: QuotaMode) -> Vec<Line> {
    let wanted = sizes.artists;
    let options =
        SandboxOptions { digger_playlists: 1, playlist_items: 0, tracks: 40 * wanted, ..SandboxOptions::default() };
    let job = "[[fetch]]\nname = \"items\"\nstream = \"my_playlist_items\"\n[[fetch]]\nstream = \"artists\"\nfrom = \"items\"\n";
    let world = digging(mode, options, job);
    let (mut met, mut tracks) = (HashSet::new(), Vec::new());
    for row in world.sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap() {
        let new: HashSet<&String> = row.artist_ids.iter().filter(|id| !met.contains(*id)).collect();
        if row.kind == "track" && !new.is_empty() && met.len() + new.len() <= wanted {
            tracks.push(row.id.clone());
            met.extend(row.artist_ids);
        }
    }
    assert_eq!(met.len(), wanted, "the catalog has enough artists");
    let list = world.sandbox.catalog().playlist_ids().pop().unwrap();
    let items = tracks.len();
    world.sandbox.catalog().edit(PlaylistEdit::Insert { playlist: list, position: 0, items: tracks }).unwrap();
    let (page, batch) =
        if mode == QuotaMode::Development { (playlist_calls(items), 1) } else { (items.div_ceil(100).max(1), 50) };
    let plain = 1 + pages(items) + wanted;
    let class = if mode == QuotaMode::Development { "" } else { ", Extended Quota" };
    vec![
        line(
            &world,
            &format!("{wanted} artists met in a playlist, first{class}"),
            1 + page + wanted.div_ceil(batch),
            plain,
        ),
        line(&world, &format!("the same, again{class}"), 1, plain),
    ]
}

/// The whole table.
pub fn table(sizes: Sizes) -> Vec<Line> {
    [playlists(sizes), library(sizes), artists(sizes, QuotaMode::Development), artists(sizes, QuotaMode::Extended)]
        .concat()
}
