//! Whether the files beside a data package are those that it describes. Nothing is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::name::check_name;
use super::package::FILE;

/// What is the matter with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// The data package describes it, and it is not there.
    Missing,
    /// It is not the file that the data package describes.
    Changed,
    /// A CSV that no data package describes.
    Stray,
    /// It cannot be read.
    Unreadable,
    /// Left by an export that was killed; the next one takes it away. No difference.
    Leftover,
}

/// A file that is not as the data package of its job says.
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

/// Holds the files of all jobs against their data packages. `recorded` are the jobs that the store
/// knows files of, and how many.
///
/// # Errors
/// If the CSV folder itself cannot be listed.
pub fn verify_files(csv_dir: &Path, recorded: &[(String, i64)]) -> io::Result<FilesReport> {
    let mut report = FilesReport::default();
    let mut jobs: BTreeSet<String> = recorded.iter().map(|(job, _)| job.clone()).collect();
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
        let known = recorded.iter().find(|(name, _)| *name == job).map_or(0, |(_, files)| *files);
        Folder { job: &job, path: &csv_dir.join(&job), report: &mut report }.verify(known);
    }
    Ok(report)
}

/// The folder of one job.
struct Folder<'a> {
    job: &'a str,
    path: &'a Path,
    report: &'a mut FilesReport,
}

impl Folder<'_> {
    fn verify(&mut self, recorded: i64) {
        let package = match fs::read(self.path.join(FILE)) {
            Ok(bytes) => serde_json::from_slice::<Value>(&bytes).map_err(|e| (Matter::Changed, e.to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound && recorded == 0 => Ok(Value::Null),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err((Matter::Missing, format!("the store knows of {recorded} files of this job")))
            }
            Err(e) => Err((Matter::Unreadable, e.to_string())),
        };
        let package = package.unwrap_or_else(|(matter, detail)| {
            self.add(FILE, matter, detail);
            Value::Null
        });
        self.report.packages += u64::from(package.is_object());
        let mut described = BTreeSet::from([FILE.to_owned()]);
        for resource in package["resources"].as_array().into_iter().flatten() {
            let path = resource["path"].as_str().unwrap_or_default();
            if check_name(path).is_err() {
                self.add(FILE, Matter::Changed, format!("it names a file {path:?}, which no export writes"));
                continue;
            }
            described.insert(path.to_owned());
            self.compare(path, resource);
        }
        self.strays(self.path, "", &described);
    }

    fn compare(&mut self, path: &str, resource: &Value) {
        self.report.files += 1;
        match digest(&self.path.join(path)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.add(path, Matter::Missing, "the data package describes it".into());
            }
            Err(e) => self.add(path, Matter::Unreadable, e.to_string()),
            Ok((bytes, sha256)) => {
                let wanted = resource["bytes"].as_u64().unwrap_or(0);
                if bytes != wanted {
                    self.add(path, Matter::Changed, format!("{bytes} bytes, {wanted} were written"));
                } else if resource["hash"] != format!("sha256:{sha256}") {
                    self.add(path, Matter::Changed, "as long as it was, with another content".into());
                }
            }
        }
    }

    /// CSVs that nobody described, and what killed exports left.
    fn strays(&mut self, folder: &Path, below: &str, described: &BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{below}{name}");
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.strays(&entry.path(), &format!("{path}/"), described);
            } else if name.starts_with(".cratedigger-") {
                self.add(&path, Matter::Leftover, "the next export takes it away".into());
            } else if name.ends_with(".csv") && !described.contains(&path) {
                self.add(&path, Matter::Stray, "no data package describes it".into());
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
