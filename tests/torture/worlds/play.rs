//! Plays the steps of a world.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use spotify_sandbox::{LibraryEdit, LibrarySection, QuotaMode, SandboxOptions, fixtures};

use super::WorldTotals;
use super::steps::{JOBS, Step, USERS};
use crate::moved_clock::clock;
use crate::world::{Ran, SCOPES, World, ran};

/// A world in which steps are played.
pub struct RandomWorld {
    pub world: World,
    pub totals: WorldTotals,
    hours: i64,
    tracks: Vec<String>,
    /// Jobs whose newest run did not come to its end. The next run resumes it, and does not read again what it has read.
    unfinished: BTreeSet<String>,
}

/// A user and an app read the same playlists, some names have a date, one job has a retention, and one has two users.
const JOB_FILES: [(&str, &str); 3] = [
    (
        "home",
        "user = \"home\"\nretention = \"40d\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [PLAYLISTS]\n\
         [[fetch]]\nstream = \"saved_tracks\"\ncsv = \"{date}/saved-{user}.csv\"\n",
    ),
    (
        "app",
        "[[fetch]]\nstream = \"playlist_items\"\nids = [PLAYLISTS]\ncsv = \"items-{date}.csv\"\n\
         [[fetch]]\nstream = \"album_tracks\"\nids = [\"0SandboxLongAlbum00000\"]\n",
    ),
    (
        "both",
        "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"saved_albums\"\n\
         [[fetch]]\nstream = \"followed_artists\"\n",
    ),
];

impl RandomWorld {
    pub fn new() -> RandomWorld {
        let options = SandboxOptions {
            mode: QuotaMode::Extended,
            playlist_page_max: 50,
            tracks: 300,
            playlists: 3,
            ..SandboxOptions::default()
        };
        let world = World::with(options).settings("[retention]\ndated_csv = \"30d\"");
        let playlists = format!("\"{}\", \"{}\"", fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST);
        for (name, text) in JOB_FILES {
            world.project.write(&format!("jobs/{name}.toml"), text.replace("PLAYLISTS", &playlists));
        }
        let ids = world.sandbox.catalog().ids();
        let tracks = ids["tracks"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        let (totals, unfinished) = (WorldTotals::default(), BTreeSet::new());
        let world = RandomWorld { world, totals, hours: 0, tracks, unfinished };
        USERS.iter().for_each(|(name, id)| world.sign_in(name, id));
        world
    }

    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::Utc::now() + chrono::TimeDelta::hours(self.hours)
    }

    /// The program with the world's clock.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", (self.hours * 3_600).to_string());
        command
    }

    pub fn cli(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn sign_in(&self, name: &str, id: &str) {
        let token = self.world.sandbox.sign_in(id, SCOPES, false).refresh_token;
        let line = json!({
            "user": name, "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
            "authorized_at": self.now().to_rfc3339(),
        });
        let mut command = self.command(&["auth", "import", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{name} signs in");
    }

    fn backup(&self) -> PathBuf {
        self.world.project.root().join("copy.db")
    }

    /// Plays one step. The error is what is wrong.
    pub fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Hours(hours) => {
                self.hours += hours;
                self.totals.days += usize::try_from(hours / 24).unwrap();
                self.world.sandbox.advance(Duration::from_secs(u64::try_from(hours * 3_600).unwrap()));
            }
            // An edit at a place that the list does not have changes nothing.
            Step::Edit(edit) => drop(self.world.sandbox.catalog().edit(serde_json::from_value(edit.clone()).unwrap())),
            Step::Save { user, track } => drop(self.world.sandbox.catalog().edit_library(LibraryEdit::Save {
                user: (*user).to_owned(),
                section: LibrarySection::Tracks,
                id: self.tracks[track % self.tracks.len()].clone(),
                added_at_ms: None,
                twice: false,
            })),
            Step::Unsave { user, place } => drop(self.world.sandbox.catalog().edit_library(LibraryEdit::Remove {
                user: (*user).to_owned(),
                section: LibrarySection::Tracks,
                position: *place,
            })),
            Step::Fault(fault) => self.world.sandbox.inject(serde_json::from_value(fault.clone()).unwrap()),
            Step::Run { job, kill_after_ms } => return self.run(job, *kill_after_ms),
            Step::SpoilFiles { job } => {
                drop(std::fs::remove_dir_all(self.world.project.root().join("output/csv").join(job)));
            }
            Step::Export if self.world.database().exists() => {
                let ran = self.cli(&["export"]);
                return if ran.code == 0 {
                    Ok(())
                } else {
                    Err(format!("export ends with {}: {}", ran.code, ran.stderr))
                };
            }
            Step::Backup if self.world.database().exists() => {
                drop(std::fs::remove_file(self.backup()));
                let ran = self.cli(&["backup", "copy.db"]);
                return if ran.code == 0 {
                    Ok(())
                } else {
                    Err(format!("backup ends with {}: {}", ran.code, ran.stderr))
                };
            }
            Step::Restore if self.backup().exists() => {
                for suffix in ["-wal", "-shm"] {
                    drop(std::fs::remove_file(format!("{}{suffix}", self.world.database().display())));
                }
                std::fs::copy(self.backup(), self.world.database()).unwrap();
            }
            Step::Purge { user } if self.world.database().exists() => {
                let ran = self.cli(&["auth", "logout", user, "--purge"]);
                if ran.code != 0 {
                    return Err(format!("the purge ends with {}: {}", ran.code, ran.stderr));
                }
                let id = USERS.iter().find(|(name, _)| name == user).unwrap().1;
                self.sign_in(user, id);
            }
            Step::Export | Step::Backup | Step::Restore | Step::Purge { .. } => {}
            Step::Check => return self.check_all(),
        }
        Ok(())
    }

    /// A run of one job, which may be killed. Its exit code and its claims must hold.
    fn run(&mut self, job: &str, kill_after_ms: Option<u64>) -> Result<(), String> {
        let Some(ms) = kill_after_ms else {
            let ran = self.run_to_end(job);
            return match ran.code {
                0 | 1 | 3 | 75 => self.check_claims(&ran),
                code => Err(format!("the run ends with {code}: {}", ran.stderr)),
            };
        };
        self.totals.runs += 1;
        let mut child = self.command(&["run", job]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(ms));
        child.kill().unwrap();
        if child.wait().unwrap().code().is_none() {
            self.totals.kills += 1;
            self.unfinished.insert(job.to_owned());
        }
        Ok(())
    }

    fn run_to_end(&mut self, job: &str) -> Ran {
        self.totals.runs += 1;
        let ran = self.cli(&["run", "--json", job]);
        match ran.code {
            0 | 3 => self.unfinished.remove(job),
            _ => self.unfinished.insert(job.to_owned()),
        };
        ran
    }

    /// Runs each job until it is complete, and compares everything with the truth.
    fn check_all(&mut self) -> Result<(), String> {
        self.world.sandbox.clear_faults();
        for job in JOBS {
            // A resumed run does not request again what was read before, an edit may wait for its page, and rows of
            // another job may be missing.
            for attempt in 1..=5 {
                let resumes = self.unfinished.contains(job);
                let ran = self.run_to_end(job);
                if ran.code == 0 && !resumes {
                    self.check_claims(&ran)?;
                    break;
                }
                if attempt == 5 {
                    return Err(format!("without faults, {job} ends with {}: {}", ran.code, ran.stderr));
                }
            }
        }
        self.totals.comparisons += 1;
        self.check_truth()
    }
}
