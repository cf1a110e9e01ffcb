//! Plays the steps of a world.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use spotify_sandbox::{LibraryEdit, LibrarySection, QuotaMode, SandboxOptions};

use super::check::{FileState, ListVersions, SeenVersion};
use super::lists::{self, ListFile, WorldList};
use super::steps::{Hindrance, JOBS, Step, USERS};
use super::{Violation, WorldTotals};
use crate::moved_clock::clock;
use crate::world::{Ran, SCOPES, World, ran};

/// A world in which steps are played.
pub struct RandomWorld {
    pub world: World,
    pub totals: WorldTotals,
    pub files: Vec<ListFile>,
    pub file_states: Vec<FileState>,
    pub versions: BTreeMap<WorldList, ListVersions>,
    /// What runs have published of playlists.
    pub seen: Vec<SeenVersion>,
    /// Spotify has sent fields blank, unreadable or not at all since all lists were last read without such fields.
    pub sent_odd_fields: bool,
    /// How far the clocks are ahead of the machine's.
    ahead: chrono::TimeDelta,
    tracks: Vec<String>,
    /// Jobs whose newest run did not come to its end, with the versions of the lists when it began. The next run resumes
    /// it, and does not read again what it has read.
    unfinished: BTreeMap<String, BTreeMap<WorldList, usize>>,
    /// A run has come to its end.
    has_store: bool,
    /// What was known when the store was copied, and whether odd fields had been sent.
    backup: Option<(Vec<SeenVersion>, bool)>,
}

impl RandomWorld {
    pub fn new(mode: QuotaMode) -> RandomWorld {
        let options =
            SandboxOptions { mode, playlist_page_max: 50, tracks: 300, playlists: 3, ..SandboxOptions::default() };
        let world = World::with(options).settings("[retention]\ndated_csv = \"30d\"");
        for (name, text) in lists::job_files(mode) {
            world.project.write(&format!("jobs/{name}.toml"), text);
        }
        let ids = world.sandbox.catalog().ids();
        let tracks = ids["tracks"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        let files = lists::list_files(mode);
        let mut world = RandomWorld {
            world,
            totals: WorldTotals::default(),
            file_states: vec![FileState::default(); files.len()],
            files,
            versions: BTreeMap::new(),
            seen: Vec::new(),
            sent_odd_fields: false,
            ahead: chrono::TimeDelta::zero(),
            tracks,
            unfinished: BTreeMap::new(),
            has_store: false,
            backup: None,
        };
        world.note_versions();
        USERS.iter().for_each(|(name, id)| world.sign_in(name, id));
        world
    }

    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::Utc::now() + self.ahead
    }

    /// Time passes for the program and for the sandbox.
    fn pass(&mut self, time: Duration) {
        self.ahead += chrono::TimeDelta::from_std(time).unwrap();
        self.world.sandbox.advance(time);
    }

    /// The program with the world's clock. Its pauses between attempts are shortened.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", self.ahead.num_seconds().to_string());
        command.env("CLOCK_SPEED", "20");
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

    fn backup_path(&self) -> PathBuf {
        self.world.project.root().join("copy.db")
    }

    /// Plays one step. The error is what is wrong.
    pub fn play(&mut self, step: &Step) -> Result<(), Violation> {
        // No two things happen at the same time.
        self.pass(Duration::from_secs(60));
        // A kill may leave a store without a table.
        let has_store = self.has_store;
        match step {
            Step::Hours(hours) => {
                self.totals.days += usize::try_from(hours / 24).unwrap();
                self.pass(Duration::from_secs(hours * 3_600));
            }
            // An edit at a place that the list does not have changes nothing.
            Step::Edit(edit) => drop(self.world.sandbox.catalog().edit(serde_json::from_value(edit.clone()).unwrap())),
            Step::EditLibrary(edit) => {
                let mut edit = edit.clone();
                for at in ["/id", "/edits/0/id"] {
                    if let Some(n) = edit.pointer(at).and_then(Value::as_u64) {
                        let track = &self.tracks[usize::try_from(n).unwrap() % self.tracks.len()];
                        *edit.pointer_mut(at).unwrap() = json!(track);
                    }
                }
                let list = self.versions.iter_mut().find(|(list, _)| {
                    matches!(list, WorldList::Library(name, user) if edit["user"] == *user
                        && name.strip_prefix("saved_") == edit["shelf"].as_str())
                });
                if let Some((_, known)) = list.filter(|_| edit["do"] == "when_served") {
                    known.waiting_edits += 1;
                }
                drop(self.world.sandbox.catalog().edit_library(serde_json::from_value(edit).unwrap()));
            }
            Step::Unsave { user, place, count } => {
                for _ in 0..*count {
                    drop(self.world.sandbox.catalog().edit_library(LibraryEdit::Remove {
                        user: (*user).to_owned(),
                        section: LibrarySection::Tracks,
                        position: *place,
                    }));
                }
            }
            Step::Fault(fault) => {
                self.sent_odd_fields |= fault.to_string().contains("\"set\"");
                self.world.sandbox.inject(serde_json::from_value(fault.clone()).unwrap());
            }
            Step::Run { job, hindrance: Some(Hindrance::KillAfterMs(ms)) } => self.run_and_kill(job, *ms),
            Step::Run { job, hindrance: Some(Hindrance::FileBytes(bytes)) } => self.run_on_full_disk(job, *bytes)?,
            Step::Run { job, hindrance: Some(Hindrance::ClockOffByHours(hours)) } => {
                // Only the process has the wrong time, not the sandbox.
                let (right, wrong) = (self.ahead, chrono::TimeDelta::hours(*hours));
                self.ahead += wrong;
                let ran = self.run(job);
                self.ahead = right;
                return ran.map(drop);
            }
            Step::Run { job, hindrance: None } => return self.run(job).map(drop),
            Step::DeleteFiles { job } => {
                drop(std::fs::remove_dir_all(self.world.project.root().join("output/csv").join(job)));
            }
            Step::Export if has_store => return self.expect_success(&["export"]),
            Step::Backup if has_store => {
                drop(std::fs::remove_file(self.backup_path()));
                self.backup = Some((self.seen.clone(), self.sent_odd_fields));
                return self.expect_success(&["backup", "copy.db"]);
            }
            Step::Restore => {
                let Some((seen, sent_odd_fields)) = self.backup.clone() else { return Ok(()) };
                for suffix in ["-wal", "-shm"] {
                    drop(std::fs::remove_file(format!("{}{suffix}", self.world.database().display())));
                }
                std::fs::copy(self.backup_path(), self.world.database()).unwrap();
                self.seen = seen;
                self.sent_odd_fields |= sent_odd_fields;
                self.forget_files(true);
                // The runs of the copy may not have come to their end either.
                for job in JOBS {
                    self.unfinished.insert(job.to_owned(), self.versions.keys().map(|list| (*list, 0)).collect());
                }
            }
            Step::Purge { user } if has_store => {
                self.expect_success(&["auth", "logout", user, "--purge"])?;
                self.seen.clear();
                self.forget_files(false);
                let id = USERS.iter().find(|(name, _)| name == user).unwrap().1;
                self.sign_in(user, id);
            }
            Step::Export | Step::Backup | Step::Purge { .. } => {}
            Step::Check => return self.check_all(),
        }
        self.note_versions();
        Ok(())
    }

    fn expect_success(&self, args: &[&str]) -> Result<(), Violation> {
        let ran = self.cli(args);
        let detail = format!("{args:?} ends with {}: {}", ran.code, ran.stderr);
        // A purge lists files of earlier days that no job writes again, and ends with 3, as the next purge does.
        let reasons = ["may contain rows of this user", "an earlier purge left it"];
        let has_left = args.contains(&"--purge") && ran.code == 3 && reasons.iter().any(|it| ran.stderr.contains(it));
        if ran.code == 0 || has_left { Ok(()) } else { Err(Violation { rule: "commands succeed", detail }) }
    }

    fn run_and_kill(&mut self, job: &str, after_ms: u64) {
        self.totals.runs += 1;
        let since = self.newest_versions();
        let mut child = self.command(&["run", job]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill().unwrap();
        if child.wait().unwrap().code().is_none() {
            self.totals.kills += 1;
        }
        self.unfinished.entry(job.to_owned()).or_insert(since);
        self.note_versions();
    }

    /// A run in which no file may become larger than this. It says so, or the signal ends it.
    fn run_on_full_disk(&mut self, job: &str, bytes: u64) -> Result<(), Violation> {
        self.totals.runs += 1;
        let since = self.newest_versions();
        let limited = self.command(&["run", job]);
        let mut command = Command::new("prlimit");
        command.arg(format!("--fsize={bytes}")).arg(limited.get_program()).args(limited.get_args());
        command.envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(limited.get_current_dir().expect("the program runs in its project"));
        let ran = command.output().unwrap();
        self.unfinished.entry(job.to_owned()).or_insert(since);
        self.note_versions();
        match ran.status.code() {
            None | Some(0 | 1 | 3 | 74 | 75) => Ok(()),
            Some(code) => {
                let said = String::from_utf8_lossy(&ran.stderr);
                let detail = format!("{job} with files of {bytes} bytes ends with {code}: {said}");
                Err(Violation { rule: "a full disk ends a run with 74", detail })
            }
        }
    }

    /// A run of one job. Its exit code, what it says and its files must be right.
    fn run(&mut self, job: &str) -> Result<Ran, Violation> {
        self.run_with(job, &[])
    }

    fn run_with(&mut self, job: &str, options: &[&str]) -> Result<Ran, Violation> {
        self.totals.runs += 1;
        let since = self.unfinished.get(job).cloned().unwrap_or_else(|| self.newest_versions());
        let ran = self.cli(&[&["run", "--json", job], options].concat());
        self.has_store = true;
        self.note_versions();
        match ran.code {
            0 | 3 => drop(self.unfinished.remove(job)),
            1 | 75 => drop(self.unfinished.entry(job.to_owned()).or_insert_with(|| since.clone())),
            code => {
                let detail = format!("{job} ends with {code}: {}", ran.stderr);
                return Err(Violation { rule: "a run ends with 0, 1, 3 or 75", detail });
            }
        }
        self.check_run(job, &ran, &since)?;
        Ok(ran)
    }

    /// Runs each job until it is complete, and compares everything with the truth.
    fn check_all(&mut self) -> Result<(), Violation> {
        self.world.sandbox.clear_faults();
        for job in JOBS {
            let mut result = self.complete(job).and_then(|()| self.check_now(job));
            if result.is_err() {
                // A list that was refused twice is requested again after a week.
                let ran = self.cli(&["skipped", "--json", job]);
                if ["not_found", "forbidden"].iter().any(|reason| ran.stdout.contains(reason)) {
                    self.pass(Duration::from_secs(8 * 86_400));
                    result = self.complete(job).and_then(|()| self.check_now(job));
                }
            }
            result?;
        }
        if self.sent_odd_fields {
            self.read_all_again()?;
        }
        self.totals.comparisons += 1;
        self.check_store()
    }

    /// Reads every list again, also if it is unchanged, so that no odd field explains a wrong cell any more.
    fn read_all_again(&mut self) -> Result<(), Violation> {
        self.sent_odd_fields = false;
        for job in JOBS {
            self.run_with(job, &["--full"])?;
            self.complete(job)?;
            self.check_now(job)?;
        }
        Ok(())
    }

    /// Runs a job until it is complete. A resumed run does not request again what was read before, an edit may wait for
    /// its page, and rows of another job may be missing.
    fn complete(&mut self, job: &str) -> Result<(), Violation> {
        for _ in 0..4 {
            let resumes = self.unfinished.contains_key(job);
            let before = self.newest_versions();
            if self.run(job)?.code == 0 && !resumes && self.newest_versions() == before {
                return Ok(());
            }
        }
        let ran = self.run(job)?;
        let detail = format!("{job} ends with {}: {}", ran.code, ran.stderr);
        if ran.code == 0 { Ok(()) } else { Err(Violation { rule: "without faults, a job becomes complete", detail }) }
    }
}
