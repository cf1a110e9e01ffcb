//! The pages of a job: one, or one for each of its users.

use rusqlite::Connection;

use super::job_files::ExportedRun;
use super::output_file::{OutputFile, RowSource};
use super::planned_file::{FileContent, PlannedFile};
use super::query_fetches::mentioned_fetches;
use crate::job::{Job, JobReport};
use crate::report::{JobPage, PageChart, PageLogo, PageQuery};
use crate::store::query::{QueryBudget, QueryError, QueryFetch, QueryParameters, QueryReader};
use crate::store::{OutdatedFile, REPORT_SOURCE, other_pages};

/// For whom a page is.
pub(super) struct PageAudience {
    /// The id and the local name of the user, if it shows the data of one user; `None` for all that the job has.
    user: Option<(String, String)>,
    /// A reader with views of only this user's rows.
    reader: Option<QueryReader>,
    /// The values that charts may name.
    chart_values: QueryParameters,
}

impl PageAudience {
    /// The audiences of the pages of a job. `open` opens a reader for charts.
    pub(super) fn of_job(
        shown: &ExportedRun<'_>,
        users: &[(String, String)],
        database: &std::path::Path,
        budget: impl Fn() -> QueryBudget,
    ) -> Result<Vec<PageAudience>, QueryError> {
        let job = shown.job;
        let values = |user: Option<&String>| QueryParameters { user_id: user.cloned(), ..shown.bound.clone() };
        if !job.has_several_users() {
            // As in queries, a name without `{user}` is that of the job's only user.
            let only = users.first().filter(|_| users.len() == 1).map(|(id, _)| id);
            return Ok(vec![PageAudience { user: None, reader: None, chart_values: values(only) }]);
        }
        let of_user = |(id, name): &(String, String)| {
            let reader = match job.charts.is_empty() {
                true => None,
                false => {
                    let mut fetches = mentioned_fetches(job, shown.fire_at);
                    let of_users = fetches.iter_mut().filter(|fetch| fetch.stream.needs_user());
                    of_users.for_each(|fetch| fetch.user_id = Some(id.clone()));
                    let open = |fetches| QueryReader::open(database, &job.name, fetches, budget());
                    let opened = match open(fetches.clone()) {
                        // Charts that show rows of an input file that cannot be read fail, and no other.
                        Err(QueryError::Inputs(_)) => {
                            open(fetches.into_iter().map(|fetch| QueryFetch { inputs: None, ..fetch }).collect())
                        }
                        opened => opened,
                    };
                    Some(opened?)
                }
            };
            Ok(PageAudience { user: Some((id.clone(), name.clone())), reader, chart_values: values(Some(id)) })
        };
        users.iter().map(of_user).collect()
    }
}

/// What all pages of a job show.
pub(super) struct PageSource<'s> {
    pub shown: &'s ExportedRun<'s>,
    pub report: &'s JobReport,
    /// The files of queries that a page may show.
    pub plans: &'s [PlannedFile<'s>],
    pub reader: &'s QueryReader,
    pub logo: &'s PageLogo,
}

impl<'s> PageSource<'s> {
    /// The page for an audience, which shows the store as of a run.
    pub(super) fn page_for(&self, audience: &'s PageAudience, inputs: &str) -> OutputFile<'s> {
        let (job, run, state) = (self.shown.job, self.shown.run, self.shown.state);
        let user = audience.user.as_ref().map(|(id, name)| (id.as_str(), name.as_str()));
        let name = user.map_or("", |(_, name)| name);
        let mut queries: Vec<PageQuery<'s>> = Vec::new();
        for plan in self.plans {
            let FileContent::Query { query, bound, .. } = &plan.content else { continue };
            // One user's rows are not shown together with another's, and each query is shown once.
            if plan.user == name && !queries.iter().any(|other| std::ptr::eq(other.sql, query.sql.as_str())) {
                let path = plan.file.name.template().replace("{user}", name);
                queries.push(PageQuery { path, sql: &query.sql, reader: self.reader, bound });
            }
        }
        let reader = audience.reader.as_ref().unwrap_or(self.reader);
        let bound = &audience.chart_values;
        let charts = job.charts.iter().map(|chart| PageChart { chart, reader, bound }).collect();
        // The reasons of a run may name its other users.
        let reasons: &[String] = if user.is_some() { &[] } else { self.shown.reasons };
        let (path, source) = match user {
            None => ("report.html".to_owned(), REPORT_SOURCE.to_owned()),
            Some((_, name)) => (format!("report-{name}.html"), format!("{REPORT_SOURCE} of {name}")),
        };
        let (report, logo) = (self.report, self.logo);
        OutputFile {
            force: self.shown.force_render.contains(&path),
            path,
            name: source,
            title: "report page".into(),
            source: RowSource::Page(JobPage { job, report, run, state, reasons, queries, charts, user, logo }),
            inputs: format!("{inputs} {run} {state:?} {reasons:?} {logo:?}"),
            version: None,
        }
    }
}

/// The pages of a job that are for others than its present readers: a user of a job with several users sees no page of all.
/// Of a job without `[report]`, only such a page is one; the other pages were asked for by the command.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn pages_of_others(
    store: &Connection,
    job: &Job,
    has_page: bool,
    files: &[OutputFile<'_>],
) -> rusqlite::Result<Vec<OutdatedFile>> {
    if !has_page && !job.has_several_users() {
        return Ok(Vec::new());
    }
    let current: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut others = other_pages(store, &job.name, &current)?;
    others.retain(|page| has_page || page.source == REPORT_SOURCE);
    Ok(others)
}
