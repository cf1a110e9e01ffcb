//! Traces of a purged user beside rows: messages that wait, files of empty lists, copies that name a playlist, archives, other
//! shards.

use std::io::Write as _;

use serde_json::json;
use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use super::purge::{DIGGER, STUDIO, mentions, words, world};
use crate::support::world::{World, fetch};
use crate::sync::users::signed_in;

/// A job with a file for each playlist, which names it.
fn lists(users: &[&str]) -> String {
    format!("users = {users:?}\n{}", fetch("my_playlist_items", "csv = \"p-{playlist}-{datetime}.csv\""))
}

/// What waits to be delivered, as text.
fn alerts(world: &World) -> String {
    let state = world.project.root().join(".local/state/cratedigger");
    let files = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    let of_alerts = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("alerts-") && name.ends_with(".json")
    };
    files.filter(of_alerts).map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn waiting_messages_of_a_purged_user_go() {
    // Nothing listens there, so all messages and pings wait.
    let world = world().settings(
        "[notify]\nwebhook_url = \"http://127.0.0.1:9/hook\"\nping_url = \"http://127.0.0.1:9/ping\"\non = [\"success\", \"partial\"]",
    );
    world.project.write("jobs/pl.toml", lists(&[STUDIO]));
    world.project.write("jobs/both.toml", format!("users = {:?}\n{}", [STUDIO, DIGGER], fetch("saved_tracks", "")));
    world.project.write("jobs/other.toml", lists(&[DIGGER]));
    world.run(&[]).exits(0);
    let before = alerts(&world);
    for waits in ["job pl is complete", "job both is complete", "job other is complete", fixtures::STUDIO_PLAYLIST] {
        assert!(before.contains(waits), "{waits}: {before}");
    }
    assert_eq!(before.matches("\"rid\"").count(), 3, "{before}");
    let studio = words(&world, fixtures::STUDIO_USER, STUDIO);
    let title = world.one(&format!("SELECT name FROM playlists WHERE id = '{}'", fixtures::STUDIO_PLAYLIST));
    // Copies that the purge does not know of.
    let copies = [("id.txt", format!("see {}.", fixtures::STUDIO_PLAYLIST)), ("title.csv", format!("1,{title}\n"))];
    copies.iter().for_each(|(name, text)| world.project.write(&format!("output/csv/{name}"), text));
    world.project.write(&format!("output/csv/{}.txt", fixtures::STUDIO_PLAYLIST), "");
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    for said in [
        "id.txt still mentions a deleted playlist of this user",
        "title.csv contains the title of a deleted playlist of this user",
        &format!("{}.txt still mentions a deleted playlist", fixtures::STUDIO_PLAYLIST),
    ] {
        assert!(purged.stderr.contains(said), "{said}: {}", purged.stderr);
    }
    let after = alerts(&world);
    assert!(after.contains("job other is complete") && after.matches("\"rid\"").count() == 1, "{after}");
    assert!(!after.contains("job both is complete"), "it names files of several users: {after}");
    for (name, _) in copies {
        std::fs::remove_file(world.project.root().join("output/csv").join(name)).unwrap();
    }
    std::fs::remove_file(world.project.root().join(format!("output/csv/{}.txt", fixtures::STUDIO_PLAYLIST))).unwrap();
    assert_eq!(mentions(&world, &studio), [""; 0], "{}", purged.stderr);
}

#[test]
fn files_of_empty_playlists_go_with_their_user() {
    let options = SandboxOptions { mode: QuotaMode::Extended, digger_playlists: 4, ..SandboxOptions::default() };
    let world = World::with(options).settings("[output]\nformats = [\"csv\", \"jsonl\", \"parquet\"]");
    let world = signed_in(world, &[("qqhome", fixtures::HOME_USER), (DIGGER, fixtures::DIGGER_USER)]);
    world.project.write("jobs/pl.toml", lists(&["qqhome", DIGGER]));
    world.run(&[]).exits(0);
    let mut home = words(&world, fixtures::HOME_USER, "qqhome");
    home.push(fixtures::EMPTY_PLAYLIST.to_owned());
    let of_empty = format!("SELECT count(*) FROM published_files WHERE path LIKE '%{}%'", fixtures::EMPTY_PLAYLIST);
    assert_eq!(world.one(&of_empty), "3");
    let others = "SELECT count(*) FROM published_files WHERE path LIKE '%csv'";
    let before: usize = world.one(others).parse().unwrap();
    let purged = world.cli(&["auth", "logout", "qqhome", "--purge"]).exits(0);
    assert_eq!(mentions(&world, &home), [""; 0], "{}", purged.stderr);
    assert_eq!(world.one(&of_empty), "0");
    let after: usize = world.one(others).parse().unwrap();
    assert!(after >= 4 && after < before, "those of the other user stay: {after} of {before}");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn tracks_of_a_deleted_history_go() {
    let world = signed_in(World::development(), &[("qqhome", fixtures::HOME_USER)])
        .job("user = \"qqhome\"\n[[fetch]]\nstream = \"recently_played\"\n");
    world.run(&["x"]).exits(0);
    let (only, known) = ("0000000000000000000000", world.one("SELECT min(track_id) FROM plays"));
    let play = |ts: &str, id: &str| {
        json!({"ts": ts, "username": fixtures::HOME_USER, "ms_played": 180_000, "episode_name": null,
            "spotify_track_uri": format!("spotify:track:{id}"), "master_metadata_track_name": "Only here",
            "master_metadata_album_artist_name": "A", "master_metadata_album_album_name": "B"})
    };
    let plays = json!([play("2015-03-01T08:00:00Z", only), play("2015-03-01T09:00:00Z", &known)]);
    world.project.write("Streaming_History_Audio_2015.json", plays.to_string());
    world.cli(&["import", "history", "--user", "qqhome", "Streaming_History_Audio_2015.json"]).exits(0);
    let there = |id: &str| world.one(&format!("SELECT count(*) FROM tracks WHERE id = '{id}'"));
    assert_eq!(there(only), "1");
    world.cli(&["auth", "logout", "qqhome", "--purge"]).exits(0);
    assert_eq!((there(only).as_str(), there(&known).as_str()), ("0", "1"), "what Spotify itself sent is the catalog");
    assert_eq!(world.one("SELECT count(*) FROM imported_tracks"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn purge_reaches_every_shard() {
    let world = signed_in(World::development(), &[("qqhome", fixtures::HOME_USER), (DIGGER, fixtures::DIGGER_USER)])
        .job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\ncsv = \"{user}.csv\"\n");
    // The number of shards was changed, so the rows of a user are in two of them.
    let shards = ["1/2", "2/2", "1/3", "2/3", "3/3"];
    let output = |name: &str| world.project.root().join("output").join(name);
    for shard in &shards[..2] {
        world.cli(&["run", "--shard", shard]).exits(0);
    }
    // No run begins another number of shards while the old ones are there.
    let old = ["shard-1-of-2", "shard-2-of-2"];
    old.iter().for_each(|name| std::fs::rename(output(name), output(&format!("old-{name}"))).unwrap());
    for shard in &shards[2..] {
        world.cli(&["run", "--shard", shard]).exits(0);
    }
    old.iter().for_each(|name| std::fs::rename(output(&format!("old-{name}")), output(name)).unwrap());
    let (home, digger) =
        ([fixtures::HOME_USER.to_owned(), "qqhome".to_owned()], [fixtures::DIGGER_USER.to_owned(), DIGGER.to_owned()]);
    let csv =
        |user: &str| mentions(&world, &[format!("{user}.csv")]).iter().filter(|at| at.contains("/csv/x/")).count();
    assert!(csv("qqhome") >= 2 && csv(DIGGER) >= 2);
    let purged = world.cli(&["auth", "logout", "qqhome", "--purge"]).exits(0);
    assert_eq!(mentions(&world, &home), [""; 0], "{}", purged.stderr);
    assert!(csv(DIGGER) >= 2, "{}", purged.stderr);
    shards.iter().for_each(|shard| drop(world.cli(&["verify", "--shard", shard]).exits(0)));
    let again = world.cli(&["auth", "logout", "qqhome", "--purge"]).exits(2);
    assert!(again.stderr.contains("none of the 5 stores has data of qqhome"), "{}", again.stderr);
    // One of these is the wrong shard.
    let purged = world.cli(&["auth", "logout", DIGGER, "--purge", "--shard", "1/2"]).exits(0);
    assert_eq!(mentions(&world, &digger), [""; 0], "{}", purged.stderr);
}

#[test]
fn packed_copies_of_a_user_are_listed() {
    let world = signed_in(World::development(), &[("qqhome", fixtures::HOME_USER)])
        .job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\n");
    world.run(&[]).exits(0);
    let output = world.project.root().join("output");
    let at = |name: &str| output.join(name);
    world.cli(&["backup", "--all", at("spotify.tar.gz").to_str().unwrap()]).exits(0);
    let gzip = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let zip = |name: &str, bytes: &[u8]| {
        let mut packed = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        packed.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap().into_inner()
    };
    let tar = |name: &str, bytes: &[u8]| {
        let (mut packed, mut header) = (tar::Builder::new(Vec::new()), tar::Header::new_gnu());
        header.set_size(bytes.len() as u64);
        packed.append_data(&mut header, name, bytes).unwrap();
        packed.into_inner().unwrap()
    };
    let (row, other) = (b"user,n\nqqhome,1\n", b"user,n\nqqhomely,1\n");
    let copies = [
        ("saved.csv.gz", gzip(row)),
        ("saved.zip", zip("csv/saved.csv", row)),
        ("saved.tar", tar("saved.csv", row)),
        ("saved.tgz", gzip(&tar("csv.zip", &zip("saved.csv.gz", &gzip(row))))),
    ];
    let others =
        [("other.csv.gz", gzip(other)), ("other.zip", zip("x.csv", other)), ("other.tar", tar("x.csv", other))];
    for (name, bytes) in copies.iter().chain(&others) {
        std::fs::write(at(name), bytes).unwrap();
    }
    std::fs::write(at("odd.zst"), b"\x28\xb5\x2f\xfd....").unwrap();
    std::fs::write(at("cut.gz"), &gzip(row)[..12]).unwrap();
    let purged = world.cli(&["auth", "logout", "qqhome", "--purge"]).exits(0).stderr;
    for name in copies.iter().map(|(name, _)| *name).chain(["spotify.tar.gz"]) {
        assert!(purged.contains(&format!("{name} still mentions this user")), "{name}: {purged}");
    }
    for name in ["odd.zst", "cut.gz"] {
        assert!(purged.contains(&format!("{name} may mention this user")), "{name}: {purged}");
    }
    assert!(!purged.contains("/other."), "{purged}");
}
