//! The sections of the overview.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use super::chart::bars_below;
use super::dates::{minute, short_day};
use super::fetch_section::meaning;
use super::job_page::{ReportError, rest, words};
use super::overview::{OverviewJob, OverviewScope, OverviewSignIn, OverviewStart, time_text};
use super::overview_status::{DAYS_LEFT, JobStatus, SignInState, WAITING};
use super::page::{PageCell, PageTable, RunStrip, STRIP_RUNS, Section, counted, grouped};
use crate::store::RunState;
use crate::store::report_rows::{self, CallsOfJob};

/// Number of days in the chart of calls.
pub(super) const DAYS_SHOWN: i64 = 14;

/// Maximum number of rows of the table of fetches.
const MAX_FETCHES: usize = 100;

impl OverviewScope<'_> {
    /// The jobs with trouble and those that wait: why, and what to type.
    pub(super) fn attention(&self, jobs: &[(&OverviewJob, JobStatus)]) -> Option<Section> {
        let listed: Vec<_> = jobs.iter().filter(|(_, status)| status.rank <= WAITING).collect();
        let troubled = listed.iter().filter(|(_, status)| status.needs_attention()).count() as u64;
        let waiting = listed.len() as u64 - troubled;
        let needs = if troubled == 1 { "needs" } else { "need" };
        let waits = if waiting == 1 { "waits" } else { "wait" };
        let (title, lead) = match (troubled, waiting) {
            (0, 0) => return None,
            (0, n) => ("Waiting", format!("{} {waits} for calls and continue by themselves.", counted(n, "job"))),
            (n, 0) => ("Needs attention", format!("{} {needs} attention, the most urgent first.", counted(n, "job"))),
            (n, m) => (
                "Needs attention",
                format!(
                    "{} {needs} attention, the most urgent first. {} {waits} for calls.",
                    counted(n, "job"),
                    grouped(m)
                ),
            ),
        };
        let mut table = PageTable::new("Why, and what to type", &["job", "state", "why", "what to type"]);
        table.rows = listed
            .iter()
            .map(|(job, status)| {
                let state = PageCell::state(status.state.clone());
                vec![job.cell(), state, PageCell::wide(&status.why), PageCell::code(&status.command)]
            })
            .collect();
        Some(Section { id: "attention".into(), title: title.into(), lead, tables: vec![table], ..Section::default() })
    }

    pub(super) fn jobs(&self, jobs: &[(&OverviewJob, JobStatus)]) -> Option<Section> {
        let mut section = Section { id: "jobs".into(), title: "Jobs".into(), ..Section::default() };
        section.lead = match jobs.len() {
            0 => "There is no job file yet; `cratedigger init` writes examples.".to_owned(),
            _ => format!(
                "The bars are the last {STRIP_RUNS} runs, the newest at the right. A higher bar is a run that was not complete."
            ),
        };
        let heads = ["job", "state", "last runs", "began", "data from", "next run", "#calls in 24 h"];
        let mut table = PageTable::new("All jobs", &heads);
        table.rows = jobs
            .iter()
            .map(|(job, status)| {
                let runs = job.runs.iter().take(STRIP_RUNS).rev().map(|run| RunState::from_word(&run.state));
                let strip = Some(RunStrip(runs.collect())).filter(|strip| !strip.0.is_empty());
                let began = job.runs.first().map_or_else(|| "never".to_owned(), |run| minute(&run.started_at));
                let next = match job.next {
                    Some(OverviewStart::Due) => "due".to_owned(),
                    Some(OverviewStart::At(at)) => time_text(at),
                    None if job.is_broken => "when its file is valid".to_owned(),
                    None => "by hand".to_owned(),
                };
                vec![
                    job.cell(),
                    PageCell::state(status.state.clone()),
                    PageCell { strip, ..PageCell::unbroken("") },
                    PageCell::unbroken(began),
                    PageCell::unbroken(job.data_from.map_or_else(|| "none yet".to_owned(), time_text)),
                    PageCell::unbroken(next),
                    PageCell::number(self.calls.get(job.name.as_str()).map_or(0, |calls| calls.last_day)),
                ]
            })
            .collect();
        if !table.rows.is_empty() {
            section.tables.push(table);
        }
        Some(section)
    }

    /// The calls of each day against the budget, and of each job.
    pub(super) fn calls_by_day(&self) -> Option<Section> {
        let days: Vec<String> = (0..DAYS_SHOWN)
            .map(|n| (self.as_of - Duration::days(DAYS_SHOWN - 1 - n)).format("%Y-%m-%d").to_string())
            .collect();
        let on = |calls: &CallsOfJob, day: &str| {
            calls.by_day.iter().find(|(of, _)| of == day).map_or(0, |(_, calls)| *calls)
        };
        let sums: Vec<(String, u64)> =
            days.iter().map(|day| (day.clone(), self.calls.values().map(|calls| on(calls, day)).sum())).collect();
        let most = sums.iter().max_by_key(|(day, calls)| (*calls, Reverse(day.clone())))?.clone();
        if most.1 == 0 {
            return None;
        }
        let mut section = Section { id: "calls".into(), title: "Calls".into(), ..Section::default() };
        let share = |calls: u64, budget: u64| (calls as f64 / budget.max(1) as f64 * 100.0).ceil();
        let budget = match self.shown.calls_per_day {
            Some(budget) => format!(
                ", which is {} % of the {} that the settings allow in 24 hours",
                share(most.1, budget),
                grouped(budget)
            ),
            None => "; the settings allow any number".to_owned(),
        };
        let on_day = format!("{} on {}", counted(most.1, "call"), short_day(&most.0));
        section.lead = format!("Most in the last {DAYS_SHOWN} days: {on_day}{budget}.");
        let named: Vec<_> = sums.iter().map(|(day, calls)| (short_day(day), *calls)).collect();
        let mut chart = bars_below("calls-days".into(), "Calls by day", &named, self.shown.calls_per_day);
        chart.finding = match &chart.limit {
            Some(limit) => format!("The most is {on_day}. The dashed line is the budget of {}.", limit.label),
            None => format!("The most is {on_day}."),
        };
        section.charts.push(chart);
        let mut table = PageTable::new("Days as a table", &["day", "#calls"]);
        table.is_folded = true;
        table.rows =
            sums.iter().rev().map(|(day, calls)| vec![PageCell::unbroken(day), PageCell::number(*calls)]).collect();
        section.tables.push(table);
        let today = days.last().map_or("", String::as_str);
        let mut by_job: Vec<(&str, u64, u64, u64)> = self
            .calls
            .iter()
            .map(|(job, calls)| {
                let of_days = || calls.by_day.iter().map(|(_, calls)| *calls);
                (*job, on(calls, today), of_days().sum(), of_days().max().unwrap_or(0))
            })
            .filter(|(_, _, sum, _)| *sum > 0)
            .collect();
        by_job.sort_by_key(|(job, _, sum, _)| (Reverse(*sum), *job));
        let heads =
            ["job".to_owned(), format!("#on {}", short_day(today)), "#in 14 days".into(), "#most on one day".into()];
        let mut table = PageTable::new("Calls by job", &heads.each_ref().map(String::as_str));
        let row = |(job, last, sum, most): &(&str, u64, u64, u64)| {
            [vec![PageCell::unbroken(*job)], [*last, *sum, *most].map(PageCell::number).to_vec()].concat()
        };
        table.rows = by_job.iter().map(row).collect();
        table.note = Some("Calls count on the day (UTC) on which their run began.".to_owned());
        section.tables.push(table);
        Some(section)
    }

    /// When each fetch was last read completely, the oldest first.
    pub(super) fn ages(&self) -> Result<Option<Section>, ReportError> {
        let mut reads = Vec::new();
        for job in &self.shown.jobs {
            let of_job = report_rows::fetch_reads(self.store, &job.name)?;
            reads.extend(
                of_job
                    .into_iter()
                    .filter(|read| job.fetches.contains(&read.fetch))
                    .map(|read| (job.name.as_str(), read)),
            );
        }
        let Some(oldest) = reads.iter().map(|(_, read)| read.complete_at.clone().unwrap_or_default()).min() else {
            return Ok(None);
        };
        reads.sort_by(|(a, one), (b, other)| {
            (&one.complete_at, a, &one.fetch).cmp(&(&other.complete_at, b, &other.fetch))
        });
        let mut section = Section { id: "ages".into(), title: "Age of the data".into(), ..Section::default() };
        let without = reads.iter().filter(|(_, read)| read.complete_at.is_none()).count() as u64;
        section.lead = match without {
            0 => format!("The oldest data are from {}.", minute(&oldest)),
            n => format!("{} of {} had no complete read lately.", grouped(n), counted(reads.len() as u64, "fetch")),
        };
        let mut table =
            PageTable::new("Last complete read of each fetch", &["fetch", "job", "stream", "data from", "last read"]);
        table.rows = reads
            .iter()
            .take(MAX_FETCHES)
            .map(|(job, read)| {
                let from = read.complete_at.as_deref().map_or_else(|| "not lately".to_owned(), minute);
                let texts = [&read.fetch, *job, &read.stream, &from].map(PageCell::unbroken);
                [texts.to_vec(), vec![PageCell::state(RunState::from_word(&read.state))]].concat()
            })
            .collect();
        let place = "`cratedigger jobs` lists all.";
        table.note = rest(table.rows.len(), reads.len() as u64, "fetches", place);
        section.tables.push(table);
        Ok(Some(section))
    }

    /// What the newest runs could not have, by reason.
    pub(super) fn missing(&self) -> Result<Option<Section>, ReportError> {
        let mut reasons: BTreeMap<String, (u64, BTreeSet<&str>)> = BTreeMap::new();
        for job in &self.shown.jobs {
            let ended = job.runs.iter().find(|run| run.state != RunState::Running.as_str());
            let Some(run) = ended else { continue };
            for noted in report_rows::noted_by_reason(self.store, run.id)? {
                let reason = reasons.entry(noted.reason).or_default();
                reason.0 += noted.items;
                reason.1.insert(&job.name);
            }
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by(|(a, one), (b, other)| (Reverse(one.0), a).cmp(&(Reverse(other.0), b)));
        let mut section = Section { id: "missing".into(), title: "What could not be had".into(), ..Section::default() };
        let total = reasons.iter().map(|(_, (items, _))| items).sum();
        section.lead = format!("The newest runs noted {}, by reason.", counted(total, "item"));
        let mut table = PageTable::new("Notes of the newest runs", &["reason", "meaning", "#items", "jobs"]);
        table.rows = reasons
            .iter()
            .map(|(reason, (items, jobs))| {
                let jobs: Vec<&str> = jobs.iter().copied().collect();
                let jobs = match jobs.as_slice() {
                    names if names.len() <= 3 => names.join(", "),
                    names => format!("{} and {} more", names[..2].join(", "), names.len() - 2),
                };
                vec![
                    PageCell::unbroken(words(reason)),
                    PageCell::wide(meaning(reason)),
                    PageCell::number(*items),
                    PageCell::text(jobs),
                ]
            })
            .collect();
        table.note = Some("`cratedigger skipped JOB` lists each of them.".to_owned());
        section.tables.push(table);
        Ok(Some(section))
    }

    /// The sign-ins with the days that were left when the page was written.
    pub(super) fn sign_ins(&self) -> Option<Section> {
        let mut section = Section { id: "sign-ins".into(), title: "Sign-ins".into(), ..Section::default() };
        let mut sign_ins: Vec<&OverviewSignIn> = self.shown.sign_ins.iter().collect();
        sign_ins.sort_by_key(|sign_in| (sign_in.status(), sign_in.days_left, sign_in.jobs.clone()));
        let of = |state| sign_ins.iter().filter(|sign_in| sign_in.status() == state).count() as u64;
        let (lapsed, ending) = (of(SignInState::Lapsed), of(SignInState::Ending));
        let mut lead = Vec::new();
        if lapsed > 0 {
            lead.push(format!("{} needed: `cratedigger auth list` says by whom.", counted(lapsed, "sign-in")));
        }
        if ending > 0 {
            let end = if ending == 1 { "ends" } else { "end" };
            lead.push(format!("{} {end} within {DAYS_LEFT} days.", counted(ending, "sign-in")));
        }
        if lead.is_empty() {
            lead.push("Every sign-in lasts.".to_owned());
        }
        section.lead = lead.join(" ");
        let mut table = PageTable::new("Sign-ins of users", &["user", "state", "ends", "#days left", "jobs"]);
        let unnamed = sign_ins.iter().any(|sign_in| sign_in.user.is_none());
        table.rows = sign_ins
            .iter()
            .zip(1..)
            .map(|(sign_in, number)| {
                let most = if sign_in.is_at_most { "at most " } else { "" };
                let days = sign_in.days_left.map_or_else(String::new, |days| format!("{most}{days}"));
                let ends = sign_in.ends_at.map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string());
                vec![
                    PageCell::unbroken(sign_in.user.clone().unwrap_or_else(|| format!("user {number}"))),
                    PageCell::state(sign_in.state()),
                    PageCell::unbroken(ends),
                    PageCell { text: days, ..PageCell::number(0) },
                    PageCell::text(sign_in.jobs.join(", ")),
                ]
            })
            .collect();
        table.note = unnamed.then(|| "Names are shown for jobs with `people = true` in `[report]`.".to_owned());
        let has_rows = !table.rows.is_empty();
        section.tables.push(table);
        has_rows.then_some(section)
    }
}

impl OverviewJob {
    /// The name, which links to the page of the job.
    fn cell(&self) -> PageCell {
        // Names of jobs have no other character that means something in an address.
        let page = self.has_page.then(|| format!("{}/report.html", self.name.replace(' ', "%20")));
        // A long name is broken, so that the columns at the right stay in sight.
        PageCell { page, ..PageCell::text(&self.name) }
    }
}
