//! Where the rows of the files of a run come from: from the store, or from nowhere if the run did not finish them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::error::ExportError;
use super::output_file::RowSource;
use super::planned_file::FileContent;
use super::style::CsvStyle;
use crate::job::Job;
use crate::store::query::QueryReader;
use crate::store::views::{RowScope, ViewSelect};
use crate::store::{has_ever_finished, has_rows};

/// What all files of a run have in common.
pub(super) struct RowSources<'s> {
    pub job: &'s Job,
    pub reader: &'s QueryReader,
    /// No file with rows is written: the run is incomplete, or only its page is wanted.
    pub held_back: bool,
    /// Fetches that did not finish.
    pub unfinished: &'s BTreeSet<String>,
    /// Those of them that have never finished, and show the parts that are whole so far.
    pub so_far: BTreeSet<String>,
    /// Fetches with files that show an input file that cannot be read, and why. These files stay as they are.
    pub unread_inputs: BTreeMap<String, String>,
}

impl<'s> RowSources<'s> {
    /// The rows of a file. A query may read every fetch, so it is kept if any of them did not finish.
    pub(super) fn rows_of(&self, content: &'s FileContent<'_>, style: &CsvStyle) -> Result<RowSource<'s>, ExportError> {
        match content {
            FileContent::Fetch { fetch, .. }
                if self.held_back || self.unfinished.contains(&fetch.name) && !self.so_far.contains(&fetch.name) =>
            {
                Ok(RowSource::Kept)
            }
            FileContent::Fetch { fetch, .. } if self.unread_inputs.contains_key(&fetch.name) => Ok(RowSource::Kept),
            FileContent::Fetch { rows, columns, .. } => {
                RowSource::from_fetch(&self.job.name, rows, columns.as_deref(), style)
            }
            FileContent::Query { .. } if self.held_back || !self.unfinished.is_empty() => Ok(RowSource::Kept),
            FileContent::Query { query, bound, .. } => {
                Ok(RowSource::Query { reader: self.reader, sql: &query.sql, bound })
            }
        }
    }
}

/// The unfinished fetches of a job with files that show the parts that are whole so far: the job wants it, the fetches
/// have never finished, and they have rows. A header alone would say that there are none.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn fetches_so_far(
    store: &Connection,
    job: &Job,
    unfinished: &BTreeSet<String>,
) -> rusqlite::Result<BTreeSet<String>> {
    let mut so_far = BTreeSet::new();
    let fetches = job.fetches.iter().filter(|fetch| unfinished.contains(&fetch.name));
    for fetch in fetches.filter(|_| job.publish_partial == Some(true)) {
        let columns = fetch.stream.columns().take(1).map(|column| column.name);
        let scope = RowScope::Fetch { job: &job.name, fetch: &fetch.name };
        let rows = ViewSelect::new(fetch.stream, columns).scope(scope);
        if !has_ever_finished(store, &job.name, &fetch.name)? && has_rows(store, &rows)? {
            so_far.insert(fetch.name.clone());
        }
    }
    Ok(so_far)
}
