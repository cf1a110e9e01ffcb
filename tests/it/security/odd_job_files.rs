//! Job files that are made to take long, to need much memory or to end the process; and answers like that.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::project::{Project, stderr, stdout};
use crate::support::world::{World, by_ids};

#[test]
fn problems_of_a_job_are_counted_not_listed() {
    let keys: String = (0..16_000).map(|n| format!("\"kéy{n}\" = 1\n")).collect();
    let inline: String = (0..16_000).map(|n| format!("\"kéy{n}\" = 1, ")).collect();
    let cases = [
        ("keys", format!("{keys}[[fetch]]\nstream = \"markets\"\n"), "and 15980 more problems"),
        ("keys on one line", format!("fetch = [{{ {inline}x = 1 }}]\n"), "more problems"),
        ("broken lines", "a b\n".repeat(30_000), "and 29980 more problems"),
        ("ids", format!("[[fetch]]\nstream = \"tracks\"\nids = [{}]\n", "\"x\", ".repeat(50_000)), "more problems"),
        ("long key", format!("{} = 1\n", "k".repeat(900_000)), "unknown key"),
        ("long value", format!("[[fetch]]\nstream = \"{}\"\n", "k".repeat(900_000)), "unknown name"),
    ];
    for (name, text, says) in cases {
        let project = Project::with_job(&text);
        let output = project.run(&["check"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(said.contains(says), "{name}: {said:.2000}");
        let json = stdout(&project.run(&["check", "--json"]));
        assert!(said.len() < 3_000_000 && json.len() < 3_000_000, "{name}: {} {}", said.len(), json.len());
    }
    let project = Project::new();
    project.write("config/cratedigger.toml", format!("[limits]\n{keys}"));
    assert!(project.check().1.contains("and 15980 more problems"));
}

#[test]
fn deep_job_files_do_not_end_the_process() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    for (name, text) in [
        ("lists", format!("a = {}\n", deep("[", "]"))),
        ("open lists", format!("a = {}\n", "[".repeat(100_000))),
        ("inline tables", format!("a = {}\n", deep("{a=", "}"))),
        ("dotted keys", format!("{}a = 1\n", "a.".repeat(50_000))),
        ("dotted keys in a table", format!("[[fetch]]\n{}a = 1\n", "a.".repeat(50_000))),
        ("headers", format!("[{}a]\nb = 1\n", "a.".repeat(50_000))),
        ("lists of tables", format!("[[{}a]]\nb = 1\n", "a.".repeat(50_000))),
    ] {
        let project = Project::with_job(&text);
        let output = project.run(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{name}: {:?} {:.500}", output.status, stderr(&output));
        project.write("config/cratedigger.toml", &text);
        assert_eq!(project.run(&["check"]).status.code(), Some(2), "{name}");
    }
}

#[test]
fn long_names_are_cut_and_noted() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let name = "é".repeat(7 << 20);
    let places = ["/items/items/0/item/name", "/tracks/items/0/track/name"];
    let actions = places.map(|place| FaultAction::set(place, json!(name))).to_vec();
    let long = FaultAction::Several { actions };
    world.sandbox.inject(Fault::on_path("/v1/playlists/*", long));
    let run = world.run(&["--json"]).exits(0);
    let longest = world.one("SELECT max(length(CAST(name AS BLOB))) FROM tracks");
    assert_eq!(longest, (64 * 1024).to_string());
    let fields = run.json()["runs"][0]["fetches"][0]["fields"].to_string();
    assert!(fields.contains("\"name\"") && fields.contains("converted"), "{fields}");
    assert!(run.stdout.len() < 100_000 && run.stderr.len() < 100_000);
}

#[test]
fn ids_of_answers_are_checked_before_use() {
    let job = "[[fetch]]\nstream = \"new_releases\"\n[[fetch]]\nstream = \"album_tracks\"\nfrom = \"new_releases\"\n";
    for id in ["x/../../me", "a?b=c#d", "%2e%2e", &"x".repeat(100_000)] {
        let world = World::extended().job(job);
        let odd = [("/albums/items/*/id", json!(id)), ("/albums/items/*/uri", json!(format!("spotify:album:{id}")))];
        let actions = odd.map(|(at, to)| FaultAction::set(at, to)).to_vec();
        world.sandbox.inject(Fault::on_path("/v1/browse/new-releases", FaultAction::Several { actions }));
        let run = world.run(&[]);
        assert!([0, 3].contains(&run.code), "{id:.20}: {} {}", run.code, run.stderr);
        let is_expected = |call: &String| call.starts_with("/browse/") || call.starts_with("/markets");
        let odd: Vec<String> = world.calls().into_iter().filter(|call| !is_expected(call)).collect();
        assert!(odd.is_empty(), "{id:.20}: {odd:?}");
        assert_eq!(world.one("SELECT count(*) > 0 FROM skipped_items WHERE reason = 'malformed'"), "1", "{id:.20}");
    }
}
