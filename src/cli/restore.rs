//! `restore FILE`: a project and its state folder from an archive of `backup --all`.
//!
//! Everything is unpacked and checked next to its place first. Then a file with the list of moves is written, and the
//! moves follow. A process that is killed before that file exists has changed nothing, and the next command deletes its
//! unpacked files; after that, the next command finishes the moves.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::RestoreArgs;
use super::backup::archive::{KEY_FILE, UNIT_SECRETS};
use super::file_access::store_access;
use super::local_time::format_local;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{printable, shell_word};
use crate::settings::{Project, SettingFlags, Settings};
use crate::sync::StoreLock;
use moves::{LeftRestore, MoveList, PROJECT, STATE, STORE};
use places::{Places, ReplacedProject, folder_of, plain, refuse_existing, refuse_foreign_state, refuse_places};
use spotify_client::state::{KeyOrigin, StateFolderUse};
use unpack::Unpacked;
use waiting::{RestoreRunning, WAITING, WaitingFolder};

mod leftovers;
mod moves;
mod places;
mod scan;
mod unpack;
mod waiting;

/// Finishes the moves of a restore that was killed, or deletes its unpacked files. Only for commands that open the
/// project: the list of moves is in the project folder, which may be a copy from elsewhere.
pub(super) fn finish_interrupted(context: &CommandContext) -> Result<(), CommandError> {
    let root = &context.project.root;
    let says = |left| match left {
        LeftRestore::Moves => context.notice("finishing a restore that was interrupted"),
        LeftRestore::Files => context
            .notice("deleted the files of a restore that was interrupted before it changed anything; restore again"),
    };
    moves::finish(root, says).map_err(|e| refused(e, root))
}

/// What `check` and `doctor` say about a project with files of a restore that was interrupted.
pub(super) fn interrupted(context: &CommandContext) -> Result<Option<&'static str>, CommandError> {
    let root = &context.project.root;
    let left = |e| refused(e, root);
    if moves::are_left(root).map_err(left)? {
        return Ok(Some("a restore was interrupted, and the next command that opens the store finishes it"));
    }
    let text = "a restore was interrupted before it changed anything, and the next command that opens the store deletes \
                its files";
    Ok(leftovers::are_left(root).map_err(left)?.then_some(text))
}

/// The error that a folder of restored files is not as this program left it, or cannot be used.
fn refused(error: anyhow::Error, parent: &Path) -> CommandError {
    if error.is::<RestoreRunning>() {
        return CommandError::new(ExitStatus::Deferred, error);
    }
    if unpack::is_full_disk(&error) {
        let what = format!("the files of a restore cannot be written to {}", parent.display());
        return CommandError::new(ExitStatus::Storage, error.context(what)).with_hint(unpack::FREE_SPACE);
    }
    let hint = format!(
        "{WAITING} in {0} contains files of a restore that was interrupted. If you have not started one, remove it: \
         `rm -r {1}`. If you have, repair what is named above, or remove it and restore again with --replace",
        parent.display(),
        shell_word(&parent.join(WAITING).display().to_string())
    );
    let what = "the files of a restore cannot be moved to their places";
    CommandError::new(ExitStatus::Storage, error.context(what)).with_hint(hint)
}

/// Restores a project.
pub fn run(args: &RestoreArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let mut prepared = PreparedRestore::default();
    let restored = restore(args, context, &mut prepared);
    // Unless the moves have begun, nothing has changed.
    if restored.is_err() && !moves::are_left(&context.project.root).unwrap_or(true) {
        prepared.undo();
    }
    let (unpacked, places) = restored?;
    report(args, context, &unpacked, &places)
}

/// Unpacks the archive into a folder, and moves its parts to their places.
fn restore(
    args: &RestoreArgs,
    context: &CommandContext,
    prepared: &mut PreparedRestore,
) -> Result<(Unpacked, Places), CommandError> {
    let root = &context.project.root;
    prepared.create(root, 0o755).or_exit(ExitStatus::Storage)?;
    prepared.id = new_id().or_exit(ExitStatus::Storage)?;
    let waiting = prepared.waiting_in(root, root)?.path().to_owned();
    let unpacked = unpack::unpack(&args.file, &waiting)?;
    let places = place(args, context, &waiting, &unpacked, prepared)?;
    Ok((unpacked, places))
}

/// Tells this restore from all others.
fn new_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(super::backup::archive::hex(&bytes))
}

/// What a restore has created before the first move.
#[derive(Default)]
struct PreparedRestore {
    id: String,
    folders: Vec<PathBuf>,
    waiting: Vec<WaitingFolder>,
}

impl PreparedRestore {
    /// Creates a folder with those of its parents that do not exist.
    fn create(&mut self, folder: &Path, mode: u32) -> io::Result<()> {
        let missing = folder.ancestors().filter(|path| !path.as_os_str().is_empty()).take_while(|path| !path.exists());
        let missing: Vec<_> = missing.map(Path::to_path_buf).collect();
        self.folders.splice(0..0, missing);
        DirBuilder::new().recursive(true).mode(mode).create(folder)
    }

    /// The folder in `parent` in which files wait.
    fn waiting_in(&mut self, parent: &Path, project: &Path) -> Result<&WaitingFolder, CommandError> {
        let known = self.waiting.iter().position(|waiting| waiting.is_in(parent));
        let at = match known {
            Some(at) => at,
            None => {
                self.waiting.push(WaitingFolder::create(parent, &self.id, project).map_err(|e| refused(e, parent))?);
                self.waiting.len() - 1
            }
        };
        Ok(&self.waiting[at])
    }

    /// Removes it again.
    fn undo(self) {
        // The first one names the others, so it goes last.
        self.waiting.iter().rev().for_each(|waiting| drop(waiting.remove()));
        // Only empty folders are removed.
        self.folders.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// Puts everything next to its place, and moves it there.
fn place(
    args: &RestoreArgs,
    context: &CommandContext,
    waiting: &Path,
    unpacked: &Unpacked,
    prepared: &mut PreparedRestore,
) -> Result<Places, CommandError> {
    let root = &context.project.root;
    let new = Project::at(waiting.join(PROJECT));
    // The settings of the archive name the places. Paths in them are relative to the project folder.
    let settings = Settings::load(&new, &context.flags).map_err(CommandError::Problems)?;
    let database = context.project.database(&settings);
    // A project that is replaced keeps its state folder: the one in the archive may be that of a living project.
    let replaced = ReplacedProject::find(args, context)?;
    let flags = SettingFlags { state_dir: None, ..context.flags.clone() };
    let archived = CommandContext { flags, ..context.clone() }.state_dir(&settings);
    let state = match &replaced {
        Some(replaced) if context.flags.state_dir.is_none() => replaced.state.clone(),
        _ => context.state_dir(&settings).or_exit(ExitStatus::Storage)?.path().to_owned(),
    };
    let mut places = Places { database, state, is_named: true };
    refuse_places(args, context, &places)?;
    refuse_existing(args, context, &places, unpacked)?;
    refuse_foreign_state(context, &places, replaced.as_ref(), unpacked, &settings, waiting)?;
    let _lock = match places.database.exists() && places.state.exists() {
        true => Some(StoreLock::take(&places.state, &places.database).map_err(|e| {
            CommandError::new(ExitStatus::Deferred, e).with_hint("a run uses the store; try again when it has finished")
        })?),
        false => None,
    };
    if archived.is_ok_and(|archived| archived.path() != places.state) || context.flags.state_dir.is_some() {
        places.is_named = name_state_folder(&new, &places.state).or_exit(ExitStatus::Storage)?;
    }
    // The list in the archive has the places of the old machine. A folder that cannot be read says so to the next command.
    drop(StateFolderUse::forget_stores(&waiting.join(STATE)));
    // A rename works only within a file system, so each part waits in its own folder.
    let failed = |place: &Path| {
        let text = format!("failed to write {}", place.display());
        move |e: io::Error| {
            let error = anyhow::Error::new(e).context(text);
            let hint = if unpack::is_full_disk(&error) {
                unpack::FREE_SPACE
            } else {
                "name another state folder with --state-dir"
            };
            CommandError::new(ExitStatus::Storage, error).with_hint(hint)
        }
    };
    let folder_mode = store_access(&settings).map_or(0o700, |access| access.folder_mode());
    let database_folder = folder_of(&places.database).to_owned();
    prepared.create(&database_folder, folder_mode).map_err(failed(&database_folder))?;
    prepared.create(&places.state, 0o700).map_err(failed(&places.state))?;
    let at_project = prepared.waiting_in(root, root)?;
    leftovers::record_parents(at_project, [&database_folder, &places.state]).map_err(failed(root))?;
    let stores = ["store.db", "raw.db"].map(str::to_owned);
    for (parent, inside, names) in
        [(&database_folder, STORE, stores.as_slice()), (&places.state, STATE, unpacked.state_files.as_slice())]
    {
        let to = prepared.waiting_in(parent, root)?.path().join(inside);
        let from = waiting.join(inside);
        if to == from || !from.exists() {
            continue;
        }
        DirBuilder::new().mode(0o700).recursive(true).create(&to).map_err(failed(&to))?;
        for name in names.iter().filter(|name| from.join(name).exists()) {
            let (from, to) = (from.join(name), to.join(name));
            fs::rename(&from, &to)
                .or_else(|_| fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()))
                .map_err(failed(&to))?;
        }
    }
    let absolute = |path: &Path| std::path::absolute(path).or_exit(ExitStatus::Storage);
    let list = MoveList {
        id: prepared.id.clone(),
        database: plain(&absolute(&places.database)?),
        state: plain(&absolute(&places.state)?),
        state_files: unpacked.state_files.clone(),
        has_grants: unpacked.has_grants(),
    };
    let at_project = prepared.waiting_in(root, root)?;
    list.write(at_project).map_err(|e| refused(e, root))?;
    moves::finish(root, |_| ()).map_err(|e| refused(e, root))?;
    Ok(places)
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
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o644).open(&new.config_file)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map(|()| true)
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
    let key = places.state.join(KEY_FILE);
    let known_key = KeyOrigin::find(&places.state, |name| std::env::var_os(name));
    if unpacked.has_grants() && known_key.is_ok_and(|key| key.is_none()) {
        // Archives of earlier versions do not say where the key was.
        let old = match &contents.key_file {
            Some(path) => printable(&path.display().to_string()),
            None => format!(
                "the key (the file that CRATEDIGGER_KEY_FILE named, cratedigger_key in the folder of credentials, such as \
                 {UNIT_SECRETS}, or {})",
                printable(&contents.state_folder.join(KEY_FILE).display().to_string())
            ),
        };
        steps.push(format!(
            "the sign-ins are encrypted with a key that is not in the archive: copy {old} from the old machine to {} with mode 0600, \
             or name its file in CRATEDIGGER_KEY_FILE; without the key, move {} away and sign every user in again",
            key.display(),
            places.state.join("grants.db").display()
        ));
    }
    if context.credentials().is_err() {
        let from = contents.credentials_from.iter().map(|from| printable(from)).collect::<Vec<_>>().join(" and ");
        steps.push(match from.as_str() {
            "" => "the id and secret of the app are not in the archive: copy .env, or fill in .env.example as .env".to_owned(),
            from => format!(
                "the id and secret of the app are not in the archive: on the old machine they came from {from}; copy them, or fill \
                 in .env.example as .env"
            ),
        });
    }
    if unpacked.has_grants() {
        steps.push(format!(
            "stop the old installation in {}: if both renew the same sign-ins, Spotify may end them",
            printable(&contents.project.display().to_string())
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
