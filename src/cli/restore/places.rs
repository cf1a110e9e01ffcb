//! The places that the settings in an archive choose, and why they may not be used.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::unpack::Unpacked;
use super::waiting::WAITING;
use crate::cli::args::RestoreArgs;
use crate::cli::backup::archive::KEY_FILE;
use crate::cli::{CommandContext, CommandError, ExitStatus};
use crate::store::canonical_path;

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
