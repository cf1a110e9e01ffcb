//! Two users sign in once. Then cron runs their jobs unattended, in a bare environment,
//! after access tokens have expired and after the consent has ended.

use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use spotify_sandbox::{PlaylistEdit, fixtures};

use crate::support::sign_in::{self, AtBrowser};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{Ran, World, ran};
use crate::sync::users::{everything, truth};

const DAY: Duration = Duration::from_secs(86_400);

const CSVS: [&str; 12] = [
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

/// A job that needs no user, and one of all streams of a user. Credentials are in `.env`, since cron
/// sets no variables.
fn world() -> World {
    let world = World::development().job(&format!("schedule = \"0 6 * * *\"\n{}", everything()));
    // A list of 50,000 items costs the calls of a whole day, and tests nothing more than the other lists do.
    let cut = PlaylistEdit::Remove { playlist: fixtures::LARGE_PLAYLIST.to_owned(), position: 0, count: 49_900 };
    world.sandbox.catalog().edit(cut).unwrap();
    let other =
        format!("schedule = \"0 6 * * *\"\n[[fetch]]\nstream = \"artists\"\nids = [\"{}\"]\n", fixtures::BUSY_ARTIST);
    world.project.write("jobs/other.toml", other);
    world.project.write(".env", "SPOTIFY_CLIENT_ID=sandbox-client\nSPOTIFY_CLIENT_SECRET=sandbox-secret\n");
    world
}

/// Runs a command as cron does: in another folder, with only these variables.
fn cron(world: &World, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cratedigger"));
    command.env_clear().current_dir("/").stdin(std::process::Stdio::null());
    command
        .env("HOME", world.project.root())
        .env("LOGNAME", "cron")
        .env("SHELL", "/bin/sh")
        .env("PATH", "/usr/bin:/bin");
    ran(command.arg("--project").arg(world.project.root()).args(args))
}

fn refreshes(world: &World) -> usize {
    world.sandbox.log().into_iter().filter(|seen| seen.grant_type.as_deref() == Some("refresh_token")).count()
}

/// Moves each stored time of the project back by a number of days.
fn age(world: &World, days: i64) {
    let store = Connection::open(world.database()).unwrap();
    store
        .execute_batch(&format!(
            "UPDATE runs SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '-{days} days'),
             finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-{days} days'),
             fire_at = strftime('%Y-%m-%dT%H:%M:%fZ', fire_at, '-{days} days');
             DELETE FROM fires"
        ))
        .unwrap();
    let grants = Connection::open(world.project.root().join(".local/state/cratedigger/grants.db")).unwrap();
    grants.execute("UPDATE grants SET given_ms = given_ms - ?1", [days * 86_400_000]).unwrap();
}

/// Rows of each CSV for one user.
fn rows_of(world: &World, user: &str) -> Vec<usize> {
    CSVS.iter().map(|name| world.csv(&format!("{name}.csv")).iter().filter(|row| row["user"] == user).count()).collect()
}

fn sign_in_states(world: &World, job: &str) -> serde_json::Value {
    let jobs = cron(world, &["jobs", "--json"]).exits(0).json();
    let jobs = jobs["jobs"].as_array().unwrap().clone();
    jobs.into_iter().find(|it| it["job"] == job).unwrap()["grants"].clone()
}

fn states(world: &World) -> Vec<String> {
    let users = sign_in_states(world, "x");
    users.as_array().unwrap().iter().map(|user| user["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn cron_reads_two_users_until_consent_ends() {
    let world = world();
    // One user signs in with a browser on this machine, the other elsewhere, by a pasted address.
    let browser = AtBrowser::begin(&world, "home", &[]);
    let back = sign_in::consent(&browser.address, fixtures::HOME_USER);
    let page = sign_in::get(&back);
    assert!(page.status == 200 && page.text.contains("Signed in"), "{}", page.text);
    browser.end().exits(0).shows("cron_reads_two_users_until_consent_ends");
    sign_in::sign_in(&world, "studio", fixtures::STUDIO_USER);

    // All streams for both users, in cron's environment.
    let first = cron(&world, &["-q", "run", "--due"]).exits(0);
    let warnings: Vec<&str> = first.stderr.lines().filter(|line| line.contains("warning")).collect();
    let odd = ["album.images", "artists"]
        .map(|field| format!("warning: x: my_playlist_items of home: {field}: 2 of 625 items had a null; left empty"));
    assert_eq!(warnings, odd, "{}", first.stderr);
    for user in ["home", "studio"] {
        let rows = rows_of(&world, user);
        assert!(rows.iter().all(|rows| *rows > 0), "{user}: {rows:?}");
    }
    for (list, column) in [("saved_tracks", "track_id"), ("saved_albums", "album_id"), ("saved_shows", "show_id")] {
        for (name, id) in [("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)] {
            let rows = world.csv(&format!("{list}.csv"));
            let got: Vec<&str> =
                rows.iter().filter(|row| row["user"] == name).map(|row| row[column].as_str()).collect();
            assert_eq!(got, truth(&world, id, list), "{list} of {name}");
        }
    }
    assert_eq!(refreshes(&world), 0, "the tokens of the sign-in are still valid");

    // Two hours later each access token has expired: one refresh for each user.
    world.sandbox.advance(Duration::from_secs(7_200));
    let second = cron(&world, &["-q", "run", "x"]).exits(0);
    assert!(!second.stderr.contains("warning:"), "what was odd is reported once: {}", second.stderr);
    assert_eq!(refreshes(&world), 2);
    let days: Vec<i64> =
        sign_in_states(&world, "x").as_array().unwrap().iter().map(|it| it["days_left"].as_i64().unwrap()).collect();
    assert!(days.iter().all(|days| (180..=184).contains(days)), "{days:?}");
    assert_eq!(states(&world), ["ok", "ok"]);

    let before: Vec<Vec<u8>> = CSVS.iter().map(|name| world.csv_bytes(&format!("{name}.csv"))).collect();

    // More than six months after the consent Spotify refuses: exit 77 with a hint. The other job still runs.
    world.sandbox.advance(190 * DAY);
    age(&world, 2);
    world.sandbox.clear_log();
    let ended = cron(&world, &["run", "--due", "--json"]).exits(77);
    assert_output("cron_reads_two_users_until_consent_ends_2", &ended.stderr);
    let line = ended.json();
    assert_eq!(line["exit_code"], 77);
    let watched: Vec<_> =
        line["grants"].as_array().unwrap().iter().map(|it| (&it["user"], &it["state"], &it["jobs"])).collect();
    let expected = serde_json::json!([["home", "needs_sign_in", ["x"]], ["studio", "needs_sign_in", ["x"]]]);
    assert_eq!(serde_json::json!(watched), expected);
    assert_eq!(refreshes(&world), 2, "each refused grant was sent once");
    let after: Vec<Vec<u8>> = CSVS.iter().map(|name| world.csv_bytes(&format!("{name}.csv"))).collect();
    assert!(before == after, "data that was read is kept");
    assert_eq!(states(&world), ["needs_sign_in", "needs_sign_in"]);
    assert!(cron(&world, &["jobs"]).exits(0).stdout.contains("home must sign in, studio must sign in"));
    assert_eq!(cron(&world, &["auth", "list"]).exits(0).stdout.matches("must sign in").count(), 2);

    // The timer's next start, and the next day's scheduled time, neither send a call nor report again.
    for days in [0, 1] {
        age(&world, days);
        world.sandbox.clear_log();
        let tick = cron(&world, &["run", "--due", "--ok-if-deferred", "-q"]).exits(0);
        assert_eq!((tick.stdout.as_str(), tick.stderr.as_str()), ("", ""), "after {days} days");
        assert!(world.calls().iter().all(|call| call.starts_with("/artists")), "{:?}", world.calls());
        assert_eq!(refreshes(&world), 0);
    }

    // One user signs in again: the job is due at once, reads this user's data, and still reports the missing one.
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    let half = cron(&world, &["run", "--due"]).exits(77).shows("cron_reads_two_users_until_consent_ends_3");
    assert!(!half.stderr.contains("auth login home"), "{}", half.stderr);
    let tick = cron(&world, &["run", "--due"]).exits(0);
    assert_eq!(tick.stderr, "", "nothing changed since");
    // The next day home's part is read. With -q, the missing user is not reported again.
    age(&world, 1);
    world.sandbox.clear_log();
    let next = cron(&world, &["-q", "run", "--due"]).exits(77);
    assert_eq!(next.stderr, "");
    assert!(world.calls().iter().any(|call| call.starts_with("/me/tracks")), "{:?}", world.calls());

    // Now the other user.
    sign_in::sign_in(&world, "studio", fixtures::STUDIO_USER);
    cron(&world, &["-q", "run", "--due"]).exits(0);
    assert_eq!(states(&world), ["ok", "ok"]);
}

#[test]
fn consent_warnings_at_30_14_7_and_1_days() {
    let world = world().job("users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"me\"\n");
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    sign_in::sign_in(&world, "studio", fixtures::STUDIO_USER);
    let grants = world.project.root().join(".local/state/cratedigger/grants.db");
    let left = |days: f64| {
        // Six calendar months after the consent, in every month: move the consent of one of them.
        let end = chrono::Utc::now() + chrono::TimeDelta::milliseconds((days * 86_400_000.0) as i64);
        let consent = end.checked_sub_months(chrono::Months::new(6)).unwrap();
        let db = Connection::open(&grants).unwrap();
        db.execute("UPDATE grants SET authorized_ms = ?1 WHERE user = 'home'", [consent.timestamp_millis()]).unwrap();
    };
    let mut heard = Vec::new();
    for (days, expected) in
        [(40.5, None), (26.5, Some(30)), (25.5, None), (13.5, Some(14)), (6.5, Some(7)), (0.5, Some(1)), (0.4, None)]
    {
        left(days);
        let ran = cron(&world, &["-q", "run", "x", "--json"]).exits(0);
        let said: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("must sign in again within")).collect();
        match expected {
            None => assert_eq!(said, Vec::<&str>::new(), "{days} days"),
            Some(mark) => {
                assert_eq!(said.len(), 1, "{days} days: {}", ran.stderr);
                assert!(
                    said[0].contains(&format!("within {mark} day")) && said[0].contains("cratedigger auth login home"),
                    "{}",
                    said[0]
                );
            }
        }
        let watched = ran.json()["grants"][0].clone();
        heard.push(watched["days_left"].as_i64().unwrap());
        assert_eq!(sign_in_states(&world, "x")[0]["days_left"], watched["days_left"]);
    }
    assert_eq!(heard.last(), Some(&0));
    assert!(cron(&world, &["jobs"]).exits(0).stdout.contains("home 0 days"), "jobs shows it");
}
