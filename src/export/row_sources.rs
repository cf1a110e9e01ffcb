//! Where the rows of the files of a run come from: from the store, or from nowhere if the run did not finish them.

use std::collections::BTreeSet;

use super::error::ExportError;
use super::output_file::RowSource;
use super::planned_file::FileContent;
use super::style::CsvStyle;
use crate::job::Job;
use crate::store::query::QueryReader;

/// What all files of a run have in common.
pub(super) struct RowSources<'s> {
    pub job: &'s Job,
    pub reader: &'s QueryReader,
    /// No file of an incomplete run is written.
    pub held_back: bool,
    /// Fetches that did not finish.
    pub unfinished: &'s BTreeSet<String>,
}

impl<'s> RowSources<'s> {
    /// The rows of a file. A query may read every fetch, so it is kept if any of them did not finish.
    pub(super) fn rows_of(&self, content: &'s FileContent<'_>, style: &CsvStyle) -> Result<RowSource<'s>, ExportError> {
        match content {
            FileContent::Fetch { fetch, .. } if self.held_back || self.unfinished.contains(&fetch.name) => {
                Ok(RowSource::Kept)
            }
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
