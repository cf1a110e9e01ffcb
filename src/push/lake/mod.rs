//! Pushes to a lake: files that are never overwritten, and a manifest that says which of them are read.
//!
//! The manifest has the version of the store that its files have together. A push writes the files of what changed since,
//! and then the next manifest, if the one that it has read is still there. So of two pushes one wins, and a push that
//! was killed has not happened. The files of an epoch begin with all rows. A new epoch begins when changes cannot be told, or
//! when old files would keep deleted rows for too long.

mod bucket;
mod bucket_client;
mod bucket_error;
mod direct_connector;
mod files;
mod folder;
mod manifest;
mod sql;
mod table_files;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{PushError, PushOptions, PushReport, PushedTable, TargetState};
use crate::store::{FeedSnapshot, FeedTable, timestamp};
use crate::target::{LakeAddress, LakePlace, Target};
use files::{FoundManifest, LakeFile, LakeFiles, LakeListing};
use manifest::{LakeManifest, ManifestFile, ManifestTable, SupersededEpoch, sha256, table_and_epoch, time_delta};
pub(super) use sql::feed_sql;
use table_files::{TableFileError, TableFiles};

/// A target that is a lake.
#[derive(Debug, Clone, Copy)]
pub(super) struct LakeTarget<'t> {
    name: &'t str,
    file: &'t str,
    tables: &'t [&'static str],
    store: Option<&'t str>,
    address: &'t LakeAddress,
    full_every: Duration,
    keep: Duration,
}

impl<'t> LakeTarget<'t> {
    pub(super) fn new(target: &'t Target, place: &'t LakePlace) -> LakeTarget<'t> {
        LakeTarget {
            name: &target.name,
            file: &target.file,
            tables: &target.tables,
            store: target.store.as_deref(),
            address: &place.address,
            full_every: place.full_every,
            keep: place.keep,
        }
    }

    fn has_other_store(self) -> PushError {
        PushError::OtherStore { target: self.name.to_owned(), file: self.file.to_owned() }
    }
}

pub(super) async fn target_state(snapshot: &FeedSnapshot, target: LakeTarget<'_>) -> Result<TargetState, PushError> {
    let found = LakeFiles::to_read(target)?.manifest(target.name).await?;
    let Some(FoundManifest { manifest, .. }) = found else { return Ok(TargetState::NeedsAll) };
    if !manifest.is_of(snapshot) {
        return Err(target.has_other_store());
    }
    let has_all_tables = target.tables.iter().all(|table| manifest.table(table).is_some());
    if manifest.ends_because(snapshot, target, None, Utc::now()).is_some() || !has_all_tables {
        return Ok(TargetState::NeedsAll);
    }
    Ok(TargetState::Behind(snapshot.state.version - manifest.version))
}

pub(super) async fn push(
    snapshot: &FeedSnapshot,
    target: LakeTarget<'_>,
    options: &PushOptions,
) -> Result<PushReport, PushError> {
    let now = Utc::now();
    let mut report = PushReport::of(target.name, snapshot);
    let files = LakeFiles::to_write(target, options.access)?;
    let found = files.manifest(target.name).await?;
    let before = found.as_ref().map(|found| &found.manifest);
    if !options.full && before.is_some_and(|before| !before.is_of(snapshot)) {
        return Err(target.has_other_store());
    }
    let mut full_because = match before {
        Some(_) if options.full => Some("of `--full`"),
        Some(before) => before.ends_because(snapshot, target, options.forget_marks_before.as_deref(), now),
        None => None,
    };
    if full_because.is_none() && before.is_some_and(|before| has_all(before, snapshot, target, now)) {
        report.unchanged = true;
        return Ok(report);
    }
    let LakeListing { files: there, others } = files.list().await?;
    report.not_ours = others;
    if let Some(before) = before.filter(|before| full_because.is_none() && lacks_files(before, target, &there)) {
        full_because = Some("files are missing or have another size");
        tracing::warn!(target_name = target.name, epoch = before.epoch, "files of the lake are missing");
    }
    report.full_because = full_because;
    let continued = before.filter(|_| full_because.is_none());
    let is_purged = before.is_some_and(|before| before.version < snapshot.state.since);
    let mut next = LakeManifest::next(snapshot, continued, before, now);
    let kept = next.supersede(before, target, is_purged, now);
    if continued.is_none() {
        next.supersede_unknown(&there, now);
    }
    // Nothing reads these any more: their time has passed, or a killed push left them before it could name them.
    let due: Vec<String> =
        there.iter().filter(|file| is_due(file, before, &kept, now)).map(|f| f.path.clone()).collect();
    files.delete(&due).await?;

    let mut tables = Vec::new();
    let mut writer = TableWriter { files: &files, snapshot, target, continued, next: &mut next, report: &mut report };
    for table in snapshot.tables.iter().filter(|table| target.tables.contains(&table.name)) {
        let done = writer.write(table).await?;
        if done.rows + done.deleted > 0 || done.full {
            tables.push(done);
        }
    }
    report.tables = tables;
    if next.first_deletion_at.is_none() && report.deleted() > 0 {
        next.first_deletion_at = Some(timestamp(now));
    }
    if !files.replace_manifest(target.name, &next, found.as_ref()).await? {
        return Err(PushError::Busy { target: target.name.to_owned() });
    }
    if continued.is_none() {
        // Pushes that began before cannot win any more, so their files are of no use.
        let mut needed: BTreeSet<&str> = kept.iter().map(String::as_str).collect();
        needed.insert(&next.epoch);
        let is_needed = |path: &str| table_and_epoch(path).is_some_and(|(_, epoch)| needed.contains(epoch));
        let rest: Vec<String> = there.into_iter().map(|file| file.path).filter(|path| !is_needed(path)).collect();
        files.delete(&rest).await?;
    }
    report.unchanged = report.tables.is_empty() && before.is_some_and(|before| before.version == next.version);
    Ok(report)
}

/// Whether the lake has this state of the store, and nothing that has to be deleted.
fn has_all(manifest: &LakeManifest, snapshot: &FeedSnapshot, target: LakeTarget<'_>, now: DateTime<Utc>) -> bool {
    manifest.version == snapshot.state.version
        && target.tables.iter().all(|table| manifest.table(table).is_some())
        && manifest.superseded.iter().all(|earlier| !earlier.is_due(now))
}

/// Whether files are missing that readers would read.
fn lacks_files(manifest: &LakeManifest, target: LakeTarget<'_>, there: &[LakeFile]) -> bool {
    let sizes: BTreeMap<&str, u64> = there.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
    let is_there = |file: &ManifestFile| sizes.get(file.path.as_str()) == Some(&file.bytes);
    let tables = target.tables.iter().filter(|table| manifest.table(table).is_some());
    tables.into_iter().any(|table| {
        let mut files = manifest.files_of(table).peekable();
        files.peek().is_none_or(|first| first.from != 0) || !files.all(is_there)
    })
}

/// Whether a file can be deleted before the next manifest is there.
fn is_due(file: &LakeFile, before: Option<&LakeManifest>, kept: &BTreeSet<String>, now: DateTime<Utc>) -> bool {
    let Some((_, epoch)) = table_and_epoch(&file.path) else { return false };
    let is_draft = file.path.rsplit('/').next().is_some_and(manifest::is_draft);
    let was_superseded = before.is_some_and(|before| {
        before.superseded.iter().any(|earlier| earlier.epoch == epoch && (earlier.is_due(now) || !kept.contains(epoch)))
    });
    is_draft || was_superseded
}

impl SupersededEpoch {
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        DateTime::parse_from_rfc3339(&self.delete_after).map_or(true, |at| at <= now)
    }
}

impl LakeManifest {
    /// Takes over the earlier epochs with files that stay. Returns those that are kept. After a purge there are none,
    /// and the epoch that ends is named so that the next push deletes its files if this one is killed.
    fn supersede(
        &mut self,
        before: Option<&LakeManifest>,
        target: LakeTarget<'_>,
        is_purged: bool,
        now: DateTime<Utc>,
    ) -> BTreeSet<String> {
        let Some(before) = before else { return BTreeSet::new() };
        let mut earlier: Vec<SupersededEpoch> =
            before.superseded.iter().filter(|earlier| !is_purged && !earlier.is_due(now)).cloned().collect();
        if before.epoch != self.epoch {
            let delete_after = now.checked_add_signed(time_delta(target.keep)).unwrap_or(DateTime::<Utc>::MAX_UTC);
            let delete_after = timestamp(delete_after);
            earlier.push(SupersededEpoch { epoch: before.epoch.clone(), delete_after });
        }
        if is_purged {
            earlier.iter_mut().for_each(|earlier| earlier.delete_after = timestamp(now));
        }
        self.superseded = earlier;
        self.superseded.iter().filter(|earlier| !earlier.is_due(now)).map(|earlier| earlier.epoch.clone()).collect()
    }

    /// Names the epochs that killed pushes have begun, so that the next push deletes their files if this one cannot.
    fn supersede_unknown(&mut self, there: &[LakeFile], now: DateTime<Utc>) {
        let found: BTreeSet<&str> =
            there.iter().filter_map(|file| table_and_epoch(&file.path)).map(|(_, epoch)| epoch).collect();
        for epoch in found {
            if epoch != self.epoch && self.superseded.iter().all(|earlier| earlier.epoch != epoch) {
                self.superseded.push(SupersededEpoch { epoch: epoch.to_owned(), delete_after: timestamp(now) });
            }
        }
    }
}

/// Writes the files of tables, and names them in the next manifest.
struct TableWriter<'p> {
    files: &'p LakeFiles,
    snapshot: &'p FeedSnapshot,
    target: LakeTarget<'p>,
    /// The manifest with the epoch that is continued.
    continued: Option<&'p LakeManifest>,
    next: &'p mut LakeManifest,
    report: &'p mut PushReport,
}

impl TableWriter<'_> {
    /// Writes all rows of a table, or what changed since the manifest that is continued.
    async fn write(&mut self, table: &FeedTable) -> Result<PushedTable, PushError> {
        let (snapshot, target) = (self.snapshot, self.target);
        let known = self.continued.filter(|known| known.table(table.name).is_some());
        let mut done = PushedTable { name: table.name, full: known.is_none(), rows: 0, deleted: 0 };
        self.next.tables.push(ManifestTable::of(table, target.store));
        self.next.files.extend(known.into_iter().flat_map(|known| known.files_of(table.name)).cloned());
        let (from, to) = (known.map_or(0, |known| known.version), self.next.version);
        let mut query = snapshot.rows(table, known.map(|known| known.version))?;
        let mut rows = TableFiles::start(&mut query, table, target.store, done.full).map_err(|e| snapshot.error(e))?;
        let failed = |error: TableFileError| match error {
            TableFileError::Sqlite(error) => PushError::from(snapshot.error(error)),
            TableFileError::Parquet(error) => {
                let why = format!("{}: {error}", table.name);
                PushError::Refused { target: target.name.to_owned(), why, hint: None }
            }
        };
        let mut part = 1;
        while let Some(file) = rows.next().map_err(failed)? {
            let number = if part == 1 { String::new() } else { format!("-{part}") };
            let path = format!("{}/epoch={}/{from:012}-{to:012}{number}.parquet", table.name, self.next.epoch);
            let path = self.files.create(target.name, path, &file.bytes).await?;
            self.next.files.push(ManifestFile {
                table: table.name.to_owned(),
                path,
                from,
                to,
                rows: file.rows,
                deleted: file.deleted,
                bytes: file.bytes.len() as u64,
                sha256: sha256(&file.bytes),
            });
            done.rows += file.rows;
            done.deleted += file.deleted;
            self.report.files += 1;
            part += 1;
        }
        rows.report(self.report);
        Ok(done)
    }
}
