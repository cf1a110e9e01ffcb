//! Where the files of a project are.

use std::path::{Path, PathBuf};

use super::sections::Settings;

/// The project folder (`--project`) and the paths in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project folder.
    pub root: PathBuf,
    /// `config/cratedigger.toml`, which may be missing.
    pub config_file: PathBuf,
    /// `jobs/`, which may be missing.
    pub jobs_dir: PathBuf,
    /// `targets/`, which may be missing.
    pub targets_dir: PathBuf,
    /// `.env`, which may be missing.
    pub env_file: PathBuf,
}

impl Project {
    /// The project in this folder.
    pub fn at(root: impl Into<PathBuf>) -> Project {
        let root = root.into();
        Project {
            config_file: root.join("config").join("cratedigger.toml"),
            jobs_dir: root.join("jobs"),
            targets_dir: root.join("targets"),
            env_file: root.join(".env"),
            root,
        }
    }

    /// The path of the database.
    pub fn database(&self, settings: &Settings) -> PathBuf {
        self.root.join(&settings.output.database)
    }

    /// The folder for CSV files. Each job has its own folder in it.
    pub fn csv_dir(&self, settings: &Settings) -> PathBuf {
        self.root.join(&settings.output.csv_dir)
    }

    /// A path as messages show it: relative to the project folder if it is inside it.
    pub fn display_path(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
