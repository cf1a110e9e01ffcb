//! Compares a world with the sandbox's truth.
//!
//! A file shows a list as it was at some time since the file was last right: at the end of a complete run, as it was
//! during that run. Rows may be missing, and cells may be empty, only as far as the program has listed them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use cratedigger::store::{ReplayError, playlist_at};
use serde_json::Value;

use super::Violation;
use super::lists::{JOB_WITH_RETENTION, ListFile, TrueRow, WorldList};
use super::play::RandomWorld;
use crate::world::{Ran, Row};

/// The versions that a list had, the oldest first. `None` stands for versions that passed unseen.
#[derive(Debug, Default)]
pub struct ListVersions {
    versions: Vec<Option<Vec<TrueRow>>>,
    revision: u64,
    /// Edits that wait for a page of a library.
    pub waiting_edits: usize,
}

/// What is known about a part of a CSV from when it was last read.
#[derive(Debug, Clone, Default)]
pub struct FileState {
    /// The oldest version that it may have shown.
    version: usize,
    /// Its rows by item.
    rows: BTreeMap<String, Row>,
    /// The newest run when it was last exactly right.
    right_at_run: i64,
    /// It may be newer than the store, which no longer knows the reasons for missing rows.
    is_newer_than_store: bool,
}

/// A version of a playlist that the store has published.
#[derive(Debug, Clone)]
pub struct SeenVersion {
    playlist: &'static str,
    seen_at: String,
    items: Vec<String>,
}

/// What the program says about rows that are missing.
#[derive(Debug, Default)]
struct ListedGaps {
    /// Items that are not in the file, or without their content.
    items: usize,
    /// The list was refused, so that it is not read for a week.
    is_refused: bool,
}

fn violation(rule: &'static str, detail: impl Into<String>) -> Violation {
    Violation { rule, detail: detail.into() }
}

fn read_rows(path: &Path) -> Result<Vec<Row>, Violation> {
    let unreadable = |e: csv::Error| violation("a CSV can be read", format!("{}: {e}", path.display()));
    let mut reader = csv::Reader::from_path(path).map_err(unreadable)?;
    reader.deserialize().map(|row| row.map_err(unreadable)).collect()
}

/// Checks that rows show a version of a list. Up to `gaps` rows may be missing, or be there without their content.
fn compare_items(found: &[Row], wanted: &[TrueRow], item: &str, gaps: usize) -> Result<usize, String> {
    let (mut at, mut open) = (0, gaps);
    let describe = |at: usize, n: usize| {
        let (found, wanted) = (found.get(at).map(|row| &row[item]), wanted.get(n).map(|row| &row.item));
        format!("row {at} is {found:?} and should be row {n}, {wanted:?}")
    };
    for (n, row) in wanted.iter().enumerate() {
        let is_blank = found.get(at).is_some_and(|found| found[item].is_empty());
        match found.get(at) {
            Some(found) if found[item] == row.item => at += 1,
            Some(_) if open > 0 && is_blank => {
                open -= 1;
                at += 1;
            }
            _ if open > 0 => open -= 1,
            _ => return Err(describe(at, n)),
        }
    }
    if at < found.len() { Err(describe(at, wanted.len())) } else { Ok(gaps - open) }
}

impl RandomWorld {
    /// Notes how the lists are now.
    pub fn note_versions(&mut self) {
        for file in &self.files {
            let catalog = self.world.sandbox.catalog();
            let now = file.list.true_rows(&catalog);
            let known = self.versions.entry(file.list).or_default();
            if let WorldList::Playlist(id) = file.list {
                let decoded =
                    base64::engine::general_purpose::STANDARD.decode(catalog.snapshot_id(id).unwrap()).unwrap();
                let revision = String::from_utf8(decoded).unwrap().split(',').next().unwrap().parse().unwrap();
                if known.revision > 0 && revision > known.revision + 1 {
                    known.versions.push(None);
                }
                known.revision = revision;
            }
            if known.versions.last().is_none_or(|last| last.as_ref() != Some(&now)) {
                if known.waiting_edits > 1 {
                    known.versions.push(None);
                }
                known.waiting_edits = known.waiting_edits.saturating_sub(1);
                known.versions.push(Some(now));
            }
        }
    }

    /// The newest version of each list.
    pub fn newest_versions(&self) -> BTreeMap<WorldList, usize> {
        self.versions.iter().map(|(list, known)| (*list, known.versions.len() - 1)).collect()
    }

    fn files_of(&self, job: &str) -> Vec<usize> {
        (0..self.files.len()).filter(|n| self.files[*n].job == job).collect()
    }

    fn path(&self, file: &ListFile) -> PathBuf {
        let path = file.path.replace("{date}", &self.now().format("%Y-%m-%d").to_string());
        self.world.project.root().join("output/csv").join(path)
    }

    /// Checks what a run says about itself, and its files. `since` are the versions of the lists when the run, or the
    /// unfinished one that it resumed, began.
    pub fn check_run(&mut self, job: &str, ran: &Ran, since: &BTreeMap<WorldList, usize>) -> Result<(), Violation> {
        let told: Option<Value> = ran.stdout.lines().next().and_then(|line| serde_json::from_str(line).ok());
        if told.is_none() && matches!(ran.code, 0 | 3) {
            let detail = format!("{job} ends with {}: {:?} {}", ran.code, ran.stdout, ran.stderr);
            return Err(violation("a run that ends says so in JSON", detail));
        }
        let told = told.unwrap_or_default();
        for file in told["files"].as_array().into_iter().flatten().filter(|file| file["outcome"] != "missing") {
            let path = self.world.project.root().join(file["path"].as_str().unwrap_or_default());
            let rows = read_rows(&path)?.len();
            if file["rows"] != rows {
                let detail = format!("{} has {rows} rows, not {}", path.display(), file["rows"]);
                return Err(violation("a run reports the rows of its files", detail));
            }
        }
        for n in self.files_of(job) {
            let file = self.files[n];
            let fetches = told["runs"][0]["fetches"].as_array().into_iter().flatten();
            let mut fetches = fetches.filter(|fetch| {
                fetch["stream"] == file.stream && fetch["user"].as_str().unwrap_or_default() == file.user
            });
            let is_complete =
                matches!(ran.code, 0 | 3) && fetches.next().is_some_and(|fetch| fetch["state"] == "complete");
            if ran.code == 0 && !is_complete {
                let detail = format!("{job} ends with 0, and {} of {:?} is not complete", file.stream, file.user);
                return Err(violation("the fetches of a complete run are complete", detail));
            }
            let first = if is_complete { since[&file.list] } else { self.file_states[n].version };
            self.check_file(n, first..=self.newest_versions()[&file.list], is_complete, true)?;
        }
        Ok(())
    }

    /// Checks that a file shows one of these versions of its list, or an older one if the list was refused and that is
    /// an excuse.
    fn check_file(
        &mut self,
        n: usize,
        range: RangeInclusive<usize>,
        is_complete: bool,
        may_be_refused: bool,
    ) -> Result<(), Violation> {
        let file = self.files[n];
        let path = self.path(&file);
        if !path.exists() && !is_complete {
            return Ok(());
        }
        let (column, value) = file.only;
        let found: Vec<Row> = read_rows(&path)?.into_iter().filter(|row| row[column] == value).collect();
        let (item, name) = (file.list.item_column(), format!("{} ({:?})", file.path, file.list));
        // The list was never read, or its rows were too old for the job's retention.
        let may_be_empty = self.file_states[n].rows.is_empty() || file.job == JOB_WITH_RETENTION;
        // After a restore, nothing may have written the file yet.
        if !is_complete && (found.is_empty() && may_be_empty || self.file_states[n].is_newer_than_store) {
            return Ok(());
        }
        let newest = *range.end();
        let mut matched = self.find_version(file.list, &found, range.clone(), 0);
        if matched.is_err() {
            let listed = self.listed_gaps(&file, self.file_states[n].right_at_run)?;
            matched = self.find_version(file.list, &found, range.clone(), listed.items);
            if listed.is_refused && may_be_refused && matched.is_err() {
                matched = self.find_version(file.list, &found, 0..=newest, listed.items);
            }
        } else {
            self.file_states[n].right_at_run = self.newest_run();
        }
        let (version, gaps) = matched.map_err(|why| {
            let rule =
                if is_complete { "a complete fetch shows the list" } else { "an incomplete fetch keeps the old list" };
            violation(rule, format!("{name}: {} rows; {why}", found.len()))
        })?;
        let versions = &self.versions[&file.list].versions;
        if let Some(wanted) = &versions[version]
            && gaps == 0
            && let Err(wrong) = self.check_cells(n, &found, wanted)
        {
            // Another version may have the same items: one of them was saved again.
            let is_right = |rows: &Vec<TrueRow>| {
                compare_items(&found, rows, item, 0).is_ok() && self.check_cells(n, &found, rows).is_ok()
            };
            if !versions[range].iter().flatten().any(is_right) {
                return Err(wrong);
            }
        }
        if let (WorldList::Playlist(playlist), true, 0) = (file.list, is_complete, gaps) {
            let items = found.iter().map(|row| row[item].clone()).collect();
            self.seen.extend(self.newest_seen_at(playlist).map(|seen_at| SeenVersion { playlist, seen_at, items }));
        }
        let state = &mut self.file_states[n];
        (state.version, state.rows, state.is_newer_than_store) = (version, BTreeMap::new(), false);
        for row in found {
            state.rows.insert(row[item].clone(), row);
        }
        Ok(())
    }

    /// Which version of a list some rows show, and how many of its rows are missing; else how the newest one differs.
    fn find_version(
        &self,
        list: WorldList,
        found: &[Row],
        range: RangeInclusive<usize>,
        gaps: usize,
    ) -> Result<(usize, usize), String> {
        let versions = &self.versions[&list].versions;
        let mut why = String::new();
        for version in range.rev() {
            let Some(wanted) = &versions[version] else { return Ok((version, 0)) };
            match compare_items(found, wanted, list.item_column(), gaps) {
                Ok(used) => return Ok((version, used)),
                Err(problem) if why.is_empty() => why = format!("{problem} of {}", wanted.len()),
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// Each cell is right, or it is empty although nothing was known before and Spotify has sent odd fields.
    fn check_cells(&self, n: usize, found: &[Row], wanted: &[TrueRow]) -> Result<(), Violation> {
        let item = self.files[n].list.item_column();
        for (at, (row, wanted)) in found.iter().zip(wanted).enumerate() {
            for (column, text) in &wanted.cells {
                let cell = &row[*column];
                // A null stands for an item that was known before.
                let is_kept = *column == "kind" && cell == "unavailable" && self.sent_odd_fields;
                if cell == text || cell.strip_prefix('\'') == Some(text) || is_kept {
                    continue;
                }
                let known = self.file_states[n].rows.get(&row[item]).filter(|before| !before[*column].is_empty());
                if !cell.is_empty() || known.is_some() || !self.sent_odd_fields {
                    let rule = if known.is_some() { "a known value stays" } else { "each cell is right" };
                    let detail = format!("{}: {column} of row {at} is {cell:?}, not {text:?}", self.files[n].path);
                    return Err(violation(rule, detail));
                }
            }
        }
        Ok(())
    }

    /// What the program lists about a file since a run.
    fn listed_gaps(&self, file: &ListFile, since_run: i64) -> Result<ListedGaps, Violation> {
        let ran = self.cli(&["skipped", "--json"]);
        let told: Value =
            serde_json::from_str(&ran.stdout).map_err(|e| violation("skipped prints JSON", e.to_string()))?;
        let mut listed = ListedGaps::default();
        for entry in told["skipped"].as_array().into_iter().flatten() {
            let is_of_list = match file.list.id() {
                Some(id) => entry["list"] == id || entry["item_id"] == id,
                None => entry["stream"] == file.stream,
            };
            if !is_of_list || entry["run"].as_i64() < Some(since_run) {
                continue;
            }
            let items = usize::try_from(entry["items"].as_u64().unwrap_or(0)).unwrap();
            match entry["reason"].as_str().unwrap_or_default() {
                "null_item" | "malformed" | "listed_twice" | "unread_item" => listed.items += items,
                "wrong_total" => listed.items += missing_items(entry["detail"].as_str().unwrap_or_default()),
                "not_found" | "forbidden" => listed.is_refused = true,
                _ => {}
            }
        }
        Ok(listed)
    }

    fn newest_run(&self) -> i64 {
        self.world.one("SELECT coalesce(max(id), 0) FROM runs").parse().unwrap()
    }

    fn newest_seen_at(&self, playlist: &str) -> Option<String> {
        let sql = format!("SELECT max(seen_at) FROM playlist_versions WHERE playlist_id = '{playlist}'");
        Some(self.world.one(&sql)).filter(|seen_at| seen_at != "-")
    }

    /// Every list of a job is as it is now.
    pub fn check_now(&mut self, job: &str) -> Result<(), Violation> {
        for n in self.files_of(job) {
            let newest = self.newest_versions()[&self.files[n].list];
            self.check_file(n, newest..=newest, true, false)?;
        }
        Ok(())
    }

    /// The store and the history are in order.
    pub fn check_store(&mut self) -> Result<(), Violation> {
        let verified = self.cli(&["verify"]);
        if verified.code != 0 {
            let detail = format!("it ends with {}: {}{}", verified.code, verified.stdout, verified.stderr);
            return Err(violation("verify finds nothing", detail));
        }
        // History is deleted after forty days.
        let kept_since = (self.now() - chrono::TimeDelta::days(39)).to_rfc3339();
        self.seen.retain(|seen| seen.seen_at > kept_since);
        let store = self.world.store();
        for SeenVersion { playlist, seen_at, items } in &self.seen {
            let rule = "history shows what was seen";
            let version = match playlist_at(&store, playlist, Some(seen_at)) {
                Ok(version) => version,
                Err(e @ ReplayError::Store(_)) => return Err(violation("the store can be read", e.to_string())),
                Err(e) => return Err(violation(rule, format!("{playlist} at {seen_at}: {e}"))),
            };
            let then: Vec<String> = version.places.into_iter().map(|place| place.uri.unwrap_or_default()).collect();
            if then != *items {
                let detail = format!("{playlist} at {seen_at}: {} items of {}", then.len(), items.len());
                return Err(violation(rule, detail));
            }
        }
        Ok(())
    }

    /// The files may show anything that the lists ever were.
    pub fn forget_files(&mut self, is_newer_than_store: bool) {
        self.file_states.fill(FileState { is_newer_than_store, ..FileState::default() });
    }
}

/// How many items are missing by the words of a wrong total.
fn missing_items(detail: &str) -> usize {
    let numbers: Vec<usize> =
        detail.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    match numbers[..] {
        [announced, served] => announced.saturating_sub(served),
        _ => 0,
    }
}
