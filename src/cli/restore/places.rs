//! The places that the settings in an archive choose, and why they may not be used.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::moves::STATE;
use super::unpack::Unpacked;
use super::waiting::WAITING;
use crate::cli::args::RestoreArgs;
use crate::cli::backup::archive::KEY_FILE;
use crate::cli::store_file::is_absent;
use crate::cli::{CommandContext, CommandError, ExitStatus};
use crate::document::shell_word;
use crate::settings::{Project, Settings};
use crate::store::{canonical_path, known_state_id};
use spotify_client::state::StateFolderUse;

/// Where the parts of a project are restored to.
pub(super) struct Places {
    pub(super) database: PathBuf,
    pub(super) state: PathBuf,
    /// Whether later commands find the state folder without `--state-dir`.
    pub(super) is_named: bool,
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The same path without `..`, as far as it exists.
pub(super) fn plain(path: &Path) -> PathBuf {
    let folder = canonical_path(folder_of(path));
    folder.join(path.file_name().unwrap_or(OsStr::new("..")))
}

/// Refuses a store outside of the project, which the archive and not the operator has chosen, and a folder for the state
/// that is something else.
pub(super) fn refuse_places(args: &RestoreArgs, context: &CommandContext, places: &Places) -> Result<(), CommandError> {
    let root = &context.project.root;
    let rest = places.database.strip_prefix(root).unwrap_or(&places.database);
    let is_plain = !rest.components().any(|part| part == Component::ParentDir);
    let is_inside = is_plain && canonical_path(folder_of(&places.database)).starts_with(canonical_path(root));
    if !is_inside && !args.store_outside {
        let error = anyhow::anyhow!(
            "the settings in the archive place the store outside of the project, at {}, and nothing was restored",
            places.database.display()
        );
        return Err(CommandError::new(ExitStatus::Usage, error).with_hint("--store-outside allows this"));
    }
    let found = match fs::metadata(&places.state) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(CommandError::new(ExitStatus::Storage, e)),
    };
    let Some(why) = unusable_state_folder(&places.state, &found) else { return Ok(()) };
    let error = anyhow::anyhow!("{} {why}, and nothing was restored", places.state.display());
    Err(CommandError::new(ExitStatus::Storage, error).with_hint("name another state folder with --state-dir"))
}

/// Why a folder cannot be the state folder.
fn unusable_state_folder(path: &Path, found: &Metadata) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    if !found.is_dir() {
        return Some("is not a folder".to_owned());
    }
    if found.uid() != me {
        return Some(format!("belongs to the user {}, and this process runs as {me}", found.uid()));
    }
    if found.mode() & 0o077 != 0 {
        return Some(format!("is open to other users (mode {:04o})", found.mode() & 0o7777));
    }
    // Restored files would replace those of another purpose.
    let mut entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_used = entries.any(|name| name != WAITING && name.to_str().is_none_or(|name| !name.ends_with(".lock")));
    let is_state = ["state.db", "grants.db", KEY_FILE].iter().any(|name| path.join(name).exists());
    (is_used && !is_state).then(|| "contains other files, and no state".to_owned())
}

/// Refuses to replace anything without `--replace`.
pub(super) fn refuse_existing(
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
    let mut others = vec![places.database.clone(), places.database.with_extension("raw.db")];
    others.extend(["state.db", "grants.db"].map(|name| places.state.join(name)));
    others.extend(unpacked.state_files.iter().map(|name| places.state.join(name)));
    let mut paths = parts.into_iter().chain(others).chain(unpacked.has_env().then_some(env));
    let existing = paths.find(|path| path.symlink_metadata().is_ok());
    let Some(existing) = existing else { return Ok(()) };
    let error = anyhow::anyhow!("{} exists, and nothing was restored", existing.display());
    let hint =
        "name another folder with --project, and another state folder with --state-dir, or replace both with --replace";
    Err(CommandError::new(ExitStatus::Usage, error).with_hint(hint))
}

/// The project that a restore replaces.
pub(super) struct ReplacedProject {
    database: PathBuf,
    /// The state folder that its settings name.
    pub(super) state: PathBuf,
}

impl ReplacedProject {
    /// Finds the project at the place of the new one, if it shall be replaced.
    pub(super) fn find(args: &RestoreArgs, context: &CommandContext) -> Result<Option<ReplacedProject>, CommandError> {
        let root = &context.project.root;
        if !args.replace || !["config", "jobs"].iter().any(|part| root.join(part).exists()) {
            return Ok(None);
        }
        let named = Settings::load(&context.project, &context.flags).ok().and_then(|settings| {
            let state = context.state_dir(&settings).ok()?.path().to_owned();
            Some(ReplacedProject { database: context.project.database(&settings), state })
        });
        if named.is_none() && context.flags.state_dir.is_none() {
            let error = anyhow::anyhow!(
                "the settings in {} do not say where the state folder of this project is, and nothing was restored",
                context.project.config_file.display()
            );
            return Err(CommandError::new(ExitStatus::Usage, error).with_hint("name its state folder with --state-dir"));
        }
        Ok(named)
    }
}

/// Refuses to replace a state folder that other projects use. Their sign-ins and their record of calls would be lost.
pub(super) fn refuse_foreign_state(
    context: &CommandContext,
    places: &Places,
    replaced: Option<&ReplacedProject>,
    unpacked: &Unpacked,
    archived: &Settings,
    waiting: &Path,
) -> Result<(), CommandError> {
    let state = &places.state;
    if !["state.db", "grants.db"].iter().any(|name| state.join(name).exists()) {
        return Ok(());
    }
    let is_named = context.flags.state_dir.is_some();
    let refused = |why: &str, may_insist: bool| {
        let folder = std::path::absolute(&context.project.root).unwrap_or_else(|_| context.project.root.clone());
        let new = shell_word(&format!("{}-state", folder.display()));
        let insist = format!(
            "; if no other project uses it any more, `--state-dir {0}`",
            shell_word(&state.display().to_string())
        );
        let hint = format!("name a new state folder: `--state-dir {new}`{}", if may_insist { &insist } else { "" });
        let error = anyhow::anyhow!("the state folder {} {why}, and nothing was restored", state.display());
        Err(CommandError::new(ExitStatus::Usage, error).with_hint(hint))
    };
    let Ok(mut used) = StateFolderUse::read(state) else {
        return if is_named { Ok(()) } else { refused("exists, and does not say which project it belongs to", true) };
    };
    let here = [Some(&places.database), replaced.map(|replaced| &replaced.database)];
    let mut is_ours = false;
    for database in here.into_iter().flatten() {
        for path in with_shards(database) {
            is_ours |= used.leave_out(&path);
        }
        is_ours |= used.id.is_some() && known_state_id(database) == used.id;
    }
    // If the project of this state folder is gone, an archive of the folder is the same project at another
    // place.
    let before = Project::at(&unpacked.contents.project).database(archived);
    if is_absent(&before) {
        for path in with_shards(&before) {
            used.leave_out(&path);
        }
        let id = fs::read_to_string(waiting.join(STATE).join("id")).ok();
        is_ours |= used.id.is_some() && id.map(|id| id.trim().to_owned()) == used.id;
    }
    match (is_ours, used.stores() > 0) {
        (true, false) => Ok(()),
        (true, true) if is_named => Ok(()),
        (true, true) => refused("is also used by other projects, or by this one at another place before", true),
        (false, true) => refused("belongs to another project", false),
        (false, false) if is_named || replaced.is_some_and(|replaced| replaced.state == *state) => Ok(()),
        (false, false) => refused("exists, and does not say which project it belongs to", true),
    }
}

/// The canonical paths of a store and of the stores of its shards.
fn with_shards(database: &Path) -> Vec<PathBuf> {
    let mut paths = vec![canonical_path(database)];
    let name = database.file_name().unwrap_or_default();
    for entry in fs::read_dir(folder_of(database)).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|folder| folder.starts_with("shard-")) {
            paths.push(canonical_path(&entry.path().join(name)));
        }
    }
    paths
}
