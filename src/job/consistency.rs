//! Checks across fetches, queries and jobs that are valid on their own: two of them write the same file, or read one
//! playlist for two markets.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::model::{Fetch, FetchSource, Job, JobUsers, RowFile};
use super::output_name::{OutputName, TemplateValues};
use crate::document::{Diagnostic, DocumentChecker};
use crate::settings::Project;
use crate::stream::ReadStrategy;
use spotify_client::Reference;

/// Reports two outputs of one job that are the same file on at least some file systems.
pub(super) fn check_output_files(job: &Job, checker: &mut DocumentChecker<'_>) {
    let mut outputs: Vec<(usize, String, &RowFile)> = Vec::new();
    for (owner, fetch) in job.fetches.iter().enumerate() {
        outputs.extend(fetch.files.iter().map(|file| (owner, format!("fetch `{}`", fetch.name), file)));
    }
    for (owner, query) in (job.fetches.len()..).zip(&job.queries) {
        outputs.extend(query.files.iter().map(|file| (owner, "another [[query]]".to_owned(), file)));
    }
    let mut taken: BTreeMap<String, (usize, String)> = BTreeMap::new();
    if job.xlsx {
        taken.insert(format!("{}.xlsx", job.name.to_lowercase()), (usize::MAX, "`xlsx`".to_owned()));
    }
    if job.report.is_some() {
        taken.insert("report.html".to_owned(), (usize::MAX, "`[report]`".to_owned()));
    }
    for (owner, who, RowFile { format, name, span }) in outputs {
        for path in expanded_paths(job, name) {
            // The same path, a folder above it, or a file below it.
            let below = format!("{path}/");
            let clash = Path::new(&path).ancestors().find_map(|above| taken.get(above.to_str()?)).or_else(|| {
                taken.range(below.clone()..).next().filter(|(other, _)| other.starts_with(&below)).map(|(_, by)| by)
            });
            if let Some((other_owner, other)) = clash {
                // Two fetches with the same name were reported already.
                if *other != who || *other_owner == owner || who.starts_with("another") {
                    let key = format.as_str();
                    checker.report(span.clone(), key, format!("`{name}` is also written by {other}")).hint =
                        Some(format!("give one of them another `{key}`"));
                }
                break;
            }
            taken.insert(path, (owner, who.clone()));
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
            let with = TemplateValues { job: &job.name, date: "{date}", datetime: "{datetime}", user, list: "{list}" };
            csv.expand(&with).to_lowercase()
        })
        .collect()
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
