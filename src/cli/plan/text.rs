//! Prices for a person.

use super::{BudgetFit, PlanReport, PricedJob};
use crate::cli::app::format_local;
use crate::cli::budget::{describe_calls, format_calls, format_duration};
use crate::cli::print;
use crate::document::printable;
use crate::sync::{CallRange, FetchEstimate, seconds_for_calls};

/// All of it.
pub(super) fn plan_text(shown: &PlanReport<'_>) -> String {
    let mut out = String::new();
    for priced in &shown.jobs {
        out.push_str(&job_text(priced, shown));
    }
    if shown.jobs.is_empty() {
        out.push_str("no job files; `cratedigger init` writes some to start from\n");
    }
    if shown.jobs.len() > 1 {
        let names: Vec<String> = shown.jobs.iter().map(|it| printable(&it.job.name)).collect();
        out.push_str(&format!("order: {} (what fits goes first, by priority)\n", names.join(", ")));
    }
    match shown.asked {
        0 => out.push_str("asked Spotify nothing\n"),
        1 => out.push_str("asked Spotify once\n"),
        n => out.push_str(&format!("asked Spotify {n} times\n")),
    }
    if let Some(why) = &shown.ended {
        out.push_str(&format!("asked no more: {}\n", printable(why)));
    }
    out
}

fn job_text(priced: &PricedJob<'_>, shown: &PlanReport<'_>) -> String {
    let whole = priced.price.total();
    let calls = whole.calls();
    let mut out = format!("{}: {}", printable(&priced.job.name), describe_calls(calls));
    if calls == CallRange::NONE && priced.fits == BudgetFit::Yes {
        out.push_str(", nothing to ask for\n");
    } else if calls == CallRange::NONE {
        out.push_str(&format!("; {}\n", describe_fit(priced.fits)));
    } else {
        let last = seconds_for_calls(calls.expected_calls(), shown.requests_per_second);
        out.push_str(&format!(", {} at the present pace", format_duration(last)));
        match (shown.left.account, shown.left.share(calls.expected_calls())) {
            (Some(0), _) => out.push_str("; nothing is left today"),
            (Some(left), Some(share)) => {
                out.push_str(&format!(", {} of the {left} left today", format_percent(share)));
                if let Some(own) = priced.left.account.filter(|own| *own < left) {
                    out.push_str(&format!(", of which this job may take {own}"));
                }
            }
            _ => {}
        }
        out.push_str(&format!("; {}\n", describe_fit(priced.fits)));
    }
    let head = ["  FETCH", "STREAM", "CALLS", "FREE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    rows.extend(priced.price.fetches.iter().map(row));
    out.push_str(&print::format_table(&rows));
    if priced.price.account_lookups != CallRange::NONE {
        out.push_str(&format!(
            "  and {} to find out whose accounts the grants are\n",
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
                likely if calls >= likely => format!("{} to its end ({calls})", fetch_name(fetch)),
                likely => format!("{} as far as {calls} of {likely} calls go", fetch_name(fetch)),
            })
        };
        let first: Vec<String> = priced.done_today().into_iter().filter_map(part).collect();
        out.push_str(&format!("  first: {}; the following runs go on from there\n", first.join(", then ")));
    }
    out
}

fn describe_fit(fits: BudgetFit) -> String {
    match fits {
        BudgetFit::Yes => "fits".to_owned(),
        BudgetFit::No => "does not fit".to_owned(),
        BudgetFit::Unknown => "whether it fits, nobody can say".to_owned(),
        BudgetFit::HeldBack(until) => format!("held back until {}", format_local(until)),
        BudgetFit::NeedsUserAction => "waits for a person".to_owned(),
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
