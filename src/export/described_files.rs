//! Records of files that are newer than the store, because the store was restored from a backup.
//!
//! A file with a date in its name is not written again on later days, so its record would stay that of the backup, or
//! missing. The data package still describes it.

use rusqlite::Connection;

use super::folder::OutputFolder;
use super::name::check_name;
use super::outcome::RunInfo;
use super::package::DataPackage;
use crate::store::{self, PublishedFile};

/// Records the files with content that the data package describes and the store does not.
pub(super) fn record_described_files(
    store: &Connection,
    run: &RunInfo,
    folder: &OutputFolder,
    package: &DataPackage,
) -> rusqlite::Result<()> {
    if !package.is_ours() {
        return Ok(());
    }
    let recorded = store::recorded_files(store, Some(&run.job))?;
    let mut found = Vec::new();
    for resource in package.resources_on_disk() {
        let text = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
        let (path, sha256) = (text("path"), text("hash").trim_start_matches("sha256:").to_owned());
        let is_recorded = recorded.iter().any(|file| file.path_below_job() == path && file.sha256 == sha256);
        let is_there = || folder.has(&path, resource["bytes"].as_u64());
        if is_recorded || check_name(&path).is_err() || !is_there() {
            continue;
        }
        if folder.sha256_below(&path).as_deref() == Some(sha256.as_str()) {
            let (rows, guarded) = package.counts(&path);
            let (bytes, source) = (resource["bytes"].as_u64().unwrap_or(0), text("source"));
            let path = format!("{}/{path}", run.job);
            // Its inputs are not known.
            let inputs = String::new();
            found.push(PublishedFile { path, source, inputs, sha256, bytes, rows, guarded, data_version: None });
        }
    }
    if !found.is_empty() {
        tracing::info!(job = run.job, files = found.len(), "recorded CSV files that are newer than the store");
    }
    let written_at = package.created_at().unwrap_or(&run.created_at);
    store::record_files(store, &run.job, run.id, written_at, &found)
}
