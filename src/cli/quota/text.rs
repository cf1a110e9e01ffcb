//! The ledger as text.

use chrono::{DateTime, Utc};

use super::QuotaReport;
use crate::cli::local_time::{format_clock_time, format_local};
use crate::cli::print::count;
use crate::cli::table::format_table;
use crate::document::printable;
use spotify_client::Deferral;
use spotify_client::state::{FamilyUsage, FreedCalls, TokenKind};

/// The number of refusals shown; `--json` lists all.
const REFUSALS_SHOWN: usize = 10;

pub(super) fn quota_text(shown: &QuotaReport) -> String {
    let mut out = calls_text(shown);
    let usage = &shown.usage;
    for it in &usage.cool_downs {
        let Deferral { scope, until, evidence, .. } = &it.deferral;
        out.push_str(&format!("\nheld back: {scope} until {}\n  {}\n", format_local(*until), printable(evidence)));
    }
    if !usage.refusals.is_empty() {
        out.push_str("\nrefused, newest first\n");
        let rows: Vec<Vec<String>> = usage
            .refusals
            .iter()
            .take(REFUSALS_SHOWN)
            .map(|it| vec![format!("  {}", format_local(it.at)), it.family.clone(), printable(&it.evidence)])
            .collect();
        let header = ["  WHEN", "ENDPOINT", "ANSWER"].map(str::to_owned).to_vec();
        out.push_str(&format_table(&[vec![header], rows].concat()));
        let more = usage.refusals.len().saturating_sub(REFUSALS_SHOWN);
        if more > 0 {
            out.push_str(&format!("  and {more} more, see --json\n"));
        }
    }
    if !usage.learned.is_empty() {
        out.push_str("\nceilings learned from refusals; they rise by a twentieth per day, up to the setting\n");
        let row = |it: &spotify_client::state::LearnedCeiling| {
            let of = if it.family.is_empty() { "all".to_owned() } else { it.family.clone() };
            let set = if it.family.is_empty() { shown.ceilings.per_day } else { shown.ceilings.per_family };
            let now = match set.filter(|set| *set > it.now) {
                Some(set) => format!("lowered from {set} to {} per day", count(it.now, "call")),
                None => format!("{} per day", count(it.now, "call")),
            };
            vec![format!("  {of}"), now, format!("since {}", format_day(it.at)), printable(&it.evidence)]
        };
        let header = ["  ENDPOINT", "CEILING", "LEARNED", "ANSWER"].map(str::to_owned).to_vec();
        out.push_str(&format_table(&[vec![header], usage.learned.iter().map(row).collect()].concat()));
    }
    if let Some((calls, window_ms, at)) = usage.pace {
        let secs = window_ms / 1_000;
        out.push_str(&format!(
            "\nlearned pace: {calls:.0} calls in {secs} s; more were refused on {}\n",
            format_day(at)
        ));
    }
    out.push_str(&endpoints(shown));
    out
}

fn calls_text(shown: &QuotaReport) -> String {
    let usage = &shown.usage;
    let head = ["CALLS IN 24 H", "USED", "CEILING", "LEFT", "BECOMES FREE"];
    let mut rows = vec![head.map(str::to_owned).to_vec(), family_row("all", &usage.account, shown.now)];
    rows.extend(usage.families.iter().map(|it| family_row(&it.family, it, shown.now)));
    let mut out = format_table(&rows);
    let reserve = (shown.ceilings.reserve * 1_000.0).round() / 10.0;
    match (usage.account.ceiling, shown.ceilings.per_family) {
        (None, None) if usage.learned.is_empty() => {
            out.push_str("no ceiling is set (limits.calls_per_day, limits.calls_per_family)\n")
        }
        (_, family) => {
            out.push_str(&format!("the calls left exclude the reserve of {reserve}%"));
            if let Some(family) = family {
                out.push_str(&format!("; a family that is not listed has all of its {family} left"));
            }
            out.push('\n');
        }
    }
    out
}

fn family_row(name: &str, it: &FamilyUsage, now: DateTime<Utc>) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    let freed = match (it.ceiling, it.freed.first()) {
        (Some(_), Some(first)) => describe_freed(first, now),
        _ => "-".to_owned(),
    };
    let left = if it.blocked_until.is_some() { "none now".to_owned() } else { number(it.left) };
    let freed = it.blocked_until.map_or(freed, |until| format!("held until {}", format_clock_time(until, now)));
    vec![name.to_owned(), it.used.to_string(), number(it.ceiling), left, freed]
}

/// `37 from 14:05 to 14:59`.
fn describe_freed(freed: &FreedCalls, now: DateTime<Utc>) -> String {
    let (from, until) = (format_clock_time(freed.from, now), format_clock_time(freed.until, now));
    if from == until { format!("{} at {from}", freed.calls) } else { format!("{} from {from} to {until}", freed.calls) }
}

fn endpoints(shown: &QuotaReport) -> String {
    let class = shown.class.map_or_else(|| "class not known yet".to_owned(), |class| format!("{class}"));
    let mut out = format!("\nwhat this app may call ({class})\n");
    let mut rows = vec![["  FAMILY", "TOKEN", "ALLOWED", "KNOWN"].map(str::to_owned).to_vec()];
    let mut unknown = Vec::new();
    for known in &shown.endpoints {
        match known.word {
            Some(word) => rows.push(vec![
                format!("  {}", known.family),
                format!("{} token", known.token.as_str()),
                word.to_owned(),
                known.learned_at.map_or_else(String::new, |at| format!("since {}", format_day(at))),
            ]),
            None => unknown.push((known.token, known.family.as_str())),
        }
    }
    if rows.len() > 1 {
        out.push_str(&format_table(&rows));
    }
    for (token, name) in [(TokenKind::App, "the app's token"), (TokenKind::User, "a user's token")] {
        let families: Vec<&str> = unknown.iter().filter(|it| it.0 == token).map(|it| it.1).collect();
        if !families.is_empty() {
            out.push_str(&format!("  not yet known with {name}: {}\n", families.join(", ")));
        }
    }
    out
}

fn format_day(at: DateTime<Utc>) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string()
}
