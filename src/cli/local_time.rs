//! Times for people: local, short, and in one format everywhere. JSON has RFC 3339 in UTC instead.

use chrono::{DateTime, Datelike, Local, Offset as _, TimeZone, Utc};
use chrono_tz::Tz;

/// A time in the local time zone: `Mon 30 Nov 23:43`, with the year unless it is this year.
pub(super) fn format_local(at: DateTime<Utc>) -> String {
    format_time(&at.with_timezone(&Local), Utc::now().with_timezone(&Local).year())
}

/// A time in the local time zone, and in that of a job if its clock shows another time:
/// `Mon 30 Nov 23:43 (Tue 1 Dec 07:43 JST)`.
pub(super) fn format_with_zone(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    let local = format_local(at);
    let is_same = at.with_timezone(&zone).offset().fix() == *at.with_timezone(&Local).offset();
    if is_same { local } else { format!("{local} ({})", format_in_zone(at, zone, now)) }
}

/// A time in a given time zone: `Mon 30 Nov 23:43 CET`.
fn format_in_zone(at: DateTime<Utc>, zone: Tz, now: DateTime<Utc>) -> String {
    let local = at.with_timezone(&zone);
    format!("{} {}", format_time(&local, now.with_timezone(&zone).year()), local.format("%Z"))
}

/// A time of the current day in the local time zone, `23:43`; other days as [`format_local`].
pub(super) fn format_clock_time(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let local = at.with_timezone(&Local);
    let is_today = local.date_naive() == now.with_timezone(&Local).date_naive();
    if is_today { local.format("%H:%M").to_string() } else { format_local(at) }
}

/// A time that was stored as text. Returns other texts unchanged.
pub(super) fn format_stored(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), format_local)
}

fn format_time<Z: TimeZone>(at: &DateTime<Z>, this_year: i32) -> String
where
    Z::Offset: std::fmt::Display,
{
    let format = if at.year() == this_year { "%a %-d %b %H:%M" } else { "%a %-d %b %Y %H:%M" };
    at.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_years_are_named() {
        let now: DateTime<Utc> = "2026-12-31T12:00:00Z".parse().unwrap();
        let shown = |text: &str| format_in_zone(text.parse().unwrap(), chrono_tz::Europe::Berlin, now);
        assert_eq!(shown("2026-11-30T22:43:00Z"), "Mon 30 Nov 23:43 CET");
        assert_eq!(shown("2026-07-01T05:00:00Z"), "Wed 1 Jul 07:00 CEST");
        assert_eq!(shown("2026-12-31T23:30:00Z"), "Fri 1 Jan 2027 00:30 CET");
    }
}
