//! The workbooks that a run writes: one for the job, and one for each user whose rows have files of their own.

use super::plan::{PlannedSheet, workbook_path};
use super::{JobWorkbook, WorkbookSheet};
use crate::export::error::ExportError;
use crate::export::job_files::ExportedRun;
use crate::export::output_file::{OutputFile, RowSource};
use crate::export::row_sources::RowSources;
use crate::export::style::CsvStyle;
use crate::store::WORKBOOK_SOURCE;

/// The workbooks with these sheets. A workbook stays as it is while one of its fetches is not finished. `not_read` are fetches
/// that have read nothing yet; `inputs` is what all rows of the job depend on.
pub(in crate::export) fn workbook_files<'s>(
    shown: &'s ExportedRun<'_>,
    sources: &RowSources<'s>,
    planned: Vec<PlannedSheet<'s>>,
    not_read: &[String],
    inputs: &str,
) -> Result<Vec<OutputFile<'s>>, ExportError> {
    let job = shown.job;
    let mut users: Vec<&str> = Vec::new();
    planned.iter().for_each(|sheet| {
        if !users.contains(&sheet.user) {
            users.push(sheet.user)
        }
    });
    let mut planned: Vec<Option<PlannedSheet<'s>>> = planned.into_iter().map(Some).collect();
    let mut files = Vec::new();
    for user in users {
        let (mut sheets, mut is_kept, mut run) = (Vec::new(), false, 0);
        for sheet in planned.iter_mut().filter(|sheet| sheet.as_ref().is_some_and(|sheet| sheet.user == user)) {
            let Some(sheet) = sheet.take() else { continue };
            let mut source = sources.rows_of(sheet.content, &CsvStyle::typed())?;
            is_kept |= matches!(source, RowSource::Kept);
            if sheet.fetch_name().is_some_and(|fetch| not_read.iter().any(|name| name == fetch)) {
                source = RowSource::Kept;
            }
            if sheet.content.changes_every_run() {
                run = shown.run;
            }
            sheets.push(WorkbookSheet { name: sheet.name, title: sheet.content.title(), file: sheet.file, source });
        }
        let of_user = if user.is_empty() { String::new() } else { format!(" of {user}") };
        let path = workbook_path(&job.name, user);
        let (state, reasons) = (shown.state, shown.reasons);
        let workbook = JobWorkbook { job, run: shown.run, state, reasons, user, sheets };
        files.push(OutputFile {
            force: shown.force_render.contains(&path),
            path,
            name: format!("{WORKBOOK_SOURCE}{of_user}"),
            title: "workbook of the job".into(),
            source: if is_kept { RowSource::Kept } else { RowSource::Workbook(workbook) },
            // Not the run: a workbook without a change stays as it is, with the time of the run that wrote it.
            inputs: format!("{inputs} {run} {state:?} {reasons:?}"),
            version: None,
        });
    }
    Ok(files)
}
