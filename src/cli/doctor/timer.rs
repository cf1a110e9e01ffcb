//! What starts the jobs: a scheduler that runs, systemd's timer, a line of cron; and when it last did.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Line;
use crate::cli::workshop::local;
use crate::cli::{Context, Exit};
use crate::run::{LockTrouble, SchedulerLock};
use crate::scheduler::{Past, overdue};
use crate::settings::Settings;

/// What `crontab` may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn lines(context: &Context, settings: &Settings, now: DateTime<Utc>) -> Vec<Line> {
    let jobs = context.jobs(settings, &[]).jobs;
    if jobs.iter().all(|job| job.schedule.is_none()) {
        return vec![Line::note("timer", "no job has a schedule: all run by hand")];
    }
    let database = context.project.database(settings);
    let past = Past::read(&database).unwrap_or_default();
    let newest = jobs.iter().filter_map(|job| past.get(&job.name));
    let newest = newest.flat_map(|past| &past.runs).filter(|run| run.fire_at.is_some());
    let fired = newest.filter_map(|run| run.started_at.parse::<DateTime<Utc>>().ok()).max();
    let last =
        fired.map_or_else(|| "it has started no run yet".to_owned(), |at| format!("last run by a fire {}", local(at)));
    let mut starters = starters();
    if let Ok(dir) = context.state_dir(settings)
        && dir.path().exists()
        && let Err(e @ LockTrouble::Scheduled { .. }) = SchedulerLock::look(dir.path(), &database)
    {
        starters.insert(0, e.to_string());
    }
    let mut page = Vec::new();
    page.push(if !starters.is_empty() {
        Line::green("timer", format!("{}; {last}", starters.join("; ")))
    } else if fired.is_some() {
        // A timer of another user or machine, Kubernetes, Airflow: what it does can be seen all the same.
        Line::note("timer", format!("neither a timer, a cron line nor `schedule` was found here, but {last}"))
    } else {
        let todo =
            "cratedigger init --systemd, or a line of crontab: */5 * * * * cratedigger -q --project DIR run --due";
        Line::red("timer", "nothing starts the jobs: no timer, no cron line, no `schedule`", todo, Exit::Usage)
    });
    let late: Vec<&str> = jobs
        .iter()
        .filter(|job| past.get(&job.name).is_some_and(|past| overdue(job, past, now).is_some()))
        .map(|job| job.name.as_str())
        .collect();
    if !late.is_empty() {
        let text = format!("two fires have passed without a complete run: {}", late.join(", "));
        page.push(Line::red("overdue", text, format!("cratedigger history {}", late[0]), Exit::Failed));
    }
    page
}

/// Units and cron lines that name cratedigger.
fn starters() -> Vec<String> {
    let mut found = Vec::new();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let unit_folders =
        ["/etc/systemd/system".into(), "/usr/lib/systemd/system".into(), home.join(".config/systemd/user")];
    for folder in unit_folders {
        for (wanted_by, what) in [
            ("timers.target.wants", "cratedigger.timer"),
            ("multi-user.target.wants", "cratedigger-schedule.service"),
            ("default.target.wants", "cratedigger-schedule.service"),
        ] {
            if folder.join(wanted_by).join(what).symlink_metadata().is_ok() {
                let stamp = Path::new("/var/lib/systemd/timers").join(format!("stamp-{what}"));
                let last = std::fs::metadata(stamp).and_then(|m| m.modified()).ok();
                let last = last.map_or_else(String::new, |at| format!(", last fired {}", local(at.into())));
                found.push(format!("{what} is enabled{last}"));
            }
        }
    }
    let mut tables: Vec<PathBuf> = vec!["/etc/crontab".into()];
    tables.extend(std::fs::read_dir("/etc/cron.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    for table in tables {
        if std::fs::read_to_string(&table).is_ok_and(|text| names_us(&text)) {
            found.push(format!("a line of {}", table.display()));
        }
    }
    if crontab().is_some_and(|text| names_us(&text)) {
        found.push("a line of this user's crontab".to_owned());
    }
    found
}

/// Whether a line that is no comment starts what is due.
fn names_us(text: &str) -> bool {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    lines.into_iter().any(|line| line.contains("cratedigger") && line.contains("--due"))
}

/// `crontab -l`, if it answers soon.
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
