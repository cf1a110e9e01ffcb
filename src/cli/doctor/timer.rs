//! Checks what starts the jobs (a running scheduler, a systemd timer, a crontab line) and when it last did.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::DoctorLine;
use crate::cli::local_time::format_local;
use crate::cli::{CommandContext, ExitStatus};
use crate::scheduler::{RunHistory, overdue};
use crate::settings::Settings;
use crate::sync::{LockError, SchedulerLock};

/// The longest time to wait for `crontab`.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn timer_lines(context: &CommandContext, settings: &Settings, now: DateTime<Utc>) -> Vec<DoctorLine> {
    let jobs = context.jobs(settings, &[]).jobs;
    if jobs.iter().all(|job| job.schedule.is_none()) {
        return vec![DoctorLine::note("timer", "no job has a schedule, so all jobs are started by hand")];
    }
    let database = context.project.database(settings);
    let past = RunHistory::read(&database).unwrap_or_default();
    let newest = jobs.iter().filter_map(|job| past.job(&job.name));
    let newest = newest.flat_map(|past| &past.runs).filter(|run| run.fire_at.is_some());
    let fired = newest.filter_map(|run| run.started_at.parse::<DateTime<Utc>>().ok()).max();
    let last = fired
        .map_or_else(|| "no scheduled run so far".to_owned(), |at| format!("last scheduled run {}", format_local(at)));
    let root = &context.project.root;
    let mut starters = find_timers(&absolute_path(root));
    if let Ok(dir) = context.state_dir(settings)
        && dir.path().exists()
        && let Err(e @ LockError::Scheduled { .. }) = SchedulerLock::check(dir.path(), &database)
    {
        starters.insert(0, e.to_string());
    }
    let mut page = Vec::new();
    page.push(if !starters.is_empty() {
        DoctorLine::passed("timer", format!("{}; {last}", starters.join("; ")))
    } else if fired.is_some() {
        // Another user, another machine, Kubernetes or Airflow may start the jobs.
        DoctorLine::note("timer", format!("no timer, crontab line or `schedule` process was found here, but {last}"))
    } else {
        let program = std::env::current_exe().unwrap_or_else(|_| "cratedigger".into());
        let installed = find_units(&absolute_path(root));
        let units = match &installed {
            Some(Units::OfSystem) => "sudo systemctl enable --now cratedigger.timer",
            Some(Units::OfUser) => "systemctl --user enable --now cratedigger.timer",
            None => "cratedigger init --systemd",
        };
        let todo = format!(
            "{units}, or a crontab line: `*/5 * * * * {} -q --project {} run --due`",
            program.display(),
            absolute_path(root).display()
        );
        DoctorLine::problem(
            "timer",
            "nothing starts the jobs: no timer, crontab line or `schedule` process was found",
            todo,
            ExitStatus::Usage,
        )
    });
    let late: Vec<&str> = jobs
        .iter()
        .filter(|job| past.job(&job.name).is_some_and(|past| overdue(job, past, now).is_some()))
        .map(|job| job.name.as_str())
        .collect();
    if !late.is_empty() {
        let text = format!("two scheduled times have passed without a complete run: {}", late.join(", "));
        page.push(DoctorLine::problem("overdue", text, format!("cratedigger history {}", late[0]), ExitStatus::Failed));
    }
    page
}

/// Whose units of this project are installed.
enum Units {
    OfSystem,
    OfUser,
}

fn user_units() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".config/systemd/user")
}

/// Finds an installed timer that would start due jobs of this project, if it were enabled.
fn find_units(project: &Path) -> Option<Units> {
    let folders = [
        ("/etc/systemd/system".into(), Units::OfSystem),
        ("/usr/lib/systemd/system".into(), Units::OfSystem),
        (user_units(), Units::OfUser),
    ];
    let starts = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("cratedigger.service")).unwrap_or_default();
        let mut commands = text.lines().filter(|line| line.starts_with("ExecStart="));
        folder.join("cratedigger.timer").exists() && commands.any(|line| may_start_project(line, project))
    };
    folders.into_iter().find(|(folder, _)| starts(folder)).map(|(_, units)| units)
}

/// Finds the systemd units and crontab lines that start due jobs of this project.
fn find_timers(project: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let unit_folders = ["/etc/systemd/system".into(), "/usr/lib/systemd/system".into(), user_units()];
    for folder in unit_folders {
        for (wanted_by, what) in [
            ("timers.target.wants", "cratedigger.timer"),
            ("multi-user.target.wants", "cratedigger-schedule.service"),
            ("default.target.wants", "cratedigger-schedule.service"),
        ] {
            let unit = folder.join(what.replace(".timer", ".service"));
            let theirs = |text: String| {
                text.lines().any(|line| line.starts_with("ExecStart=") && !may_start_project(line, project))
            };
            let is_ours = !std::fs::read_to_string(unit).is_ok_and(theirs);
            if is_ours && folder.join(wanted_by).join(what).symlink_metadata().is_ok() {
                let stamp = Path::new("/var/lib/systemd/timers").join(format!("stamp-{what}"));
                let last = std::fs::metadata(stamp).and_then(|m| m.modified()).ok();
                let last = last.map_or_else(String::new, |at| format!(", last fired {}", format_local(at.into())));
                found.push(format!("{what} is enabled{last}"));
            }
        }
    }
    let mut tables: Vec<PathBuf> = vec!["/etc/crontab".into()];
    tables.extend(std::fs::read_dir("/etc/cron.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    for table in tables {
        if std::fs::read_to_string(&table).is_ok_and(|text| starts_this_project(&text, project)) {
            found.push(format!("a line in {}", table.display()));
        }
    }
    if crontab().is_some_and(|text| starts_this_project(&text, project)) {
        found.push("a line in this user's crontab".to_owned());
    }
    found
}

/// Whether an active line starts due jobs of this project.
fn starts_this_project(text: &str, project: &Path) -> bool {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    lines
        .into_iter()
        .any(|line| line.contains("cratedigger") && line.contains("--due") && may_start_project(line, project))
}

/// Whether a command line names this project or no project.
fn may_start_project(line: &str, project: &Path) -> bool {
    let mut words = line.split([' ', '\t', '=', ';', '&']).filter(|word| !word.is_empty());
    let unquoted = |word: &str| PathBuf::from(word.trim_matches(['"', '\'']));
    let named = words.by_ref().find(|word| matches!(*word, "--project" | "cd")).and_then(|_| words.next());
    // The value of a shell variable is not known here.
    named.is_none_or(|named| named.contains(['$', '~', '%']) || absolute_path(&unquoted(named)) == project)
}

/// The canonical path of a folder.
fn absolute_path(folder: &Path) -> PathBuf {
    let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    named.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

/// The output of `crontab -l`, unless it takes too long.
fn crontab() -> Option<String> {
    let mut child = Command::new("crontab")
        .arg("-l")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let began = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_for_another_project_does_not_count() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = absolute_path(ours.path());
        for (line, is_ours) in [
            ("*/5 * * * * cratedigger -q --project OURS run --due", true),
            ("*/5 * * * * cratedigger -q --project=\"OURS\" run --due", true),
            ("*/5 * * * * cd OURS/. && cratedigger -q run --due", true),
            ("*/5 * * * * cratedigger -q run --due", true),
            ("*/5 * * * * cratedigger -q --project $HOME/x run --due", true),
            ("*/5 * * * * cratedigger -q --project OTHER run --due", false),
            ("*/5 * * * * cd OTHER; cratedigger -q run --due", false),
            ("# */5 * * * * cratedigger -q --project OURS run --due", false),
        ] {
            let line = line.replace("OURS", &ours.path().display().to_string());
            let line = line.replace("OTHER", &other.path().display().to_string());
            assert_eq!(starts_this_project(&line, &project), is_ours, "{line}");
        }
    }
}
