//! Scenarios for faults: a project with its sandbox, a command, and its result without a fault.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use spotify_sandbox::{PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

use crate::content;
use crate::trial::{AllowedCsv, ProjectContent, Trial};
use crate::world::World;

/// A command in a project.
pub struct Scenario {
    pub name: &'static str,
    pub world: World,
    /// The command that gets the faults.
    pub command: Vec<String>,
    /// A second command at the same time, which gets kills too.
    pub concurrent_command: Option<Vec<String>>,
    /// The commands afterwards, each with its allowed exit codes.
    pub recovery: Vec<(Vec<String>, &'static [i32])>,
    /// A further check after the fault and at the end.
    pub extra_check: fn(&Trial) -> Result<(), String>,
    /// The content of the project before the command.
    pub before: ProjectContent,
    /// The content after the commands without a fault.
    pub after: ProjectContent,
    /// The duration of `command` without a fault.
    pub duration: Duration,
    /// The requests of `command` without a fault.
    pub requests: Vec<String>,
}

/// Items of a generated playlist: six pages or two.
const LONG_PLAYLIST_ITEMS: usize = 260;
const SHORT_PLAYLIST_ITEMS: usize = 90;

const SCOPES: &[&str] = &["playlist-read-private", "playlist-read-collaborative", "user-library-read"];

/// A job with the edge-case playlist, discographies from another fetch, saved tracks, and a query of the
/// changes.
fn job(long_playlist: &str) -> String {
    format!(
        r#"user = "home"
market = "US"
[[fetch]]
stream = "playlist_items"
ids = ["{home}", "{odd}", "{long_playlist}"]
[[fetch]]
stream = "artists"
ids = ["{busy}", "{semicolon}"]
[[fetch]]
stream = "artist_albums"
from = "artists"
include_groups = ["album", "single"]
[[fetch]]
stream = "saved_tracks"
csv = "saved-{{user}}.csv"
[[query]]
csv = "changes.csv"
sql = """SELECT playlist_id, change, uri, position_before, position_after FROM playlist_changes
ORDER BY playlist_id, position_before, position_after"""
"#,
        home = fixtures::HOME_PLAYLIST,
        odd = fixtures::EDGE_CASE_PLAYLIST,
        busy = fixtures::BUSY_ARTIST,
        semicolon = fixtures::SEMICOLON_ARTIST,
    )
}

/// A job with few system calls, so that each of them can fail.
fn small_job(playlist: &str) -> String {
    format!(
        r#"user = "home"
[[fetch]]
stream = "playlist_items"
ids = ["{playlist}"]
[[fetch]]
stream = "saved_tracks"
csv = "saved-{{user}}.csv"
"#
    )
}

/// Another job with some of the same playlists and artists.
const OTHER_JOB: &str = r#"user = "home"
market = "US"
[[fetch]]
stream = "album_tracks"
ids = ["0SandboxLongAlbum00000", "0SandboxOddAlbum000000"]
[[fetch]]
stream = "playlist_items"
ids = ["0SandboxHomePlaylist00", "0SandboxAlienPlaylist0"]
[[fetch]]
stream = "show_episodes"
ids = ["0SandboxShow0000000000"]
"#;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A project with both jobs and a signed-in user, before the first run.
fn project() -> World {
    let world = sandbox(LONG_PLAYLIST_ITEMS);
    let long = plain_playlist(&world, LONG_PLAYLIST_ITEMS);
    let world = world.job(&job(&long));
    sign_in(&world);
    world
}

/// A project with the small job and a signed-in user, before the first run.
fn small_project() -> World {
    let world = sandbox(SHORT_PLAYLIST_ITEMS);
    let playlist = plain_playlist(&world, SHORT_PLAYLIST_ITEMS);
    let world = world.job(&small_job(&playlist));
    sign_in(&world);
    world
}

fn sandbox(playlist_items: usize) -> World {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        playlist_page_max: 50,
        playlist_items,
        tracks: 600,
        playlists: 3,
        ..SandboxOptions::default()
    };
    World::with(options)
}

/// A generated playlist with this number of items.
fn plain_playlist(world: &World, items: usize) -> String {
    let catalog = world.sandbox.catalog();
    let has_length = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == items);
    catalog.playlist_ids().into_iter().filter(|id| *id != fixtures::LARGE_PLAYLIST).find(has_length).unwrap()
}

fn sign_in(world: &World) {
    let token = world.sandbox.sign_in(fixtures::HOME_USER, SCOPES, false).refresh_token;
    let line = json!({
        "user": "home", "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
        "authorized_at": chrono::Utc::now().to_rfc3339(),
    });
    let mut child =
        world.command(&["auth", "import", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

impl Scenario {
    fn new(name: &'static str, world: World, command: &str, recovery: &[(&str, &'static [i32])]) -> Scenario {
        Scenario::with_concurrent_command(name, world, command, None, recovery)
    }

    fn with_concurrent_command(
        name: &'static str,
        world: World,
        command: &str,
        concurrent_command: Option<&str>,
        recovery: &[(&str, &'static [i32])],
    ) -> Scenario {
        let mut scenario = Scenario {
            name,
            command: words(command),
            concurrent_command: concurrent_command.map(words),
            recovery: recovery.iter().map(|(line, codes)| (words(line), *codes)).collect(),
            extra_check: |_| Ok(()),
            before: Trial::copy_of(&world.project).read_content(),
            after: ProjectContent::default(),
            duration: Duration::ZERO,
            requests: Vec::new(),
            world,
        };
        scenario.world.new_calls();
        let undisturbed = scenario.new_trial();
        let started = Instant::now();
        undisturbed.run(&scenario.command).exits(0);
        scenario.duration = started.elapsed();
        scenario.requests = scenario.world.new_calls();
        if let Some(command) = &scenario.concurrent_command {
            undisturbed.run(command).exits(0);
        }
        scenario.run_recovery(&undisturbed).unwrap();
        scenario.after = undisturbed.read_content();
        scenario
    }

    pub fn new_trial(&self) -> Trial {
        Trial::copy_of(&self.world.project)
    }

    /// Runs the commands that follow the fault.
    pub fn run_recovery(&self, trial: &Trial) -> Result<(), String> {
        for (line, codes) in &self.recovery {
            let ran = trial.run(line);
            if !codes.contains(&ran.code) {
                return Err(format!("afterwards `{}` ends with {}:\n{}", line.join(" "), ran.code, ran.stderr));
            }
        }
        Ok(())
    }

    /// Checks the project after a fault, runs the recovery, and checks it again.
    pub fn check_after_fault(&self, trial: &Trial) -> Result<(), String> {
        let files = if self.concurrent_command.is_some() { AllowedCsv::OrMerged } else { AllowedCsv::OldOrNew };
        trial.check_sound(files, &self.before, &self.after)?;
        (self.extra_check)(trial)?;
        self.run_recovery(trial)?;
        trial.check_equals(&self.after)?;
        (self.extra_check)(trial)
    }
}

const SUCCESS: &[i32] = &[0];

/// The first run, in which everything is new.
pub fn first_run() -> Scenario {
    Scenario::new("first run", project(), "run x", &[("run x", SUCCESS)])
}

/// A project whose job has run.
fn after_a_run() -> World {
    let world = project();
    world.run(&["x"]).exits(0);
    world
}

/// A run without changes.
pub fn unchanged_run() -> Scenario {
    Scenario::new("unchanged run", after_a_run(), "run x", &[("run x", SUCCESS)])
}

/// A run after edits of every kind.
pub fn changed_run() -> Scenario {
    let world = after_a_run();
    let long = plain_playlist(&world, LONG_PLAYLIST_ITEMS);
    edit(&world, &long);
    edit(&world, fixtures::HOME_PLAYLIST);
    Scenario::new("changed run", world, "run x", &[("run x", SUCCESS)])
}

/// The first run of the small job.
pub fn small_first_run() -> Scenario {
    Scenario::new("small first run", small_project(), "run x", &[("run x", SUCCESS)])
}

/// A run of the small job after edits.
pub fn small_changed_run() -> Scenario {
    let world = small_project();
    world.run(&["x"]).exits(0);
    edit(&world, &plain_playlist(&world, SHORT_PLAYLIST_ITEMS));
    Scenario::new("small changed run", world, "run x", &[("run x", SUCCESS)])
}

fn edit(world: &World, playlist: &str) {
    let track = || Some(fixtures::PLAIN_TRACK.to_owned());
    let id = || playlist.to_owned();
    for edit in [
        PlaylistEdit::Insert { playlist: id(), position: 0, items: vec![track(), None, track()] },
        PlaylistEdit::Remove { playlist: id(), position: 40, count: 9 },
        PlaylistEdit::Move { playlist: id(), from: 20, count: 5, to: 80 },
        PlaylistEdit::Insert { playlist: id(), position: 10_000, items: vec![track()] },
    ] {
        world.sandbox.catalog().edit(edit).unwrap();
    }
}

/// `export` writes the CSVs again.
pub fn export() -> Scenario {
    let world = after_a_run();
    std::fs::remove_dir_all(world.project.root().join("output/csv/x")).unwrap();
    Scenario::new("export", world, "export", &[("export", SUCCESS)])
}

/// `backup` copies the store. The copy is complete, or there is none.
pub fn backup() -> Scenario {
    let mut scenario =
        Scenario::new("backup", after_a_run(), "backup copy.db", &[("backup second.db", SUCCESS), ("run x", SUCCESS)]);
    scenario.extra_check = |trial| {
        for copy in ["copy.db", "second.db"] {
            let path = trial.project.root().join(copy);
            if path.exists() {
                let copy = Connection::open(path).map_err(|e| e.to_string())?;
                content::check_integrity(&copy)?;
                let original = content::content_rows(&trial.store());
                content::compare_rows(&content::content_rows(&copy), &original)?;
            }
        }
        Ok(())
    };
    scenario
}

/// `verify --rewrite-csv` finds changed and missing CSVs and writes them again.
pub fn verify_rewrite() -> Scenario {
    let world = after_a_run();
    let folder = world.project.root().join("output/csv/x");
    std::fs::remove_file(folder.join("playlist_items.csv")).unwrap();
    std::fs::write(folder.join("artists.csv"), "changed\n").unwrap();
    Scenario::new("verify --rewrite-csv", world, "verify --rewrite-csv", &[("verify --rewrite-csv", SUCCESS)])
}

/// `auth logout --purge` deletes a user with all rows.
pub fn purge() -> Scenario {
    Scenario::new(
        "auth logout --purge",
        after_a_run(),
        "auth logout home --purge",
        // The purge may have been complete before the fault, and then the user is unknown. `export` writes the
        // files and removes the temporary files that the purge could not.
        &[("auth logout home --purge", &[0, 2]), ("export", SUCCESS)],
    )
}

/// Two jobs at once; both get kills.
pub fn two_jobs() -> Scenario {
    let world = project();
    world.project.write("jobs/y.toml", OTHER_JOB);
    // The tracks that one job reads appear in the files of the other when it writes them again.
    let recovery = [("run x", SUCCESS), ("run y", SUCCESS), ("run x", SUCCESS)];
    Scenario::with_concurrent_command("two jobs at once", world, "run x", Some("run y"), &recovery)
}
