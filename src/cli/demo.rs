//! `demo`: the sandbox in this process and the example jobs against it, in a folder of its own.
//!
//! It needs no credentials and no network, and nothing that is set for the real thing bends it. Each
//! demo starts afresh; a folder that is not a demo's is never touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::app::runtime;
use super::args::{DemoArgs, RunArgs};
use super::context::VariableSource;
use super::init::EXAMPLES;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, run, sandbox};
use crate::settings::{Project, SettingFlags};
use spotify_sandbox::{self as spotify, SandboxOptions, fixtures};

/// Says that a folder is a demo's, and may be made anew.
const MARK: &str = ".cratedigger-demo";

/// Lines shown of a CSV, and characters of each.
const SAMPLE_SIZE: (usize, usize) = (4, 96);

/// What a running sandbox tells the demo.
struct DemoProject {
    api_url: String,
    accounts_url: String,
    artists: Vec<String>,
    isrcs: Vec<String>,
    playlists: Vec<String>,
    client_id: String,
    client_secret: String,
}

/// Plays the demo and shows what came of it.
pub fn run(args: &DemoArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    // Without the `./` of the usual project folder, which only makes what is printed longer.
    let root = &context.project.root;
    let folder = if root == Path::new(".") { args.dir.clone() } else { root.join(&args.dir) };
    recreate_folder(&folder)?;
    let (tell, hear) = mpsc::channel();
    let mode = sandbox::sandbox_mode(args.mode);
    // A thread of its own, so that the run below is the very one that a person starts.
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
    let heard: Result<DemoProject, CommandError> =
        hear.recv().map_err(|_| CommandError::new(ExitStatus::Failed, anyhow::anyhow!("the sandbox did not start")))?;
    write_project(&folder, &heard?)?;

    let demo = CommandContext {
        project: Project::at(&folder),
        flags: SettingFlags { state_dir: Some(folder.join("state")) },
        json: context.json,
        quiet: context.quiet,
        log_format: context.log_format,
        colour: context.colour,
        environment: VariableSource::Empty,
    };
    print::stderr(&format!("the example jobs against a sandbox on this machine, in {}\n", folder.display()));
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

/// Empties the folder of an earlier demo; refuses one that is not.
fn recreate_folder(folder: &Path) -> Result<(), CommandError> {
    let empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !empty && !folder.join(MARK).exists() {
        let error = anyhow::anyhow!("{} is not the folder of a demo", folder.display());
        return Err(
            CommandError::new(ExitStatus::Usage, error).with_hint("name another one with --dir, or move it away")
        );
    }
    if !empty {
        fs::remove_dir_all(folder).or_exit(ExitStatus::Storage)?;
    }
    fs::create_dir_all(folder).or_exit(ExitStatus::Storage)?;
    fs::write(folder.join(MARK), "made by `cratedigger demo`, and made anew by the next one\n")
        .or_exit(ExitStatus::Storage)
}

fn write_project(folder: &Path, playing: &DemoProject) -> Result<(), CommandError> {
    let DemoProject { api_url, accounts_url, client_id, client_secret, .. } = playing;
    let settings = format!(
        "[spotify]\napi_url = \"{api_url}\"\naccounts_url = \"{accounts_url}\"\n\n\
         # The sandbox has no limit of its own here; with Spotify itself, leave the pace as it is.\n\
         [limits]\nrequests_per_second = 100.0\ncalls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"\n"
    );
    let list = |head: &str, ids: &[String]| format!("{head}\n{}\n", ids.join("\n"));
    let mut files: Vec<(PathBuf, String)> = vec![
        ("config/cratedigger.toml".into(), settings),
        (".env".into(), format!("SPOTIFY_CLIENT_ID={client_id}\nSPOTIFY_CLIENT_SECRET={client_secret}\n")),
    ];
    for (name, text, _) in EXAMPLES {
        // The jobs as they are; only the lists of ids are of things that the sandbox has.
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
        fs::write(&path, text).or_exit(ExitStatus::Storage)?;
    }
    Ok(())
}

/// Where everything is, and the head of each CSV.
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
    Ok(out)
}
