//! The files of a `[[fetch]]` or `[[query]]`: one key for each format.

use std::ops::Range;

use super::model::RowFile;
use super::output_name::OutputName;
use super::read::JobContext;
use crate::document::{DocumentChecker, TableValues};
use crate::settings::{CsvProfile, FileFormat};
use crate::stream::Stream;

/// What the key of a format says.
enum FileChoice<'t> {
    Named(&'t str),
    /// `true`, or a format that the settings name.
    Default,
    None,
}

/// Reads the files of a fetch. Without a name, a file has the name of the fetch.
pub(super) fn files_of_fetch(
    values: &TableValues<'_, '_>,
    name: &str,
    stream: &'static Stream,
    context: &JobContext<'_>,
    span: &Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<RowFile> {
    let mut files = Vec::new();
    for format in FileFormat::OF_ROWS {
        let key = format.as_str();
        let entry = values.entry(key);
        let at = entry.map_or(span.clone(), |entry| entry.value.span());
        let written = match choice(values, format, context) {
            FileChoice::Named(written) => written.to_owned(),
            FileChoice::Default => default_name(values, name, format),
            FileChoice::None => continue,
        };
        if format == FileFormat::Csv && context.profile == CsvProfile::Exportify && !stream.has_exportify {
            let message = format!("the profile `exportify` has no columns for `{}`", stream.name);
            checker.report(at.clone(), "fetch.csv", message).hint = Some(
                "write csv = false here, or use another `profile`; exportify is for lists of tracks: playlist_items, \
                 my_playlist_items, saved_tracks"
                    .to_owned(),
            );
        }
        if !check_support(format, at.clone(), checker) {
            continue;
        }
        let Ok(file_name) = OutputName::parse(&written) else { continue };
        if entry.is_some() && file_name.is_per_user() && !(stream.needs_user() && context.has_users) {
            let problem = checker.report(at.clone(), &format!("fetch.{key}"), "`{user}` has no value here");
            problem.hint = Some(if stream.needs_user() {
                "the job has no user".to_owned()
            } else {
                format!("the rows of `{}` do not belong to a user", stream.name)
            });
        }
        if let Some(placeholder) = file_name.list_placeholder().filter(|_| entry.is_some())
            && stream.list_placeholder() != Some(placeholder)
        {
            let message = format!("`{{{placeholder}}}` has no value here");
            checker.report(at.clone(), &format!("fetch.{key}"), message).hint = Some(match stream.list_placeholder() {
                Some(other) => format!("`{}` reads one list for each {other}: write {{{other}}}", stream.name),
                None => format!("the rows of `{}` are not in lists that a file each could show", stream.name),
            });
        }
        files.push(RowFile { format, name: file_name, span: at });
    }
    files
}

/// Whether the rows of a fetch go to the workbook of the job: not if it has `csv = false` and no file of another
/// format.
pub(super) fn is_in_workbook(values: &TableValues<'_, '_>, files: &[RowFile]) -> bool {
    !files.is_empty() || values.entry(FileFormat::Csv.as_str()).is_none()
}

/// Reads the files of a query. The job file must name at least one.
pub(super) fn files_of_query(
    values: &TableValues<'_, '_>,
    context: &JobContext<'_>,
    span: &Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<RowFile> {
    let Some(named) = FileFormat::OF_ROWS.iter().find_map(|format| values.text(format.as_str())) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for format in FileFormat::OF_ROWS {
        let at = values.entry(format.as_str()).map_or(span.clone(), |entry| entry.value.span());
        let written = match choice(values, format, context) {
            FileChoice::Named(written) => written.to_owned(),
            FileChoice::Default if format == FileFormat::Csv => continue,
            FileChoice::Default => format.replace_extension(named),
            FileChoice::None => continue,
        };
        if check_support(format, at.clone(), checker) {
            files.extend(OutputName::parse(&written).map(|name| RowFile { format, name, span: at }));
        }
    }
    files
}

/// Whether this program can write the format; otherwise an error is reported.
fn check_support(format: FileFormat, at: Range<usize>, checker: &mut DocumentChecker<'_>) -> bool {
    let is_supported = format != FileFormat::Parquet || cfg!(feature = "lake");
    if !is_supported {
        let problem = checker.report(at, format.as_str(), "this program was built without Parquet");
        problem.hint = Some("build it with the feature `lake`, which is on by default".to_owned());
    }
    is_supported
}

fn choice<'t>(values: &TableValues<'t, '_>, format: FileFormat, context: &JobContext<'_>) -> FileChoice<'t> {
    let key = format.as_str();
    let flag = |key| values.get(key).and_then(|value| value.get_ref().as_bool());
    // Rows without a CSV file are often only the input of something else, so the settings make no other file of them.
    let by_default = context.formats.contains(&format) && flag(FileFormat::Csv.as_str()) != Some(false);
    match (values.text(key), flag(key)) {
        (Some(name), _) => FileChoice::Named(name),
        (None, Some(true)) => FileChoice::Default,
        (None, Some(false)) => FileChoice::None,
        (None, None) if by_default => FileChoice::Default,
        (None, None) => FileChoice::None,
    }
}

/// The name of the CSV file with another ending, or the name of the fetch.
fn default_name(values: &TableValues<'_, '_>, name: &str, format: FileFormat) -> String {
    match values.text(FileFormat::Csv.as_str()) {
        Some(csv) => format.replace_extension(csv),
        None => format!("{name}.{}", format.as_str()),
    }
}
