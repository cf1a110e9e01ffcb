//! Jobs that read a user's data: every stream, two users in one store, a lost sign-in, a purge.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::has_bytes;
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{SCOPES, World, ended, signal};

pub const LIBRARY: &str = r#"
users = ["home", "studio"]
[[fetch]]
stream = "me"
[[fetch]]
stream = "my_playlists"
[[fetch]]
stream = "saved_tracks"
[[fetch]]
stream = "saved_albums"
[[fetch]]
stream = "saved_shows"
[[fetch]]
stream = "saved_episodes"
[[fetch]]
stream = "saved_audiobooks"
[[fetch]]
stream = "followed_artists"
[[fetch]]
stream = "top_artists"
time_range = ["short_term", "long_term"]
[[fetch]]
stream = "top_tracks"
[[fetch]]
stream = "recently_played"
"#;

/// A job that reads every stream that belongs to a user.
pub fn everything() -> String {
    format!("{LIBRARY}[[fetch]]\nstream = \"my_playlist_items\"\n")
}

/// A world in which these users are signed in through imported tokens, as an organization would do it.
pub fn signed_in(world: World, users: &[(&str, &str)]) -> World {
    let lines: String = users
        .iter()
        .map(|(name, id)| {
            let token = world.sandbox.sign_in(id, SCOPES, false).refresh_token;
            let line = json!({
                "user": name, "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
                "authorized_at": chrono::Utc::now().to_rfc3339(),
            });
            format!("{line}\n")
        })
        .collect();
    let mut command = world.command(&["auth", "import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world
}

pub fn both(world: World) -> World {
    signed_in(world, &[("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)])
}

/// The ids in a user's list according to the sandbox, in order.
pub fn truth(world: &World, user: &str, list: &str) -> Vec<String> {
    let truth = world.sandbox.catalog().expected_ids("users", user).unwrap();
    let ids = truth[list].as_array().unwrap_or_else(|| panic!("{list} of {truth}"));
    // Entries of the library are objects, because they carry the time at which they were saved.
    ids.iter().map(|one| one["id"].as_str().or(one.as_str()).unwrap().to_owned()).collect()
}

#[test]
fn two_users_have_exact_files() {
    let world = both(World::development().job(LIBRARY));
    world.run(&["x"]).exits(0);
    for (list, file, column) in [
        ("saved_tracks", "saved_tracks.csv", "track_id"),
        ("saved_albums", "saved_albums.csv", "album_id"),
        ("saved_shows", "saved_shows.csv", "show_id"),
        ("followed_artists", "followed_artists.csv", "artist_id"),
    ] {
        let rows = world.csv(file);
        for (name, id) in [("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)] {
            let got: Vec<&str> = rows.iter().filter(|r| r["user"] == name).map(|r| r[column].as_str()).collect();
            assert!(got == truth(&world, id, list), "{list} of {name}: {} rows", got.len());
        }
    }
    assert_eq!(world.column("me.csv", "user"), ["home", "studio"]);
    assert!(!world.csv("top_artists.csv").is_empty() && !world.csv("recently_played.csv").is_empty());
}

#[test]
fn second_name_of_an_account_is_refused() {
    let job = "users = [\"home\", \"again\"]\n[[fetch]]\nstream = \"saved_tracks\"\ncsv = \"{user}.csv\"\n";
    let names = [("home", fixtures::HOME_USER), ("again", fixtures::HOME_USER)];
    let world = signed_in(World::development().job(job), &names);
    for _ in 0..2 {
        let ran = world.run(&["x"]).exits(77);
        ran.says("user `again` has to sign in: its grant is for the same Spotify account as `home`");
        assert_eq!(world.one("SELECT local_name FROM users WHERE local_name IS NOT NULL"), "home");
        assert_eq!(world.column("home.csv", "track_id"), truth(&world, fixtures::HOME_USER, "saved_tracks"));
        assert!(!world.csv_path("again.csv").exists());
    }
    let checked = world.cli(&["check"]).exits(0);
    assert!(checked.stdout.contains("users `home` and `again` are the same Spotify account"), "{}", checked.stdout);
}

#[test]
fn second_run_keeps_plays_once() {
    let world = both(World::development().job(LIBRARY));
    world.run(&["x"]).exits(0);
    let before = (world.csv_bytes("recently_played.csv"), world.csv_bytes("saved_tracks.csv"));
    world.run(&["x"]).exits(0);
    assert_eq!(before, (world.csv_bytes("recently_played.csv"), world.csv_bytes("saved_tracks.csv")));
    assert_eq!(
        world.one("SELECT count(*) FROM plays"),
        world.one("SELECT count(DISTINCT user_id || played_at) FROM plays")
    );
}

#[test]
fn first_user_does_not_displace_another() {
    let job = |users: &str| format!("users = {users}\n[[fetch]]\nstream = \"saved_tracks\"\n");
    let world = both(World::development().job(&job("[\"home\"]")));
    world.run(&["x"]).exits(0);
    world.sandbox.revoke_grants(fixtures::HOME_USER);
    world.sandbox.revoke_access_tokens();
    world.project.write("jobs/x.toml", job("[\"studio\", \"home\"]"));
    world.run(&["x"]).exits(77);
    let saved = |user| truth(&world, user, "saved_tracks");
    let all = [saved(fixtures::STUDIO_USER), saved(fixtures::HOME_USER)].concat();
    assert!(world.column("saved_tracks.csv", "track_id") == all, "the tracks of both users, in the job's order");
    world.project.write("jobs/x.toml", job("[\"home\", \"studio\"]"));
    world.run(&["x"]).exits(77);
    let all = [saved(fixtures::HOME_USER), saved(fixtures::STUDIO_USER)].concat();
    assert!(world.column("saved_tracks.csv", "track_id") == all, "the tracks of both users, in the other order");
}

#[test]
fn owner_reads_odd_playlist_in_development() {
    let job = format!(
        "user = \"home\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [\"{}\"]\n",
        fixtures::EDGE_CASE_PLAYLIST
    );
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.run(&["x"]).exits(0);
    let rows = world.csv("playlist_items.csv");
    let truth = world.sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST).unwrap();
    assert_eq!(rows.len(), truth.len());
    for (row, true_row) in rows.iter().zip(truth) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        assert_eq!(row["kind"], true_row.kind, "{}", row["position"]);
        assert_eq!(row["uri"], text(&true_row.uri), "{}", row["position"]);
        assert_eq!(row["added_at"], text(&true_row.added_at), "{}", row["position"]);
        assert_eq!(row["isrc"], text(&true_row.isrc), "{}", row["position"]);
    }
}

#[test]
fn unchanged_user_playlists_cost_one_list() {
    let job = "user = \"studio\"\n[[fetch]]\nstream = \"my_playlist_items\"\n";
    let world = signed_in(World::development().job(job), &[("studio", fixtures::STUDIO_USER)]);
    world.run(&["x"]).exits(0);
    assert!(!world.csv("my_playlist_items.csv").is_empty());
    world.sandbox.clear_log();
    world.run(&["x"]).exits(0);
    let calls = world.new_calls();
    assert!(calls.iter().all(|call| call.starts_with("/me/playlists")), "{calls:?}");
}

#[test]
fn lost_grant_exits_77_with_a_command() {
    let world =
        both(World::development().job("users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n"));
    world.run(&["x"]).exits(0);
    let before = world.csv("saved_tracks.csv").len();
    world.sandbox.revoke_grants(fixtures::STUDIO_USER);
    world.sandbox.revoke_access_tokens();
    let ran = world.run(&["x"]).exits(77).shows("lost_grant_exits_77_with_a_command");
    assert_eq!(ran.stderr.matches("cratedigger auth login studio").count(), 1, "{}", ran.stderr);
    assert_eq!(world.csv("saved_tracks.csv").len(), before, "the rows of the user who lost access are kept");
    // The sign-in is known to be lost, so Spotify is not asked again.
    world.sandbox.clear_log();
    world.run(&["x"]).exits(77);
    let refreshes = world.sandbox.log().into_iter().filter(|seen| seen.grant_type.as_deref() == Some("refresh_token"));
    assert_eq!(refreshes.count(), 0);
}

#[test]
fn missing_scope_is_named_with_a_command() {
    let world = World::development()
        .job("user = \"home\"\n[[fetch]]\nstream = \"top_tracks\"\n[[fetch]]\nstream = \"saved_tracks\"\n");
    let token = world.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], false).refresh_token;
    let line = json!({ "user": "home", "refresh_token": token, "scopes": ["user-library-read"], "client_id": "sandbox-client", "flow": "code" });
    world.project.write("grant.json", format!("{line}\n"));
    world.cli(&["auth", "import", "grant.json"]).exits(0);
    let ran = world.run(&["x"]).exits(77).shows("missing_scope_is_named_with_a_command");
    assert!(!world.csv("saved_tracks.csv").is_empty(), "{}", ran.stderr);
    let checked = world.cli(&["check"]);
    assert_output("missing_scope_is_named_with_a_command_2", &checked.stdout);
}

#[test]
fn purge_leaves_other_users_alone() {
    let job = "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\ncsv = \"{user}.csv\"\n[[fetch]]\nstream = \"me\"\n";
    let world = both(World::development().job(job));
    world.run(&["x"]).exits(0);
    let home = world.csv_bytes("home.csv");
    assert!(world.csv("studio.csv").iter().all(|row| row["user"] == "studio"));
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert!(!world.csv_path("studio.csv").exists());
    assert_eq!(world.csv_bytes("home.csv"), home);
    assert_eq!(world.column("me.csv", "user"), ["home"]);
    assert_eq!(
        world.one(&format!("SELECT count(*) FROM saved_tracks WHERE user_id = '{}'", fixtures::STUDIO_USER)),
        "0"
    );
    let store = std::fs::read(world.database()).unwrap();
    assert!(!has_bytes(&store, fixtures::STUDIO_USER), "the user's id must be overwritten on disk, not only unlinked");
}

#[test]
fn purge_of_two_readers_leaves_no_id() {
    let job = |user: &str| {
        format!("user = \"{user}\"\n[[fetch]]\nstream = \"artist_albums\"\nids = [\"{}\"]\n", fixtures::BUSY_ARTIST)
    };
    let world = both(World::development().job(&job("home")));
    world.project.write("jobs/y.toml", job("studio"));
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM lists WHERE kind = 'artist_albums'"), "4", "albums and singles");
    let store = rusqlite::Connection::open(world.database()).unwrap();
    let skip = "INSERT INTO skipped_items (run_id, fetch, stream, parent_id, reason, seen_at) VALUES (1, 'x', 'my_playlist_items', ?1, 'moved', '')";
    store.execute(skip, [fixtures::STUDIO_PLAYLIST]).unwrap();
    let listed = "INSERT INTO playlists (id, owner_id, first_seen_at) VALUES (?1, ?2, '')";
    store.execute(listed, [fixtures::STUDIO_PLAYLIST, fixtures::STUDIO_USER]).unwrap();
    drop(store);
    for user in ["home", "studio"] {
        world.cli(&["auth", "logout", user, "--purge"]).exits(0);
    }
    let lists =
        "SELECT count(DISTINCT audience) FROM lists WHERE kind = 'artist_albums' AND audience LIKE 'forgotten %'";
    assert_eq!(world.one(lists), "2", "catalog lists that the purged user read are kept");
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    let store = std::fs::read(world.database()).unwrap();
    for id in [fixtures::HOME_USER, fixtures::STUDIO_USER] {
        assert!(!has_bytes(&store, id), "{id}");
    }
}

#[test]
fn purge_is_refused_during_a_run() {
    let job = "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n";
    let world = both(World::development().job(job));
    world.run(&["x"]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::Stall));
    let child = world.spawn(&["x", "--full"]);
    world.new_calls();
    world.wait_for_calls(1);
    let ran = world.cli(&["auth", "logout", "home", "--purge"]).exits(75).shows("purge_is_refused_during_a_run");
    ran.sat_out_nothing();
    signal(&child, "TERM");
    ended(child).exits(75);
    assert_ne!(world.one("SELECT count(*) FROM saved_tracks"), "0");
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM saved_tracks"), "0");
}

#[test]
fn missing_plays_are_reported() {
    let world =
        both(World::development().job("users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"recently_played\"\n"));
    let first = world.run(&["x", "--json"]).exits(0).json();
    assert_eq!(first["runs"][0]["warnings"], json!([]), "the first read has nothing before it to miss");
    // Some minutes later most of the page is known.
    world.sandbox.advance(std::time::Duration::from_secs(20 * 60));
    assert_eq!(world.run(&["x", "--json"]).exits(0).json()["runs"][0]["warnings"], json!([]));
    // Days later the whole page is new.
    world.sandbox.advance(std::time::Duration::from_secs(20 * 86_400));
    world.sandbox.revoke_access_tokens();
    let ran = world.run(&["-q", "x", "--json"]).exits(0);
    for user in ["home", "studio"] {
        let text = format!("recently_played of {user}: all 50 plays are new, so plays before them may be missing");
        assert!(ran.stderr.contains(&text) && ran.stderr.contains("at least every 25 minutes"), "{}", ran.stderr);
    }
    assert_eq!(ran.json()["runs"][0]["warnings"].as_array().unwrap().len(), 2);
    let plays = "SELECT count(*) - count(DISTINCT user_id || played_at || track_id) FROM plays";
    assert_eq!(world.one(plays), "0");
}

#[test]
fn ranks_are_kept_per_day_and_range() {
    let job = "user = \"home\"\n[[fetch]]\nstream = \"top_tracks\"\ntime_range = [\"short_term\", \"long_term\"]\n";
    let world = signed_in(World::development().job(job), &[("home", fixtures::HOME_USER)]);
    world.run(&["x"]).exits(0);
    let count = "SELECT count(*) FROM top_items";
    let one_day: usize = world.one(count).parse().unwrap();
    // A second run on the same day replaces the ranks of the first.
    world.run(&["x"]).exits(0);
    assert_eq!(world.one(count), one_day.to_string());
    // As if those ranks had been read yesterday.
    let store = rusqlite::Connection::open(world.database()).unwrap();
    store.execute("UPDATE top_items SET day = date(day, '-1 day'), fetched_at = strftime('%Y-%m-%dT%H:%M:%fZ', fetched_at, '-1 day')", []).unwrap();
    drop(store);
    world.run(&["x"]).exits(0);
    assert_eq!(world.one(count), (2 * one_day).to_string());
    let ranges = "SELECT group_concat(DISTINCT time_range) FROM (SELECT time_range FROM top_items ORDER BY 1)";
    assert_eq!(world.one(ranges), "long_term,short_term");
    let days: std::collections::BTreeSet<String> = world.column("top_tracks.csv", "day").into_iter().collect();
    assert_eq!(days.len(), 2, "the CSV shows every day");
}

#[test]
fn purge_lists_deleted_rows_and_files() {
    let job = "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"my_playlists\"\n\
               [[query]]\ncsv = \"who.csv\"\nsql = \"SELECT 'studio' AS user, count(*) AS n FROM saved_tracks ORDER BY 1\"\n";
    let world = both(World::development().job(job).settings("[output]\nkeep_raw = true"));
    world.run(&["x"]).exits(0);
    // A file of an earlier day that no job writes anymore.
    std::fs::copy(world.csv_path("saved_tracks.csv"), world.csv_path("saved-2026-01-01.csv")).unwrap();
    let ran = world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert_output("purge_lists_deleted_rows_and_files", &ran.stderr);
    for file in ["saved-2026-01-01.csv", "who.csv"] {
        assert!(ran.stderr.contains(&format!("{file} still mentions this user")), "{file}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("/saved_tracks.csv names"), "{}", ran.stderr);
    assert_output("purge_lists_deleted_rows_and_files_2", &ran.stderr);
    let raw = std::fs::read(world.project.root().join("output/cratedigger.raw.db")).unwrap();
    assert!(!has_bytes(&raw, "/me/tracks"), "no recorded answer about the user is left");
    assert!(world.csv("saved_tracks.csv").iter().all(|row| row["user"] == "home"));
    // Without the left-over file, `verify` finds no difference.
    std::fs::remove_file(world.csv_path("saved-2026-01-01.csv")).unwrap();
    world.cli(&["verify"]).exits(0);
}

#[test]
fn signed_out_user_can_be_purged() {
    let world =
        both(World::development().job("users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n"));
    world.run(&["x"]).exits(0);
    world.cli(&["auth", "logout", "studio"]).exits(0);
    let rows = format!("SELECT count(*) FROM saved_tracks WHERE user_id = '{}'", fixtures::STUDIO_USER);
    assert_ne!(world.one(&rows), "0", "the rows stay without --purge");
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0).shows("signed_out_user_can_be_purged");
    assert_eq!(world.one(&rows), "0");
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(2).shows("signed_out_user_can_be_purged_2");
}
