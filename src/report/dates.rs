//! Dates as pages write them, and months and years without gaps.

use chrono::{DateTime, Months, NaiveDate, Utc};

/// `2026-11-30 06:17`
pub(super) fn minute(time: &str) -> String {
    match time.parse::<DateTime<Utc>>() {
        Ok(at) => at.format("%Y-%m-%d %H:%M").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// A time as pages write it, if the text is one: `2026-11-30T06:17:02.123Z` is `2026-11-30 06:17`. A day stays as it is.
pub(super) fn time_of(text: &str) -> Option<String> {
    let is_time = || text.as_bytes().get(10) == Some(&b'T') && text.parse::<DateTime<Utc>>().is_ok();
    match text.len() {
        10 if text.parse::<NaiveDate>().is_ok() => Some(text.to_owned()),
        17.. if is_time() => Some(minute(text)),
        _ => None,
    }
}

/// `30 Nov`
pub(super) fn short_day(day: &str) -> String {
    day.parse::<NaiveDate>().map_or_else(|_| day.to_owned(), |day| day.format("%-d %b").to_string())
}

/// `Nov 26` of a month; a year stays as it is.
pub(super) fn short_month(date: &str) -> String {
    format!("{date}-01").parse::<NaiveDate>().map_or_else(|_| date.to_owned(), |day| day.format("%b %y").to_string())
}

/// `November 2026` of a month; a year stays as it is.
pub(super) fn long_month(date: &str) -> String {
    format!("{date}-01").parse::<NaiveDate>().map_or_else(|_| date.to_owned(), |day| day.format("%B %Y").to_string())
}

/// Every month from one to that of a time, also those without a release.
pub(super) fn months(from: &str, until: &DateTime<Utc>, found: &[(String, u64)]) -> Vec<(String, u64)> {
    let (mut month, last) = (from.to_owned(), until.format("%Y-%m").to_string());
    let mut all = Vec::new();
    while month <= last && all.len() < 60 {
        all.push((month.clone(), found.iter().find(|(date, _)| *date == month).map_or(0, |(_, n)| *n)));
        let next =
            format!("{month}-01").parse::<NaiveDate>().ok().and_then(|day| day.checked_add_months(Months::new(1)));
        month = next.map_or_else(|| "9999".to_owned(), |day| day.format("%Y-%m").to_string());
    }
    all
}

/// The last 24 years with a release, and those between them.
pub(super) fn years(found: &[(String, u64)]) -> Vec<(String, u64)> {
    let year = |text: &String| text.parse::<i32>().ok();
    let (Some(first), Some(last)) = (found.first().and_then(|f| year(&f.0)), found.last().and_then(|f| year(&f.0)))
    else {
        return Vec::new();
    };
    (first.max(last - 23)..=last)
        .map(|n| {
            let text = format!("{n:04}");
            let count = found.iter().find(|(date, _)| *date == text).map_or(0, |(_, n)| *n);
            (text, count)
        })
        .collect()
}
