//! `init [DIR]`: a project folder to start from. Nothing that is there is ever overwritten.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::args::{AppMode, Init, SchemaOf};
use super::{Context, Exit, Failure, OrExit, print, schema};
use crate::settings::{self, Project, Settings};

/// Example jobs, the files they read, and whether they need Extended Quota.
pub(super) const EXAMPLES: &[(&str, &str, bool)] = &[
    ("discography.toml", include_str!("../../jobs/discography.toml"), false),
    ("release-watch.toml", include_str!("../../jobs/release-watch.toml"), false),
    ("tracks-by-isrc.toml", include_str!("../../jobs/tracks-by-isrc.toml"), false),
    ("search.toml", include_str!("../../jobs/search.toml"), false),
    ("roster-report.toml", include_str!("../../jobs/roster-report.toml"), false),
    ("watched-playlists.toml", include_str!("../../jobs/watched-playlists.toml"), true),
    ("weekly-additions.toml", include_str!("../../jobs/weekly-additions.toml"), true),
    ("artists.csv", include_str!("../../jobs/artists.csv"), false),
    ("isrcs.csv", include_str!("../../jobs/isrcs.csv"), false),
    ("playlists.csv", include_str!("../../jobs/playlists.csv"), true),
];

const ENV_EXAMPLE: &str = "\
# Copy to .env and fill in from https://developer.spotify.com/dashboard. Git ignores .env.
SPOTIFY_CLIENT_ID=
SPOTIFY_CLIENT_SECRET=
";

const GITIGNORE: &str = "\
.env
/output/
";

const TAPLO: &str = "\
# Lets editors with taplo (Even Better TOML) complete and check the files of this project.
include = [\"jobs/*.toml\", \"config/cratedigger.toml\"]

[[rule]]
include = [\"jobs/*.toml\"]
schema = { path = \"config/job.schema.json\" }

[[rule]]
include = [\"config/cratedigger.toml\"]
schema = { path = \"config/settings.schema.json\" }
";

/// Writes what isn't there yet.
///
/// # Errors
///
/// If a file cannot be written (exit 74).
pub fn run(args: &Init, context: &Context) -> Result<Exit, Failure> {
    let project = args.dir.as_ref().map_or_else(|| context.project.clone(), Project::at);
    let extended = match args.app_mode {
        Some(mode) => mode == AppMode::Extended,
        None => {
            Settings::load(&project, &context.flags).is_ok_and(|s| s.spotify.app_mode == settings::AppMode::Extended)
        }
    };
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for (name, text) in files(args, context, extended) {
        let done = write_new(&project.root.join(&name), &text)
            .map_err(|e| anyhow::Error::new(e).context(format!("cannot write {name}")))
            .or_exit(Exit::Storage)?;
        if done { written.push(name) } else { kept.push(name) }
    }
    if context.json {
        print::json(&json!({ "folder": project.root, "written": written, "kept": kept })).or_exit(Exit::Storage)?;
        return Ok(Exit::Complete);
    }
    let mut out = String::new();
    for name in &written {
        out.push_str(&format!("wrote  {name}\n"));
    }
    for name in &kept {
        out.push_str(&format!("kept   {name}\n"));
    }
    if kept.iter().any(|name| name == ".gitignore") && !ignores_env(&project) {
        out.push_str("note: .gitignore does not name .env, where your credentials will stand\n");
    }
    out.push_str("\nNext: copy .env.example to .env and fill it in; edit jobs/artists.csv;\nthen `cratedigger check` and `cratedigger run`.\n");
    print::stdout(&out).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}

/// What a project is made of, by paths below its folder.
fn files(args: &Init, context: &Context, extended: bool) -> Vec<(String, String)> {
    let mut set = Vec::new();
    // Written out in full, so that cron, a shell and systemd mean the same folder by it.
    if let Ok(dir) = context.state_dir(&Settings::built_in()) {
        set.push(("state.dir", json!(dir.path().to_string_lossy()).to_string()));
    }
    if let Some(mode) = args.app_mode {
        let word = if mode == AppMode::Extended { "\"extended\"" } else { "\"development\"" };
        set.push(("spotify.app_mode", word.to_owned()));
    }
    let mut files = vec![
        ("config/cratedigger.toml".to_owned(), settings::commented_file(&set)),
        ("config/job.schema.json".to_owned(), schema::text(SchemaOf::Job)),
        ("config/settings.schema.json".to_owned(), schema::text(SchemaOf::Config)),
        (".taplo.toml".to_owned(), TAPLO.to_owned()),
        (".env.example".to_owned(), ENV_EXAMPLE.to_owned()),
        (".gitignore".to_owned(), GITIGNORE.to_owned()),
    ];
    for (name, text, _) in EXAMPLES.iter().filter(|(.., only)| extended || !only) {
        files.push((format!("jobs/{name}"), (*text).to_owned()));
    }
    files
}

/// Writes a file unless it is there; tells whether it did.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

fn ignores_env(project: &Project) -> bool {
    std::fs::read_to_string(project.root.join(".gitignore"))
        .is_ok_and(|text| text.lines().any(|line| line.trim().trim_start_matches('/') == ".env"))
}
