//! What a run is started with, apart from its job.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::error::SyncError;
use crate::job::{Fetch, Job, JobUsers, SinceRule};
use crate::settings::{RefreshAges, RetentionSettings};
use crate::store::query::QueryParameters;
use crate::store::timestamp;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantStore;

/// What a run is started with, apart from its job.
#[derive(Debug, Clone, Default)]
pub struct RunParameters {
    /// The scheduled time that the run is for; `None` if it was started by hand.
    pub fire_at: Option<DateTime<Utc>>,
    /// Start of the newest complete or partial run of the job.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Market of jobs and fetches that name none.
    pub default_market: Option<String>,
    /// Age at which entities are read again, by stream, as the settings have it.
    pub refresh_after: RefreshAges,
    /// How long rows are kept.
    pub retention: RetentionSettings,
    /// The fetch with suspicious batches that the user accepts.
    pub accept: Option<String>,
    /// The grants of the app's users, if a job needs any.
    pub grants: Option<Arc<GrantStore>>,
}

impl RunParameters {
    /// How old what a fetch reads by id may be. Streams that no setting gives an age are read at every fire.
    pub(super) fn refresh_age(&self, fetch: &Fetch) -> TimeDelta {
        let age = fetch.refresh_after.or_else(|| self.refresh_after.for_stream(fetch.stream.name)).unwrap_or_default();
        TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
    }

    /// The local names of the users of a job.
    pub(super) fn user_names(&self, job: &Job) -> Result<Vec<String>, SyncError> {
        Ok(match (&job.users, self.grants.as_deref()) {
            (JobUsers::None, _) => Vec::new(),
            (JobUsers::Named(names), _) => names.clone(),
            (JobUsers::All(_), Some(grants)) => {
                let signed_in = grants.list().map_err(ApiError::from)?.into_iter().map(|grant| grant.user);
                signed_in.filter(|user| job.users.may_include(user)).collect()
            }
            (JobUsers::All(_), None) => Vec::new(),
        })
    }
}

/// The values that the queries and `where` conditions of a run may name.
pub fn query_bindings(job: &Job, fire_at: DateTime<Utc>, last_run_at: Option<DateTime<Utc>>) -> QueryParameters {
    let last = last_run_at.unwrap_or(DateTime::UNIX_EPOCH);
    let since = match job.since {
        SinceRule::LastRun => last,
        SinceRule::Ago(span) => fire_at - TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX),
        SinceRule::Date(day) => {
            let midnight = day.and_time(chrono::NaiveTime::MIN);
            job.timezone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        }
    };
    QueryParameters {
        since: Some(timestamp(since)),
        last_run_at: Some(timestamp(last)),
        // Each file has its own.
        last_file_at: None,
        fire_at: Some(timestamp(fire_at)),
        job: Some(job.name.clone()),
        user_id: None,
    }
}
