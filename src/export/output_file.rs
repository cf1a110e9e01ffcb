//! What one CSV file holds.

use std::borrow::Cow;

use super::error::ExportError;
use super::exportify;
use super::style::{CsvStyle, Profile, TimeFormat};
use crate::store::query::{QueryFetch, QueryParameters, QueryReader};
use crate::store::views::{RowScope, ViewSelect};
use crate::stream::{Column, ColumnType};

/// One CSV file.
pub struct OutputFile<'a> {
    /// Its path below the job's folder.
    pub path: String,
    /// Name of the fetch, or the number of the query: for the record.
    pub name: String,
    /// What one row is, in a sentence.
    pub title: String,
    /// Where its rows come from.
    pub source: RowSource<'a>,
    /// Fingerprint of everything the rows depend on: a file that was made from the same is not even
    /// rendered. The style and the columns need not be part of it.
    pub inputs: String,
    /// The store's `data_version`, where `inputs` tells of the lists alone: the things in them are
    /// compared with those that have changed.
    pub version: Option<i64>,
    /// It is rendered whatever is known of it: what stands there is not what was written.
    pub force: bool,
}

/// Where the rows of a sheet come from.
#[expect(clippy::large_enum_variant, reason = "a job has a handful of sheets, each made once a run")]
pub enum RowSource<'a> {
    /// A fetch.
    Fetch(FetchRows<'a>),
    /// A query; its columns are named and typed by what it gives.
    Query {
        /// Opened on the store for this job.
        reader: &'a QueryReader,
        /// The SQL.
        sql: &'a str,
        /// Values of the names in it.
        bound: &'a QueryParameters,
    },
    /// Nowhere: the run has not finished the fetch, so the file stays as it is.
    Kept,
}

/// The rows of a fetch.
pub struct FetchRows<'a> {
    pub(super) job: &'a str,
    pub(super) fetch: &'a str,
    pub(super) columns: Vec<CsvColumn>,
    /// Columns that name one row, if all of them are in the file.
    pub(super) keys: Vec<&'static str>,
    pub(super) select: ViewSelect<'a>,
}

/// A column of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvColumn {
    /// In the file's first row.
    pub header: Cow<'static, str>,
    /// None for columns of a query.
    pub column_type: Option<ColumnType>,
    /// What it holds.
    pub about: &'static str,
}

impl<'a> RowSource<'a> {
    /// The rows of a fetch in these columns of its stream, or in the default ones. The profile
    /// `exportify` has columns of its own.
    ///
    /// # Errors
    /// [`ExportError::NoColumn`], [`ExportError::NoExportify`].
    pub fn from_fetch(
        job: &'a str,
        fetch: &'a QueryFetch,
        columns: Option<&'a [String]>,
        style: &CsvStyle,
    ) -> Result<RowSource<'a>, ExportError> {
        let stream = fetch.stream;
        let (names, columns): (Vec<&'a str>, Vec<CsvColumn>) = if style.profile == Profile::Exportify {
            exportify::columns(stream)?
        } else {
            chosen_columns(stream, columns)?.into_iter().map(|c| (c.name, CsvColumn::from(c))).unzip()
        };
        // A key without its fraction of a second need not be one.
        let whole = |key: &str| {
            let is_time = stream.column(key).is_some_and(|c| c.column_type == ColumnType::Time);
            names.contains(&key) && !(is_time && style.time_format == TimeFormat::Spreadsheet)
        };
        let has_keys = style.profile != Profile::Exportify && stream.keys.iter().all(|key| whole(key));
        let select = ViewSelect::new(stream, names)
            .lists(&style.lists())
            .scope(RowScope::Fetch { job, fetch: &fetch.name })
            .since(fetch.since.as_deref())
            .market(Some(&fetch.market))
            .for_user(fetch.user_id.as_deref())
            .only_if(exportify::leaves_out(stream).filter(|_| style.profile == Profile::Exportify));
        Ok(RowSource::Fetch(FetchRows {
            job,
            fetch: &fetch.name,
            columns,
            keys: if has_keys { stream.keys.to_vec() } else { Vec::new() },
            select,
        }))
    }
}

fn chosen_columns(
    stream: &'static crate::stream::Stream,
    names: Option<&[String]>,
) -> Result<Vec<&'static Column>, ExportError> {
    let Some(names) = names else { return Ok(stream.default_columns().collect()) };
    let find = |name: &String| {
        stream.column(name).ok_or_else(|| ExportError::NoColumn { stream: stream.name.into(), column: name.clone() })
    };
    names.iter().map(find).collect()
}

impl From<&'static Column> for CsvColumn {
    fn from(column: &'static Column) -> Self {
        CsvColumn { header: Cow::Borrowed(column.name), column_type: Some(column.column_type), about: column.about }
    }
}
