//! Which folder is the state folder, and why.
//!
//! The reason is kept with the path, because cron, a shell and systemd have different environments. A
//! missing grant or a forgotten cool-down usually means that the wrong folder was chosen.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::state::error::StateError;

/// What named the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateDirSource {
    /// `--state-dir`.
    Flag,
    /// The setting `state.dir`.
    Setting,
    /// systemd's `$STATE_DIRECTORY`.
    StateDirectory,
    /// `$XDG_STATE_HOME/cratedigger`.
    XdgStateHome,
    /// `~/.local/state/cratedigger`.
    Home,
}

impl fmt::Display for StateDirSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateDirSource::Flag => "--state-dir",
            StateDirSource::Setting => "the setting state.dir",
            StateDirSource::StateDirectory => "$STATE_DIRECTORY",
            StateDirSource::XdgStateHome => "$XDG_STATE_HOME",
            StateDirSource::Home => "the default below $HOME",
        })
    }
}

/// A state folder that was chosen, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
    source: StateDirSource,
}

impl StateDir {
    /// The first that is set: flag, setting, `$STATE_DIRECTORY`, `$XDG_STATE_HOME`, `$HOME`.
    /// A relative setting is the caller's to join to the project folder; what is still relative
    /// counts from the working directory.
    ///
    /// # Errors
    ///
    /// [`StateError::NoFolder`] if none is set, [`StateError::FileUri`] for a `file:` path.
    pub fn resolve(
        flag: Option<&Path>,
        setting: Option<&Path>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<StateDir, StateError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let (path, chosen) = if let Some(path) = flag {
            (path.to_owned(), StateDirSource::Flag)
        } else if let Some(path) = setting {
            (path.to_owned(), StateDirSource::Setting)
        } else if let Some(list) = set("STATE_DIRECTORY") {
            // systemd joins several StateDirectory= entries with colons; ours is the first.
            let first = std::env::split_paths(&list).next().unwrap_or_default();
            (first, StateDirSource::StateDirectory)
        } else if let Some(base) = set("XDG_STATE_HOME").filter(|it| Path::new(it).is_absolute()) {
            // The XDG rules say to ignore a relative value.
            (PathBuf::from(base).join("cratedigger"), StateDirSource::XdgStateHome)
        } else if let Some(home) = set("HOME") {
            (PathBuf::from(home).join(".local/state/cratedigger"), StateDirSource::Home)
        } else {
            return Err(StateError::NoFolder);
        };
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            return Err(StateError::FileUri { path });
        }
        let path = std::path::absolute(&path).map_err(StateError::io("find", &path))?;
        Ok(StateDir { path, source: chosen })
    }

    /// The folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What named it.
    pub fn source(&self) -> StateDirSource {
        self.source
    }
}

impl fmt::Display for StateDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (from {})", self.path.display(), self.source)
    }
}
