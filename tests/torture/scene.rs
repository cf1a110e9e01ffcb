//! What is under way when a blow falls: a project with its sandbox, a command, and how it ends
//! when nothing disturbs it.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use spotify_sandbox::{Edit, Mode, Options, known};

use crate::content;
use crate::trial::{Holds, Trial, Whole};
use crate::world::World;

/// A command under way in a project.
pub struct Scene {
    pub name: &'static str,
    pub world: World,
    /// What is struck.
    pub struck: Vec<String>,
    /// More that goes on at the same time and is struck too.
    pub beside: Option<Vec<String>>,
    /// What is typed afterwards, each with the exit codes that it may end with.
    pub then: Vec<(Vec<String>, &'static [i32])>,
    /// What else must hold right after the blow and at the end.
    pub also: fn(&Trial) -> Result<(), String>,
    /// What the project holds before.
    pub before: Holds,
    /// What it holds after an undisturbed `struck` (and `beside`) and `then`.
    pub after: Holds,
    /// How long `struck` takes undisturbed.
    pub takes: Duration,
    /// What it asks for undisturbed.
    pub asks: Vec<String>,
}

/// Items of a plain playlist: six pages, or two.
const LONG: usize = 260;
const SHORT: usize = 90;

const SCOPES: &[&str] = &["playlist-read-private", "playlist-read-collaborative", "user-library-read"];

/// Playlists with everything odd in them, discographies by way of another fetch, a user's saved tracks,
/// and what changed.
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
        home = known::HOME_PLAYLIST,
        odd = known::ODD_PLAYLIST,
        busy = known::BUSY_ARTIST,
        semicolon = known::SEMICOLON_ARTIST,
    )
}

/// A job that is done in few calls, so that each of them can be struck.
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

/// Another job, which meets the same playlists and artists.
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
    let world = sandbox(LONG);
    let long = plain_playlist(&world, LONG);
    let world = world.job(&job(&long));
    sign_in(&world);
    world
}

/// A project with the small job and a signed-in user, before the first run.
fn small_project() -> World {
    let world = sandbox(SHORT);
    let playlist = plain_playlist(&world, SHORT);
    let world = world.job(&small_job(&playlist));
    sign_in(&world);
    world
}

fn sandbox(playlist_items: usize) -> World {
    let options = Options {
        mode: Mode::Extended,
        playlist_page_max: 50,
        playlist_items,
        tracks: 600,
        playlists: 3,
        ..Options::default()
    };
    World::with(options)
}

/// A plain playlist of so many items.
fn plain_playlist(world: &World, items: usize) -> String {
    let catalog = world.sandbox.catalog();
    let plain = |id: &String| catalog.playlist_rows(id).is_some_and(|rows| rows.len() == items);
    catalog.playlist_ids().into_iter().filter(|id| *id != known::LARGE_PLAYLIST).find(plain).unwrap()
}

fn sign_in(world: &World) {
    let token = world.sandbox.sign_in(known::HOME, SCOPES, false).refresh_token;
    let line = json!({
        "user": "home", "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
        "authorized_at": chrono::Utc::now().to_rfc3339(),
    });
    let mut child =
        world.command(&["auth", "import", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

impl Scene {
    fn new(name: &'static str, world: World, struck: &str, then: &[(&str, &'static [i32])]) -> Scene {
        Scene::beside(name, world, struck, None, then)
    }

    fn beside(
        name: &'static str,
        world: World,
        struck: &str,
        beside: Option<&str>,
        then: &[(&str, &'static [i32])],
    ) -> Scene {
        let mut scene = Scene {
            name,
            struck: words(struck),
            beside: beside.map(words),
            then: then.iter().map(|(line, codes)| (words(line), *codes)).collect(),
            also: |_| Ok(()),
            before: Trial::copy_of(&world.project).holds(),
            after: Holds::default(),
            takes: Duration::ZERO,
            asks: Vec::new(),
            world,
        };
        scene.world.new_calls();
        let undisturbed = scene.trial();
        let began = Instant::now();
        undisturbed.run(&scene.struck).exits(0);
        scene.takes = began.elapsed();
        scene.asks = scene.world.new_calls();
        if let Some(beside) = &scene.beside {
            undisturbed.run(beside).exits(0);
        }
        scene.finish(&undisturbed).unwrap();
        scene.after = undisturbed.holds();
        scene
    }

    pub fn trial(&self) -> Trial {
        Trial::copy_of(&self.world.project)
    }

    /// Types what is typed afterwards.
    pub fn finish(&self, trial: &Trial) -> Result<(), String> {
        for (line, codes) in &self.then {
            let ran = trial.run(line);
            if !codes.contains(&ran.code) {
                return Err(format!("then `{}` ends with {}:\n{}", line.join(" "), ran.code, ran.stderr));
            }
        }
        Ok(())
    }

    /// All that must hold after a blow, now and at the end.
    pub fn judge(&self, trial: &Trial) -> Result<(), String> {
        let files = if self.beside.is_some() { Whole::OrOfBoth } else { Whole::OldOrNew };
        trial.is_sound(files, &self.before, &self.after)?;
        (self.also)(trial)?;
        self.finish(trial)?;
        trial.is_as(&self.after)?;
        (self.also)(trial)
    }
}

const DONE: &[i32] = &[0];

/// The first run: everything is new.
pub fn first_run() -> Scene {
    Scene::new("first run", project(), "run x", &[("run x", DONE)])
}

/// A world in which the job has run.
fn after_a_run() -> World {
    let world = project();
    world.run(&["x"]).exits(0);
    world
}

/// A run that finds everything as it was.
pub fn unchanged_run() -> Scene {
    Scene::new("unchanged run", after_a_run(), "run x", &[("run x", DONE)])
}

/// A run that finds playlists edited in every way.
pub fn changed_run() -> Scene {
    let world = after_a_run();
    let long = plain_playlist(&world, LONG);
    edit(&world, &long);
    edit(&world, known::HOME_PLAYLIST);
    Scene::new("changed run", world, "run x", &[("run x", DONE)])
}

/// The first run of the small job.
pub fn small_first_run() -> Scene {
    Scene::new("small first run", small_project(), "run x", &[("run x", DONE)])
}

/// A run of the small job that finds its playlist edited.
pub fn small_changed_run() -> Scene {
    let world = small_project();
    world.run(&["x"]).exits(0);
    edit(&world, &plain_playlist(&world, SHORT));
    Scene::new("small changed run", world, "run x", &[("run x", DONE)])
}

fn edit(world: &World, playlist: &str) {
    let track = || Some(known::PLAIN_TRACK.to_owned());
    let id = || playlist.to_owned();
    for edit in [
        Edit::Insert { playlist: id(), position: 0, items: vec![track(), None, track()] },
        Edit::Remove { playlist: id(), position: 40, count: 9 },
        Edit::Move { playlist: id(), from: 20, count: 5, to: 80 },
        Edit::Insert { playlist: id(), position: 10_000, items: vec![track()] },
    ] {
        world.sandbox.catalog().edit(edit).unwrap();
    }
}

/// The CSVs are written again.
pub fn export() -> Scene {
    let world = after_a_run();
    std::fs::remove_dir_all(world.project.root().join("output/csv/x")).unwrap();
    Scene::new("export", world, "export", &[("export", DONE)])
}

/// The store is copied. The copy is whole, or there is none.
pub fn backup() -> Scene {
    let mut scene =
        Scene::new("backup", after_a_run(), "backup copy.db", &[("backup second.db", DONE), ("run x", DONE)]);
    scene.also = |trial| {
        for copy in ["copy.db", "second.db"] {
            let path = trial.project.root().join(copy);
            if path.exists() {
                let copy = Connection::open(path).map_err(|e| e.to_string())?;
                content::is_sound(&copy)?;
                let whole = content::rows(&trial.store());
                content::same(&content::rows(&copy), &whole)?;
            }
        }
        Ok(())
    };
    scene
}

/// Changed and missing CSVs are found and written again.
pub fn verify_rewrite() -> Scene {
    let world = after_a_run();
    let folder = world.project.root().join("output/csv/x");
    std::fs::remove_file(folder.join("playlist_items.csv")).unwrap();
    std::fs::write(folder.join("artists.csv"), "spoilt\n").unwrap();
    Scene::new("verify --rewrite-csv", world, "verify --rewrite-csv", &[("verify --rewrite-csv", DONE)])
}

/// A person is forgotten, rows and all.
pub fn purge() -> Scene {
    // Whoever was forgotten before the blow is unknown afterwards.
    Scene::new(
        "auth logout --purge",
        after_a_run(),
        "auth logout home --purge",
        // A file that could not be written again, or a draft that could not be removed, is the next export's.
        &[("auth logout home --purge", &[0, 2]), ("export", DONE)],
    )
}

/// Two jobs at once, both struck.
pub fn two_jobs() -> Scene {
    let world = project();
    world.project.write("jobs/y.toml", OTHER_JOB);
    // What one job reads of a track is seen in the other's files when they are written next.
    let then = [("run x", DONE), ("run y", DONE), ("run x", DONE)];
    Scene::beside("two jobs at once", world, "run x", Some("run y"), &then)
}
