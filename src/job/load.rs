//! The job files of a project.

use std::path::{Path, PathBuf};

use super::consistency;
use super::model::Job;
use super::output_name::check_component;
use super::read;
use crate::document::{Diagnostic, Document, limit_problems, nearest, or_list, quote};
use crate::settings::{Project, Settings};

/// More job files than this are a mistake, such as the wrong folder.
const MAX_JOBS: usize = 1_000;

/// The jobs of a project and everything that is wrong with them.
#[derive(Debug, Default)]
pub struct LoadedJobs {
    /// The valid jobs, sorted by name.
    pub jobs: Vec<Job>,
    /// The names of the jobs that cannot run.
    pub broken: Vec<String>,
    /// All errors and warnings of all files.
    pub problems: Vec<Diagnostic>,
}

impl LoadedJobs {
    /// Whether any job cannot run or was not found.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }
}

/// Reads the named jobs of a project (by name or by file path), or all jobs if no name is given. Only
/// the files of named jobs are read.
pub fn load(project: &Project, settings: &Settings, names: &[String]) -> LoadedJobs {
    let mut loaded = LoadedJobs::default();
    let files = match list_job_files(&project.jobs_dir) {
        Ok(files) => files,
        Err(e) => {
            let shown = project.display_path(&project.jobs_dir);
            let problem = Diagnostic::for_file(&shown, format!("failed to read the jobs folder: {e}"));
            loaded.problems.push(problem.with_hint("`cratedigger init` creates a project folder with example jobs"));
            return loaded;
        }
    };
    if files.len() > MAX_JOBS {
        let shown = project.display_path(&project.jobs_dir);
        loaded.problems.push(Diagnostic::for_file(
            &shown,
            format!("contains {} job files; at most {MAX_JOBS} are allowed", files.len()),
        ));
        return loaded;
    }
    let chosen = choose_files(files, names, &mut loaded.problems);
    for path in chosen {
        load_job(project, settings, &path, &mut loaded);
    }
    loaded.problems.extend(consistency::check_jobs(&loaded.jobs, project));
    loaded
}

fn load_job(project: &Project, settings: &Settings, path: &Path, loaded: &mut LoadedJobs) {
    let name = job_name(path);
    let shown = project.display_path(path);
    let mut problems = Vec::new();
    if let Err(why) = check_component(&name) {
        problems.push(
            Diagnostic::for_file(&shown, format!("a job has the name of its file, and {} {why}", quote(&name)))
                .with_hint("rename the file"),
        );
    }
    let file = path.file_name().map_or(path, Path::new);
    let job = match Document::read_beneath(&project.jobs_dir, file, &shown) {
        Ok(document) => {
            let (job, found) = read::read_job(&document, path, &name, settings);
            problems.extend(found);
            job
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    };
    match job {
        Some(job) if !problems.iter().any(Diagnostic::is_error) => loaded.jobs.push(job),
        _ => loaded.broken.push(name),
    }
    loaded.problems.extend(limit_problems(&shown, problems));
}

/// Every `*.toml` file of the folder, sorted by name, without hidden files and editor backups.
fn list_job_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '#']));
        if path.extension().is_some_and(|e| e == "toml") && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn choose_files(files: Vec<PathBuf>, names: &[String], problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    if names.is_empty() {
        return files;
    }
    let mut chosen: Vec<PathBuf> = Vec::new();
    for name in names {
        // `jobs/x.toml`, as a shell completes it, means job x.
        let wanted = Path::new(name).file_name().map_or(name.clone(), |n| n.to_string_lossy().into_owned());
        let wanted = wanted.strip_suffix(".toml").unwrap_or(&wanted);
        match files.iter().find(|path| job_name(path) == wanted) {
            Some(path) if chosen.contains(path) => {}
            Some(path) => chosen.push(path.clone()),
            None => {
                let known: Vec<String> = files.iter().map(|p| job_name(p)).collect();
                let near = nearest(wanted, known.iter().map(String::as_str));
                let problem = Diagnostic::for_file("jobs", format!("there is no job named {}", quote(wanted)));
                problems.push(problem.with_hint(match near.as_slice() {
                    [] if known.is_empty() => "the folder contains no job files".to_owned(),
                    [] => format!("the jobs are {}", known.join(", ")),
                    near => format!("did you mean {}?", or_list(near)),
                }));
            }
        }
    }
    chosen
}

fn job_name(path: &Path) -> String {
    path.file_stem().map_or(String::new(), |s| s.to_string_lossy().into_owned())
}
