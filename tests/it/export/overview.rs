//! The overview of all jobs: what it shows, and that it follows the rules of other files.

use std::path::PathBuf;
use std::process::Stdio;

use spotify_sandbox::fixtures;

use super::report_pages::text;
use crate::support::snapshot::assert_output;
use crate::support::world::{World, by_ids, ended, fetch};
use crate::sync::users::signed_in;

fn path(world: &World) -> PathBuf {
    world.project.root().join("output/csv/index.html")
}

fn overview(world: &World) -> String {
    std::fs::read_to_string(path(world)).unwrap()
}

/// The text without days, which differ from run to run.
fn steady(page: &str) -> String {
    let months = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
    regex::Regex::new(&format!(r"\b\d{{1,2}} ({months})\b")).unwrap().replace_all(&text(page), "[date]").into_owned()
}

#[test]
fn jobs_with_trouble_are_first() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.project.write("jobs/a-partial.toml", by_ids("artists", &[fixtures::PLAIN_TRACK, fixtures::SEMICOLON_ARTIST]));
    world.project.write("jobs/by-hand.toml", by_ids("artist_albums", &[fixtures::SEMICOLON_ARTIST]) + "[report]\n");
    world.project.write("jobs/wrong.toml", "[[fetch]]\nstream = \"artist\"\n");
    world.project.write("jobs/z-user.toml", format!("user = \"studio\"\n{}", fetch("saved_tracks", "")));
    world.run(&[]);
    let page = overview(&world);
    let place = |name: &str| page.find(&format!(">{name}<")).unwrap_or_else(|| panic!("{name}: {}", text(&page)));
    assert!(
        place("wrong") < place("z-user") && place("z-user") < place("a-partial") && place("a-partial") < place("x")
    );
    assert!(page.contains("<a href=\"by-hand/report.html\">by-hand</a>"));
    assert_output("with_trouble", &steady(&page));
    // Nothing of Spotify's and nothing of the machine is in it, so it can be shared.
    let names = "SELECT name FROM playlists UNION SELECT name FROM artists UNION SELECT name FROM tracks";
    let ids =
        "SELECT id FROM playlists UNION SELECT id FROM artists UNION SELECT isrc FROM tracks WHERE isrc IS NOT NULL";
    let root = world.project.root().display().to_string();
    for secret in
        world.rows(&format!("{names} UNION {ids}")).concat().into_iter().chain([root, "sandbox-client".into()])
    {
        assert!(secret.len() < 4 || !text(&page).contains(&secret), "{secret}");
    }
    for address in page.split("href=\"").skip(1) {
        assert!(address.starts_with('#') || address.starts_with("by-hand/report.html"), "{address:.40}");
    }
    assert!(!page.contains("<script") && !page.contains("open.spotify.com"));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn sign_ins_have_no_names() {
    let job = format!("user = \"studio\"\n{}", fetch("saved_tracks", ""));
    let world = signed_in(World::extended().job(&job), &[("studio", fixtures::STUDIO_USER)]);
    world.run(&[]).exits(0);
    let page = overview(&world);
    assert!(page.contains(">user 1<") && text(&page).contains("✓ signed in"), "{}", text(&page));
    assert!(!page.contains("studio") && !page.contains(fixtures::STUDIO_USER));
    world.cli(&["auth", "logout", "studio", "--purge"]);
    assert!(text(&overview(&world)).contains("✗ must sign in"), "{}", text(&overview(&world)));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn unchanged_overview_is_not_touched() {
    let world = World::extended().job(&by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    world.run(&[]).exits(0);
    let (bytes, written) = (overview(&world), std::fs::metadata(path(&world)).unwrap().modified().unwrap());
    let exported = world.cli(&["export", "--json"]).exits(0).json();
    assert_eq!(exported["overview"]["outcome"], "unchanged", "{exported}");
    assert_eq!(std::fs::metadata(path(&world)).unwrap().modified().unwrap(), written);
    let changes: [&dyn Fn(); 2] =
        [&|| std::fs::write(path(&world), "changed").unwrap(), &|| std::fs::remove_file(path(&world)).unwrap()];
    for change in changes {
        change();
        let found = world.cli(&["verify", "--json"]).exits(74).json();
        assert_eq!(
            (&found["files"]["findings"][0]["job"], &found["files"]["findings"][0]["path"]),
            (&"".into(), &"index.html".into())
        );
        world.cli(&["verify", "--rewrite-csv"]).exits(0);
        assert_eq!(overview(&world), bytes);
    }
    world.run(&[]).exits(0);
    assert_ne!(overview(&world), bytes);
}

#[test]
fn page_of_another_program_stays() {
    let world = World::extended().job(&by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    world.project.write("output/csv/index.html", "<h1>Mine</h1>");
    world.run(&[]).exits(74).says("index.html is not a page of cratedigger").says("report.overview = false");
    assert_eq!(overview(&world), "<h1>Mine</h1>");
    let world = world.settings("[report]\noverview = false");
    world.run(&[]).exits(0);
    world.cli(&["verify"]).exits(0);
    assert_eq!(overview(&world), "<h1>Mine</h1>");
}

#[test]
fn overview_that_is_switched_off_is_deleted() {
    let world = World::extended().job(&by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    world.run(&[]).exits(0);
    let world = world.settings("[report]\noverview = false");
    world.cli(&["export"]).exits(0);
    assert!(!path(&world).exists());
    assert_eq!(world.one("SELECT count(*) FROM published_files WHERE job = ''"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn processes_write_it_at_the_same_time() {
    let world = World::extended().job(&by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    world.project.write("jobs/y.toml", by_ids("artists", &[fixtures::SEMICOLON_ARTIST]));
    for _ in 0..3 {
        let start = |args: &[&str]| world.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let children = [start(&["run", "x"]), start(&["run", "y"]), start(&["export"]), start(&["export"])];
        for child in children {
            ended(child);
        }
        let found = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(found["files"]["findings"], serde_json::json!([]));
    }
    let newest = world.one("SELECT strftime('%Y-%m-%d %H:%M', max(finished_at)) FROM runs");
    assert!(overview(&world).contains(&format!("the run that ended at {newest} UTC")));
}
