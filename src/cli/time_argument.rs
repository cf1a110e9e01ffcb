//! Times as people type them: a day, a time, or an age.

use std::fmt::Display;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{CommandError, ExitStatus};
use crate::document::duration;

/// The moment that a day without a time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayBound {
    /// The first moment of the day.
    Start,
    /// The last moment of the day: "on Monday" means as Monday left it.
    End,
}

/// Parses a time.
///
/// # Errors
/// If the text is not a time; the hint shows the accepted forms (exit 2).
pub(super) fn parse_time(
    text: &str,
    flag: &str,
    zone: Tz,
    now: DateTime<Utc>,
    of: DayBound,
) -> Result<DateTime<Utc>, CommandError> {
    let wrong = |why: &dyn Display| {
        CommandError::new(ExitStatus::Usage, anyhow::anyhow!("invalid time {text:?} for {flag}: {why}"))
            .with_hint("write 2026-11-23, 2026-11-23T09:30, 2026-11-23T09:30:00Z or an age such as 7d")
    };
    if let Some(age) = duration(text) {
        let age = TimeDelta::from_std(age).map_err(|e| wrong(&e))?;
        return now.checked_sub_signed(age).ok_or_else(|| wrong(&"it is too long ago"));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let local = |at: NaiveDateTime| match zone.from_local_datetime(&at) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Ok(at.to_utc()),
        LocalResult::None => Err(wrong(&format!("the clocks of {zone} skip it"))),
    };
    if let Ok(day) = text.parse::<NaiveDate>() {
        return match of {
            DayBound::Start => first_moment(zone, day),
            DayBound::End => {
                day.succ_opt().and_then(|next| first_moment(zone, next)).map(|at| at - TimeDelta::milliseconds(1))
            }
        }
        .ok_or_else(|| wrong(&format!("the clocks of {zone} skip that day")));
    }
    for format in ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return local(at);
        }
    }
    Err(wrong(&"it is not a day, a time or an age"))
}

/// The start of a day: midnight, or later if the clocks skip midnight.
fn first_moment(zone: Tz, day: NaiveDate) -> Option<DateTime<Utc>> {
    let mut quarters = (0..24 * 4).map(|quarter| day.and_time(NaiveTime::MIN) + TimeDelta::minutes(15 * quarter));
    quarters.find_map(|at| zone.from_local_datetime(&at).earliest()).map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, of: DayBound) -> Result<String, String> {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let at = parse_time(text, "--at", chrono_tz::Europe::Berlin, now, of).map_err(|e| e.to_string())?;
        Ok(at.to_rfc3339())
    }

    #[test]
    fn day_means_its_start_or_end_in_the_zone() {
        assert_eq!(read("2026-07-01", DayBound::Start).unwrap(), "2026-06-30T22:00:00+00:00");
        assert_eq!(read("2026-07-01", DayBound::End).unwrap(), "2026-07-01T21:59:59.999+00:00");
    }

    #[test]
    fn day_without_midnight_begins_after_the_jump() {
        let read = |text, of| {
            let at =
                parse_time(text, "--since", chrono_tz::Africa::Cairo, Utc::now(), of).map_err(|e| e.to_string())?;
            Ok::<_, String>(at.to_rfc3339())
        };
        assert_eq!(read("2026-04-24", DayBound::Start).unwrap(), "2026-04-23T22:00:00+00:00");
        assert_eq!(read("2026-04-23", DayBound::End).unwrap(), "2026-04-23T21:59:59.999+00:00");
    }

    #[test]
    fn times_with_and_without_a_zone_and_ages() {
        assert_eq!(read("2026-11-23T09:30", DayBound::End).unwrap(), "2026-11-23T08:30:00+00:00");
        assert_eq!(read("2026-11-23 09:30:05", DayBound::End).unwrap(), "2026-11-23T08:30:05+00:00");
        assert_eq!(read("2026-11-23T09:30:00Z", DayBound::End).unwrap(), "2026-11-23T09:30:00+00:00");
        assert_eq!(read("7d", DayBound::Start).unwrap(), "2026-11-16T12:00:00+00:00");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-03-29T02:30", "7"] {
            assert!(read(text, DayBound::Start).unwrap_err().contains("invalid time"), "{text}");
        }
    }
}
