//! Folders and files of a project that strangers can change: their contents decide what this program does and sends.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::project::Project;
use super::sections::Settings;

/// Enough for any project. More files would make every start slow.
const MOST_FILES: usize = 1000;

/// A folder or file that strangers can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFolder {
    pub path: PathBuf,
    pub why: OpenReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenReason {
    /// Its mode lets every user write.
    Mode(u32),
    /// It belongs to this user, who is neither root nor this process nor the owner of the project.
    Owner(u32),
}

impl OpenFolder {
    /// The problem, in a sentence without a period.
    pub fn problem(&self) -> String {
        let path = self.path.display();
        match self.why {
            OpenReason::Mode(mode) => format!("every user can change {path} (mode {mode:04o})"),
            OpenReason::Owner(owner) => format!("the user {owner}, who does not own the project, can change {path}"),
        }
    }

    /// The command that repairs it.
    pub fn command(&self) -> String {
        let path = crate::document::shell_word(&self.path.display().to_string());
        match self.why {
            OpenReason::Mode(_) => format!("chmod o-w {path}"),
            OpenReason::Owner(_) => format!("chown root {path}"),
        }
    }
}

/// The folders of a project and of its lakes that every user can change, and what strangers can change in `config` and
/// `targets`.
pub fn open_folders(project: &Project, settings: &Settings, lakes: &[PathBuf]) -> Vec<OpenFolder> {
    let me = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(&project.root).map_or(me, |found| found.uid());
    let trusted = [0, me, owner];
    let mut found = Vec::new();
    let config = project.config_file.parent().map(Path::to_path_buf);
    let database = project.database(settings);
    let output = [database.parent().map(Path::to_path_buf), Some(project.csv_dir(settings))];
    let mut folders = vec![project.root.clone(), project.jobs_dir.clone()];
    folders.extend(output.into_iter().flatten());
    folders.extend(lakes.iter().flat_map(|lake| std::iter::once(lake.clone()).chain(folders_in(lake))));
    let mut files = vec![database];
    for folder in config.into_iter().chain([project.targets_dir.clone()]) {
        files.extend(files_below(&folder));
        folders.push(folder);
    }
    folders.dedup();
    for path in folders.into_iter().chain(files) {
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        // The output belongs to the user who runs the jobs, and jobs to their authors.
        let is_trusted = trusted.contains(&metadata.uid()) || !is_of_operator(project, &path);
        let why = match metadata.mode() & 0o7777 {
            mode if mode & 0o002 != 0 => OpenReason::Mode(mode),
            _ if !is_trusted => OpenReason::Owner(metadata.uid()),
            _ => continue,
        };
        if !is_read_only(&path) && !found.iter().any(|known: &OpenFolder| known.path == path) {
            found.push(OpenFolder { path, why });
        }
    }
    found
}

/// Whether a path is `config`, `targets` or something in them.
fn is_of_operator(project: &Project, path: &Path) -> bool {
    path.starts_with(&project.targets_dir)
        || project.config_file.parent().is_some_and(|config| path.starts_with(config))
}

/// Containers mount settings read-only, but with mode 0777.
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The folders directly in a folder.
fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_FILES);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// The files and folders below a folder. Folders behind links are not entered.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if files.len() >= MOST_FILES {
                return files;
            }
            if entry.metadata().is_ok_and(|found: Metadata| found.is_dir()) {
                folders.push(entry.path());
            }
            files.push(entry.path());
        }
    }
    files.sort();
    files
}
