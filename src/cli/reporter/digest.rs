//! The digest: a regular summary of all jobs, with the problems first.

use chrono::{DateTime, Utc};

use super::Reporter;
use crate::cli::local_time::{format_local, format_stored};
use crate::cli::metrics::days_left;
use crate::cli::print::count;
use crate::cli::sign_in_status;
use crate::job::{Job, Schedule};
use crate::notify::AlertEvent;
use crate::scheduler::RunHistory;
use crate::settings::Settings;
use crate::store::digest_rows::{DigestRows, PlaylistNews, digest_rows};
use crate::store::{RunRow, RunState, StoreError, timestamp};

/// How many jobs a digest shows with a line each. Those with trouble come first.
const MOST_JOBS: usize = 20;
/// How many names of vanished playlists are listed.
const MOST_VANISHED: usize = 10;

impl Reporter<'_> {
    /// Sends the digest if its time has come. It tells of everything since the last one.
    pub(in crate::cli) fn send_digest(&self, settings: &Settings, jobs: &[Job], now: DateTime<Utc>) {
        let Some((from, until)) = self.digest_period(settings, now) else { return };
        let database = self.context.project.database(settings);
        let read = || match database.exists() {
            false => Ok((DigestRows::default(), RunHistory::default())),
            true => Ok((digest_rows(&database, &timestamp(from), &timestamp(until))?, RunHistory::read(&database)?)),
        };
        let (rows, past): (DigestRows, RunHistory) = match read() {
            Ok(read) => read,
            Err(error) => {
                let error: StoreError = error;
                return tracing::debug!(%error, "cannot write the digest");
            }
        };
        if !self.notifier.as_ref().is_some_and(|notifier| notifier.alerts().claim_digest(from, until)) {
            return;
        }
        let mut lines = job_lines(jobs, &past);
        lines.extend(change_lines(&rows));
        let grants = sign_in_status::open_existing_grants(self.context, settings).ok().flatten();
        let list = grants.and_then(|grants| grants.list().ok()).unwrap_or_default();
        let days: Vec<String> = list.iter().map(|grant| format!("{} {}", grant.user, days_left(grant, now))).collect();
        if !days.is_empty() {
            lines.push(format!("days until the next sign-in: {}", days.join(", ")));
        }
        let good = jobs.iter().filter(|job| is_complete(job, &past)).count();
        let text = format!(
            "digest since {}: {good} of {} complete, {}, {}",
            format_local(from),
            if jobs.len() == 1 { "1 job is".to_owned() } else { format!("{} jobs are", jobs.len()) },
            count(rows.runs, "run"),
            count(rows.calls, "call"),
        );
        self.send(AlertEvent::Digest, "", text, lines, None);
    }

    /// Whether a digest is due.
    pub(in crate::cli) fn has_digest(&self, settings: &Settings, now: DateTime<Utc>) -> bool {
        self.digest_period(settings, now).is_some()
    }

    /// The period that a digest covers if it is due now.
    fn digest_period(&self, settings: &Settings, now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let notifier = self.notifier.as_ref()?;
        if !self.events.iter().any(|on| on == AlertEvent::Digest.as_str()) {
            return None;
        }
        let line = settings.notify.digest.cron_line();
        let schedule = Schedule::parse(line).ok()?.in_zone(settings.defaults.timezone);
        let from = notifier.alerts().digest_until(now)?;
        let until = schedule.last_at_or_before(now)?;
        (until > from).then_some((from, until))
    }
}

/// The newest run that has ended.
fn newest_run<'p>(job: &Job, past: &'p RunHistory) -> Option<&'p RunRow> {
    past.job(&job.name)?.runs.iter().find(|run| run.exit_code.is_some())
}

fn is_complete(job: &Job, past: &RunHistory) -> bool {
    newest_run(job, past).is_some_and(|run| run.state == RunState::Complete.as_str())
}

/// A line for each job, those with trouble first.
fn job_lines(jobs: &[Job], past: &RunHistory) -> Vec<String> {
    let mut ordered: Vec<&Job> = jobs.iter().collect();
    ordered.sort_by_key(|job| (is_complete(job, past), job.name.clone()));
    let line = |job: &&Job| {
        let Some(run) = newest_run(job, past) else { return format!("{}: no run yet", job.name) };
        let complete = past.job(&job.name).and_then(|past| past.last_complete);
        let data =
            complete.map_or_else(|| "no complete run yet".to_owned(), |at| format!("data from {}", format_local(at)));
        match run.reason.as_deref().filter(|_| run.state != RunState::Complete.as_str()) {
            Some(reason) => {
                format!("{}: {} ({}), {data}: {reason}", job.name, run.state, format_stored(&run.started_at))
            }
            None => format!("{}: {}, {data}", job.name, run.state),
        }
    };
    let mut lines: Vec<String> = ordered.iter().take(MOST_JOBS).map(line).collect();
    if ordered.len() > MOST_JOBS {
        lines.push(format!("and {} more", count(ordered.len() - MOST_JOBS, "job")));
    }
    lines
}

fn change_lines(rows: &DigestRows) -> Vec<String> {
    let counts = |news: &PlaylistNews| {
        let moved = if news.moved > 0 { format!(", {} moved", news.moved) } else { String::new() };
        format!("+{} \u{2212}{}{moved}", news.added, news.removed)
    };
    let mut lines = Vec::new();
    if rows.changed_playlists > 0 {
        lines.push(format!("{} changed: {}", count(rows.changed_playlists, "playlist"), counts(&rows.changes)));
        lines.extend(rows.playlists.iter().map(|it| format!("  {}: {}", it.name, counts(it))));
    }
    if rows.new_releases > 0 {
        lines.push(count(rows.new_releases, "new release"));
        lines.extend(rows.releases.iter().map(|it| format!("  {} {}: {}", it.date, it.artists, it.title)));
    }
    if !rows.vanished.is_empty() {
        let shown = rows.vanished.iter().take(MOST_VANISHED).cloned().collect::<Vec<_>>().join(", ");
        let more = rows.vanished.len().saturating_sub(MOST_VANISHED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!("{} gone: {shown}{more}", count(rows.vanished.len(), "playlist")));
    }
    lines
}
