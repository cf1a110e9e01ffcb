//! `demo`: runs the example jobs against a sandbox in this process, in a separate folder.
//!
//! It needs no credentials and no network, and ignores real settings. Each demo starts from scratch. A
//! folder that does not belong to a demo is never touched.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::args::{DemoArgs, RunArgs};
use super::context::VariableSource;
use super::init::{EXAMPLES, OF_A_USER};
use super::runtime::runtime;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, run, sandbox};
use crate::export::OVERVIEW_FILE;
use crate::settings::{Project, SettingFlags};
use spotify_sandbox::{self as spotify, SandboxOptions, fixtures};

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
                    drop(tell.send(Ok(playing)));
                    std::future::pending::<Result<(), CommandError>>().await
                })
            });
            drop(served);
        })
        .or_exit(ExitStatus::Failed)?;
    let heard: Result<DemoProject, CommandError> = hear
        .recv()
        .map_err(|_| CommandError::new(ExitStatus::Failed, anyhow::anyhow!("failed to start the sandbox")))?;
    write_project(&folder, &heard?)?;

    let demo = CommandContext {
        project: Project::at(&folder),
        flags: SettingFlags { state_dir: Some(folder.join("state")), shard: None },
        json: context.json,
        quiet: context.quiet,
        log_format: context.log_format,
        colour: context.colour,
        environment: VariableSource::Empty,
    };
    print::stderr(&format!("running the example jobs against a sandbox on this machine, in {}\n", folder.display()));
    let exit = run::run(&RunArgs::all(), &demo)?;
    if !context.json {
        print::stdout(&sample_rows(&folder)?).or_exit(ExitStatus::Storage)?;
    }
    Ok(exit)
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
            let line = crate::document::printable(line);
            let cut: String = line.chars().take(SAMPLE_SIZE.1).collect();
            out.push_str(&format!("  {cut}{}\n", if cut.len() < line.len() { "…" } else { "" }));
        }
    }
    out.push_str(&format!("\npage   {}\n", csvs.join(OVERVIEW_FILE).display()));
    Ok(out)
}
