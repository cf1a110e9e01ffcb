//! The result of one query as CSV, for a command and not for a file of a job.

use std::io::{self, Write};

use super::render::{CsvWriter, RenderError};
use super::style::CsvStyle;
use crate::store::query::{QueryError, QueryParameters, QueryReader};

/// Why the result of a query cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum QueryCsvError {
    /// The query is wrong, or the store cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<RenderError> for QueryCsvError {
    fn from(error: RenderError) -> QueryCsvError {
        match error {
            RenderError::Query(error) => QueryCsvError::Query(error),
            RenderError::Store(error) => QueryCsvError::Query(QueryError::Store(error)),
            RenderError::Io(error) => QueryCsvError::Output(error),
            RenderError::Csv(error) => QueryCsvError::Output(error.into()),
            RenderError::Page(error) => QueryCsvError::Output(io::Error::other(error)),
            RenderError::Format(why) => QueryCsvError::Output(io::Error::other(why)),
        }
    }
}

/// Writes the rows of a query with a header, in the style of a job's files.
///
/// # Errors
/// The problem in the SQL, or that the output cannot be written. Rows before it are written.
pub fn write_query_csv(
    reader: &QueryReader,
    sql: &str,
    bound: &QueryParameters,
    style: &CsvStyle,
    out: impl Write,
) -> Result<(), QueryCsvError> {
    let mut writer = CsvWriter::new(out, style)?;
    writer.write_query(reader, sql, bound)?;
    let (mut out, _) = writer.finish()?;
    Ok(out.flush()?)
}
