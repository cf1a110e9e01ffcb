//! Whether the CSVs and their data packages are what runs have written. Nothing is written.
//!
//! The store's record of a file goes before the data package, which lies beside the file and may have been
//! changed with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::journal;
use super::name::check_name;
use super::package::FILE;
use crate::store::RecordedFile;

/// Said of what an export without an end put in place.
const BEHIND: &str = "put in place by an export that did not come to its end; the next one records it";

/// What is the matter with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
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

/// A file that is not as the record of it says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileFinding {
    /// The job whose folder it lies in.
    pub job: String,
    /// Its path below the job's folder.
    pub path: String,
    /// What is the matter.
    pub matter: Matter,
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

/// Holds the files of all jobs against the store's record of them and against their data packages.
/// `state_of` tells how a run ended, as far as that is on record.
///
/// # Errors
/// If the CSV folder itself cannot be listed.
pub fn verify_files(
    csv_dir: &Path,
    recorded: &[RecordedFile],
    state_of: &dyn Fn(i64) -> Option<String>,
) -> io::Result<FilesReport> {
    let mut report = FilesReport::default();
    let mut jobs: BTreeSet<String> = recorded.iter().map(|file| file.job.clone()).collect();
    match fs::read_dir(csv_dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    jobs.insert(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
    }
    for job in jobs {
        let path = csv_dir.join(&job);
        let on_record = recorded.iter().filter(|file| file.job == job);
        let on_record = on_record.map(|file| (file.below_job().to_owned(), file)).collect();
        let under_way = journal::read(&path);
        Folder { job: &job, path: &path, on_record, under_way, report: &mut report }.verify(state_of);
    }
    Ok(report)
}

/// The folder of one job.
struct Folder<'a> {
    job: &'a str,
    path: &'a Path,
    /// What the store has recorded of its files, by their paths below it.
    on_record: BTreeMap<String, &'a RecordedFile>,
    /// Files that an export without an end put in place: path and hash.
    under_way: BTreeSet<(String, String)>,
    report: &'a mut FilesReport,
}

impl Folder<'_> {
    fn verify(mut self, state_of: &dyn Fn(i64) -> Option<String>) {
        let package = self.package();
        self.report.packages += u64::from(package.is_object());
        let mut described = BTreeMap::new();
        for resource in package["resources"].as_array().into_iter().flatten() {
            let path = resource["path"].as_str().unwrap_or_default();
            if check_name(path).is_err() {
                self.add(FILE, Matter::Changed, format!("it names a file {path:?}, which no export writes"));
                continue;
            }
            described.insert(path.to_owned(), resource);
        }
        let paths: BTreeSet<String> = described.keys().chain(self.on_record.keys()).cloned().collect();
        for path in &paths {
            self.report.files += 1;
            self.compare(path, described.get(path).copied(), package.is_object());
        }
        let run = &package["run"];
        if let (Some(id), Some(said)) = (run["id"].as_i64(), run["state"].as_str()) {
            // A run whose files fail becomes another one after they are written.
            let ended = state_of(id).filter(|state| matches!(state.as_str(), "complete" | "partial"));
            if let Some(ended) = ended.filter(|ended| ended != said) {
                self.add(FILE, Matter::Changed, format!("it calls the run {id} {said}, which ended {ended}"));
            }
        }
        let known = paths.into_iter().chain([FILE.to_owned()]).collect();
        self.strays(self.path, "", &known);
    }

    /// The data package; null if there is none.
    fn package(&mut self) -> Value {
        let files = self.on_record.len();
        let (matter, detail) = match fs::read(self.path.join(FILE)) {
            Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                Ok(package) if package["resources"].is_array() => return package,
                Ok(_) => (Matter::Changed, "it is no data package".to_owned()),
                Err(e) => (Matter::Changed, e.to_string()),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound && files == 0 => return Value::Null,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let told = format!("the store knows of {files} files of this job");
                (if self.under_way.is_empty() { Matter::Missing } else { Matter::Behind }, told)
            }
            Err(e) => (Matter::Unreadable, e.to_string()),
        };
        self.add(FILE, matter, detail);
        Value::Null
    }

    /// A file that is on record, or described, or both.
    fn compare(&mut self, path: &str, resource: Option<&Value>, has_package: bool) {
        let record = self.on_record.get(path).copied();
        let (bytes, sha256) = match digest(&self.path.join(path)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let who = if resource.is_some() { "the data package describes it" } else { "a run wrote it" };
                return self.add(path, Matter::Missing, who.into());
            }
            Err(e) => return self.add(path, Matter::Unreadable, e.to_string()),
            Ok(found) => found,
        };
        if self.under_way.contains(&(path.to_owned(), sha256.clone())) {
            return self.add(path, Matter::Behind, BEHIND.into());
        }
        let said = resource.map(|r| {
            let hash = r["hash"].as_str().and_then(|hash| hash.strip_prefix("sha256:")).unwrap_or_default();
            (r["bytes"].as_u64().unwrap_or(0), hash.to_owned())
        });
        let wanted = record.map(|file| (file.bytes, file.sha256.clone())).or_else(|| said.clone());
        match wanted {
            Some((wanted, _)) if wanted != bytes => {
                return self.add(path, Matter::Changed, format!("{bytes} bytes, {wanted} were written"));
            }
            Some((_, wanted)) if wanted != sha256 => {
                return self.add(path, Matter::Changed, "as long as it was, with another content".into());
            }
            _ => {}
        }
        match (record, resource) {
            (Some(file), Some(resource)) => {
                let rows = resource["rows"].as_u64();
                if said != Some((bytes, sha256)) {
                    self.add(
                        path,
                        Matter::Changed,
                        "it is as it was written, and the data package describes another".into(),
                    );
                } else if rows != Some(file.rows) {
                    let rows = rows.map_or_else(|| "no".to_owned(), |rows| rows.to_string());
                    let wrong = format!("the data package counts {rows} rows, {} were written", file.rows);
                    self.add(path, Matter::Changed, wrong);
                }
            }
            (None, Some(_)) => self.add(path, Matter::Behind, "described, and not on record in this store".into()),
            (Some(_), None) if has_package => {
                self.add(path, Matter::Behind, "the data package does not describe it; the next export does".into());
            }
            _ => {}
        }
    }

    /// CSVs that nobody knows of, and what killed exports left.
    fn strays(&mut self, folder: &Path, below: &str, known: &BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{below}{name}");
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.strays(&entry.path(), &format!("{path}/"), known);
            } else if name.starts_with(".cratedigger-") {
                self.add(&path, Matter::Leftover, "the next export takes it away".into());
            } else if name.ends_with(".csv") && !known.contains(&path) {
                let ours = |hash| self.under_way.contains(&(path.clone(), hash));
                let (matter, detail) = match digest(&entry.path()) {
                    Ok((_, sha256)) if ours(sha256.clone()) => (Matter::Behind, BEHIND),
                    _ => (Matter::Stray, "no run on record wrote it, and no data package describes it"),
                };
                self.add(&path, matter, detail.into());
            }
        }
    }

    fn add(&mut self, path: &str, matter: Matter, detail: String) {
        let finding = FileFinding { job: self.job.to_owned(), path: path.to_owned(), matter, detail };
        self.report.findings.push(finding);
    }
}

/// Size and SHA-256 of a file.
fn digest(path: &Path) -> io::Result<(u64, String)> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let (mut file, mut hash, mut bytes) = (fs::File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hash.finalize().iter().map(|b| format!("{b:02x}")).collect())),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}
