//! What the queries of a job see of its fetches.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use crate::job::{Fetch, Job};
use crate::store::query::{InputRows, QueryError, QueryFetch, create_joined_table, mentions_inputs};
use crate::store::timestamp;

/// The fetches of a job as these queries see them in a run at this time. The rows of input files come along only if
/// one of the queries may read them.
pub fn query_fetches<'q>(
    job: &Job,
    fire_at: DateTime<Utc>,
    mut queries: impl Iterator<Item = &'q str>,
) -> Vec<QueryFetch> {
    let reads_inputs = queries.any(mentions_inputs);
    let with_inputs = |fetch: &Fetch| {
        let file = fetch.input_file.clone().filter(|_| reads_inputs);
        let inputs = file.map(|file| file as Arc<dyn InputRows>);
        QueryFetch { inputs, ..fetched_rows(fetch, fire_at, None) }
    };
    job.fetches.iter().map(with_inputs).collect()
}

/// The fetches that the queries and charts of a job may read. A job may have hundreds of fetches, and a view of each
/// would cost most of an export.
pub(super) fn mentioned_fetches(job: &Job, fire_at: DateTime<Utc>) -> Vec<QueryFetch> {
    let all = query_fetches(job, fire_at, job.sql());
    let sql: String = job.sql().map(|sql| format!("{}\n", sql.to_ascii_lowercase())).collect();
    let shows_inputs = mentions_inputs(&sql);
    all.into_iter().filter(|fetch| shows_inputs || sql.contains(&fetch.name.to_ascii_lowercase())).collect()
}

/// A fingerprint of the input files of a job, if one of its queries may read them or a fetch shows their columns.
pub(super) fn fingerprint_inputs(job: &Job) -> String {
    if !job.sql().any(mentions_inputs) && !job.fetches.iter().any(|fetch| fetch.join_inputs) {
        return String::new();
    }
    let files = job.fetches.iter().filter_map(|fetch| fetch.input_file.as_ref());
    files.map(|file| format!(" {}", file.fingerprint().unwrap_or_default())).collect()
}

/// The rows of a fetch: of all users or of one. The rows of its input file come along if its files show them.
pub(super) fn fetched_rows(fetch: &Fetch, fire_at: DateTime<Utc>, user_id: Option<String>) -> QueryFetch {
    let since = fetch.window.map(|window| timestamp(fire_at - TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX)));
    let market = fetch.market.clone().unwrap_or_default();
    let joined = fetch.input_file.clone().filter(|_| fetch.join_inputs);
    let inputs = joined.map(|file| file as Arc<dyn InputRows>);
    QueryFetch { name: fetch.name.clone(), stream: fetch.stream, market, user_id, since, inputs }
}

/// Fills the tables with the input rows that the files of fetches show. Returns the fetches with a file that cannot be
/// read, and why.
///
/// # Errors
/// If a table cannot be created.
pub(super) fn fill_joined_inputs(store: &Connection, job: &Job) -> Result<BTreeMap<String, String>, QueryError> {
    let mut unread = BTreeMap::new();
    for fetch in job.fetches.iter().filter(|fetch| fetch.join_inputs) {
        match create_joined_table(store, &fetched_rows(fetch, DateTime::UNIX_EPOCH, None)) {
            Err(QueryError::Inputs(why)) => drop(unread.insert(fetch.name.clone(), why)),
            created => created?,
        }
    }
    Ok(unread)
}
