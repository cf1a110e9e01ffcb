//! Whether the CSVs and their data packages are what runs have written. Nothing is written.
//!
//! The store's record of a file goes before the data package, which lies beside the file and may have been
//! changed with it. A run may publish meanwhile: what looks wrong is told only if record, journal and data
//! package are the same after the look as they were before it, else that is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use super::hash;
use super::journal;
use super::name::check_name;
use super::package::FILE_NAME;
use crate::store::{RecordedFile, recorded_files, run_state};

/// Said of what an export without an end put in place.
const UNRECORDED: &str = "written by an export that was cut off; the next export records it";

/// How often a job is looked at again whose files move meanwhile.
const MAX_ATTEMPTS: usize = 20;

/// Time enough for an export to come from a file to its record, or from a deleted one to that.
const PAUSE: Duration = Duration::from_millis(100);

/// What is the matter with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileIssue {
    /// It was written, and it is not there.
    Missing,
    /// It is not what was written, or the data package does not say what was written.
    Changed,
    /// A CSV that nobody on record wrote.
    Stray,
    /// It cannot be read.
    Unreadable,
    /// It is as it was written, and what describes it is not yet; the next export sees to that. No difference.
    Behind,
    /// Left by an export that was killed; the next one takes it away. No difference.
    Leftover,
}

impl FileIssue {
    /// Whether somebody who opens the file reads something else than a run has written.
    pub fn is_a_difference(self) -> bool {
        !matches!(self, FileIssue::Behind | FileIssue::Leftover)
    }

    /// Whether writing the job's files again puts an end to it.
    pub fn is_fixed_by_export(self) -> bool {
        self.can_be_rewritten() || !self.is_a_difference()
    }

    /// Whether an export could make it what it was.
    pub fn can_be_rewritten(self) -> bool {
        matches!(self, FileIssue::Missing | FileIssue::Changed)
    }
}

/// A file that is not as the record of it says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileFinding {
    /// The job whose folder it lies in.
    pub job: String,
    /// Its path below the job's folder; empty if it is the folder itself.
    pub path: String,
    /// `matter` is the name of this key in `verify --json`.
    #[serde(rename = "matter")]
    pub issue: FileIssue,
    /// More about it.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct FilesReport {
    /// Data packages that were read.
    pub packages: u64,
    /// Files that were hashed.
    pub files: u64,
    /// What differs.
    pub findings: Vec<FileFinding>,
}

/// Holds the files of all jobs against the store's record of them, if there is one, and against their data
/// packages.
///
/// # Errors
/// If the store cannot be read.
pub fn verify_files(csv_dir: &Path, store: Option<&Connection>) -> rusqlite::Result<FilesReport> {
    let mut report = FilesReport::default();
    let mut jobs: BTreeSet<String> = recorded(store, None)?.into_iter().map(|file| file.job).collect();
    match list_folders(csv_dir) {
        Ok(found) => jobs.extend(found),
        Err(e) => {
            let (job, path) = (String::new(), String::new());
            report.findings.push(FileFinding { job, path, issue: FileIssue::Unreadable, detail: e.to_string() });
        }
    }
    for job in jobs {
        let path = csv_dir.join(&job);
        let mut look =
            FolderCheck { job: &job, path: &path, store, recorded: RecordedState::read(store, &job, &path)?, at: None };
        let first = look.run()?;
        let mut found = first.findings;
        for _ in 0..MAX_ATTEMPTS {
            if !found.iter().any(|finding| finding.issue.is_a_difference()) {
                break;
            }
            std::thread::sleep(PAUSE);
            let known = RecordedState::read(store, &job, &path)?;
            if known == look.recorded {
                break;
            }
            (look.recorded, look.at) = (known, Some(found.into_iter().map(|finding| finding.path).collect()));
            found = look.run()?.findings;
        }
        report.packages += first.packages;
        report.files += first.files;
        report.findings.extend(found);
    }
    Ok(report)
}

/// The names of the folders in a folder, if it is there.
fn list_folders(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn recorded(store: Option<&Connection>, job: Option<&str>) -> rusqlite::Result<Vec<RecordedFile>> {
    store.map_or(Ok(Vec::new()), |store| recorded_files(store, job))
}

/// What the files of a job are held against.
#[derive(PartialEq)]
struct RecordedState {
    /// What the store has recorded of them, by their paths below the job's folder.
    record: BTreeMap<String, RecordedFile>,
    /// Files that an export without an end put in place: path and hash.
    under_way: BTreeSet<(String, String)>,
    /// The data package as it lies there, or why it cannot be read.
    package: Result<Vec<u8>, (io::ErrorKind, String)>,
}

impl RecordedState {
    fn read(store: Option<&Connection>, job: &str, folder: &Path) -> rusqlite::Result<RecordedState> {
        // In the order of an export's own steps backwards: what moves meanwhile is seen by one of them.
        let package = fs::read(folder.join(FILE_NAME)).map_err(|e| (e.kind(), e.to_string()));
        let record = recorded(store, Some(job))?;
        let record = record.into_iter().map(|file| (file.path_below_job().to_owned(), file)).collect();
        Ok(RecordedState { record, under_way: journal::read(folder), package })
    }
}

/// One look at the folder of one job.
struct FolderCheck<'a> {
    job: &'a str,
    path: &'a Path,
    store: Option<&'a Connection>,
    recorded: RecordedState,
    /// The paths that are looked at; all if none are named.
    at: Option<BTreeSet<String>>,
}

impl FolderCheck<'_> {
    fn run(&self) -> rusqlite::Result<FilesReport> {
        let mut found = FilesReport::default();
        let package = self.package(&mut found);
        found.packages = u64::from(package.is_object());
        let mut described = BTreeMap::new();
        for resource in package["resources"].as_array().into_iter().flatten() {
            let path = resource["path"].as_str().unwrap_or_default();
            if check_name(path).is_ok() {
                described.insert(path.to_owned(), resource);
            } else {
                self.add(
                    &mut found,
                    FILE_NAME,
                    FileIssue::Changed,
                    format!("it names a file {path:?}, which no export writes"),
                );
            }
        }
        let paths: BTreeSet<String> = described.keys().chain(self.recorded.record.keys()).cloned().collect();
        for path in paths.iter().filter(|path| self.is_in_scope(path)) {
            self.compare(&mut found, path, described.get(path).copied(), package.is_object());
        }
        let run = &package["run"];
        if let (Some(id), Some(said)) = (run["id"].as_i64(), run["state"].as_str()) {
            // A run whose files fail becomes another one after they are written.
            let ended = self.store.map(|store| run_state(store, id, self.job)).transpose()?.flatten();
            let ended = ended.filter(|state| matches!(state.as_str(), "complete" | "partial"));
            if let Some(ended) = ended.filter(|ended| ended != said) {
                let detail = format!("it says run {id} was {said}; the store says {ended}");
                self.add(&mut found, FILE_NAME, FileIssue::Changed, detail);
            }
        }
        let known = paths.into_iter().chain([FILE_NAME.to_owned()]).collect();
        self.find_strays(&mut found, self.path, "", &known);
        Ok(found)
    }

    fn is_in_scope(&self, path: &str) -> bool {
        self.at.as_ref().is_none_or(|at| at.contains(path))
    }

    /// The data package; null if there is none.
    fn package(&self, found: &mut FilesReport) -> Value {
        let files = self.recorded.record.len();
        let (matter, detail) = match &self.recorded.package {
            Ok(bytes) => match serde_json::from_slice::<Value>(bytes) {
                Ok(package) if package["resources"].is_array() => return package,
                Ok(_) => (FileIssue::Changed, "it is no data package".to_owned()),
                Err(e) => (FileIssue::Changed, e.to_string()),
            },
            Err((io::ErrorKind::NotFound, _)) if files == 0 => return Value::Null,
            Err((io::ErrorKind::NotFound, _)) => {
                let told = format!("the store has a record of {files} file{}", if files == 1 { "" } else { "s" });
                (if self.recorded.under_way.is_empty() { FileIssue::Missing } else { FileIssue::Behind }, told)
            }
            Err((_, why)) => (FileIssue::Unreadable, why.clone()),
        };
        self.add(found, FILE_NAME, matter, detail);
        Value::Null
    }

    /// A file that is on record, or described, or both.
    fn compare(&self, found: &mut FilesReport, path: &str, resource: Option<&Value>, has_package: bool) {
        let record = self.recorded.record.get(path);
        let (bytes, sha256) = match digest(&self.path.join(path)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let who = if resource.is_some() { "the data package describes it" } else { "a run wrote it" };
                return self.add(found, path, FileIssue::Missing, who.into());
            }
            Err(e) => return self.add(found, path, FileIssue::Unreadable, e.to_string()),
            Ok(read) => read,
        };
        found.files += 1;
        if self.recorded.under_way.contains(&(path.to_owned(), sha256.clone())) {
            return self.add(found, path, FileIssue::Behind, UNRECORDED.into());
        }
        let said = resource.map(|r| {
            let hash = r["hash"].as_str().and_then(|hash| hash.strip_prefix("sha256:")).unwrap_or_default();
            (r["bytes"].as_u64().unwrap_or(0), hash.to_owned())
        });
        let wanted = record.map(|file| (file.bytes, file.sha256.clone())).or_else(|| said.clone());
        match wanted {
            Some((wanted, _)) if wanted != bytes => {
                let detail = format!("{bytes} bytes, {wanted} were written");
                return self.add(found, path, FileIssue::Changed, detail);
            }
            Some((_, wanted)) if wanted != sha256 => {
                return self.add(found, path, FileIssue::Changed, "as long as it was, with another content".into());
            }
            _ => {}
        }
        let (matter, detail) = match (record, resource) {
            (Some(_), Some(_)) if said != Some((bytes, sha256)) => {
                (FileIssue::Changed, "the file is right, the data package describes another one".to_owned())
            }
            (Some(file), Some(resource)) if resource["rows"].as_u64() != Some(file.rows) => {
                let rows = resource["rows"].as_u64().map_or_else(|| "no".to_owned(), |rows| rows.to_string());
                (FileIssue::Changed, format!("rows in the data package: {rows}; rows that were written: {}", file.rows))
            }
            (None, Some(_)) => {
                (FileIssue::Behind, "the data package describes it, this store has no record of it".into())
            }
            (Some(_), None) if has_package => (
                FileIssue::Behind,
                "the data package does not describe it; the next export does, if its job still writes it".into(),
            ),
            _ => return,
        };
        self.add(found, path, matter, detail);
    }

    /// CSVs that nobody knows of, and what killed exports left.
    fn find_strays(&self, found: &mut FilesReport, folder: &Path, below: &str, known: &BTreeSet<String>) {
        let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(e) => return self.add(found, below.trim_end_matches('/'), FileIssue::Unreadable, e.to_string()),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{below}{name}");
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.find_strays(found, &entry.path(), &format!("{path}/"), known);
                continue;
            }
            if !self.is_in_scope(&path) {
                continue;
            }
            if name.starts_with(".cratedigger-") {
                self.add(found, &path, FileIssue::Leftover, "the next export takes it away".into());
            } else if name.ends_with(".csv") && !known.contains(&path) {
                let (matter, detail) = match self.is_under_way(&path, &entry.path()) {
                    true => (FileIssue::Behind, UNRECORDED),
                    false => (FileIssue::Stray, "no run on record wrote it, and no data package describes it"),
                };
                self.add(found, &path, matter, detail.into());
            }
        }
    }

    /// Whether a file is what an export without an end put in place under this name.
    fn is_under_way(&self, path: &str, file: &Path) -> bool {
        // Hashed only if there is something to compare it with: a foreign CSV may be large.
        let mut noted = self.recorded.under_way.iter().filter(|(name, _)| name == path).peekable();
        noted.peek().is_some() && digest(file).is_ok_and(|(_, sha256)| noted.any(|(_, noted)| *noted == sha256))
    }

    fn add(&self, found: &mut FilesReport, path: &str, matter: FileIssue, detail: String) {
        let (job, path) = (self.job.to_owned(), path.to_owned());
        found.findings.push(FileFinding { job, path, issue: matter, detail });
    }
}

/// Size and SHA-256 of a file.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if !kind.is_file() {
        let what = if kind.is_symlink() { "a link" } else { "a folder or the like" };
        return Err(io::Error::other(format!("{what} stands where a CSV belongs")));
    }
    hash::sha256_of(fs::File::open(path)?)
}
