//! `restore FILE`: a project and its state folder from an archive of `backup --all`.
//!
//! Everything is unpacked and checked next to its place first. Then a file with the list of moves is written, and the
//! moves follow. A process that is killed before that file exists has changed nothing; after that, the next command
//! finishes the moves.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::RestoreArgs;
use super::backup::archive::{ENV_FILE, KEY_FILE, PROJECT_PARTS};
use super::local_time::format_local;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::settings::{Project, Settings};
use crate::sync::StoreLock;
use moves::Moves;
use unpack::Unpacked;

mod moves;
mod unpack;

/// The folder in which files wait for their move.
const STAGING: &str = ".cratedigger-restore";

/// Finishes the moves of a restore that was killed.
pub(super) fn finish_interrupted(context: &CommandContext) -> Result<(), CommandError> {
    let folder = context.project.root.join(STAGING);
    if Moves::path(&folder).exists() {
        context.notice("finishing a restore that was interrupted");
        Moves::finish(&folder).or_exit(ExitStatus::Storage)?;
    }
    Ok(())
}

/// Restores a project.
pub fn run(args: &RestoreArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let root = &context.project.root;
    let created = CreatedFolders::create(root).or_exit(ExitStatus::Storage)?;
    let staging = root.join(STAGING);
    let restored = restore_in(&staging, args, context);
    // Unless the moves have begun, nothing has changed.
    if restored.is_err() && !Moves::path(&staging).exists() {
        created.remove_empty();
    }
    let (unpacked, places) = restored?;
    report(args, context, &unpacked, &places)
}

/// Unpacks the archive into a folder, and moves its parts to their places.
fn restore_in(
    staging: &Path,
    args: &RestoreArgs,
    context: &CommandContext,
) -> Result<(Unpacked, Places), CommandError> {
    let _alive = own_staging(staging)?;
    let restored = unpack::unpack(&args.file, staging)
        .and_then(|unpacked| place(args, context, staging, &unpacked).map(|places| (unpacked, places)));
    if restored.is_err() && !Moves::path(staging).exists() {
        drop(fs::remove_dir_all(staging));
    }
    restored
}

/// A folder with those of its parents that did not exist.
struct CreatedFolders(Vec<PathBuf>);

impl CreatedFolders {
    /// Creates a folder.
    fn create(folder: &Path) -> io::Result<CreatedFolders> {
        let missing = folder.ancestors().filter(|path| !path.as_os_str().is_empty()).take_while(|path| !path.exists());
        let missing = missing.map(Path::to_path_buf).collect();
        fs::create_dir_all(folder)?;
        Ok(CreatedFolders(missing))
    }

    /// Removes what was created, if it is empty.
    fn remove_empty(self) {
        for folder in self.0 {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// Where the parts of a project are restored to.
struct Places {
    database: PathBuf,
    state: PathBuf,
    /// Whether later commands find the state folder without `--state-dir`.
    is_named: bool,
}

/// Creates the folder and locks it, so that only one process restores.
fn own_staging(staging: &Path) -> Result<File, CommandError> {
    let create = || DirBuilder::new().recursive(true).mode(0o700).create(staging);
    create().or_exit(ExitStatus::Storage)?;
    let folder = File::open(staging).or_exit(ExitStatus::Storage)?;
    if rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(CommandError::new(ExitStatus::Deferred, anyhow::anyhow!("another restore is in progress")));
    }
    // Left by a process that was killed.
    for entry in fs::read_dir(staging).or_exit(ExitStatus::Storage)?.flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.or_exit(ExitStatus::Storage)?;
    }
    Ok(folder)
}

/// Puts everything next to its place, and moves it there.
fn place(
    args: &RestoreArgs,
    context: &CommandContext,
    staging: &Path,
    unpacked: &Unpacked,
) -> Result<Places, CommandError> {
    let new = Project::at(staging.join("project"));
    // The settings of the archive name the places. Paths in them are relative to the project folder.
    let settings = Settings::load(&new, &context.flags).map_err(CommandError::Problems)?;
    let database = context.project.database(&settings);
    let state = context.state_dir(&settings).or_exit(ExitStatus::Storage)?;
    let mut places = Places { database, state: state.path().to_owned(), is_named: true };
    refuse_existing(args, context, &places, unpacked)?;
    let _lock = match places.database.exists() && places.state.exists() {
        true => Some(StoreLock::take(&places.state, &places.database).map_err(|e| {
            CommandError::new(ExitStatus::Deferred, e).with_hint("a run uses the store; try again when it has finished")
        })?),
        false => None,
    };
    if context.flags.state_dir.is_some() {
        places.is_named = name_state_folder(&new, &places.state).or_exit(ExitStatus::Storage)?;
    }
    let mut moves = Moves::default();
    for part in PROJECT_PARTS.into_iter().chain([ENV_FILE]) {
        moves.add(new.root.join(part), context.project.root.join(part));
    }
    // A rename works only within a file system, so each part waits in its own folder.
    let failed = |place: &Path| {
        let text = format!("failed to write {}", place.display());
        move |e: io::Error| {
            CommandError::new(ExitStatus::Storage, anyhow::Error::new(e).context(text))
                .with_hint("name another state folder with --state-dir")
        }
    };
    let at_database = folder_of(&places.database).join(STAGING);
    let at_state = places.state.join(STAGING);
    for folder in [&at_database, &at_state] {
        moves.add_staging(folder.clone());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
    }
    let put = |from: &Path, folder: &Path, to: &Path, moves: &mut Moves| -> Result<(), CommandError> {
        if !from.exists() {
            return Ok(());
        }
        let waiting = folder.join(to.file_name().unwrap_or_default());
        if *from != waiting {
            fs::rename(from, &waiting)
                .or_else(|_| fs::copy(from, &waiting).and_then(|_| File::open(&waiting)?.sync_all()))
                .map_err(failed(&waiting))?;
        }
        moves.add(waiting, to.to_owned());
        Ok(())
    };
    put(&staging.join("store.db"), &at_database, &places.database, &mut moves)?;
    put(&staging.join("raw.db"), &at_database, &places.database.with_extension("raw.db"), &mut moves)?;
    for name in &unpacked.state_files {
        put(&staging.join("state").join(name), &at_state, &places.state.join(name), &mut moves)?;
    }
    // Grants of another project would not fit to the restored state. The mark of the folder belongs to its old grants.
    if !unpacked.has_grants() {
        moves.remove(places.state.join("grants.db"));
    }
    moves.remove(places.state.join("place"));
    moves.write(staging).and_then(|()| Moves::finish(staging)).or_exit(ExitStatus::Storage)?;
    Ok(places)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses to replace anything without `--replace`.
fn refuse_existing(
    args: &RestoreArgs,
    context: &CommandContext,
    places: &Places,
    unpacked: &Unpacked,
) -> Result<(), CommandError> {
    if args.replace {
        return Ok(());
    }
    let parts = ["config", "jobs", "targets"].map(|part| context.project.root.join(part));
    let env = context.project.env_file.clone();
    let others = [places.database.clone(), places.state.join("state.db"), places.state.join("grants.db")];
    let existing = parts.into_iter().chain(others).chain(unpacked.has_env().then_some(env)).find(|path| path.exists());
    let Some(existing) = existing else { return Ok(()) };
    let error = anyhow::anyhow!("{} exists, and nothing was restored", existing.display());
    let hint =
        "name another folder with --project, and another state folder with --state-dir, or replace both with --replace";
    Err(CommandError::new(ExitStatus::Usage, error).with_hint(hint))
}

/// Writes the new state folder into the restored settings, so that later commands find it. Returns whether it is named there.
fn name_state_folder(new: &Project, state: &Path) -> io::Result<bool> {
    let text = match fs::read_to_string(&new.config_file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    let line = format!("dir = {}", json!(state.to_string_lossy()));
    let mut out: Vec<String> = Vec::new();
    let (mut section, mut done) = (String::new(), false);
    for row in text.lines() {
        let trimmed = row.trim();
        if trimmed.starts_with('[') {
            section = trimmed.split('#').next().unwrap_or_default().trim().to_owned();
        }
        let is_dir = section == "[state]" && trimmed.split('=').next().is_some_and(|key| key.trim() == "dir");
        if is_dir {
            out.push(line.clone());
            done = true;
        } else {
            out.push(row.to_owned());
        }
    }
    if !done {
        match out.iter().position(|row| row.trim() == "[state]") {
            Some(at) => out.insert(at + 1, line),
            None => out.extend(["[state]".to_owned(), line]),
        }
    }
    let text = out.join("\n") + "\n";
    let named = text.parse::<toml::Table>().ok().and_then(|table| {
        let dir = table.get("state")?.get("dir")?.as_str()?;
        Some(Path::new(dir) == state)
    });
    if named != Some(true) {
        // Written in a form that a line cannot replace, such as `state.dir`.
        return Ok(false);
    }
    if let Some(folder) = new.config_file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&new.config_file, text).map(|()| true)
}

fn report(
    args: &RestoreArgs,
    context: &CommandContext,
    unpacked: &Unpacked,
    places: &Places,
) -> Result<ExitStatus, CommandError> {
    let contents = &unpacked.contents;
    let mut steps = Vec::new();
    if !places.is_named {
        steps.push(format!("set in config/cratedigger.toml: [state] dir = {}", json!(places.state.to_string_lossy())));
    }
    let named = |name: &str| std::env::var_os(name).is_some();
    let key = places.state.join(KEY_FILE);
    if unpacked.has_grants() && !key.exists() && !named("CRATEDIGGER_KEY_FILE") && !named("CREDENTIALS_DIRECTORY") {
        steps.push(format!(
            "the sign-ins are encrypted with a key that is not in the archive: copy {} from the old machine to {} with mode 0600, \
             or name its file in CRATEDIGGER_KEY_FILE; without the key, move {} away and sign every user in again",
            contents.state_folder.join(KEY_FILE).display(),
            key.display(),
            places.state.join("grants.db").display()
        ));
    }
    if context.credentials().is_err() {
        steps.push(
            "the id and secret of the app are not in the archive: copy .env, or fill in .env.example as .env"
                .to_owned(),
        );
    }
    if unpacked.has_grants() {
        steps.push(format!(
            "stop the old installation in {}: if both renew the same sign-ins, Spotify may end them",
            contents.project.display()
        ));
    }
    steps.push("cratedigger export writes the files again, and cratedigger verify checks everything".to_owned());
    if context.json {
        let result = json!({
            "archive": args.file, "written_at": contents.written_at, "project": context.project.root,
            "store": places.database, "state": places.state, "files": contents.files.len(), "next": steps,
        });
        print::json(&result).or_exit(ExitStatus::Storage)?;
    } else {
        context.notice(&format!(
            "restored {} from a backup of {}\n  project  {}\n  store    {}\n  state    {}",
            print::count(contents.files.len(), "file"),
            format_local(contents.written_at),
            context.project.root.display(),
            places.database.display(),
            places.state.display()
        ));
        for step in steps {
            context.notice(&format!("next: {step}"));
        }
    }
    Ok(ExitStatus::Complete)
}
