//! The job files of a project.

use std::path::{Path, PathBuf};

use super::consistency;
use super::input_budget::{InputBudget, InputLimits};
use super::model::{Job, JobUsers};
use super::output_name::check_component;
use super::read;
use crate::document::{Diagnostic, Document, limit_problems, nearest, or_list, quote};
use crate::settings::{Project, Settings, Shard};

/// More job files than this are a mistake, such as the wrong folder.
const MAX_JOBS: usize = 1_000;

/// The jobs of a project and everything that is wrong with them.
#[derive(Debug, Default)]
pub struct LoadedJobs {
    /// The valid jobs, sorted by name.
    pub jobs: Vec<Job>,
    /// The names of the jobs that cannot run.
    pub broken: Vec<String>,
    /// The names of valid jobs that are left to other shards.
    pub elsewhere: Vec<String>,
    /// All errors and warnings of all files.
    pub problems: Vec<Diagnostic>,
    /// Whether every job file of the folder was read, so that a job that is not here has no file.
    pub is_whole_folder: bool,
}

impl LoadedJobs {
    /// Whether any job cannot run or was not found.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// Whether the file of a job was read and is valid.
    pub fn is_valid(&self, name: &str) -> bool {
        self.jobs.iter().any(|job| job.name == name) || self.elsewhere.iter().any(|job| job == name)
    }
}

/// Reads the named jobs of a project (by name or by file path), or all jobs if no name is given. Only
/// the files of named jobs are read.
pub fn load(project: &Project, settings: &Settings, names: &[String]) -> LoadedJobs {
    load_within(InputLimits::USUAL, project, settings, names)
}

fn load_within(limits: InputLimits, project: &Project, settings: &Settings, names: &[String]) -> LoadedJobs {
    let mut loaded = LoadedJobs::default();
    let files = match list_job_files(&project.jobs_dir) {
        Ok(files) => files,
        Err(e) => {
            let folder = std::path::absolute(&project.jobs_dir).unwrap_or_else(|_| project.jobs_dir.clone());
            let shown = folder.display().to_string();
            let problem = Diagnostic::for_file(&shown, format!("failed to read the jobs folder: {e}"));
            loaded.problems.push(problem.with_hint(
                "name the folder of the project with --project, or create one with example jobs: `cratedigger init`",
            ));
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
    loaded.is_whole_folder = names.is_empty();
    let chosen = choose_files(files, names, &mut loaded.problems);
    let mut used = 0;
    for path in chosen {
        let inputs = InputBudget::beside(used, limits);
        if load_job(project, settings, &path, &inputs, &mut loaded) {
            used += inputs.used();
        }
    }
    loaded.problems.extend(consistency::check_jobs(&loaded.jobs, project));
    loaded
}

/// Adds a job, or the problems with it. Returns whether the job is valid.
fn load_job(
    project: &Project,
    settings: &Settings,
    path: &Path,
    inputs: &InputBudget,
    loaded: &mut LoadedJobs,
) -> bool {
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
            let (job, found) = read::read_job(&document, path, &name, settings, inputs);
            problems.extend(found);
            job
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    };
    let job = job.filter(|_| !problems.iter().any(Diagnostic::is_error));
    let is_valid = job.is_some();
    match job {
        Some(mut job) => {
            if settings.shard.is_none_or(|shard| restrict(&mut job, shard)) {
                loaded.jobs.push(job);
            } else {
                loaded.elsewhere.push(name);
            }
        }
        None => loaded.broken.push(name),
    }
    loaded.problems.extend(limit_problems(&shown, problems));
    is_valid
}

/// Restricts a job to the users of a shard. A job without users is read by the shard of its name. Returns whether the
/// shard has anything to do.
fn restrict(job: &mut Job, shard: Shard) -> bool {
    match &mut job.users {
        JobUsers::None => shard.contains(&job.name),
        JobUsers::Named(users) => {
            users.retain(|user| shard.contains(user));
            !users.is_empty()
        }
        JobUsers::All(of) => {
            *of = Some(shard);
            true
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_all_jobs_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join("jobs").join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("jobs")).unwrap();
        let searches = "[[fetch]]\nstream = \"search\"\nqueries_file = \"a.csv\"\n";
        let ids = "[[fetch]]\nstream = \"artists\"\nids_file = \"ids.csv\"\n";
        write("a.csv", &(0..10_000).map(|n| format!("{n:076}\n")).collect::<String>());
        write("ids.csv", &(0..10_000).map(|n| format!("{n:022}\n")).collect::<String>());
        // A search takes 100 bytes, and an id 54.
        write("a.toml", searches);
        write("b.toml", &format!("{searches}csv = \"1.csv\"\n{searches}name = \"second\"\n{ids}"));
        write("c.toml", ids);
        write("d.toml", searches);
        let (project, settings) = (Project::at(folder.path()), Settings::built_in());
        let loaded = |of_job, of_all| {
            let loaded = load_within(InputLimits { of_job, of_all }, &project, &settings, &[]);
            let problems: Vec<String> = loaded.problems.into_iter().map(|problem| problem.message).collect();
            (loaded.broken, problems.join("\n"))
        };
        assert_eq!(loaded(3 << 20, 6 << 20), (Vec::new(), String::new()));
        // What the broken job does not use is left for the others.
        let (broken, problems) = loaded(2 << 20, 3 << 20);
        assert_eq!(broken, ["b"], "{problems}");
        assert!(problems.contains("ids.csv` brings the ids and searches of this job to more than 2 MiB"), "{problems}");
        let (broken, problems) = loaded(3 << 20, 4 << 20);
        assert_eq!(broken, ["d"], "{problems}");
        assert!(problems.contains("a.csv` brings the ids and searches of all jobs to more than 4 MiB"), "{problems}");
    }
}
