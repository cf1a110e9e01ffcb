//! Compares CSV files and data packages with the records of the runs that wrote them. Writes nothing.
//!
//! The store's record of a file takes precedence over the data package, which is in the same folder and may have been
//! changed with the file. A run may publish at the same time, so a difference is reported only if the record, the journal and the data
//! package have not changed during the check. Otherwise the check is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rustix::fs::FileType;
use serde_json::Value;

use super::hash;
use super::journal;
use super::name::DATA_PACKAGE;
use super::name::check_name;
use crate::input_file::{self, InputFileError};
use crate::settings::extension;
use crate::store::{RecordedFile, edited_files, recorded_files, run_state};

/// A larger data package is not read: it would describe hundreds of thousands of files.
const MAX_PACKAGE_BYTES: u64 = 256 << 20;

/// Files with these endings are the program's own, unless a person put them there.
const EXPORTED_ENDINGS: [&str; 5] = ["csv", "jsonl", "ndjson", "parquet", "xlsx"];

/// The detail for files of an unfinished export.
const UNRECORDED: &str = "written by an interrupted export; the next export records it";

/// The job of a file that belongs to no job.
const OF_ALL_JOBS: &str = "";

/// Maximum number of checks of a job if its files change at the same time.
const MAX_ATTEMPTS: usize = 20;

/// Long enough for an export to get from writing or deleting a file to recording that.
const PAUSE: Duration = Duration::from_millis(100);

/// The problem of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileIssue {
    /// It was written but is missing.
    Missing,
    /// Its content has changed, or the data package does not match it.
    Changed,
    /// A CSV file that no recorded run wrote.
    Stray,
    /// A file of an earlier date or title that stayed because it was changed by hand.
    Edited,
    /// It cannot be read.
    Unreadable,
    /// The file is right, but its description is outdated; the next export updates it. Not a difference.
    Behind,
    /// A leftover of a killed export; the next export removes it. Not a difference.
    Leftover,
}

impl FileIssue {
    /// Whether a reader of the file sees something else than a run has written.
    pub fn is_a_difference(self) -> bool {
        !matches!(self, FileIssue::Behind | FileIssue::Leftover)
    }

    /// Whether the next export of the job resolves it.
    pub fn is_fixed_by_export(self) -> bool {
        self.can_be_rewritten() || !self.is_a_difference()
    }

    /// Whether an export could restore the file.
    pub fn can_be_rewritten(self) -> bool {
        matches!(self, FileIssue::Missing | FileIssue::Changed)
    }
}

/// A file that differs from its record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileFinding {
    /// The job with the folder that contains the file; empty for the overview of all jobs.
    pub job: String,
    /// The path below the job's folder; empty for the folder itself.
    pub path: String,
    /// `matter` is the name of this key in `verify --json`.
    #[serde(rename = "matter")]
    pub issue: FileIssue,
    /// Details for people.
    pub detail: String,
}

/// The result of a check of files.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct FilesReport {
    /// Number of data packages that were read.
    pub packages: u64,
    /// Number of files that were hashed.
    pub files: u64,
    /// The differences.
    pub findings: Vec<FileFinding>,
}

/// Compares the files of all jobs with the store's records of them, if there are any, and with their data
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
    // The overview is in the CSV folder itself, which no job has a name for.
    jobs.insert(OF_ALL_JOBS.to_owned());
    for job in jobs {
        let recorded = RecordedState::read(store, &job, csv_dir)?;
        let mut look = FolderCheck { job: &job, csv_dir, store, recorded, at: None };
        let first = look.run()?;
        let mut found = first.findings;
        for _ in 0..MAX_ATTEMPTS {
            if !found.iter().any(|finding| finding.issue.is_a_difference()) {
                break;
            }
            std::thread::sleep(PAUSE);
            let known = RecordedState::read(store, &job, csv_dir)?;
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

/// The names of the folders in a folder, if it exists.
fn list_folders(path: &Path) -> io::Result<Vec<String>> {
    let entries = match input_file::list_without_links(path, Path::new("")) {
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        other => other.map_err(InputFileError::into_io)?,
    };
    let folders = entries.into_iter().filter(|(_, kind)| *kind == FileType::Directory);
    Ok(folders.map(|(name, _)| name.to_string_lossy().into_owned()).collect())
}

fn recorded(store: Option<&Connection>, job: Option<&str>) -> rusqlite::Result<Vec<RecordedFile>> {
    store.map_or(Ok(Vec::new()), |store| recorded_files(store, job))
}

/// What the files of a job are compared with.
#[derive(PartialEq)]
struct RecordedState {
    /// The store's records, by path below the job's folder.
    record: BTreeMap<String, RecordedFile>,
    /// Files that an unfinished export has published: path and hash.
    under_way: BTreeSet<(String, String)>,
    /// Paths below the CSV folder of files that stayed because they were changed by hand.
    edited: Vec<String>,
    /// The data package, or why it cannot be read.
    package: Result<Vec<u8>, (io::ErrorKind, String)>,
}

impl RecordedState {
    fn read(store: Option<&Connection>, job: &str, csv_dir: &Path) -> rusqlite::Result<RecordedState> {
        let folder = Path::new(job);
        // The reverse order of an export's steps, so that one of these reads notices a concurrent change.
        let package = input_file::open_without_links(csv_dir, &folder.join(DATA_PACKAGE));
        let package = package.and_then(|file| input_file::read_limited(&file, MAX_PACKAGE_BYTES));
        let package = package.map_err(InputFileError::into_io).map_err(|e| (e.kind(), e.to_string()));
        let record = recorded(store, Some(job))?;
        let record = record.into_iter().map(|file| (file.path_below_job().to_owned(), file)).collect();
        let edited = store.map_or(Ok(Vec::new()), edited_files)?;
        Ok(RecordedState { record, under_way: journal::read(csv_dir, folder), edited, package })
    }
}

/// One check of the folder of one job.
struct FolderCheck<'a> {
    job: &'a str,
    csv_dir: &'a Path,
    store: Option<&'a Connection>,
    recorded: RecordedState,
    /// The paths to check; all paths if none.
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
                    DATA_PACKAGE,
                    FileIssue::Changed,
                    format!("it lists a file {path:?}, which no export writes"),
                );
            }
        }
        let paths: BTreeSet<String> = described.keys().chain(self.recorded.record.keys()).cloned().collect();
        for path in paths.iter().filter(|path| self.is_in_scope(path)) {
            self.compare(&mut found, path, described.get(path).copied(), package.is_object());
        }
        let run = &package["run"];
        if let (Some(id), Some(said)) = (run["id"].as_i64(), run["state"].as_str()) {
            // The state of a run can still change after its files were written.
            let ended = self.store.map(|store| run_state(store, id, self.job)).transpose()?.flatten();
            let ended = ended.filter(|state| matches!(state.as_str(), "complete" | "partial"));
            if let Some(ended) = ended.filter(|ended| ended != said) {
                let detail = format!("it states that run {id} was {said}, but the store has {ended}");
                self.add(&mut found, DATA_PACKAGE, FileIssue::Changed, detail);
            }
        }
        let known = paths.into_iter().chain([DATA_PACKAGE.to_owned()]).collect();
        self.find_strays(&mut found, "", &known);
        Ok(found)
    }

    /// Whether this is the CSV folder itself. Only the overview and what a killed process has left there are ours.
    fn is_of_all_jobs(&self) -> bool {
        self.job == OF_ALL_JOBS
    }

    fn is_in_scope(&self, path: &str) -> bool {
        self.at.as_ref().is_none_or(|at| at.contains(path))
    }

    /// The data package, or null if there is none.
    fn package(&self, found: &mut FilesReport) -> Value {
        if self.is_of_all_jobs() {
            return Value::Null;
        }
        let files = self.recorded.record.len();
        let (matter, detail) = match &self.recorded.package {
            Ok(bytes) => match serde_json::from_slice::<Value>(bytes) {
                Ok(package) if package["resources"].is_array() => return package,
                Ok(_) => (FileIssue::Changed, "it is not a data package".to_owned()),
                Err(e) => (FileIssue::Changed, e.to_string()),
            },
            Err((io::ErrorKind::NotFound, _)) if files == 0 => return Value::Null,
            Err((io::ErrorKind::NotFound, _)) => {
                let detail = format!("the store has records of {files} file{}", if files == 1 { "" } else { "s" });
                (if self.recorded.under_way.is_empty() { FileIssue::Missing } else { FileIssue::Behind }, detail)
            }
            Err((_, why)) => (FileIssue::Unreadable, why.clone()),
        };
        self.add(found, DATA_PACKAGE, matter, detail);
        Value::Null
    }

    /// Compares a file that is recorded, described, or both.
    fn compare(&self, found: &mut FilesReport, path: &str, resource: Option<&Value>, has_package: bool) {
        let record = self.recorded.record.get(path);
        let (bytes, sha256) = match self.digest(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let who = if resource.is_some() { "the data package lists it" } else { "a run wrote it" };
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
                let detail = format!("{bytes} bytes; {wanted} bytes were written");
                return self.add(found, path, FileIssue::Changed, detail);
            }
            Some((_, wanted)) if wanted != sha256 => {
                return self.add(
                    found,
                    path,
                    FileIssue::Changed,
                    "the size is the same, but the content has changed".into(),
                );
            }
            _ => {}
        }
        let (matter, detail) = match (record, resource) {
            (Some(_), Some(_)) if said != Some((bytes, sha256)) => {
                (FileIssue::Changed, "the file is right, but the data package describes another content".to_owned())
            }
            (Some(file), Some(resource)) if resource["rows"].as_u64() != Some(file.rows) => {
                let rows = resource["rows"].as_u64().map_or_else(|| "no".to_owned(), |rows| rows.to_string());
                (FileIssue::Changed, format!("rows in the data package: {rows}; rows written: {}", file.rows))
            }
            (None, Some(_)) => {
                (FileIssue::Behind, "the data package lists it, but this store has no record of it".into())
            }
            (Some(_), None) if has_package => {
                (FileIssue::Behind, "the data package does not list it; the next export adds it".into())
            }
            _ => return,
        };
        self.add(found, path, matter, detail);
    }

    /// Finds CSV files that no run wrote, and leftovers of killed exports.
    fn find_strays(&self, found: &mut FilesReport, below: &str, known: &BTreeSet<String>) {
        let entries = input_file::list_without_links(self.csv_dir, &Path::new(self.job).join(below));
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) if error.is_missing() => return,
            Err(error) => {
                let why = error.into_io().to_string();
                return self.add(found, below.trim_end_matches('/'), FileIssue::Unreadable, why);
            }
        };
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in entries {
            let name = name.to_string_lossy().into_owned();
            let path = format!("{below}{name}");
            if kind == FileType::Directory && self.is_of_all_jobs() {
                continue;
            }
            if kind == FileType::Directory {
                self.find_strays(found, &format!("{path}/"), known);
                continue;
            }
            if !self.is_in_scope(&path) {
                continue;
            }
            if name.starts_with(".cratedigger-") {
                self.add(found, &path, FileIssue::Leftover, "the next export removes it".into());
            } else if known.contains(&path) {
                // It was compared with its record.
            } else if self.is_under_way(&path) {
                self.add(found, &path, FileIssue::Behind, UNRECORDED.into());
            } else if !self.is_of_all_jobs() && EXPORTED_ENDINGS.contains(&extension(&name)) {
                let is_edited = self.recorded.edited.contains(&format!("{}/{path}", self.job));
                let (issue, detail) = match is_edited {
                    true => {
                        (FileIssue::Edited, "a file of an earlier date or title, kept because it was changed by hand")
                    }
                    false => (FileIssue::Stray, "no recorded run wrote it, and no data package lists it"),
                };
                self.add(found, &path, issue, detail.into());
            }
        }
    }

    /// Whether a file was published under this name by an unfinished export.
    fn is_under_way(&self, path: &str) -> bool {
        // The hash is computed only if there is something to compare it with, because an unknown CSV file may be large.
        let mut noted = self.recorded.under_way.iter().filter(|(name, _)| name == path).peekable();
        noted.peek().is_some() && self.digest(path).is_ok_and(|(_, sha256)| noted.any(|(_, noted)| *noted == sha256))
    }

    /// The size and the SHA-256 of a file.
    fn digest(&self, path: &str) -> io::Result<(u64, String)> {
        let file = input_file::open_without_links(self.csv_dir, &Path::new(self.job).join(path));
        hash::sha256_of(file.map_err(InputFileError::into_io)?)
    }

    fn add(&self, found: &mut FilesReport, path: &str, matter: FileIssue, detail: String) {
        let (job, path) = (self.job.to_owned(), path.to_owned());
        found.findings.push(FileFinding { job, path, issue: matter, detail });
    }
}
