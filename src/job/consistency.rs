//! Checks across fetches, queries and jobs that are valid on their own: two of them write the same file, or read one
//! playlist for two markets.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::model::{Fetch, FetchSource, Job, JobUsers};
use super::output_name::{OutputName, TemplateValues};
use crate::document::{Diagnostic, DocumentChecker, TableValues};
use crate::settings::Project;
use crate::stream::ReadStrategy;
use spotify_client::Reference;

/// Reports two outputs of one job that are the same file on at least some file systems.
pub(super) fn check_output_files(job: &Job, values: &TableValues<'_, '_>, checker: &mut DocumentChecker<'_>) {
    let mut outputs: Vec<(String, &OutputName, Range<usize>)> = Vec::new();
    let spans = OutputSpans::new(values);
    for fetch in &job.fetches {
        if let Some(csv) = &fetch.csv {
            outputs.push((format!("fetch `{}`", fetch.name), csv, spans.find("fetch", csv)));
        }
    }
    for query in &job.queries {
        outputs.push(("another [[query]]".to_owned(), &query.csv, spans.find("query", &query.csv)));
    }
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (who, csv, span) in outputs {
        for path in expanded_paths(job, csv) {
            let clash = taken.iter().find(|(other, _)| {
                **other == path || other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"))
            });
            if let Some((_, other)) = clash {
                // Two fetches with the same name were reported already.
                if *other != who || who.starts_with("another") {
                    checker.report(span.clone(), "csv", format!("`{csv}` is also written by {other}")).hint =
                        Some("give one of them another `csv`".to_owned());
                }
                break;
            }
            taken.insert(path, who.clone());
        }
    }
}

/// The paths that a name can become, in lower case, since some file systems ignore case.
fn expanded_paths(job: &Job, csv: &OutputName) -> Vec<String> {
    let users: Vec<&str> = match &job.users {
        JobUsers::Named(users) if csv.is_per_user() => users.iter().map(String::as_str).collect(),
        _ => vec!["{user}"],
    };
    users
        .into_iter()
        .map(|user| {
            let with = TemplateValues { job: &job.name, date: "{date}", datetime: "{datetime}", user };
            csv.expand(&with).to_lowercase()
        })
        .collect()
}

/// Where the `csv` keys are in the file.
struct OutputSpans {
    at: Vec<(String, String, Range<usize>)>,
}

impl OutputSpans {
    fn new(values: &TableValues<'_, '_>) -> OutputSpans {
        let mut at = Vec::new();
        for table in ["fetch", "query"] {
            let items = values.get(table).and_then(|v| v.get_ref().as_array());
            for item in items.into_iter().flat_map(|items| items.iter()) {
                let Some(inner) = item.get_ref().as_table() else { continue };
                let csv = inner.iter().find(|(key, _)| key.get_ref() == "csv");
                let (name, span) = match csv.and_then(|(_, v)| Some((v.get_ref().as_str()?, v.span()))) {
                    Some((name, span)) => (name.to_owned(), span),
                    None => (String::new(), item.span()),
                };
                at.push((table.to_owned(), name, span));
            }
        }
        // Of two that write the same file, the last one is reported.
        at.reverse();
        OutputSpans { at }
    }

    fn find(&self, table: &str, csv: &OutputName) -> Range<usize> {
        let written = self.at.iter().find(|(t, name, _)| t == table && name == csv.template());
        written.or_else(|| self.at.iter().find(|(t, ..)| t == table)).map_or(0..0, |(_, _, span)| span.clone())
    }
}

/// Checks the jobs of a project against each other.
pub(super) fn check_jobs(jobs: &[Job], project: &Project) -> Vec<Diagnostic> {
    let mut problems = check_folders(jobs, project);
    problems.extend(check_markets(jobs, project));
    problems
}

/// Warns about a playlist that is read for two markets: the store keeps one version of each playlist.
fn check_markets(jobs: &[Job], project: &Project) -> Vec<Diagnostic> {
    let mut read: HashMap<&Reference, (&Job, &Fetch)> = HashMap::new();
    let mut problems = Vec::new();
    let word = |market: &Option<String>| market.clone().unwrap_or_else(|| "no market".to_owned());
    for job in jobs {
        for fetch in job.fetches.iter().filter(|fetch| fetch.stream.strategy == ReadStrategy::Playlist) {
            let FetchSource::Ids(ids) = &fetch.source else { continue };
            let clash = ids.iter().find_map(|id| {
                let (other_job, other) = *read.entry(id).or_insert((job, fetch));
                (other.market != fetch.market).then_some((id, other_job, other))
            });
            if let Some((id, other_job, other)) = clash {
                let message = format!(
                    "fetch `{}` reads playlist {id} for {}, and fetch `{}` of {} for {}: each read replaces the tracks of the other",
                    fetch.name,
                    word(&fetch.market),
                    other.name,
                    other_job.name,
                    word(&other.market)
                );
                let problem = Diagnostic::for_file(&project.display_path(&job.path), message)
                    .for_key("fetch.market")
                    .as_warning();
                problems
                    .push(problem.with_hint("use the same market for both, or move one of them to another project"));
            }
        }
    }
    problems
}

/// Reports two jobs that would share a folder where case is ignored.
fn check_folders(jobs: &[Job], project: &Project) -> Vec<Diagnostic> {
    let mut taken: BTreeMap<String, &Job> = BTreeMap::new();
    let mut problems = Vec::new();
    for job in jobs {
        if let Some(other) = taken.insert(job.name.to_lowercase(), job) {
            let message = format!("would write into the same folder as {}", project.display_path(&other.path));
            problems.push(
                Diagnostic::for_file(&project.display_path(&job.path), message)
                    .with_hint("rename one of the two files: their names differ only in case"),
            );
        }
    }
    problems
}
