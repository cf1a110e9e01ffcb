//! `import history` adds the plays of a privacy export to those of the API: without doubles, without a call.

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::support::snapshot::Shows as _;
use crate::support::world::{Row, World};
use crate::sync::users::signed_in;

const JOB: &str = "user = \"home\"\n[[fetch]]\nstream = \"recently_played\"\ncolumns = [\"played_at\", \"track_id\", \
                   \"track_name\", \"artist_names\", \"album_name\", \"ms_played\", \"imported_at\"]\n";

/// An id of a track that the sandbox does not have.
const UNKNOWN: &str = "0000000000000000000000";

fn home(job: &str) -> World {
    signed_in(World::development().job(job), &[("home", fixtures::HOME_USER)])
}

/// A play as in the extended form. The end of a play is two seconds after the time of the API, without milliseconds.
fn extended(row: &Row, seconds_later: i64) -> Value {
    let at: chrono::DateTime<chrono::Utc> = row["played_at"].parse().unwrap();
    let at = at + chrono::TimeDelta::seconds(seconds_later);
    json!({
        "ts": at.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "username": fixtures::HOME_USER, "ms_played": 180_000,
        "spotify_track_uri": format!("spotify:track:{}", row["track_id"]), "master_metadata_track_name": row["track_name"],
        "master_metadata_album_artist_name": row["artist_names"].split("; ").next(),
        "master_metadata_album_album_name": row["album_name"], "episode_name": null,
    })
}

fn one_year(at: &str, artist: &str, title: &str) -> Value {
    json!({"endTime": at, "artistName": artist, "trackName": title, "msPlayed": 200_000})
}

fn write(world: &World, name: &str, plays: &[Value]) {
    world.project.write(name, Value::from(plays.to_vec()).to_string());
}

fn import(world: &World, files: &[&str]) -> Value {
    world.cli(&[&["--json", "import", "history"], files].concat()).exits(0).json()
}

#[test]
fn import_adds_what_the_api_did_not_send() {
    let world = home(JOB);
    world.run(&["x"]).exits(0);
    world.sandbox.clear_log();
    let rows = world.csv("recently_played.csv");
    let known = rows.len() as u64;
    let mut plays: Vec<Value> = rows.iter().map(|row| extended(row, 2)).collect();
    let older = |ts: &str, id: &str, title: &str| {
        let mut play = extended(&rows[0], 0);
        play["ts"] = ts.into();
        play["spotify_track_uri"] = format!("spotify:track:{id}").into();
        play["master_metadata_track_name"] = title.into();
        play
    };
    plays.push(older("2015-03-01T08:00:00Z", &rows[0]["track_id"], &rows[0]["track_name"]));
    plays.push(older("2015-03-01T08:04:00Z", &rows[0]["track_id"], &rows[0]["track_name"]));
    plays.push(older("2015-03-01T08:08:00Z", UNKNOWN, "Only in the export"));
    let mut short = plays[0].clone();
    short["ms_played"] = 29_999.into();
    plays.push(short);
    plays.push(json!({"ts": "2015-03-02T00:00:00Z", "ms_played": 900_000, "episode_name": "Talk"}));
    plays.push(older("1970-01-01T00:00:00Z", UNKNOWN, "Before Spotify"));
    plays.push(older("9000-01-01T00:00:00Z", UNKNOWN, "Not yet"));
    write(&world, "export/my_spotify_data/Spotify Extended/Streaming_History_Audio_2015.json", &plays);
    write(&world, "export/Userdata.json", &[]);
    let imported = import(&world, &["export"]);
    assert_eq!((imported["added"].as_u64(), imported["known"].as_u64()), (Some(3), Some(known)), "{imported}");
    assert_eq!((imported["short"].as_u64(), imported["other_media"].as_u64()), (Some(1), Some(1)));
    assert_eq!(imported["wrong_time"], 2, "{imported}");
    // Again, and the file under another name: nothing is new.
    write(&world, "again.json", &plays);
    let again = import(&world, &["export", "again.json"]);
    assert_eq!((again["added"].as_u64(), again["files"].as_u64()), (Some(0), Some(2)), "{again}");
    assert_eq!(world.one("SELECT count(*) FROM plays"), (known + 3).to_string());
    world.cli(&["export"]).exits(0);
    let rows = world.csv("recently_played.csv");
    let only = rows.iter().find(|row| row["track_id"] == UNKNOWN).unwrap();
    assert_eq!((only["track_name"].as_str(), only["ms_played"].as_str()), ("Only in the export", "180000"));
    assert!(!only["artist_names"].is_empty() && !only["album_name"].is_empty() && !only["imported_at"].is_empty());
    assert_eq!(world.calls(), [""; 0]);
    world.cli(&["verify"]).exits(0);
    // A run afterwards keeps them.
    world.run(&["x"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM plays"), (known + 3).to_string());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn api_replaces_imported_plays() {
    let world = home(JOB);
    world.run(&["x"]).exits(0);
    let rows = world.csv("recently_played.csv");
    // Another store, filled from the export first. The export has the start of a play, the API the end, or the reverse.
    for shift in [-180, -1, 0, 45, 180] {
        let world = home(JOB);
        world.project.write("jobs/y.toml", "user = \"home\"\n[[fetch]]\nstream = \"me\"\n");
        world.run(&["y"]).exits(0);
        let mut plays: Vec<Value> = rows.iter().map(|row| extended(row, shift)).collect();
        plays.push(json!({"ts": "2015-01-01T00:00:00Z", "ms_played": 60_000, "master_metadata_track_name": "Old",
            "master_metadata_album_artist_name": "A", "spotify_track_uri": format!("spotify:track:{UNKNOWN}")}));
        write(&world, "endsong_0.json", &plays);
        let imported = import(&world, &["endsong_0.json"]);
        // A play of a moment ago can be in the future after the shift.
        let future = imported["wrong_time"].as_u64().unwrap();
        assert_eq!(imported["added"].as_u64(), Some(rows.len() as u64 + 1 - future), "{imported}");
        world.run(&["x"]).exits(0);
        assert_eq!(
            world.one("SELECT count(*) FROM plays WHERE imported_at IS NULL"),
            rows.len().to_string(),
            "{shift}"
        );
        assert_eq!(world.one("SELECT count(*) FROM plays WHERE imported_at IS NOT NULL"), "1", "{shift}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn names_without_a_track_are_listed() {
    let world = home(JOB);
    world.run(&["x"]).exits(0);
    let row = &world.csv("recently_played.csv")[0];
    let artist = row["artist_names"].split("; ").next().unwrap();
    let minute = row["played_at"][..16].replace('T', " ");
    write(
        &world,
        "StreamingHistory_music_0.json",
        &[
            one_year("2024-01-01 10:00", artist, &row["track_name"].to_ascii_uppercase()),
            one_year(&minute, artist, &row["track_name"]),
            one_year("2024-01-01 10:04", "Nobody", "Never heard"),
            one_year("2024-01-01 10:08", "Nobody", "Never heard"),
        ],
    );
    let ran = world.cli(&["import", "history", "StreamingHistory_music_0.json"]).exits(0);
    ran.shows("names_without_a_track_are_listed");
    assert_eq!(world.one("SELECT count(*) FROM plays WHERE imported_at IS NOT NULL"), "1");
    let again = import(&world, &["StreamingHistory_music_0.json"]);
    assert_eq!((again["added"].as_u64(), again["unplaced"].as_u64()), (Some(0), Some(2)), "{again}");
    // The same play in the extended form is one play.
    let mut same = extended(row, 0);
    same["ts"] = "2024-01-01T10:00:41Z".into();
    write(&world, "extended.json", &[same]);
    assert_eq!(import(&world, &["extended.json"])["known"], 1);
}

#[test]
fn wrong_files_and_users_are_refused() {
    let world = home(JOB);
    write(&world, "plays.json", &[one_year("2024-01-01 10:00", "A", "B")]);
    world.cli(&["import", "history", "plays.json"]).exits(74);
    world.run(&["x"]).exits(0);
    let before = world.one("SELECT count(*) FROM plays");
    world.project.write("other.json", "{\"playlists\": []}");
    for (args, code, says) in [
        (&["missing.json"][..], 2, "failed to read missing.json"),
        (&["other.json"], 2, "is not a list of plays in JSON"),
        (&["jobs"], 2, "and its subfolders have no file of a streaming history"),
        (&["plays.json", "--user", "nobody"], 77, "no user nobody"),
    ] {
        world.cli(&[&["import", "history"], args].concat()).exits(code).says(says);
    }
    let mut play = extended(&world.csv("recently_played.csv")[0], 0);
    (play["username"], play["ts"]) = ("somebody_else".into(), "2020-01-01T00:00:00Z".into());
    write(&world, "theirs.json", &[play]);
    world.cli(&["import", "history", "theirs.json"]).exits(2).says("plays of the account somebody_else");
    assert_eq!(world.one("SELECT count(*) FROM plays"), before);
    // Named, the user is right: an old account may have another user name than id.
    world.cli(&["import", "history", "theirs.json", "--user", "home"]).exits(0);
}

#[test]
fn a_song_in_a_loop_is_imported_in_batches() {
    let world = home(JOB);
    world.run(&["x"]).exits(0);
    let begin: chrono::DateTime<chrono::Utc> = "2015-01-01T00:00:30Z".parse().unwrap();
    let play = |n: i64| {
        let at = begin + chrono::TimeDelta::seconds(31 * n);
        json!({"ts": at.to_rfc3339(), "ms_played": i64::MAX, "spotify_track_uri": format!("spotify:track:{UNKNOWN}"),
            "master_metadata_track_name": "Loop", "master_metadata_album_artist_name": "A"})
    };
    let plays: Vec<Value> = (0..20_000).map(play).collect();
    write(&world, "endsong_0.json", &plays);
    let version = || world.one("SELECT value FROM store_info WHERE key = 'data_version'").parse::<i64>().unwrap();
    let before = version();
    assert_eq!(import(&world, &["endsong_0.json"])["added"], 20_000);
    assert_eq!(version() - before, 4, "each transaction has 5,000 plays");
    assert_eq!(import(&world, &["endsong_0.json"])["known"], 20_000);
    // The form of one year has the same plays to the minute. Two of a minute have one row.
    let minutes: Vec<Value> = (0..20).map(|n| one_year(&format!("2015-01-01 00:{n:02}"), "A", "Loop")).collect();
    write(&world, "minutes.json", &minutes);
    let minutes = import(&world, &["minutes.json"]);
    assert_eq!((minutes["known"].as_u64(), minutes["added"].as_u64()), (Some(20), Some(0)), "{minutes}");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn broken_characters_cost_no_play() {
    let world = home(JOB);
    world.run(&["x"]).exits(0);
    let rows = world.csv("recently_played.csv");
    let known = rows.len();
    let mut play = extended(&rows[0], 0);
    play["ts"] = "2015-03-01T08:00:00Z".into();
    play["conn_country"] = "BROKEN".into();
    let text = Value::from(vec![play]).to_string();
    // Bytes that are no UTF-8, half of a surrogate pair, and both in a name.
    let (before, after) = text.split_once("BROKEN").unwrap();
    let bytes = [before.as_bytes(), b"\xff\xc3\\ud83d", after.as_bytes()].concat();
    world.project.write("Streaming_History_Audio_1.json", bytes);
    let report = import(&world, &["Streaming_History_Audio_1.json"]);
    assert_eq!(report["added"], 1, "{report}");
    world.cli(&["export"]).exits(0);
    assert_eq!(world.csv("recently_played.csv").len(), known + 1);
    // A file that ends in the middle is an error, and adds nothing.
    world.project.write("Streaming_History_Audio_2.json", &text[..text.len() / 2]);
    world.cli(&["import", "history", "Streaming_History_Audio_2.json"]).exits(2).says("Streaming_History_Audio_2.json");
    world.cli(&["verify"]).exits(0);
}
