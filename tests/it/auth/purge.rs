//! `auth logout --purge`: nothing of a user is left in the project and the state folder, or the command says where.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::support::parquet_text::parquet_rows;
use crate::support::project::stdout;
use crate::support::workbook::{cells, sheet_names};
use crate::support::world::{World, fetch};
use crate::sync::users::signed_in;

/// Every stream that reads with the token of a user, and the files of each in its own folder.
const STREAMS: [&str; 12] = [
    "me",
    "my_playlists",
    "my_playlist_items",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "saved_episodes",
    "saved_audiobooks",
    "followed_artists",
    "top_artists",
    "top_tracks",
    "recently_played",
];

/// The local names are words that occur nowhere else.
pub const STUDIO: &str = "qqstudio";
pub const DIGGER: &str = "qqdigger";

pub fn world() -> World {
    let options = SandboxOptions { mode: QuotaMode::Extended, digger_playlists: 4, ..SandboxOptions::default() };
    let world = World::with(options)
        .settings("[output]\nkeep_raw = true\nformats = [\"csv\", \"jsonl\", \"parquet\"]\nxlsx = true");
    signed_in(world, &[(STUDIO, fixtures::STUDIO_USER), (DIGGER, fixtures::DIGGER_USER)])
}

/// A job that reads every stream for these users, into files with names of this form, and playlists by their ids.
fn job(users: &[&str], name: &str, own_list: Option<&str>) -> String {
    let each = STREAMS.iter().map(|stream| fetch(stream, &format!("csv = \"{}\"", name.replace("{stream}", stream))));
    let list = own_list.unwrap_or_default();
    let by_id = [
        fetch("playlist_items", &format!("name = \"items\"\ncsv = \"{name}\"\nids = [\"{list}\"]")),
        fetch("playlists", &format!("csv = \"{name}\"\nids = [\"{list}\"]")),
        fetch("user_playlists", &format!("csv = \"{name}\"\nids = [\"{}\"]", fixtures::STUDIO_USER)),
        fetch("artist_albums", &format!("csv = \"{name}\"\nids = [\"{}\"]", fixtures::SEMICOLON_ARTIST)),
    ];
    let by_id = by_id.iter().zip(["items", "lists", "profile", "albums"]);
    let by_id = by_id.take(if own_list.is_some() { 4 } else { 0 });
    // These rows belong to no user, so a name with a user has no value there.
    let plain = |text: String| text.replace(" of-{user}", "");
    let by_id: String = by_id.map(|(fetch, stream)| plain(fetch.replace("{stream}", stream))).collect();
    let query = "[[query]]\ncsv = \"who.csv\"\nsql = \"SELECT u.id, u.display_name, p.name FROM my_playlists m \
                 JOIN users u ON u.id = m.user_id JOIN main.playlists p ON p.id = m.playlist_id ORDER BY 1, 2, 3\"\n";
    format!("users = {users:?}\n{}{by_id}{query}[report]\n", each.collect::<String>())
}

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The files of the project and the state folder, without the job files, with a word of `words` in name or bytes.
pub fn mentions(world: &World, words: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    files(world.project.root(), &mut all);
    let mut found = Vec::new();
    for path in all.into_iter().filter(|path| !path.starts_with(world.project.root().join("jobs"))) {
        let mut bytes = std::fs::read(&path).unwrap();
        // Its texts are compressed.
        if path.extension().is_some_and(|end| end == "parquet") {
            bytes.extend(format!("{:?}", parquet_rows(&path)).into_bytes());
        }
        if path.extension().is_some_and(|end| end == "xlsx") {
            let cells = sheet_names(&path).into_iter().map(|sheet| cells(&path, &sheet));
            bytes.extend(format!("{:?}", cells.collect::<Vec<_>>()).into_bytes());
        }
        for word in words {
            let times = memchr::memmem::find_iter(&bytes, word.as_bytes()).count();
            if times > 0 || path.to_string_lossy().contains(word.as_str()) {
                found.push(format!("{word}: {} times in {}", times, path.display()));
            }
        }
    }
    found
}

/// The ids and names of a user, and those of the playlists that only this user has.
pub fn words(world: &World, user: &str, local: &str) -> Vec<String> {
    let mut words = vec![user.to_owned(), local.to_owned()];
    words.extend(world.rows(&format!("SELECT account_id, display_name FROM users WHERE id = '{user}'")).concat());
    words.extend(world.rows(&format!("SELECT id, name FROM playlists WHERE owner_id = '{user}'")).concat());
    words
}

#[test]
fn purged_user_is_in_no_byte() {
    let (world, own) = (world(), fixtures::STUDIO_PLAYLIST);
    let both = [STUDIO, DIGGER];
    // Files of an earlier form, which no job writes again.
    world.project.write("jobs/both.toml", job(&both, "earlier/{stream}.csv", None));
    world.project.write("jobs/gone.toml", job(&[STUDIO], "{stream} of-{user}.csv", Some(own)));
    world.run(&[]).exits(0);
    std::fs::remove_file(world.project.root().join("jobs/gone.toml")).unwrap();
    world.project.write("jobs/both.toml", job(&both, "{stream}.csv", None));
    world.project.write("jobs/each.toml", job(&both, "{user}/{datetime}/{stream}.csv", None));
    world.project.write("jobs/one.toml", job(&[STUDIO], "sub.dir/{date}/{stream}_{datetime}.v1.csv", Some(own)));
    world.run(&[]).exits(0);
    let backup = world.project.root().join("output/cratedigger.db.schema-3");
    std::fs::copy(world.database(), &backup).unwrap();
    // A sign-in that is lost leaves reasons, alerts and messages.
    world.sandbox.revoke_grants(fixtures::STUDIO_USER);
    world.run(&["--full"]).exits(77);
    let studio = words(&world, fixtures::STUDIO_USER, STUDIO);
    assert!(studio.len() > 8 && mentions(&world, &studio).len() > 20, "{studio:?}");
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    let found = mentions(&world, &studio);
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), purged.stderr);
    assert!(!backup.exists());
    assert_eq!(world.one("SELECT count(*) FROM my_playlists"), "4");
    assert!(!mentions(&world, &[DIGGER.to_owned()]).is_empty());
    world.cli(&["verify"]).exits(0);
    // The last user of the store.
    let digger = words(&world, fixtures::DIGGER_USER, DIGGER);
    let purged = world.cli(&["auth", "logout", DIGGER, "--purge"]).exits(0);
    let found = mentions(&world, &digger);
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), purged.stderr);
    world.cli(&["verify"]).exits(0);
}

/// A job of one user with a private playlist, and the id of the playlist.
fn one_list(user: &str, id: &str) -> String {
    format!("user = \"{user}\"\n{}", fetch("playlist_items", &format!("ids = [\"{id}\"]")))
}

#[test]
fn purge_behind_a_reader_ends_75() {
    let world = world();
    world.project.write("jobs/one.toml", format!("user = \"{STUDIO}\"\n{}", fetch("my_playlist_items", "")));
    world.run(&[]).exits(0);
    let studio = words(&world, fixtures::STUDIO_USER, STUDIO);
    let reader = Connection::open(world.database()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM users").unwrap();
    // A file of somebody else's, which the program lists and does not change.
    let notes = world.project.root().join("output/csv/notes.txt");
    std::fs::write(&notes, fixtures::STUDIO_USER).unwrap();
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(75);
    for said in [
        "notes.txt still mentions this user",
        "cratedigger.db-wal still contain the deleted rows",
        "logout qqstudio --purge` again to finish",
    ] {
        assert!(purged.stderr.contains(said), "{}", purged.stderr);
    }
    // Another process has to look: this one would drop the locks of the reader when it closes the files.
    let output = world.project.root().join("output");
    let seen = Command::new("grep").args(["-rlaF", fixtures::STUDIO_USER]).arg(&output).output().unwrap();
    assert!(stdout(&seen).contains("cratedigger.db"), "the reader keeps them: {}", stdout(&seen));
    // Still there: the command goes on saying so.
    world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(75);
    drop(reader);
    // The store has forgotten the words by now, and the purge has not.
    let finished = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    for said in ["an earlier purge was not finished", "notes.txt still mentions this user"] {
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
    std::fs::remove_file(notes).unwrap();
    assert_eq!(mentions(&world, &studio), [""; 0]);
    world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(2);
}

#[test]
fn exports_and_purges_wait_for_each_other() {
    let world = world();
    let slow = "[[query]]\ncsv = \"slow.csv\"\nsql = \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                SELECT count(*) FROM n\"\n";
    let job = format!("user = \"{STUDIO}\"\n{}", fetch("saved_tracks", ""));
    world.project.write("jobs/x.toml", &job);
    world.run(&[]).exits(0);
    world.project.write("jobs/x.toml", format!("{job}{slow}"));
    std::fs::remove_file(world.csv_path("saved_tracks.csv")).unwrap();
    let mut export = world.command(&["export"]).spawn().unwrap();
    // The first file is there, so the export is at the query, which would take minutes.
    let began = std::time::Instant::now();
    while !world.csv_path("saved_tracks.csv").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the export writes nothing");
        assert!(export.try_wait().unwrap().is_none(), "the export has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(75);
    assert!(refused.stderr.contains("nothing was deleted; an `export`"), "{}", refused.stderr);
    assert_ne!(world.one("SELECT count(*) FROM saved_tracks"), "0");
    export.kill().unwrap();
    export.wait().unwrap();
    world.project.write("jobs/x.toml", job);
    world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    // No export begins during a purge.
    let state = world.project.root().join(".local/state/cratedigger");
    let _lock = cratedigger::sync::StoreLock::take(&state, &world.database()).unwrap();
    world.cli(&["export"]).exits(75).says("is being compacted or purged");
}

#[test]
fn only_what_others_have_read_is_kept() {
    let (world, refused) = (world(), fixtures::STUDIO_PLAYLIST);
    // The app reads the public playlists of the user, which are the user's all the same.
    let profile = fetch("user_playlists", &format!("ids = [\"{}\"]", fixtures::STUDIO_USER));
    let mine = format!("user = \"{STUDIO}\"\n{}{profile}", fetch("my_playlist_items", ""));
    world.project.write("jobs/studio.toml", mine);
    world.run(&["studio"]).exits(0);
    let public = "SELECT min(playlist_id) FROM user_playlists WHERE playlist_id NOT LIKE '%Sandbox%'";
    let read = world.one(public);
    world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{refused}*"), FaultAction::status(404)));
    world.project.write("jobs/refused.toml", one_list(DIGGER, refused));
    world.project.write("jobs/read.toml", one_list(DIGGER, &read));
    world.run(&["refused", "read"]).exits(3);
    // People who only changed these playlists: they go with the history, unless another one names them.
    let store = Connection::open(world.database()).unwrap();
    let changed = |list: &str, person: &str| {
        store
            .execute("INSERT OR IGNORE INTO users (id, first_seen_at) VALUES (?1, '2026-01-01T00:00:00Z')", [person])
            .unwrap();
        let change = "INSERT INTO playlist_changes (playlist_id, change, kind, added_by, seen_at)
                      VALUES (?1, 'removed', 'track', ?2, '2026-01-01T00:00:00Z')";
        store.execute(change, [list, person]).unwrap();
    };
    changed(refused, "qq-gone");
    changed(refused, "qq-kept");
    changed(&read, "qq-kept");
    drop(store);
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    assert!(purged.stderr.contains("kept 1 playlist of other readers"), "{}", purged.stderr);
    assert_eq!(world.one("SELECT group_concat(id) FROM users WHERE id LIKE 'qq-%'"), "qq-kept");
    assert_eq!(world.one("SELECT group_concat(id) FROM playlists"), read);
    assert_eq!(world.one("SELECT count(*) FROM user_playlists"), "0");
    for table in ["playlist_items", "playlist_versions", "playlist_details", "playlist_changes"] {
        let left = format!("SELECT count(*) FROM {table} WHERE playlist_id <> '{read}'");
        assert_eq!(world.one(&left), "0", "{table}");
    }
    // These made-up changes have no version.
    let store = Connection::open(world.database()).unwrap();
    store.execute("DELETE FROM playlist_changes WHERE added_by LIKE 'qq-%'", []).unwrap();
    drop(store);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn local_files_go_with_their_last_reader() {
    let world = world();
    let read = |job: &str, local_name: &str, titles: [&str; 2]| {
        world.sandbox.clear_faults();
        for path in ["/v1/me/tracks", "/v1/me/top/tracks", "/v1/me/player/recently-played"] {
            let actions = titles.iter().enumerate().map(|(index, title)| {
                let local = json!({"type": "track", "id": null, "uri": format!("spotify:local:A:B:{title}:10"),
                    "name": title, "is_local": true, "duration_ms": 9000, "artists": [{"name": "A", "id": null}],
                    "album": {"name": "B", "id": null}});
                let at = if path.contains("top") { "" } else { "/track" };
                FaultAction::set(&format!("/items/{index}{at}"), local)
            });
            world.sandbox.inject(Fault::on_path(path, FaultAction::Several { actions: actions.collect() }));
        }
        let streams = ["saved_tracks", "top_tracks", "recently_played"].map(|stream| fetch(stream, ""));
        world.project.write(&format!("jobs/{job}.toml"), format!("user = \"{local_name}\"\n{}", streams.concat()));
        world.run(&[job]).exits(0);
    };
    read("studio", STUDIO, ["Mine", "Ours"]);
    read("digger", DIGGER, ["Ours", "Theirs"]);
    let tracks = "SELECT group_concat(id, ' ') FROM (SELECT id FROM tracks WHERE id LIKE 'spotify:local:%' ORDER BY 1)";
    let files = "SELECT group_concat(uri, ' ') FROM (SELECT uri FROM local_files ORDER BY 1)";
    let uris =
        |titles: &[&str]| titles.iter().map(|it| format!("spotify:local:A:B:{it}:10")).collect::<Vec<_>>().join(" ");
    assert_eq!(world.one(tracks), uris(&["Mine", "Ours", "Theirs"]));
    world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    assert_eq!((world.one(tracks), world.one(files)), (uris(&["Ours", "Theirs"]), uris(&["Ours", "Theirs"])));
    world.cli(&["verify"]).exits(0);
    world.cli(&["auth", "logout", DIGGER, "--purge"]).exits(0);
    assert_eq!((world.one(tracks), world.one(files)), ("-".to_owned(), "-".to_owned()), "an empty list");
}

#[test]
fn files_without_users_are_made_again_or_left() {
    let world = world();
    let tracks = |name: &str| {
        let fetch = fetch("saved_tracks", &format!("csv = \"{name}.csv\"\ncolumns = [\"track_id\"]"));
        format!("users = {:?}\n{fetch}", [STUDIO, DIGGER])
    };
    // A job of the app alone, whose query reads the whole store.
    let names = |name: &str| {
        let sql = "SELECT id FROM main.users WHERE local_name IS NOT NULL ORDER BY 1";
        format!("{}[[query]]\ncsv = \"{name}.csv\"\nsql = \"{sql}\"\n", fetch("markets", ""))
    };
    for name in ["old", "new"] {
        world.project.write("jobs/x.toml", tracks(name));
        world.project.write("jobs/y.toml", names(name));
        world.run(&["x"]).exits(0);
        world.run(&["y"]).exits(0);
    }
    let csv = world.project.root().join("output/csv");
    let lines = |path: &str| std::fs::read_to_string(csv.join(path)).unwrap().lines().count();
    let before = lines("x/new.csv");
    assert!(lines("y/new.csv") == 3 && before > 2);
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(3);
    assert!(lines("y/new.csv") == 2 && lines("x/new.csv") < before);
    for left in ["x/old.csv", "y/old.csv"] {
        assert!(purged.stderr.contains(&format!("{left} may contain rows of this user")), "{}", purged.stderr);
    }
    // Until somebody deletes them, each purge says so.
    let again = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(3);
    assert!(again.stderr.contains("x/old.csv: an earlier purge left it"), "{}", again.stderr);
    for left in ["x/old.csv", "x/old.jsonl", "x/old.parquet", "y/old.csv", "y/old.jsonl", "y/old.parquet"] {
        std::fs::remove_file(csv.join(left)).unwrap();
    }
    world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(0);
    assert_eq!(mentions(&world, &[fixtures::STUDIO_USER.to_owned(), STUDIO.to_owned()]), [""; 0]);
}

#[test]
fn purge_deletes_through_no_link() {
    let world = world();
    world.project.write("jobs/one.toml", format!("user = \"{STUDIO}\"\n{}", fetch("me", "csv = \"a/{user}.csv\"")));
    world.project.write("jobs/two.toml", format!("user = \"{STUDIO}\"\n{}", fetch("me", "")));
    world.run(&[]).exits(0);
    let csv = world.project.root().join("output/csv");
    let victims = ["victims/qqstudio.csv", "victims/me.csv", "output/victim.csv"];
    victims.iter().for_each(|victim| world.project.write(victim, "precious"));
    for (folder, path) in [("one/a", "victims"), ("two", "victims")] {
        std::fs::remove_dir_all(csv.join(folder)).unwrap();
        std::os::unix::fs::symlink(world.project.root().join(path), csv.join(folder)).unwrap();
    }
    let store = Connection::open(world.database()).unwrap();
    let dots =
        "INSERT INTO published_files SELECT 'one/../../victim.csv', job, source, run_id, inputs, sha256, bytes, rows,
                guarded, published_at, data_version FROM published_files WHERE source = 'me of qqstudio'";
    assert_eq!(store.execute(dots, []).unwrap(), 1);
    drop(store);
    let purged = world.cli(&["auth", "logout", STUDIO, "--purge"]).exits(74);
    assert!(purged.stderr.contains("symbolic link"), "{}", purged.stderr);
    for victim in victims {
        assert_eq!(std::fs::read(world.project.root().join(victim)).unwrap(), b"precious", "{victim}");
    }
}

#[test]
fn workbook_that_mentions_a_user_is_listed() {
    let world = World::extended()
        .job(&format!("xlsx = true\n{}", fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST))));
    world.project.write("jobs/home.toml", "user = \"home\"\n[[fetch]]\nstream = \"saved_albums\"\n");
    crate::support::sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&[]).exits(0);
    let said = world.cli(&["auth", "logout", "home", "--purge"]).exits(0).stderr;
    // Its rows are compressed. The playlist was read with the app's own token too, so it stays.
    assert!(said.contains("x.xlsx still mentions this user"), "{said}");
    assert!(said.contains("playlist_items.csv still mentions this user"), "{said}");
}
