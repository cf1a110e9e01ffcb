//! One file of a job: its path, its rows and its columns.

use super::csv_column::CsvColumn;
use super::error::ExportError;
use super::exportify;
use super::planned_file::FileList;
use super::style::CsvStyle;
use super::workbook::JobWorkbook;
use crate::report::JobPage;
use crate::settings::{CsvProfile, FileFormat, TimeFormat};
use crate::store::query::{QueryFetch, QueryParameters, QueryReader, is_volatile, joined_columns};
use crate::store::views::{RowScope, ViewSelect};
use crate::stream::{Column, ColumnType};

/// One file to export.
pub struct OutputFile<'a> {
    /// The path below the job's folder.
    pub path: String,
    /// The name of the fetch or the number of the query, for the record.
    pub name: String,
    /// A description of one row.
    pub title: String,
    /// The source of the rows.
    pub source: RowSource<'a>,
    /// A fingerprint of everything that the rows depend on. A file with the same fingerprint is not
    /// rendered again. The style and the columns need not be part of it.
    pub inputs: String,
    /// The store's `data_version` if `inputs` covers only the lists. The entities in them are then
    /// compared with the changed entities.
    pub version: Option<i64>,
    /// Renders the file even if its inputs are unchanged, because the existing file was modified.
    pub force: bool,
}

/// The source of the rows of a file.
#[expect(clippy::large_enum_variant, reason = "there is one for each file of a job, for a moment")]
pub enum RowSource<'a> {
    /// A fetch.
    Fetch(FetchRows<'a>),
    /// A query. The result determines the names and types of the columns.
    Query {
        /// A reader on the store for this job.
        reader: &'a QueryReader,
        /// The SQL of the query.
        sql: &'a str,
        /// The values of its parameters.
        bound: &'a QueryParameters,
    },
    /// A workbook of the job.
    Workbook(JobWorkbook<'a>),
    /// A page of the job.
    Page(JobPage<'a>),
    /// No rows: the run has not finished the fetch, so the file stays as it is.
    Kept,
}

/// The rows of a fetch.
pub struct FetchRows<'a> {
    pub(super) job: &'a str,
    pub(super) fetch: &'a str,
    pub(super) columns: Vec<CsvColumn>,
    /// The columns that identify a row, if all of them are in the file.
    pub(super) keys: Vec<&'static str>,
    pub(super) select: ViewSelect<'a>,
}

/// What the source of a file says about its format: `saved_tracks as jsonl`. The files of a fetch have different sources,
/// because each has its own time up to which it shows new rows.
pub(super) fn suffix_of(format: FileFormat) -> String {
    match format {
        FileFormat::Csv => String::new(),
        other => format!(" as {}", other.as_str()),
    }
}

impl OutputFile<'_> {
    /// The format, which the ending of the path decides.
    pub(super) fn format(&self) -> FileFormat {
        FileFormat::of_path(&self.path)
    }
}

impl<'a> RowSource<'a> {
    /// The SQL and the columns of rows, or the values of parameters.
    pub(super) fn rows_fingerprint(&self) -> (String, String) {
        match self {
            RowSource::Fetch(rows) => (rows.select.sql(), format!("{:?}", rows.columns)),
            RowSource::Query { sql, bound, .. } => ((*sql).to_owned(), format!("{:?}", bound.used_in(sql))),
            RowSource::Workbook(workbook) => {
                let sheets = workbook.sheets.iter();
                let all = sheets.map(|sheet| (sheet.source.rows_fingerprint(), &sheet.name, &sheet.file));
                (format!("{:?}", all.collect::<Vec<_>>()), String::new())
            }
            RowSource::Page(_) | RowSource::Kept => Default::default(),
        }
    }

    /// Whether the rows may differ although nothing in the store has changed.
    pub(super) fn is_volatile(&self) -> bool {
        match self {
            RowSource::Query { sql, .. } => is_volatile(sql),
            RowSource::Page(page) => page.sql().any(is_volatile),
            RowSource::Workbook(workbook) => workbook.sheets.iter().any(|sheet| sheet.source.is_volatile()),
            RowSource::Fetch(_) | RowSource::Kept => false,
        }
    }

    /// The rows of a fetch, with these columns of its stream or with the default columns. The profile
    /// `exportify` has its own columns.
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
        let (names, columns): (Vec<&'a str>, Vec<CsvColumn>) = if style.profile == CsvProfile::Exportify {
            exportify::columns(stream)?
        } else {
            chosen_columns(stream, columns)?.into_iter().map(|c| (c.name, CsvColumn::from(c))).unzip()
        };
        // A time without its fraction of a second may not be unique.
        let whole = |key: &str| {
            let is_time = stream.column(key).is_some_and(|c| c.column_type == ColumnType::Time);
            names.contains(&key) && !(is_time && style.time_format == TimeFormat::Spreadsheet)
        };
        let has_keys = style.profile != CsvProfile::Exportify && stream.keys.iter().all(|key| whole(key));
        let headers: Vec<String> = columns.iter().map(|column| column.header.to_string()).collect();
        let inputs = joined_columns(fetch, &headers);
        let own = inputs.iter().flat_map(|inputs| &inputs.columns).map(|(_, header)| CsvColumn::of_input(header));
        let columns = columns.into_iter().chain(own).collect();
        let select = ViewSelect::new(stream, names)
            .inputs(inputs)
            .lists(&style.lists())
            .scope(RowScope::Fetch { job, fetch: &fetch.name })
            .since(fetch.since.as_deref())
            .market(Some(&fetch.market))
            .for_user(fetch.user_id.as_deref())
            .only_if(exportify::leaves_out(stream).filter(|_| style.profile == CsvProfile::Exportify));
        Ok(RowSource::Fetch(FetchRows {
            job,
            fetch: &fetch.name,
            columns,
            keys: if has_keys { stream.keys.to_vec() } else { Vec::new() },
            select,
        }))
    }
}

impl RowSource<'_> {
    /// The rows of one list of a fetch.
    pub(super) fn of_list(mut self, list: Option<&FileList>) -> Self {
        if let RowSource::Fetch(rows) = &mut self {
            rows.select = rows.select.clone().of_list(list.map(|list| list.id.clone()));
        }
        self
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
