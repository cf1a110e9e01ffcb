//! Which folder holds what outlives a run and is no analyst's business.

use std::fmt;
use std::path::PathBuf;

use super::origin::Origin;
use super::project::Project;
use super::sections::Settings;

/// The state folder, and why it is this one: messages about a wrong one say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    /// The folder.
    pub path: PathBuf,
    /// What chose it: `--state-dir`, `config/cratedigger.toml:3`, `$STATE_DIRECTORY`, …
    pub chosen_by: String,
}

impl fmt::Display for StateDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (from {})", self.path.display(), self.chosen_by)
    }
}

/// No folder could be named.
#[derive(Debug, thiserror::Error)]
#[error(
    "no state folder: neither --state-dir, the setting state.dir, $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME is set"
)]
pub struct NoStateDir;

impl Settings {
    /// The state folder: `--state-dir`, else `state.dir`, else `$STATE_DIRECTORY`, else
    /// `$XDG_STATE_HOME/cratedigger`, else `~/.local/state/cratedigger`.
    ///
    /// # Errors
    ///
    /// If none of them is set.
    pub fn state_dir(&self, project: &Project) -> Result<StateDir, NoStateDir> {
        self.state_dir_with(project, |name| std::env::var_os(name).map(PathBuf::from))
    }

    pub(super) fn state_dir_with(
        &self,
        project: &Project,
        env: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<StateDir, NoStateDir> {
        let absolute = |name: &str| env(name).filter(|path| path.is_absolute());
        if let Some(dir) = &self.state.dir {
            let origin = self.origin("state.dir");
            // A flag is typed in a shell and means that shell's folder.
            let path = match origin {
                Origin::Flag(_) => dir.clone(),
                _ => project.root.join(from_home(dir, absolute("HOME"))),
            };
            return Ok(StateDir { path, chosen_by: origin.to_string() });
        }
        // systemd separates several folders with colons; the first is ours.
        if let Some(dirs) = env("STATE_DIRECTORY") {
            let first = dirs.to_string_lossy().split(':').next().unwrap_or("").to_owned();
            if first.starts_with('/') {
                let chosen_by = "$STATE_DIRECTORY".to_owned();
                return Ok(StateDir { path: PathBuf::from(first), chosen_by });
            }
        }
        if let Some(dir) = absolute("XDG_STATE_HOME") {
            let chosen_by = "$XDG_STATE_HOME".to_owned();
            return Ok(StateDir { path: dir.join("cratedigger"), chosen_by });
        }
        let home = absolute("HOME").ok_or(NoStateDir)?;
        Ok(StateDir { path: home.join(".local/state/cratedigger"), chosen_by: "$HOME".to_owned() })
    }
}

/// `~/…` means the home folder, as in a shell.
fn from_home(dir: &std::path::Path, home: Option<PathBuf>) -> PathBuf {
    match (dir.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => dir.to_owned(),
    }
}
