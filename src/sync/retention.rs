//! Deletes rows, runs and files that are older than the job or the settings allow.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};

use super::context::SyncContext;
use super::error::{SyncError, error_chain};
use crate::job::Job;
use crate::settings::RetentionSettings;
use crate::store::{RawAnswers, delete_old_backups, feed, retention, timestamp};

/// The time before which a run that starts now deletes rows at its end; `None` if it deletes none. Older rows do
/// not count as fresh in the run, or it would be complete with rows missing.
pub fn retained_since(job: &Job, retention: &RetentionSettings, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let shortest = [retention.rows, job.retention].into_iter().flatten().min()?;
    now.checked_sub_signed(TimeDelta::from_std(shortest).ok()?)
}

/// Deletes rows, runs and files that are older than the job or the settings allow.
pub(super) async fn delete_expired(
    engine: &SyncContext,
    job: &Job,
    retention: &RetentionSettings,
) -> Result<(), SyncError> {
    if engine.api.clock_is_ahead() {
        engine.observer.note("nothing is deleted for its age while this machine's clock is ahead of Spotify's");
        return Ok(());
    }
    let before = |age: Option<Duration>| {
        age.and_then(|age| TimeDelta::from_std(age).ok())
            .and_then(|age| engine.started_at.checked_sub_signed(age))
            .map(timestamp)
    };
    delete_expired_files(engine, before(retention.rows).as_deref(), retention.backups);
    let (rows, own, runs) = (before(retention.rows), before(job.retention), before(retention.history));
    let tombstones = before(retention.tombstones);
    if rows.is_none() && own.is_none() && runs.is_none() && tombstones.is_none() {
        return Ok(());
    }
    let name = job.name.clone();
    let deleted = engine.store.write(move |s| {
        let mut deleted = 0;
        if let Some(before) = &rows {
            deleted += retention::delete_old_rows(s, before)?;
        }
        if let Some(before) = &own {
            deleted += retention::delete_old_rows_of_job(s, &name, before)?;
        }
        if let Some(before) = &runs {
            retention::delete_old_runs(s, before)?;
        }
        if let Some(before) = &tombstones {
            feed::delete_old_tombstones(s, before)?;
        }
        Ok(deleted)
    });
    let deleted = deleted.await?;
    if deleted > 0 {
        tracing::info!(job = job.name, deleted, "rows older than the retention are deleted");
    }
    Ok(())
}

/// Deletes old files next to the store: raw answers of Spotify, and backups of the store. Neither is part of the
/// record, so a failure here is no failure of the run.
fn delete_expired_files(engine: &SyncContext, rows: Option<&str>, backups: Option<Duration>) {
    let store = engine.store.path();
    let deleted = rows.map(|before| RawAnswers::delete_before(store, before)).transpose();
    match deleted.map(Option::unwrap_or_default) {
        Ok(0) => {}
        Ok(deleted) => tracing::info!(deleted, "answers older than the retention are deleted"),
        Err(e) => tracing::warn!("answers older than the retention cannot be deleted: {}", error_chain(&e)),
    }
    let Some(before) = backups.and_then(|age| SystemTime::from(engine.started_at).checked_sub(age)) else { return };
    match delete_old_backups(store, before) {
        Ok(0) => {}
        Ok(deleted) => tracing::info!(deleted, "copies of the store older than the retention are deleted"),
        Err(e) => tracing::warn!("old copies of the store cannot be deleted: {}", error_chain(&e)),
    }
}
