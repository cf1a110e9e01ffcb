//! The files that a run of a job writes: one for each fetch or query, format and user.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::output_file::{OutputFile, RowSource, suffix_of};
use super::query_fetches::fetched_rows;
use crate::job::{Fetch, Job, JobQuery, RowFile, TemplateValues, list_file_name};
use crate::store::query::{QueryFetch, QueryParameters};
use crate::store::{OF_LIST, lists_of_fetch};
use crate::stream::Column;

/// One file to be written: of a fetch or a query, of all users or of one.
pub(super) struct PlannedFile<'a> {
    pub file: &'a RowFile,
    /// Local name of the user that the file is for; empty if it is for all users.
    pub user: &'a str,
    /// The list that the file is for, if there is one file per list.
    pub list: Option<FileList>,
    pub content: FileContent<'a>,
}

/// A list with a file of its own.
pub(super) struct FileList {
    pub id: String,
    /// The text for it in the name of the file.
    pub name: String,
}

pub(super) enum FileContent<'a> {
    Fetch { fetch: &'a Fetch, rows: QueryFetch, columns: Option<Vec<String>> },
    Query { number: usize, query: &'a JobQuery, bound: QueryParameters },
}

impl FileContent<'_> {
    /// A description of one row.
    pub(super) fn title(&self) -> String {
        match self {
            FileContent::Fetch { fetch, .. } => {
                format!("{}, one row each: {}", fetch.stream.name, fetch.stream.about)
            }
            FileContent::Query { .. } => "what a query of the job gives".into(),
        }
    }

    /// Whether it has columns that change with every read, so that the file changes with every run.
    pub(super) fn changes_every_run(&self) -> bool {
        let FileContent::Fetch { columns, .. } = self else { return false };
        columns.iter().flatten().any(|c| c == "fetched_at" || c == "first_seen_at")
    }
}

/// The rows of fetches that write no file of their own and have a sheet in the workbook of the job.
pub(super) fn fetches_without_file(job: &Job, fire_at: DateTime<Utc>) -> Vec<FileContent<'_>> {
    let fetches = job.fetches.iter().filter(|fetch| fetch.files.is_empty() && fetch.in_workbook);
    let content =
        |fetch| FileContent::Fetch { fetch, rows: fetched_rows(fetch, fire_at, None), columns: column_names(fetch) };
    fetches.map(content).collect()
}

/// The files of a job; a name with `{user}` in it makes one for each user, and one with `{playlist}` or the like one for
/// each list that the store has for the fetch.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn planned_files<'a>(
    store: &Connection,
    job: &'a Job,
    bound: &QueryParameters,
    fire_at: DateTime<Utc>,
    users: &'a [(String, String)],
) -> rusqlite::Result<Vec<PlannedFile<'a>>> {
    let each = |file: &'a RowFile| -> Vec<(&'a RowFile, Option<&'a (String, String)>)> {
        match file.name.is_per_user() {
            true => users.iter().map(|user| (file, Some(user))).collect(),
            false => vec![(file, None)],
        }
    };
    let mut plans = Vec::new();
    for fetch in &job.fetches {
        for (file, user) in fetch.files.iter().flat_map(each) {
            let of_user = user.map(|(id, _)| id.as_str());
            let lists: Vec<Option<FileList>> = match file.name.list_placeholder() {
                None => vec![None],
                Some(_) => lists_of_fetch(store, (&job.name, &fetch.name), of_user)?
                    .into_iter()
                    .map(|list| Some(FileList { name: list_file_name(&list.title, &list.id), id: list.id }))
                    .collect(),
            };
            for list in lists {
                let rows = fetched_rows(fetch, fire_at, of_user.map(str::to_owned));
                let content = FileContent::Fetch { fetch, rows, columns: column_names(fetch) };
                plans.push(PlannedFile { file, user: user.map_or("", |(_, local)| local), list, content });
            }
        }
    }
    for (number, query) in (1..).zip(&job.queries) {
        for (file, user) in query.files.iter().flat_map(each) {
            let mut bound = bound.clone();
            // A name without `{user}` is that of the job's only user, if the job has just one.
            bound.user_id = user.or(users.first().filter(|_| users.len() == 1)).map(|(id, _)| id.clone());
            plans.push(PlannedFile {
                file,
                user: user.map_or("", |(_, local)| local),
                list: None,
                content: FileContent::Query { number, query, bound },
            });
        }
    }
    Ok(plans)
}

impl PlannedFile<'_> {
    /// The text for its list in its name.
    pub(super) fn list_name(&self) -> &str {
        self.list.as_ref().map_or("", |list| &list.name)
    }

    /// The name of the fetch or the number of the query, with the user that the file is for.
    pub(super) fn source(&self) -> String {
        let format = suffix_of(self.file.format);
        let of_user = if self.user.is_empty() { String::new() } else { format!(" of {}", self.user) };
        match &self.content {
            FileContent::Fetch { fetch, .. } => {
                let of_list = self.list.as_ref().map_or_else(String::new, |list| format!("{OF_LIST}{}", list.id));
                format!("{}{of_list}{format}{of_user}", fetch.name)
            }
            FileContent::Query { number, .. } => format!("query {number}{format}{of_user}"),
        }
    }

    /// The file to be rendered; `inputs` is what all rows of the job depend on.
    pub(super) fn output_file<'s>(
        &self,
        source: RowSource<'s>,
        expansion: &TemplateValues<'_>,
        inputs: &str,
        run: i64,
    ) -> OutputFile<'s> {
        let path = self.file.name.expand(expansion);
        let name = self.source();
        match &self.content {
            FileContent::Fetch { rows, .. } => {
                let changes_every_run = self.content.changes_every_run();
                OutputFile {
                    path,
                    name,
                    title: self.content.title(),
                    source,
                    inputs: format!(
                        "{inputs} {} {}",
                        if changes_every_run { run } else { 0 },
                        rows.since.as_deref().unwrap_or("")
                    ),
                    version: None,
                    force: false,
                }
            }
            FileContent::Query { .. } => OutputFile {
                path,
                name,
                title: self.content.title(),
                source,
                // The export itself checks the names that the query uses.
                inputs: inputs.to_owned(),
                version: None,
                force: false,
            },
        }
    }
}

fn column_names(fetch: &Fetch) -> Option<Vec<String>> {
    let names = |columns: &Vec<&'static Column>| columns.iter().map(|c| c.name.to_owned()).collect();
    fetch.columns.as_ref().map(names)
}
