//! The `digest` event: a summary of all jobs since the last one.

use std::time::Duration;

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::hook_server::Hooks;
use crate::support::moved_clock::clock;
use crate::support::sign_in::sign_in;
use crate::support::world::{Ran, World, by_ids, ran};

/// Runs the command so many days from now.
fn days_later(world: &World, days: u64, args: &[&str]) -> Ran {
    let mut command = world.command(args);
    ran(command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", (days * 86_400).to_string()))
}

fn digests(hooks: &Hooks) -> Vec<Value> {
    let messages = hooks.came().into_iter().map(|it| serde_json::from_str::<Value>(&it.body).unwrap());
    messages.filter(|message| message["event"] == "digest").collect()
}

#[test]
fn digest_tells_of_all_jobs_once_a_week() {
    let hooks = Hooks::listening();
    let world = World::extended()
        .job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]))
        .settings(&format!("[notify]\nwebhook_url = \"{}\"\non = [\"digest\"]", hooks.url("/hook")));
    world.project.write("jobs/gone.toml", by_ids("playlists", &["0000000000000000000000"]));
    world.project.write("jobs/never.toml", "[[fetch]]\nstream = \"markets\"\n");
    world.run(&["x"]).exits(0);
    assert_eq!(digests(&hooks).len(), 0, "the first look only notes the time");

    let edit =
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&["x"]).exits(0);
    world.run(&["gone"]).exits(3);
    world.sandbox.advance(Duration::from_secs(8 * 86_400));
    days_later(&world, 8, &["run", "x"]).exits(0);
    days_later(&world, 8, &["run", "--due"]);
    let sent = digests(&hooks);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (text, lines) = (sent[0]["text"].as_str().unwrap(), sent[0]["details"].as_array().unwrap());
    assert!(text.starts_with("digest since ") && text.contains("1 of 3 jobs are complete, 2 runs, "), "{text}");
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
    assert!(lines[0].starts_with("gone: partial (") && lines[0].contains("no complete run yet"), "{lines:?}");
    assert_eq!(lines[1], "never: no run yet");
    assert!(lines[2].starts_with("x: complete, data from "), "{lines:?}");
    assert_eq!(lines[3], "1 playlist changed: +1 \u{2212}0", "{lines:?}");
    assert_eq!(sent[0]["job"], "");

    // The next one tells of what came after.
    days_later(&world, 15, &["run", "--due"]);
    let sent = digests(&hooks);
    assert_eq!(sent.len(), 2, "{sent:?}");
    let lines = sent[1]["details"].to_string();
    assert!(!lines.contains("changed"), "{lines}");
}

/// From now on, the artist has these singles.
fn release(world: &World, albums: &[&str]) {
    world.sandbox.clear_faults();
    let album = |id: &&str| {
        let artists = json!([{"id": fixtures::BUSY_ARTIST, "name": "Busy \u{202e}one"}]);
        json!({"id": id, "name": format!("About {id}"), "type": "album", "release_date": "2026-12-01", "artists": artists})
    };
    let items: Vec<Value> = albums.iter().map(album).collect();
    let json = json!({"items": items, "total": items.len(), "limit": 50, "offset": 0, "next": null});
    let path = format!("/v1/artists/{}/albums", fixtures::BUSY_ARTIST);
    world.sandbox.inject(Fault::on_path(&path, FaultAction::Answer { code: 200, json }));
}

#[test]
fn daily_digest_names_releases_and_sign_ins() {
    let hooks = Hooks::listening();
    let job = format!("{}include_groups = [\"single\"]\n", by_ids("artist_albums", &[fixtures::BUSY_ARTIST]));
    let notify = format!("webhook_url = \"{}\"\non = [\"digest\"]\ndigest = \"daily\"", hooks.url("/hook"));
    let world = World::extended().job(&job).settings(&format!("[notify]\n{notify}"));
    sign_in(&world, "home", fixtures::HOME_USER);
    release(&world, &[fixtures::LONG_ALBUM]);
    world.run(&["x"]).exits(0);
    release(&world, &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]);
    world.run(&["x"]).exits(0);
    days_later(&world, 1, &["run", "--due"]).exits(0);
    let sent = digests(&hooks);
    let lines: Vec<&str> = sent[0]["details"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let title = format!("  2026-12-01 Busy \\u{{202e}}one: About {}", fixtures::EDGE_CASE_ALBUM);
    assert_eq!(lines[1..3], ["1 new release", &title], "{lines:?}");
    assert!(lines[3].starts_with("days until the next sign-in: home 1"), "{lines:?}");
}
