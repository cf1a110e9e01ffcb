//! The overview of all jobs: which need attention, how their last runs ended, what they may still call, and how old their
//! data are. It shows nothing of Spotify's, so it can be shared: names are those of job files, and reasons are given in
//! words of this program.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use rusqlite::Connection;

use super::job_page::ReportError;
use super::overview_sections::DAYS_SHOWN;
use super::overview_status::{DAYS_LEFT, JobStatus, SignInState, overall_state};
use super::page::{Page, grouped};
use crate::store::report_rows::{self, CallsOfJob};
use crate::store::{RunRow, timestamp};

/// What the overview shows besides the store.
#[derive(Debug, Default)]
pub struct Overview {
    /// Until when the shown runs have ended; `None` if no job ever ran.
    pub as_of: Option<DateTime<Utc>>,
    pub jobs: Vec<OverviewJob>,
    /// Names of jobs with runs in the store and without a job file.
    pub other_jobs: Vec<String>,
    /// Calls that the settings allow in 24 hours.
    pub calls_per_day: Option<u64>,
    pub sign_ins: Vec<OverviewSignIn>,
}

/// A job with its runs.
#[derive(Debug, Default)]
pub struct OverviewJob {
    pub name: String,
    /// Whether its file has errors.
    pub is_broken: bool,
    /// Whether it has a page of its own.
    pub has_page: bool,
    /// Names of its fetches.
    pub fetches: Vec<String>,
    /// Its newest runs, the newest first.
    pub runs: Vec<RunRow>,
    /// When its newest complete or partial run started.
    pub data_from: Option<DateTime<Utc>>,
    /// When it starts next, if it has a schedule.
    pub next: Option<OverviewStart>,
    /// Since when its data are older than its schedule promises.
    pub overdue_since: Option<DateTime<Utc>>,
}

/// When a job starts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverviewStart {
    /// Its time has come.
    Due,
    At(DateTime<Utc>),
}

/// A sign-in that jobs use.
#[derive(Debug, Default)]
pub struct OverviewSignIn {
    /// The local name, if it may be shown.
    pub user: Option<String>,
    /// Whether there is a grant that works, as far as is known.
    pub is_valid: bool,
    pub ends_at: Option<DateTime<Utc>>,
    pub days_left: Option<i64>,
    /// Whether it may end earlier.
    pub is_at_most: bool,
    /// Whether a job needs a permission that it does not have.
    pub lacks_scopes: bool,
    pub jobs: Vec<String>,
}

/// Renders the overview from the store.
///
/// # Errors
/// If the store cannot be read.
pub fn render_overview(store: &Connection, shown: &Overview) -> Result<Vec<u8>, ReportError> {
    let as_of = shown.as_of.unwrap_or_default();
    let from = (as_of - Duration::days(DAYS_SHOWN - 1)).format("%Y-%m-%d").to_string();
    let day_ago = timestamp(as_of - Duration::hours(24));
    let names = shown.jobs.iter().map(|job| &job.name).chain(&shown.other_jobs);
    let calls = names.map(|name| Ok((name.as_str(), report_rows::calls_of_job(store, name, &from, &day_ago)?)));
    let calls: BTreeMap<&str, CallsOfJob> = calls.collect::<rusqlite::Result<_>>()?;
    let of = OverviewScope { store, shown, as_of, calls };
    let mut jobs: Vec<(&OverviewJob, JobStatus)> = shown.jobs.iter().map(|job| (job, JobStatus::of(job))).collect();
    jobs.sort_by(|(a, one), (b, other)| (one.rank, &a.name).cmp(&(other.rank, &b.name)));
    let troubled = jobs.iter().filter(|(_, status)| status.needs_attention()).count();
    let mut page = Page::new("cratedigger", "Overview of all jobs", overall_state(&jobs, troubled));
    page.written = of.written();
    page.facts = of.facts(troubled);
    let sections = [of.attention(&jobs), of.jobs(&jobs), of.calls_by_day(), of.ages()?, of.missing()?, of.sign_ins()];
    page.sections = sections.into_iter().flatten().collect();
    Ok(page.to_bytes()?)
}

pub(super) struct OverviewScope<'a> {
    pub store: &'a Connection,
    pub shown: &'a Overview,
    pub as_of: DateTime<Utc>,
    /// The calls of each job.
    pub calls: BTreeMap<&'a str, CallsOfJob>,
}

impl OverviewScope<'_> {
    /// As of when the page is, and when it will be written again.
    fn written(&self) -> String {
        let mut text = match self.shown.as_of {
            Some(at) => format!("Written after the run that ended at {} UTC.", time_text(at)),
            None => "No job has run yet.".to_owned(),
        };
        match self.next_start() {
            Some((_, OverviewStart::Due)) => text.push_str(
                " A run is due now and writes it again. If this page still says so an hour later, nothing has run since.",
            ),
            Some((_, OverviewStart::At(next))) => text.push_str(&format!(
                " The next run is due at {} UTC and writes it again. If it is later and this page still says so, \
                 nothing has run since.",
                time_text(next)
            )),
            None => text.push_str(" No job has a schedule, so the next run is started by hand."),
        }
        text
    }

    /// The job that starts next.
    fn next_start(&self) -> Option<(&str, OverviewStart)> {
        let starts = self.shown.jobs.iter().filter_map(|job| Some((job.name.as_str(), job.next?)));
        starts.min_by_key(|(_, start)| match start {
            OverviewStart::Due => DateTime::<Utc>::MIN_UTC,
            OverviewStart::At(at) => *at,
        })
    }

    fn facts(&self, troubled: usize) -> Vec<(String, String)> {
        let calls = self.calls.values().map(|calls| calls.last_day).sum();
        let of_budget = self.shown.calls_per_day.map_or(String::new(), |budget| format!(" of {}", grouped(budget)));
        let mut facts = vec![
            ("jobs".to_owned(), grouped(self.shown.jobs.len() as u64)),
            ("need attention".to_owned(), grouped(troubled as u64)),
            ("calls in 24 h".to_owned(), format!("{}{of_budget}", grouped(calls))),
        ];
        let (lapsed, ending) = self.shown.sign_ins.iter().fold((0, 0), |(lapsed, ending), sign_in| {
            let state = sign_in.status();
            (lapsed + u64::from(state == SignInState::Lapsed), ending + u64::from(state == SignInState::Ending))
        });
        if lapsed > 0 {
            facts.push(("sign-ins needed".to_owned(), grouped(lapsed)));
        }
        if ending > 0 {
            facts.push((format!("sign-ins end within {DAYS_LEFT} days"), grouped(ending)));
        }
        facts
    }
}

/// `2026-11-30 06:17`
pub(super) fn time_text(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}
