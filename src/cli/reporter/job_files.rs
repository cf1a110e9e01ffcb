//! Settings and job files that become invalid or valid again, and what a recovery says.

use super::{Reporter, StartedBy, alert_scope};
use crate::cli::CommandError;
use crate::cli::local_time::format_local;
use crate::document::Diagnostic;
use crate::job::LoadedJobs;
use crate::notify::{AlertEvent, AlertKind, AlertScope, AlertTransition, ResolvedAlert};
use crate::store::RunState;

/// The state of a job after its file was deleted.
const GONE: &str = "gone";

impl Reporter<'_> {
    /// Reports that no job can run because of the settings.
    pub(in crate::cli) fn settings_invalid(&self, failure: &CommandError) {
        let CommandError::Problems(problems) = failure else { return self.job_failed("", failure) };
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let begun = self.start_alert(AlertScope::Project, AlertKind::BrokenFile, &lines.join("; "));
        if begun == AlertTransition::New {
            self.context.report(failure);
            self.send(AlertEvent::Failure, "", "the settings are invalid, so no job runs".to_owned(), lines, None);
        }
    }

    /// The jobs with files that were reported as broken and are valid or deleted now. A command that reads the files of
    /// some jobs does not know about the others.
    pub(super) fn repaired_files(&self, loaded: &LoadedJobs) -> Vec<String> {
        let open = self.notifier.as_ref().map(|notifier| notifier.alerts().open_alerts()).unwrap_or_default();
        let good = |job: &String| match job.as_str() {
            "" => loaded.is_whole_folder && !(loaded.has_errors() && loaded.broken.is_empty()),
            name => loaded.is_valid(name) || loaded.is_whole_folder && !loaded.broken.contains(job),
        };
        let broken = open.into_iter().filter(|(_, trouble, _)| *trouble == AlertKind::BrokenFile);
        broken.map(|(job, ..)| job).filter(good).collect()
    }

    /// Reports the job files that have become broken or valid.
    pub(in crate::cli) fn jobs_loaded(&self, loaded: &LoadedJobs) {
        *self.jobs.borrow_mut() = loaded.jobs.iter().map(|job| (job.name.clone(), job.users.clone())).collect();
        if self.notifier.is_none() {
            if loaded.has_errors() {
                self.context.report(&CommandError::Problems(loaded.problems.clone()));
            }
            return;
        }
        for job in self.repaired_files(loaded) {
            let state = if job.is_empty() {
                "running"
            } else if loaded.is_valid(&job) {
                "good"
            } else {
                GONE
            };
            self.resolve_alerts(alert_scope(&job), &[AlertKind::BrokenFile], state, None);
        }
        if !loaded.has_errors() {
            return;
        }
        let mut news = Vec::new();
        let nowhere = [String::new()];
        // An error that belongs to no file, such as an unreadable folder.
        let broken = if loaded.broken.is_empty() { &nowhere[..] } else { &loaded.broken };
        for job in broken {
            let file = format!("{job}.toml");
            let is_its = |path: &str| std::path::Path::new(path).file_name().is_some_and(|name| name == file.as_str());
            let of_job = |p: &&Diagnostic| p.is_error() && (job.is_empty() || is_its(&p.file));
            let problems: Vec<String> = loaded.problems.iter().filter(of_job).map(ToString::to_string).collect();
            if self.start_alert(alert_scope(job), AlertKind::BrokenFile, &problems.join("; ")) == AlertTransition::New {
                news.push((job, problems));
            }
        }
        match self.started_by {
            // The last valid version stays in use.
            StartedBy::Schedule if !news.is_empty() => loaded.problems.iter().for_each(|problem| {
                let (file, line, column) = (problem.file.as_str(), problem.line, problem.column);
                let (key, hint) = (problem.key.as_deref(), problem.hint.as_deref());
                tracing::warn!(file, line, column, key, hint, "{}", problem.message);
            }),
            StartedBy::Timer if news.is_empty() => {}
            StartedBy::Schedule => {}
            StartedBy::User | StartedBy::Timer => self.context.report(&CommandError::Problems(loaded.problems.clone())),
        }
        for (job, problems) in news {
            let text = match job.as_str() {
                "" => "the job files cannot be read, so no job runs".to_owned(),
                _ if self.started_by == StartedBy::Schedule => {
                    format!("{} is invalid; the job runs as its last valid version says", self.job_file(job))
                }
                _ => format!("{} is invalid, so the job does not run", self.job_file(job)),
            };
            self.send(AlertEvent::Failure, job, text, problems, None);
        }
    }

    /// The path of a job file, as problems name it.
    fn job_file(&self, job: &str) -> String {
        let project = &self.context.project;
        project.display_path(&project.jobs_dir.join(format!("{job}.toml")))
    }
}

/// What a recovery says. Without a job it is about the whole project.
pub(super) fn recovery_text(job: &str, ended: &ResolvedAlert, state: &str) -> String {
    let since = format_local(ended.since);
    match (job, ended.kind) {
        ("", AlertKind::BrokenFile) => {
            format!("jobs run again; the settings or the job files had been invalid since {since}")
        }
        ("", AlertKind::Person) => format!("jobs run again; they had needed a user since {since}"),
        ("", _) => format!("jobs run again; they had failed since {since}"),
        (_, AlertKind::BrokenFile) if state == GONE => {
            format!("job {job} no longer exists; its file had been invalid since {since}")
        }
        (_, AlertKind::BrokenFile) => format!("job {job} is {state} again; its file had been invalid since {since}"),
        // A user has acted, and the run may have other problems.
        (_, AlertKind::Person) if state != RunState::Complete.as_str() => {
            format!("job {job} runs again (its last run was {state}); it had needed a user since {since}")
        }
        (_, AlertKind::Person) => format!("job {job} is {state} again; it had needed a user since {since}"),
        (_, AlertKind::Overdue) => format!("job {job} is {state} again; its data had been overdue since {since}"),
        (_, AlertKind::Partial) => format!("job {job} is {state} again; it had been partial since {since}"),
        (_, AlertKind::Failed | AlertKind::Deferred | AlertKind::Untold) if state != RunState::Complete.as_str() => {
            format!("job {job} runs again (its last run was {state}); it had failed since {since}")
        }
        (_, AlertKind::Failed | AlertKind::Deferred | AlertKind::Untold) => {
            format!("job {job} is {state} again; it had failed since {since}")
        }
    }
}
