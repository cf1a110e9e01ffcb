//! Prices as text.

use super::{BudgetFit, PlanReport, PricedJob};
use crate::cli::budget::{describe_calls, format_calls, format_duration};
use crate::cli::local_time::format_local;
use crate::cli::print::count;
use crate::cli::push::place;
use crate::cli::table::format_table;
use crate::document::printable;
use crate::sync::{CallRange, FetchEstimate, seconds_for_calls};

pub(super) fn plan_text(shown: &PlanReport<'_>) -> String {
    let mut out = String::new();
    if shown.jobs.is_empty() {
        out.push_str("no job files; `cratedigger init` creates examples\n");
    } else {
        out.push_str(&total_line(shown));
    }
    if shown.with_details {
        for priced in &shown.jobs {
            out.push_str(&job_text(priced, shown));
        }
    } else {
        out.push_str(&overview(shown));
    }
    if shown.jobs.len() > 1 {
        let names: Vec<String> = shown.jobs.iter().map(|it| printable(&it.job.name)).collect();
        out.push_str(&format!("order: {} (jobs that fit go first, by priority)\n", names.join(", ")));
    }
    out.push_str(&targets_text(shown));
    if !shown.with_details {
        out.push_str("`cratedigger plan JOB` shows the fetches of a job\n");
    }
    let sent = match shown.asked {
        0 => "no call was sent".to_owned(),
        1 => "1 call was sent".to_owned(),
        n => format!("{n} calls were sent"),
    };
    out.push_str(&match &shown.ended {
        None => format!("{sent}\n"),
        Some(why) => {
            let (more, which) = if shown.asked == 0 { ("", "the") } else { (", and no more", "the other") };
            format!("{sent}{more}: {}\n{which} prices go by what the store has\n", printable(short_reason(why)))
        }
    });
    out
}

/// The targets that get the rows after the runs. That costs no call.
fn targets_text(shown: &PlanReport<'_>) -> String {
    let mut out = String::new();
    for target in shown.targets.targets.iter().filter(|target| target.after_run) {
        out.push_str(&format!("then a push to {} ({}), without calls\n", printable(&target.name), place(target)));
    }
    for name in &shown.targets.broken {
        out.push_str(&format!("no push to {}: its file is broken, see `cratedigger check`\n", printable(name)));
    }
    out
}

/// The reason without the chain of causes that an unanswered call has.
fn short_reason(why: &str) -> &str {
    why.split_once(": no answer: ").map_or(why, |(call, _)| call.rsplit_once(": ").map_or(call, |(what, _)| what))
}

/// The calls that are left today, and how many jobs fit into them.
fn total_line(shown: &PlanReport<'_>) -> String {
    let mut parts = vec![match shown.left.account {
        Some(left) => format!("{} left today", count(left, "call")),
        None => "no daily limit".to_owned(),
    }];
    let number = |wanted: fn(BudgetFit) -> bool| shown.jobs.iter().filter(|job| wanted(job.fits)).count();
    let fits = number(|fits| fits == BudgetFit::Yes);
    let verb = |n: usize, one: &str, many: &str| if n == 1 { one.to_owned() } else { many.to_owned() };
    parts.push(format!("{} {}", count(fits, "job"), verb(fits, "fits", "fit")));
    let held = shown.jobs.iter().filter_map(PricedJob::held_until).max();
    if let Some(until) = held {
        let n = number(|fits| matches!(fits, BudgetFit::HeldBack(_)));
        parts.push(format!("{n} {} until {}", verb(n, "waits", "wait"), format_local(until)));
    }
    for (n, text) in [
        (number(|fits| fits == BudgetFit::No), ("does not fit", "do not fit")),
        (number(|fits| fits == BudgetFit::NeedsUserAction), ("waits for a user", "wait for a user")),
        (number(|fits| fits == BudgetFit::Unknown), ("may fit", "may fit")),
    ] {
        if n > 0 {
            parts.push(format!("{n} {}", verb(n, text.0, text.1)));
        }
    }
    format!("{}\n", parts.join(", "))
}

/// One line for each job.
fn overview(shown: &PlanReport<'_>) -> String {
    let mut rows = vec![["JOB", "CALLS", "TIME", "TODAY"].map(str::to_owned).to_vec()];
    rows.extend(shown.jobs.iter().map(|priced| {
        let calls = priced.price.total().calls();
        let time = match calls {
            CallRange::NONE => "-".to_owned(),
            calls => format_duration(seconds_for_calls(calls.expected_calls(), shown.requests_per_second)),
        };
        let today = match priced.fits {
            BudgetFit::No => {
                let done: u64 = priced.done_today().iter().map(|(_, calls, _)| calls).sum();
                format!("does not fit: {} today, about {} in all", count(done, "call"), count(priced.days, "day"))
            }
            _ if calls == CallRange::NONE && priced.fits == BudgetFit::Yes => "nothing to read".to_owned(),
            fits => describe_fit(fits),
        };
        let is_unknown = calls == CallRange::NONE && priced.fits == BudgetFit::NeedsUserAction;
        let calls = if is_unknown { "-".to_owned() } else { format_calls(calls) };
        vec![printable(&priced.job.name), calls, time, today]
    }));
    format_table(&rows)
}

fn job_text(priced: &PricedJob<'_>, shown: &PlanReport<'_>) -> String {
    let whole = priced.price.total();
    let calls = whole.calls();
    let mut out = format!("{}: {}", printable(&priced.job.name), describe_calls(calls));
    if calls == CallRange::NONE && priced.fits == BudgetFit::Yes {
        out.push_str(", nothing to read\n");
    } else if calls == CallRange::NONE {
        out.push_str(&format!("; {}\n", describe_fit(priced.fits)));
    } else {
        let last = seconds_for_calls(calls.expected_calls(), shown.requests_per_second);
        out.push_str(&format!(", {} at the current pace", format_duration(last)));
        match (shown.left.account, shown.left.share(calls.expected_calls())) {
            (Some(0), _) => out.push_str("; nothing is left today"),
            (Some(left), Some(share)) => {
                out.push_str(&format!(", {} of the {left} left today", format_percent(share)));
                if let Some(own) = priced.left.account.filter(|own| *own < left) {
                    out.push_str(&format!(", at most {own} for this job"));
                }
            }
            _ => {}
        }
        out.push_str(&format!("; {}\n", describe_fit(priced.fits)));
    }
    let head = ["  FETCH", "STREAM", "CALLS", "FREE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    rows.extend(priced.price.fetches.iter().map(row));
    out.push_str(&format_table(&rows));
    if priced.price.account_lookups != CallRange::NONE {
        out.push_str(&format!(
            "  and {} to find out which accounts the grants belong to\n",
            describe_calls(priced.price.account_lookups)
        ));
    }
    let mut said: Vec<String> = Vec::new();
    for fetch in &priced.price.fetches {
        let reasons = fetch.estimate.reasons.iter().map(|reason| format!("{}: {reason}", fetch_name(fetch)));
        let note = fetch.note.iter().map(|note| format!("{}: {note}", fetch_name(fetch)));
        said.extend(reasons.chain(note));
    }
    said.extend(priced.refused.iter().cloned());
    for line in said {
        out.push_str(&format!("  {}\n", printable(&line)));
    }
    if priced.fits == BudgetFit::No {
        let part = |(fetch, calls, of): (&FetchEstimate, u64, CallRange)| {
            (of != CallRange::NONE).then(|| match of.expected_calls() {
                likely if calls >= likely => format!("all of {} ({calls})", fetch_name(fetch)),
                likely => format!("{calls} of {} of {}", count(likely, "call"), fetch_name(fetch)),
            })
        };
        let first: Vec<String> = priced.done_today().into_iter().filter_map(part).collect();
        let days = count(priced.days, "day");
        out.push_str(&format!(
            "  today: {}; later runs continue from there, about {days} in all\n",
            first.join(", then ")
        ));
    }
    out
}

fn describe_fit(fits: BudgetFit) -> String {
    match fits {
        BudgetFit::Yes => "fits".to_owned(),
        BudgetFit::No => "does not fit".to_owned(),
        BudgetFit::Unknown => "it is not known whether it fits".to_owned(),
        BudgetFit::HeldBack(until) => format!("held back until {}", format_local(until)),
        BudgetFit::NeedsUserAction => "waits for a user to act".to_owned(),
    }
}

fn row(fetch: &FetchEstimate) -> Vec<String> {
    let price = &fetch.estimate;
    let calls = match (&fetch.note, price.calls()) {
        (Some(_), CallRange::NONE) => "none".to_owned(),
        (_, calls) => format_calls(calls),
    };
    let calls = if price.is_exact() || price.calls().at_most != Some(price.calls().at_least) {
        calls
    } else {
        format!("about {calls}")
    };
    let free = if price.asked == 0 { "-".to_owned() } else { format!("{} of {}", price.unchanged, price.asked) };
    vec![format!("  {}", fetch_name(fetch)), fetch.stream.to_owned(), calls, free]
}

fn fetch_name(fetch: &FetchEstimate) -> String {
    let user = fetch.user.as_ref().filter(|_| crate::stream::find(fetch.stream).is_some_and(|it| it.needs_user()));
    printable(&user.map_or_else(|| fetch.fetch.clone(), |user| format!("{} of {user}", fetch.fetch)))
}

fn format_percent(share: f64) -> String {
    if share > 0.0 && share < 0.01 { "under 1%".to_owned() } else { format!("{:.0}%", share * 100.0) }
}
