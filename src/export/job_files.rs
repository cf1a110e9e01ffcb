//! Writes the files of a job: which files its fetches and queries make, and what they depend on.
//!
//! The files come from the store alone, so `run` and `export` write them by the same code.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rusqlite::Connection;
use serde::Serialize;

use super::error::ExportError;
use super::last_files::last_file_of;
use super::not_found_file::{NotFoundFile, path_beside};
use super::outcome::{ExportTarget, ExportedFile, FileChange, PackageRunState, RunInfo};
use super::output_file::{OutputFile, RowSource};
use super::page_files::{PageAudience, PageSource, pages_of_others};
use super::planned_file::{FileContent, PlannedFile, planned_files, whole_fetches};
use super::publish::{check_target, publish};
use super::query_fetches::{fill_joined_inputs, fingerprint_inputs, mentioned_fetches};
use super::row_sources::{RowSources, fetches_so_far};
use super::style::CsvStyle;
use super::workbook::{planned_sheets, workbook_files};
use crate::job::{CsvOptions, Fetch, FetchSource, Job, JobReport, OutputName, TemplateValues};
use crate::report::PageLogo;
use crate::settings::FileFormat;
use crate::store::query::{QueryBudget, QueryError, QueryFetch, QueryParameters, QueryReader, mentions_inputs};
use crate::store::{
    FetchRef, FileAccess, MarkedFile, OutdatedFile, RunState, StoreError, data_version, files_of_earlier_titles,
    fingerprint_lists, has_not_found, known_file, no_list_was_read, open_writer, outdated_files, record_marks,
    timestamp, users_of_job,
};
use crate::stream::ReadStrategy;

/// How long a query of a job may take.
const QUERY_TIME: Duration = Duration::from_secs(300);

/// Where the files of jobs go, and how they are written.
#[derive(Debug, Clone)]
pub struct JobFiles {
    /// The store.
    pub database: PathBuf,
    /// Who may read the store.
    pub access: FileAccess,
    /// The folder of all jobs' files, and who may read these.
    pub target: ExportTarget,
    /// The settings' choices about CSVs.
    pub csv: CsvOptions,
    /// Whether a partial run writes files.
    pub publish_partial: bool,
    /// What pages show as the mark of Spotify.
    pub logo: PageLogo,
    /// How long files with a date in their name are kept; `None`: for ever.
    pub dated_csv: Option<Duration>,
}

/// The run with the results that are exported.
#[derive(Debug)]
pub struct ExportedRun<'a> {
    pub job: &'a Job,
    /// Number of the run.
    pub run: i64,
    /// Its state so far.
    pub state: RunState,
    /// Something that it requested was not read.
    pub is_incomplete: bool,
    /// Why it is not complete.
    pub reasons: &'a [String],
    /// Fetches that did not finish: their files stay as they are.
    pub unfinished: &'a BTreeSet<String>,
    /// The values that its queries may name.
    pub bound: &'a QueryParameters,
    /// The scheduled time that it is for, or its start.
    pub fire_at: DateTime<Utc>,
    /// Files that are rendered whatever is known about them, by their paths below the job's folder.
    pub force_render: &'a BTreeSet<String>,
    pub parts: ExportedParts,
}

/// Which files of a job are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExportedParts {
    /// All that the job file names.
    #[default]
    All,
    /// Only its page, even if the job file does not ask for one. The other files stay as they are.
    Page,
}

/// A file of a run.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    pub path: String,
    /// Data rows in it.
    pub rows: u64,
    pub bytes: u64,
    /// Cells that the formula guard changed.
    pub guarded: u64,
    /// written, unchanged, kept or missing.
    pub outcome: &'static str,
}

/// Why the files of a job were not written.
#[derive(Debug, thiserror::Error)]
pub enum JobFilesError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written, or a query is wrong.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A query cannot be prepared.
    #[error(transparent)]
    Query(#[from] crate::store::query::QueryError),
}

impl JobFilesError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            JobFilesError::Store(e) => e.hint(),
            JobFilesError::Export(e) => e.hint(),
            JobFilesError::Query(_) => None,
        }
    }

    /// Whether it is the disk or the store, rather than something in the job.
    pub fn is_storage(&self) -> bool {
        match self {
            JobFilesError::Store(_) => true,
            JobFilesError::Export(e) => e.is_storage(),
            JobFilesError::Query(e) => e.is_storage(),
        }
    }
}

/// What an export did.
#[derive(Debug, Default)]
pub struct JobExportReport {
    pub files: Vec<FileReport>,
    /// Queries that failed, and names that something else has taken. These files are as they were.
    pub failed: Vec<ExportError>,
    /// Files of earlier fires that were deleted.
    pub deleted: u64,
    /// What files do not show, and why.
    pub warnings: Vec<String>,
    /// Fetches with files that show the parts that are whole so far.
    pub so_far: BTreeSet<String>,
}

impl JobFiles {
    /// Whether the job's folder can be written.
    ///
    /// # Errors
    /// If it cannot. Nothing is left there either way.
    pub fn check(&self, job: &Job) -> Result<(), JobFilesError> {
        if !job.writes_files() {
            return Ok(());
        }
        Ok(check_target(&self.target, &job.name)?)
    }

    /// Writes the files of a job that changed, with a connection of its own.
    ///
    /// # Errors
    /// If the store cannot be read, or a file cannot be written.
    pub fn write(&self, shown: &ExportedRun<'_>) -> Result<JobExportReport, JobFilesError> {
        self.write_with(&open_writer(&self.database, self.access)?, shown)
    }

    /// Writes the files of a job that changed, with a connection that can write.
    ///
    /// # Errors
    /// If the store cannot be read, or a file cannot be written.
    pub fn write_with(&self, store: &Connection, shown: &ExportedRun<'_>) -> Result<JobExportReport, JobFilesError> {
        let job = shown.job;
        let only_page = shown.parts == ExportedParts::Page;
        if !job.writes_files() && !only_page {
            return Ok(JobExportReport::default());
        }
        let style = csv_style(&job.csv_options.layered_over(&self.csv));
        let unreadable = |source| StoreError::Sqlite { path: self.database.clone(), what: "cannot be read", source };
        let version = data_version(store).map_err(unreadable)?;
        let held_back = shown.is_incomplete && !job.publish_partial.unwrap_or(self.publish_partial);
        let users = users_of_job(store, &job.name).map_err(unreadable)?;
        let mut plans: Vec<PlannedFile<'_>> =
            planned_files(store, job, shown.bound, shown.fire_at, &users).map_err(unreadable)?;
        let local = shown.fire_at.with_timezone(&job.timezone);
        let (date, datetime) = (local.format("%Y-%m-%d").to_string(), local.format("%Y-%m-%dT%H%M").to_string());
        let mut since = Vec::with_capacity(plans.len());
        for plan in &mut plans {
            let list = plan.list_name();
            let expansion = TemplateValues { job: &job.name, date: &date, datetime: &datetime, user: plan.user, list };
            let last_file = last_file_of(store, (&plan.file.name, &plan.source()), &expansion, shown.run);
            let last_file = last_file.map_err(unreadable)?;
            if let FileContent::Query { bound, .. } = &mut plan.content {
                bound.last_file_at.clone_from(&last_file);
            }
            since.push(last_file);
        }
        let all = mentioned_fetches(job, shown.fire_at);
        let input_files = fingerprint_inputs(job);
        let open = |fetches| QueryReader::open(&self.database, &job.name, fetches, QueryBudget::with_time(QUERY_TIME));
        // An input file that cannot be read fails the queries that may show its rows, and no other file.
        let (reader, unread_inputs) = match open(all.clone()) {
            Err(QueryError::Inputs(file)) => {
                let without = all.into_iter().map(|fetch| QueryFetch { inputs: None, ..fetch }).collect();
                (open(without)?, Some(file))
            }
            opened => (opened?, None),
        };
        // The page shows the first rows of the queries that fill the files.
        let reader = reader
            .remembering(job.report.as_ref().map_or(0, |report| usize::try_from(report.rows).unwrap_or(usize::MAX)));
        let mut failed = Vec::new();
        let inputs = format!("{version} {}{input_files}", job.hash);
        let is_kept = held_back || !shown.unfinished.is_empty();
        let typed = CsvStyle::typed();
        let sources = RowSources {
            job,
            reader: &reader,
            held_back: held_back || only_page,
            unfinished: shown.unfinished,
            so_far: fetches_so_far(store, job, shown.unfinished).map_err(unreadable)?,
            unread_inputs: fill_joined_inputs(store, job)?,
        };
        let mut sheets = Vec::new();
        for plan in &plans {
            let style = if plan.file.format == FileFormat::Csv { &style } else { &typed };
            let source = match &plan.content {
                _ if only_page => RowSource::Kept,
                FileContent::Query { query, .. }
                    if !is_kept && unread_inputs.is_some() && mentions_inputs(&query.sql) =>
                {
                    let source = QueryError::Inputs(unread_inputs.clone().unwrap_or_default());
                    failed.push(ExportError::Query { path: plan.file.name.template().to_owned(), source });
                    RowSource::Kept
                }
                content => {
                    if let FileContent::Fetch { fetch, .. } = content
                        && let Some(why) = sources.unread_inputs.get(&fetch.name)
                    {
                        let source = QueryError::Inputs(why.clone());
                        failed.push(ExportError::Query { path: plan.file.name.template().to_owned(), source });
                    }
                    sources.rows_of(content, style)?.of_list(plan.list.as_ref())
                }
            };
            let list = plan.list_name();
            let expansion = TemplateValues { job: &job.name, date: &date, datetime: &datetime, user: plan.user, list };
            let mut sheet = plan.output_file(source, &expansion, &inputs, shown.run);
            if let FileContent::Fetch { fetch, .. } = &plan.content
                && fetch.stream.strategy == ReadStrategy::Playlist
                && !plan.content.changes_every_run()
            {
                // The version covers the rows of the lists. The entities in them are compared one by one.
                let shows = FetchRef { job: &job.name, fetch: &fetch.name };
                sheet.inputs = fingerprint_lists(store, shows).map_err(unreadable)?;
                if fetch.join_inputs {
                    sheet.inputs.push_str(&input_files);
                }
                sheet.version = Some(version);
            }
            // A header alone would say that the list is empty. A file that exists follows what the store has.
            if let FileContent::Fetch { fetch, .. } = &plan.content
                && no_list_was_read(store, &job.name, &fetch.name).map_err(unreadable)?
                && known_file(store, &format!("{}/{}", job.name, sheet.path)).map_err(unreadable)?.is_none()
            {
                sheet.source = RowSource::Kept;
            }
            sheet.force = shown.force_render.contains(&sheet.path);
            sheets.push(sheet);
        }
        let is_finished = |fetch: &Fetch| !held_back && !shown.unfinished.contains(&fetch.name);
        let requested = sheets.iter().zip(&plans).filter_map(|(sheet, plan)| match &plan.content {
            FileContent::Fetch { fetch, .. } if is_finished(fetch) && plan.list.is_none() => {
                Some((sheet.path.clone(), *fetch))
            }
            _ => None,
        });
        // One file for all files of the lists of a fetch.
        let of_lists = job.fetches.iter().filter(|fetch| is_finished(fetch)).flat_map(|fetch| {
            let files = fetch.files.iter().filter(|file| file.name.list_placeholder().is_some());
            files.map(move |file| (file.format.replace_extension(&format!("{}.csv", fetch.name)), fetch))
        });
        let listed = NotFoundFile::beside_all(requested.chain(of_lists), shown.run);
        let no_names = QueryParameters::default();
        for file in &listed {
            let path = format!("{}/{}", job.name, file.path);
            if sheets.iter().any(|sheet| sheet.path == file.path) {
                continue;
            }
            // Once it was written it stays, without rows if all is found: a file of an earlier run would not be true.
            let is_known = known_file(store, &path).map_err(unreadable)?.is_some();
            if is_known || !only_page && has_not_found(store, shown.run, &file.fetch).map_err(unreadable)? {
                let mut sheet = file.output_file(&reader, &no_names, shown.force_render);
                if only_page {
                    sheet.source = RowSource::Kept;
                }
                sheets.push(sheet);
            }
        }
        let mut not_read = Vec::new();
        let whole = whole_fetches(job, shown.fire_at);
        if job.xlsx {
            let planned = planned_sheets(job, &plans, &whole, (&date, &datetime));
            for sheet in &planned {
                let fetch = sheet.fetch_name().unwrap_or_default();
                if no_list_was_read(store, &job.name, fetch).map_err(unreadable)? {
                    not_read.push(fetch.to_owned());
                }
            }
            let mut workbooks = workbook_files(shown, &sources, planned, &not_read, &inputs)?;
            if only_page {
                workbooks.iter_mut().for_each(|workbook| workbook.source = RowSource::Kept);
            }
            sheets.extend(workbooks);
        }
        let on_request = JobReport::default();
        let report = job.report.as_ref().or(only_page.then_some(&on_request));
        let budget = || QueryBudget::with_time(QUERY_TIME);
        let audiences = match report {
            Some(_) => PageAudience::of_job(shown, &users, &self.database, budget)?,
            None => Vec::new(),
        };
        if let Some(report) = report {
            // A page shows a query only if the query's own files show it too.
            let plans = if is_kept { &[][..] } else { &plans[..] };
            let source = PageSource { shown, report, plans, reader: &reader, logo: &self.logo };
            sheets.extend(audiences.iter().map(|audience| source.page_for(audience, &inputs)));
        }
        let now = Utc::now();
        let of_lists = plans.iter().zip(&sheets).filter(|(plan, _)| plan.list.is_some() && !plan.file.name.is_dated());
        let current: Vec<(String, String)> =
            of_lists.map(|(plan, sheet)| (plan.source(), sheet.path.clone())).collect();
        let mut outdated = pages_of_others(store, job, report.is_some(), &sheets).map_err(unreadable)?;
        if !only_page {
            outdated.extend(self.outdated(store, job, now).map_err(unreadable)?);
            outdated.extend(files_of_earlier_titles(store, &job.name, &current).map_err(unreadable)?);
        }
        let run = RunInfo {
            job: job.name.clone(),
            description: job.description.clone(),
            id: shown.run,
            state: PackageRunState::from_run(shown.state),
            reasons: shown.reasons.to_vec(),
            created_at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            outdated,
        };
        let mut outcome = publish(store, &self.target, &style, &sheets, &run)?;
        outcome.failed.append(&mut failed);
        let written = |((plan, since), sheet): ((&PlannedFile<'_>, &Option<String>), &OutputFile<'_>)| {
            // Only queries ask for the time of the last file, and they have no file per list.
            let rows = outcome.rows_of_run(&job.name, &sheet.path).filter(|_| plan.list.is_none())?;
            Some(MarkedFile { source: plan.source(), path: sheet.path.clone(), since: since.clone(), rows })
        };
        let good: Vec<MarkedFile> = plans.iter().zip(&since).zip(&sheets).filter_map(written).collect();
        let by_reads = job.fetches.iter().any(|f| matches!(f.source, FetchSource::From { filter: Some(_), .. }));
        record_marks(store, (&job.name, shown.run), &good, by_reads, &timestamp(now)).map_err(unreadable)?;
        let is_reported =
            |file: &ExportedFile| !only_page || file.path.extension().is_some_and(|ending| ending == "html");
        let files = outcome.files.into_iter().filter(is_reported).map(|file| FileReport {
            path: file.path.display().to_string(),
            rows: file.rows,
            bytes: file.bytes,
            guarded: file.guarded,
            outcome: match file.change {
                FileChange::Written => "written",
                FileChange::Same | FileChange::Unchanged => "unchanged",
                FileChange::Kept => "kept",
                FileChange::Missing => "missing",
            },
        });
        if outcome.deleted > 0 {
            let deleted = outcome.deleted;
            tracing::info!(job = job.name, deleted, "files of earlier dates or titles are deleted");
        }
        let (failed, deleted, warnings) = (outcome.failed, outcome.deleted, outcome.warnings);
        Ok(JobExportReport { files: files.collect(), failed, deleted, warnings, so_far: sources.so_far.clone() })
    }

    /// Files with a date in their name that are older than the retention.
    fn outdated(&self, store: &Connection, job: &Job, now: DateTime<Utc>) -> rusqlite::Result<Vec<OutdatedFile>> {
        let age = self.dated_csv.and_then(|age| TimeDelta::from_std(age).ok());
        let Some(before) = age.and_then(|age| now.checked_sub_signed(age)) else { return Ok(Vec::new()) };
        let dated: Vec<&OutputName> = job.files().map(|file| &file.name).filter(|name| name.is_dated()).collect();
        let mut old = outdated_files(store, &job.name, &before.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        old.retain(|file| {
            let path = file.path_below_job(&job.name).map(path_beside);
            path.is_some_and(|path| dated.iter().any(|name| name.could_expand_to(&path, &job.name)))
        });
        Ok(old)
    }
}

/// The CSV style for some options. A missing option follows the profile.
pub fn csv_style(options: &CsvOptions) -> CsvStyle {
    CsvStyle::from_options(options)
}
