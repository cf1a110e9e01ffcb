//! `init [DIR]`: creates a project folder. Existing files are never overwritten.
//!
//! On a terminal it asks what the project is for, and writes nothing before the last answer.

use std::fs::Permissions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{AppModeArg, InitArgs, SchemaKind};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print, schema};
use crate::document::{printable, shell_word};
use crate::settings::{self, Project, Settings};
use question_terminal::QuestionTerminal;
use questions::Answers;

mod follow_up;
mod question_terminal;
mod questions;
mod units;

pub(super) use units::STATE_DIR;

/// Example jobs and the files they read, and whether each needs Extended Quota.
pub(super) const EXAMPLES: &[(&str, &str, bool)] = &[
    (OF_A_USER, include_str!("../../jobs/my-playlists.toml"), false),
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

/// The example that reads the data of a user, who has to sign in first.
pub(super) const OF_A_USER: &str = "my-playlists.toml";

const ENV_EXAMPLE: &str = "\
# Copy this file to .env and fill in the values from https://developer.spotify.com/dashboard. Git ignores .env.
SPOTIFY_CLIENT_ID=
SPOTIFY_CLIENT_SECRET=
";

const GITIGNORE: &str = "\
.env
/output/
";

const TAPLO_CONFIG: &str = "\
# Lets editors with taplo (Even Better TOML) complete and check the files of this project.
include = [\"jobs/*.toml\", \"targets/*.toml\", \"config/cratedigger.toml\"]

[[rule]]
include = [\"jobs/*.toml\"]
schema = { path = \"config/job.schema.json\" }

[[rule]]
include = [\"targets/*.toml\"]
schema = { path = \"config/target.schema.json\" }

[[rule]]
include = [\"config/cratedigger.toml\"]
schema = { path = \"config/settings.schema.json\" }
";

const NEXT_STEPS: &str = "\
copy .env.example to .env and fill it in, and edit jobs/artists.csv;
then run `cratedigger check` and `cratedigger run roster-report`, which costs at most one call for each artist.
For your own playlists: `cratedigger auth login home`, then `cratedigger run my-playlists`.
";

/// The start of the next steps. They work in the folder of the project.
fn start_of_next_steps(project: &Project) -> String {
    let is_here = || Some(project.root.canonicalize().ok()? == std::env::current_dir().ok()?.canonicalize().ok()?);
    if is_here().unwrap_or(false) {
        return "\nNext: ".to_owned();
    }
    let folder = shell_word(&project.root.display().to_string());
    format!("\nNext: `cd {}`;\n", printable(&folder))
}

/// Writes the missing files, and asks first what to write if a person sits at the terminal.
///
/// # Errors
///
/// If a file cannot be written (exit 74).
pub fn run(args: &InitArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let project = args.dir.as_ref().map_or_else(|| context.project.clone(), Project::at);
    let is_interactive = !args.yes && !args.systemd && !context.json;
    if !is_interactive || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        write_files(args, context, &project, None)?;
        return Ok(ExitStatus::Complete);
    }
    let context = CommandContext { project: project.clone(), ..context.clone() };
    let terminal = QuestionTerminal::open();
    let answers = questions::ask(&terminal, args, &context)?;
    // The answers are complete: from here on, the files are written as a whole.
    terminal.ignore_interrupts();
    write_files(args, &context, &project, Some(&answers))?;
    terminal.exit_on_interrupt();
    follow_up::offer(&terminal, &answers, &context)
}

/// Writes the missing files, and prints their names and the next steps.
fn write_files(
    args: &InitArgs,
    context: &CommandContext,
    project: &Project,
    answers: Option<&Answers>,
) -> Result<(), CommandError> {
    let extended = match args.app_mode {
        Some(mode) => mode == AppModeArg::Extended,
        None => {
            Settings::load(project, &context.flags).is_ok_and(|s| s.spotify.app_mode == settings::AppMode::Extended)
        }
    };
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    let is_known = is_project(context, project);
    let mut files = files(args, context, extended, is_known, answers);
    let place = if args.systemd { Some(unit_paths(project, context)?) } else { None };
    if let Some(place) = &place {
        files.extend(units::render(place).into_iter().map(|(name, text)| (format!("systemd/{name}"), text)));
    }
    let failed = |name: &str, e: io::Error| {
        CommandError::new(ExitStatus::Storage, anyhow::Error::new(e).context(format!("failed to write {name}")))
    };
    let missing = files.iter().map(|(name, _)| name).filter(|name| !project.root.join(name).exists());
    if let Some(folder) = missing.filter_map(|name| linked_folder(&project.root, name)).next() {
        let error = anyhow::anyhow!("{} is a symbolic link, so nothing was written", printable(&folder));
        let error = CommandError::new(ExitStatus::Storage, error);
        return Err(error.with_hint("`init` writes into the project folder only; put a folder there"));
    }
    for (name, text) in files {
        let done = write_new(&project.root.join(&name), &text).map_err(|e| failed(&name, e))?;
        if done { written.push(name) } else { kept.push(name) }
    }
    if let Some(text) = answers.and_then(|answers| answers.env_file(project)) {
        write_secret(&project.env_file, &text).map_err(|e| failed(".env", e))?;
        written.push(".env".to_owned());
    }
    if context.json {
        return print::json(&json!({ "folder": project.root, "written": written, "kept": kept }))
            .or_exit(ExitStatus::Storage);
    }
    let mut out = String::new();
    for name in &written {
        out.push_str(&format!("wrote  {name}\n"));
    }
    for name in &kept {
        out.push_str(&format!("kept   {name}\n"));
    }
    if !extended && answers.is_none() {
        let left_out = EXAMPLES.iter().filter(|(name, _, only_extended)| *only_extended && name.ends_with(".toml"));
        let left_out: Vec<String> = left_out.map(|(name, ..)| format!("jobs/{name}")).collect();
        out.push_str(&format!(
            "left out: {}, which read playlists of others and need Extended Quota (`init --app-mode extended`)\n",
            left_out.join(" and ")
        ));
    }
    if kept.iter().any(|name| name == ".gitignore") && !ignores_env(project) {
        out.push_str("note: .gitignore does not list .env, which will contain your credentials\n");
    }
    match &place {
        Some(place) => out.push_str(&next_with_systemd(project, place, context, is_known)),
        None if answers.is_none() && is_known => {
            out.push_str("no examples were written, since the project exists; `cratedigger check` checks its jobs\n");
        }
        None if answers.is_none() => out.push_str(&(start_of_next_steps(project) + NEXT_STEPS)),
        None => {}
    }
    print::paragraphs(&out).or_exit(ExitStatus::Storage)
}

/// Whether the folder is a project already. It gets no examples then, since a timer would run them.
fn is_project(context: &CommandContext, project: &Project) -> bool {
    let mut jobs = std::fs::read_dir(&project.jobs_dir).into_iter().flatten().flatten();
    let has_jobs = jobs.any(|entry| entry.path().extension().is_some_and(|ending| ending == "toml"));
    let has_store =
        || Settings::load(project, &context.flags).is_ok_and(|settings| project.database(&settings).exists());
    project.config_file.exists() || has_jobs || has_store()
}

/// The files of a project with their text, by relative path.
fn files(
    args: &InitArgs,
    context: &CommandContext,
    extended: bool,
    is_known: bool,
    answers: Option<&Answers>,
) -> Vec<(String, String)> {
    let mut set = answers.map(Answers::settings).unwrap_or_default();
    // An absolute path, so that cron, a shell and systemd use the same folder.
    if args.systemd {
        set.push(("state.dir", json!(units::STATE_DIR).to_string()));
    } else if let Ok(dir) = context.state_dir(&Settings::built_in()) {
        set.push(("state.dir", json!(dir.path().to_string_lossy()).to_string()));
    }
    if let Some(mode) = args.app_mode {
        let word = if mode == AppModeArg::Extended { "\"extended\"" } else { "\"development\"" };
        set.push(("spotify.app_mode", word.to_owned()));
    }
    let mut files = vec![
        ("config/cratedigger.toml".to_owned(), settings::commented_file(&set)),
        ("config/job.schema.json".to_owned(), schema::schema_text(SchemaKind::Job)),
        ("config/settings.schema.json".to_owned(), schema::schema_text(SchemaKind::Config)),
        ("config/target.schema.json".to_owned(), schema::schema_text(SchemaKind::Target)),
        (".taplo.toml".to_owned(), TAPLO_CONFIG.to_owned()),
        (".env.example".to_owned(), ENV_EXAMPLE.to_owned()),
        (".gitignore".to_owned(), GITIGNORE.to_owned()),
    ];
    for (name, text, only_extended) in EXAMPLES {
        let text = match answers {
            Some(answers) => answers.example(name, text),
            None => (!is_known && (extended || !only_extended)).then(|| (*text).to_owned()),
        };
        files.extend(text.map(|text| (format!("jobs/{name}"), text)));
    }
    files
}

/// The paths in the units: this program, the project folder and the output folders.
fn unit_paths(project: &Project, context: &CommandContext) -> Result<units::UnitPaths, CommandError> {
    let fails =
        |what: &str| CommandError::new(ExitStatus::Storage, anyhow::anyhow!("failed to find the path of {what}"));
    let root = std::fs::create_dir_all(&project.root).and_then(|()| project.root.canonicalize());
    let root = root.map_err(|e| CommandError::new(ExitStatus::Storage, e))?;
    let program = std::env::current_exe().map_err(|_| fails("this program"))?;
    let settings = Settings::load(project, &context.flags).unwrap_or_else(|_| Settings::built_in());
    let database = root.join(&settings.output.database);
    let mut outputs: Vec<PathBuf> = vec![root.join(&settings.output.csv_dir)];
    outputs.extend(database.parent().map(Path::to_path_buf));
    outputs.sort();
    outputs.dedup_by(|inner, outer| inner.starts_with(outer));
    let place = units::UnitPaths { program, project: root, outputs };
    match place.unsupported_path() {
        Some(path) => {
            Err(CommandError::new(ExitStatus::Usage, anyhow::anyhow!("a unit file cannot contain the path {path:?}")))
        }
        None => Ok(place),
    }
}

/// The next steps, and notes on what may fail.
fn next_with_systemd(project: &Project, place: &units::UnitPaths, context: &CommandContext, is_known: bool) -> String {
    let mut out = String::new();
    let dir = Settings::load(project, &context.flags).ok().and_then(|settings| settings.state.dir);
    if dir.is_none_or(|dir| dir != Path::new(units::STATE_DIR)) {
        out.push_str(&format!(
            "note: the units keep their state in {0}; set in config/cratedigger.toml: [state] dir = \"{0}\"\n",
            units::STATE_DIR
        ));
    }
    if place.is_in_home() {
        out.push_str(
            "note: the service runs as its own user, who cannot enter home folders; /srv/spotify and\n      \
             a program in /usr/local/bin are easier to maintain\n",
        );
    }
    let install = place.project.join("systemd/install.sh");
    out.push_str(&format!(
        "{}{}run `cratedigger check`; then\n  sudo sh {}\n",
        start_of_next_steps(project),
        if is_known { "" } else { "edit jobs/artists.csv and " },
        printable(&shell_word(&install.display().to_string()))
    ));
    out
}

/// The first folder of a path below the project that is a link, and so may be anywhere.
fn linked_folder(root: &Path, name: &str) -> Option<String> {
    let folders = Path::new(name).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let is_link = |folder: &PathBuf| folder.symlink_metadata().is_ok_and(|found| found.is_symlink());
    folders.map(|folder| root.join(folder)).find(is_link).map(|folder| folder.display().to_string())
}

/// Writes a file unless it exists. Returns whether it was written. A killed process leaves no part of it.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    let mut file = new_file(path, 0o644)?;
    file.write_all(text.as_bytes())?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e.error),
    }
}

/// Writes or replaces a file that only its owner may read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = new_file(path, 0o600)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(|_| ()).map_err(|e| e.error)
}

/// A temporary file next to this path.
fn new_file(path: &Path, mode: u32) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(folder)
}

fn ignores_env(project: &Project) -> bool {
    std::fs::read_to_string(project.root.join(".gitignore"))
        .is_ok_and(|text| text.lines().any(|line| line.trim().trim_start_matches('/') == ".env"))
}
