//! Where the files of a project lie.

use std::path::{Path, PathBuf};

use super::sections::Settings;

/// The folder that `--project` names, and what lies where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder itself.
    pub root: PathBuf,
    /// `config/cratedigger.toml`; may be missing.
    pub config_file: PathBuf,
    /// `jobs/`; may be missing.
    pub jobs_dir: PathBuf,
    /// `.env`; may be missing.
    pub env_file: PathBuf,
}

impl Project {
    /// The project in this folder.
    pub fn at(root: impl Into<PathBuf>) -> Project {
        let root = root.into();
        Project {
            config_file: root.join("config").join("cratedigger.toml"),
            jobs_dir: root.join("jobs"),
            env_file: root.join(".env"),
            root,
        }
    }

    /// The store.
    pub fn database(&self, settings: &Settings) -> PathBuf {
        self.root.join(&settings.output.database)
    }

    /// The folder of the CSVs; each job has one of its own in it.
    pub fn csv_dir(&self, settings: &Settings) -> PathBuf {
        self.root.join(&settings.output.csv_dir)
    }

    /// A path as messages show it: relative to the project folder where it lies in it.
    pub fn display_path(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
