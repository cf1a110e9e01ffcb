//! `demo`: runs the example jobs against a sandbox in this process, in a separate folder.
//!
//! It plays two weeks: between the runs, playlists change and new releases appear. It needs no credentials and no network,
//! and ignores real settings. Each demo starts from scratch. A
//! folder that does not belong to a demo is never touched.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chrono::TimeDelta;

use super::args::{DemoArgs, RunArgs};
use super::context::VariableSource;
use super::init::{EXAMPLES, OF_A_USER};
use super::runtime::runtime;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, run, sandbox};
use crate::document::{printable, shell_word};
use crate::export::OVERVIEW_FILE;
use crate::settings::{Project, SettingFlags};
use spotify_client::http::clock::{Clock, SleepFuture, SystemClock};
use spotify_client::state::ClockReading;
use spotify_sandbox::{self as spotify, Fault, FaultAction, PlaylistEdit, SandboxOptions, fixtures};

/// Marks the folder of a demo, which the next demo may delete.
const MARK: &str = ".cratedigger-demo";

/// The number of lines shown of a CSV file, and the number of characters of each line.
const SAMPLE_SIZE: (usize, usize) = (4, 96);

/// What the demo project needs to know about the running sandbox.
struct DemoProject {
    api_url: String,
    accounts_url: String,
    artists: Vec<String>,
    isrcs: Vec<String>,
    playlists: Vec<String>,
    client_id: String,
    client_secret: String,
}

/// Runs the demo and shows its output files.
pub fn run(args: &DemoArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    // Drop the `./` of the default project folder to keep the output short.
    let root = &context.project.root;
    let folder = if root == Path::new(".") { args.dir.clone() } else { root.join(&args.dir) };
    recreate_folder(&folder)?;
    let (tell, hear) = mpsc::channel();
    let mode = sandbox::sandbox_mode(args.mode);
    // The sandbox gets its own thread, so that the run below is the same as any other run.
    std::thread::Builder::new()
        .name("sandbox".into())
        .spawn(move || {
            let served = runtime().and_then(|runtime| {
                runtime.block_on(async {
                    let options = SandboxOptions { mode, ..SandboxOptions::default() };
                    let (client_id, client_secret) = (options.client_id.clone(), options.client_secret.clone());
                    let sandbox = spotify::start(options).await.or_exit(ExitStatus::Failed)?;
                    let playing = demo_project(&sandbox, client_id, client_secret);
                    drop(tell.send(Ok((sandbox, playing))));
                    std::future::pending::<Result<(), CommandError>>().await
                })
            });
            drop(served);
        })
        .or_exit(ExitStatus::Failed)?;
    let heard: Result<(spotify::Sandbox, DemoProject), CommandError> = hear
        .recv()
        .map_err(|_| CommandError::new(ExitStatus::Failed, anyhow::anyhow!("failed to start the sandbox")))?;
    let (sandbox, playing) = heard?;
    write_project(&folder, &playing)?;
    let weeks = DemoWeeks { sandbox: &sandbox, artist: playing.artists.first().map_or("", String::as_str) };
    weeks.hold_back_releases(2);
    sandbox.set_clock_offset(-hours_ms(RUNS_HOURS_AGO[0]));

    let demo = CommandContext {
        project: Project::at(&folder),
        flags: SettingFlags { state_dir: Some(folder.join("state")), shard: None },
        json: context.json,
        quiet: context.quiet,
        log_format: context.log_format,
        colour: context.colour,
        environment: VariableSource::Empty,
        clock: DemoClock::at_run(0),
    };
    print::stderr(&format!("running the example jobs against a sandbox on this machine, in {}\n", folder.display()));
    let mut exits = vec![run::run(&RunArgs::all(), &demo)?];
    // The one line of JSON is that of the first run.
    let later = CommandContext { json: false, quiet: demo.quiet || demo.json, ..demo.clone() };
    for (week, ago) in RUNS_HOURS_AGO.into_iter().enumerate().skip(1) {
        let what = weeks.pass(week, ago)?;
        if !later.quiet {
            print::stderr(&format!("\n{what}\n"));
        }
        let jobs = WATCHING_JOBS.iter().filter(|job| demo.project.jobs_dir.join(format!("{job}.toml")).exists());
        // In the end all jobs run, so that none is overdue.
        let jobs = if ago == 0 { Vec::new() } else { jobs.map(|job| (*job).to_owned()).collect() };
        let args = RunArgs { jobs, ..RunArgs::all() };
        exits.push(run::run(&args, &CommandContext { clock: DemoClock::at_run(week), ..later.clone() })?);
    }
    let exit = ExitStatus::most_severe(exits);
    if !context.json {
        print::stdout(&sample_rows(&folder)?).or_exit(ExitStatus::Storage)?;
    }
    Ok(exit)
}

/// How many hours ago the runs of the demo took place: within the two weeks of the charts, and the second one within the last
/// seven days, so that pages show its results.
const RUNS_HOURS_AGO: [i64; 3] = [13 * 24, 7 * 24 - 4, 0];

fn hours_ms(hours: i64) -> i64 {
    hours * 3_600_000
}

/// The clock of a run of the demo. Between two runs, days pass and the machine restarts.
#[derive(Debug)]
struct DemoClock {
    real: SystemClock,
    ago: TimeDelta,
    boot: i64,
}

impl DemoClock {
    fn at_run(run: usize) -> Arc<dyn Clock> {
        match RUNS_HOURS_AGO.get(run) {
            Some(hours @ 1..) => {
                let boot = i64::try_from(run).unwrap_or_default();
                Arc::new(DemoClock { real: SystemClock::new(), ago: TimeDelta::hours(*hours), boot })
            }
            _ => Arc::new(SystemClock::new()),
        }
    }
}

impl Clock for DemoClock {
    fn now(&self) -> ClockReading {
        let real = self.real.now();
        ClockReading { wall: real.wall - self.ago, boot: Some(self.boot), ..real }
    }

    fn sleep(&self, how_long: Duration) -> SleepFuture<'_> {
        self.real.sleep(how_long)
    }
}

/// The jobs that show new entries.
const WATCHING_JOBS: [&str; 3] = ["release-watch", "watched-playlists", "weekly-additions"];

/// What happens at the made-up Spotify between the runs.
struct DemoWeeks<'a> {
    sandbox: &'a spotify::Sandbox,
    /// The artist with new releases.
    artist: &'a str,
}

impl DemoWeeks<'_> {
    /// Hides the newest albums of the artist.
    fn hold_back_releases(&self, count: usize) {
        const LONGEST_LIST: usize = 200;
        self.sandbox.clear_faults();
        let positions = (count..LONGEST_LIST).collect();
        let path = format!("/v1/artists/{}/albums", self.artist);
        self.sandbox
            .inject(Fault::on_path(&path, FaultAction::Reordered { positions }).with_query("include_groups=album"));
    }

    /// Lets a week pass until a run that took place some hours ago. Returns what happened in it.
    fn pass(&self, week: usize, hours_ago: i64) -> Result<&'static str, CommandError> {
        let catalog = self.sandbox.catalog();
        let ids = catalog.ids();
        let track = |at: usize| ids["tracks"][at].as_str().map(str::to_owned);
        let home = || fixtures::HOME_PLAYLIST.to_owned();
        let foreign = || fixtures::FOREIGN_PLAYLIST.to_owned();
        let (edits, what) = match week {
            1 => (
                vec![
                    PlaylistEdit::Insert { playlist: home(), position: 0, items: vec![track(0), track(1)] },
                    PlaylistEdit::Remove { playlist: home(), position: 40, count: 1 },
                ],
                "a week later: two songs were added to a playlist, one was removed, and an album came out",
            ),
            _ => (
                vec![
                    PlaylistEdit::Insert { playlist: foreign(), position: 0, items: vec![track(2)] },
                    PlaylistEdit::Move { playlist: home(), from: 10, count: 3, to: 2 },
                    PlaylistEdit::Rename { playlist: home(), name: "Kitchen radio, louder".to_owned() },
                ],
                "another week later: a song was added, three were moved, a playlist has another name, and an album came out",
            ),
        };
        // It happened some days before the run.
        self.sandbox.set_clock_offset(-hours_ms(hours_ago + 3 * 24));
        let edited = edits.into_iter().try_for_each(|edit| catalog.edit(edit));
        self.sandbox.set_clock_offset(-hours_ms(hours_ago));
        edited.or_exit(ExitStatus::Failed)?;
        self.hold_back_releases(2 - week);
        Ok(what)
    }
}

fn demo_project(sandbox: &spotify::Sandbox, client_id: String, client_secret: String) -> DemoProject {
    let ids = sandbox.catalog().ids();
    let some = |kind: &str, most: usize| -> Vec<String> {
        let ids = ids[kind].as_array().map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| id.as_str()).take(most).map(str::to_owned).collect()
    };
    DemoProject {
        api_url: sandbox.api_url(),
        accounts_url: sandbox.accounts_url(),
        artists: some("artists", 4),
        isrcs: sandbox
            .catalog()
            .expected_rows(fixtures::HOME_PLAYLIST)
            .iter()
            .flatten()
            .filter_map(|r| r.isrc.clone())
            .take(5)
            .collect(),
        playlists: [fixtures::EDGE_CASE_PLAYLIST, fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST]
            .map(str::to_owned)
            .to_vec(),
        client_id,
        client_secret,
    }
}

/// Empties the folder of an earlier demo, and refuses any other folder.
fn recreate_folder(folder: &Path) -> Result<(), CommandError> {
    let empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !folder.join(MARK).exists() {
        let error = anyhow::anyhow!("{} is not a demo folder", folder.display());
        return Err(CommandError::new(ExitStatus::Usage, error)
            .with_hint("choose another folder with --dir, or move this one away"));
    }
    if !empty {
        fs::remove_dir_all(folder).or_exit(ExitStatus::Storage)?;
    }
    fs::create_dir_all(folder).or_exit(ExitStatus::Storage)?;
    fs::write(folder.join(MARK), "created by `cratedigger demo`; the next demo replaces this folder\n")
        .or_exit(ExitStatus::Storage)
}

fn write_project(folder: &Path, playing: &DemoProject) -> Result<(), CommandError> {
    let DemoProject { api_url, accounts_url, client_id, client_secret, .. } = playing;
    // An absolute path, so that later commands with `--project` find the folder from anywhere.
    let state = std::path::absolute(folder.join("state")).or_exit(ExitStatus::Storage)?;
    let state = serde_json::json!(state.to_string_lossy());
    let settings = format!(
        "# The sandbox of these addresses ended with the demo: commands that only read the store still work.\n[spotify]\napi_url = \"{api_url}\"\naccounts_url = \"{accounts_url}\"\n\n[state]\ndir = {state}\n\n\
         # The sandbox has no limits here. For the real Spotify, keep the default pace.\n\
         [limits]\nrequests_per_second = 100.0\ncalls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"\n"
    );
    let list = |head: &str, ids: &[String]| format!("{head}\n{}\n", ids.join("\n"));
    let mut files: Vec<(PathBuf, String)> = vec![
        ("config/cratedigger.toml".into(), settings),
        (".env".into(), format!("SPOTIFY_CLIENT_ID={client_id}\nSPOTIFY_CLIENT_SECRET={client_secret}\n")),
    ];
    // The sandbox of the demo has no signed-in user.
    for (name, text, _) in EXAMPLES.iter().filter(|(name, ..)| *name != OF_A_USER) {
        // The jobs stay as they are; the lists of ids name things in the sandbox.
        let text = match *name {
            "artists.csv" => list("id", &playing.artists),
            "isrcs.csv" => list("isrc", &playing.isrcs),
            "playlists.csv" => list("id", &playing.playlists),
            _ => (*text).to_owned(),
        };
        files.push((Path::new("jobs").join(name), text));
    }
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).or_exit(ExitStatus::Storage)?;
        }
        let mode = if path.ends_with(".env") { 0o600 } else { 0o644 };
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(mode).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).or_exit(ExitStatus::Storage)?;
    }
    Ok(())
}

/// Commands that show the two weeks, and what they show.
const NEXT_COMMANDS: [(&str, &str); 6] = [
    ("diff watched-playlists --since 15d", "what was added, removed and moved in the playlists"),
    ("show 'Kitchen radio, louder'", "a playlist as it is now; with --at TIME as it was"),
    ("find harbour", "in which lists a song is"),
    ("history", "every run with its calls and rows"),
    ("skipped watched-playlists", "what Spotify sent in an odd form, and what became of it"),
    ("sql 'SELECT playlist_name, change, title FROM named_changes ORDER BY id'", "any question to the store"),
];

/// The paths of the output and the first lines of each CSV file.
fn sample_rows(folder: &Path) -> Result<String, CommandError> {
    let csvs = folder.join("output/csv");
    let mut out =
        format!("\nstore  {}\ncsv    {}/JOB/*.csv\n", folder.join("output/cratedigger.db").display(), csvs.display());
    for path in
        ["watched-playlists/playlist_items.csv", "discography/discography.csv", "tracks-by-isrc/tracks-by-isrc.csv"]
    {
        let path = csvs.join(path);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        out.push_str(&format!("\n{}\n", path.display()));
        for line in text.lines().take(SAMPLE_SIZE.0) {
            let line = printable(line);
            let cut: String = line.chars().take(SAMPLE_SIZE.1).collect();
            out.push_str(&format!("  {cut}{}\n", if cut.len() < line.len() { "…" } else { "" }));
        }
    }
    out.push_str("\nlook at what the two weeks have left:\n");
    let project = printable(&shell_word(&folder.display().to_string()));
    for (command, what) in NEXT_COMMANDS {
        out.push_str(&format!("  cratedigger --project {project} {command}\n    {what}\n"));
    }
    out.push_str(&format!("\npage   {}\n", csvs.join(OVERVIEW_FILE).display()));
    Ok(out)
}
