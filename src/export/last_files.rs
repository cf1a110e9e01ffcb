//! The value of `:last_file_at`: the time up to which the files of a job show new rows.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::output_file::suffix_of;
use crate::job::{Job, OutputName, RowFile, TemplateValues};
use crate::store::{FileSource, last_file_at, sources_with_files};

/// Returns the value of `:last_file_at` for the file of a fetch or query.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn last_file_of(
    store: &Connection,
    (name, source): (&OutputName, &str),
    expansion: &TemplateValues<'_>,
    run: i64,
) -> rusqlite::Result<Option<String>> {
    let path = name.is_dated().then(|| name.expand(expansion));
    last_file_at(store, FileSource { job: expansion.job, source, dated_path: path.as_deref() }, run)
}

/// Returns the value of `:last_file_at` for a `where` of a job: that of the file that is furthest behind. Fetches and
/// queries without a file do not count.
///
/// # Errors
/// If the store cannot be read.
pub fn last_file_of_job(
    store: &Connection,
    job: &Job,
    fire_at: DateTime<Utc>,
    run: i64,
) -> rusqlite::Result<Option<String>> {
    let local = fire_at.with_timezone(&job.timezone);
    let (date, datetime) = (local.format("%Y-%m-%d").to_string(), local.format("%Y-%m-%dT%H%M").to_string());
    let fetches = job.fetches.iter().map(|fetch| (fetch.name.clone(), &fetch.files));
    let queries = (1..).zip(&job.queries).map(|(number, query)| (format!("query {number}"), &query.files));
    let files = fetches.chain(queries).flat_map(|(of, files)| files.iter().map(move |file| (of.clone(), file)));
    let mut oldest: Option<String> = None;
    for (of, RowFile { format, name, .. }) in files {
        if name.list_placeholder().is_some() {
            // Such files show lists, and their marks are not kept.
            continue;
        }
        let of = format!("{of}{}", suffix_of(*format));
        for source in sources_with_files(store, &job.name, &of)? {
            let user = source.strip_prefix(&format!("{of} of ")).unwrap_or_default();
            // A user who is not in the job any more gets no new files.
            if !user.is_empty() && !job.users.may_include(user) {
                continue;
            }
            let expansion = TemplateValues { job: &job.name, date: &date, datetime: &datetime, user, list: "" };
            let last_file = last_file_of(store, (name, &source), &expansion, run)?;
            oldest = oldest.into_iter().chain(last_file).min();
        }
    }
    Ok(oldest)
}
