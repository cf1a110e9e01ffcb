//! Prices for a person.

use super::{Fits, Priced, Shown};
use crate::cli::budget::{figure, time, words};
use crate::cli::print;
use crate::cli::workshop::local;
use crate::document::printable;
use crate::run::{Calls, FetchPrice, seconds};

/// All of it.
pub(super) fn of(shown: &Shown<'_>) -> String {
    let mut out = String::new();
    for priced in &shown.jobs {
        out.push_str(&job(priced, shown));
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

fn job(priced: &Priced<'_>, shown: &Shown<'_>) -> String {
    let whole = priced.price.whole();
    let calls = whole.calls();
    let mut out = format!("{}: {}", printable(&priced.job.name), words(calls));
    if calls == Calls::NONE && priced.fits == Fits::Yes {
        out.push_str(", nothing to ask for\n");
    } else if calls == Calls::NONE {
        out.push_str(&format!("; {}\n", fits(priced.fits)));
    } else {
        let last = seconds(calls.likely(), shown.requests_per_second);
        out.push_str(&format!(", {} at the present pace", time(last)));
        match (shown.left.account, shown.left.share(calls.likely())) {
            (Some(0), _) => out.push_str("; nothing is left today"),
            (Some(left), Some(share)) => {
                out.push_str(&format!(", {} of the {left} left today", percent(share)));
                if let Some(own) = priced.left.account.filter(|own| *own < left) {
                    out.push_str(&format!(", of which this job may take {own}"));
                }
            }
            _ => {}
        }
        out.push_str(&format!("; {}\n", fits(priced.fits)));
    }
    let head = ["  FETCH", "STREAM", "CALLS", "FREE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    rows.extend(priced.price.fetches.iter().map(row));
    out.push_str(&print::table(&rows));
    if priced.price.users != Calls::NONE {
        out.push_str(&format!("  and {} to find out whose accounts the grants are\n", words(priced.price.users)));
    }
    let mut said: Vec<String> = Vec::new();
    for fetch in &priced.price.fetches {
        let reasons = fetch.price.reasons.iter().map(|reason| format!("{}: {reason}", name(fetch)));
        let note = fetch.note.iter().map(|note| format!("{}: {note}", name(fetch)));
        said.extend(reasons.chain(note));
    }
    said.extend(priced.refused.iter().cloned());
    for line in said {
        out.push_str(&format!("  {}\n", printable(&line)));
    }
    if priced.fits == Fits::No {
        let part = |(fetch, calls, of): (&FetchPrice, u64, Calls)| {
            (of != Calls::NONE).then(|| match of.likely() {
                likely if calls >= likely => format!("{} to its end ({calls})", name(fetch)),
                likely => format!("{} as far as {calls} of {likely} calls go", name(fetch)),
            })
        };
        let first: Vec<String> = priced.first().into_iter().filter_map(part).collect();
        out.push_str(&format!("  first: {}; the following runs go on from there\n", first.join(", then ")));
    }
    out
}

fn fits(fits: Fits) -> String {
    match fits {
        Fits::Yes => "fits".to_owned(),
        Fits::No => "does not fit".to_owned(),
        Fits::Unknown => "whether it fits, nobody can say".to_owned(),
        Fits::Held(until) => format!("held back until {}", local(until)),
        Fits::Waits => "waits for a person".to_owned(),
    }
}

fn row(fetch: &FetchPrice) -> Vec<String> {
    let price = &fetch.price;
    let calls = match (&fetch.note, price.calls()) {
        (Some(_), Calls::NONE) => "none".to_owned(),
        (_, calls) => figure(calls),
    };
    let calls = if price.is_exact() || price.calls().most != Some(price.calls().least) {
        calls
    } else {
        format!("about {calls}")
    };
    let free = if price.asked == 0 { "-".to_owned() } else { format!("{} of {}", price.free, price.asked) };
    vec![format!("  {}", name(fetch)), fetch.stream.to_owned(), calls, free]
}

fn name(fetch: &FetchPrice) -> String {
    let user = fetch.user.as_ref().filter(|_| crate::stream::find(fetch.stream).is_some_and(|it| it.needs_user()));
    printable(&user.map_or_else(|| fetch.fetch.clone(), |user| format!("{} of {user}", fetch.fetch)))
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.01 { "under 1%".to_owned() } else { format!("{:.0}%", share * 100.0) }
}
