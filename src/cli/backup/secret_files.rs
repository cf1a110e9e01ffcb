//! Which files of a project may contain a secret, so that an archive without keys has none.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::cli::CommandContext;
use crate::settings::Settings;

/// Files with secrets, wherever they are.
const NAMES: [&str; 3] = [".env", ".pgpass", ".netrc"];

/// The files of `init`.
const KNOWN_IN_CONFIG: [&str; 4] =
    ["cratedigger.toml", "job.schema.json", "settings.schema.json", "target.schema.json"];

/// The files and folders that variables and settings name, without links.
pub(super) struct SecretFiles(Vec<PathBuf>);

impl SecretFiles {
    pub(super) fn of(context: &CommandContext, settings: &Settings) -> SecretFiles {
        let named = context.secret_files(settings);
        SecretFiles(named.into_iter().filter_map(|path| path.canonicalize().ok()).collect())
    }

    /// Whether a file of the project may contain a secret. `name` is its path in the project.
    pub(super) fn contain(&self, path: &Path, name: &str, found: &Metadata) -> bool {
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let is_env = NAMES.contains(&file_name) || file_name.starts_with(".env.") && file_name != ".env.example";
        let is_named = path.canonicalize().is_ok_and(|path| self.0.iter().any(|secret| path.starts_with(secret)));
        is_env || is_named || is_closed(name, found)
    }
}

/// Whether somebody has closed a file of the settings to all other users. The files that the program itself reads contain no secret,
/// and may be closed since all new files are.
fn is_closed(name: &str, found: &Metadata) -> bool {
    let (folder, rest) = name.split_once('/').unwrap_or(("", name));
    let is_known = match folder {
        "config" => KNOWN_IN_CONFIG.contains(&rest),
        "targets" => rest.ends_with(".toml") && !rest.contains('/'),
        _ => true,
    };
    !is_known && found.mode() & 0o077 == 0
}
