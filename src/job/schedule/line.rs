//! Parses a crontab(5) line and translates it into the dialect of the `cron` crate.

use super::ScheduleError;
use super::field::{DAY, FieldValues, HOUR, MINUTE, MONTH, WEEKDAY};
use crate::document::{nearest, or_list, quote};

/// A parsed line.
pub(super) struct CronLine {
    minute: FieldValues,
    hour: FieldValues,
    day: FieldValues,
    month: FieldValues,
    weekday: FieldValues,
}

const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads a line.
pub(super) fn parse_line(text: &str) -> Result<CronLine, ScheduleError> {
    let text = text.trim();
    if text.starts_with('@') {
        return parse_shorthand(text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(field_count_error(&fields));
    };
    let line = CronLine {
        minute: MINUTE.parse(minute)?,
        hour: HOUR.parse(hour)?,
        day: DAY.parse(day)?,
        month: MONTH.parse(month)?,
        weekday: WEEKDAY.parse(weekday)?,
    };
    line.refuse_ambiguous_days(day, weekday)?;
    line.refuse_impossible_dates(day, month)?;
    Ok(line)
}

fn parse_shorthand(text: &str) -> Result<CronLine, ScheduleError> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, line)) = SHORTHANDS.iter().find(|(name, _)| *name == lower) {
        return parse_line(line);
    }
    let error = ScheduleError::new(format!("invalid schedule {}", quote(text)));
    if lower == "@reboot" {
        return Err(error.with_hint("a job that has never run is due at once, without a schedule"));
    }
    let near = nearest(&lower, SHORTHANDS.iter().map(|(name, _)| *name));
    Err(match near.as_slice() {
        [] => error.with_hint("use @hourly, @daily, @weekly, @monthly or @yearly"),
        near => error.with_hint(format!("did you mean {}?", or_list(near))),
    })
}

fn field_count_error(fields: &[&str]) -> ScheduleError {
    let error = ScheduleError::new(format!("the schedule has {} fields instead of five", fields.len()));
    if let Some((name, value)) = fields.first().and_then(|first| first.split_once('=')) {
        return match name {
            "TZ" | "CRON_TZ" => error.with_hint(format!("use the key `timezone` for the zone: timezone = \"{value}\"")),
            _ => error.with_hint(format!(
                "{name} does not belong in a schedule; set environment variables where the program is started"
            )),
        };
    }
    match fields {
        [_, rest @ ..] if rest.len() == 5 && parse_line(&rest.join(" ")).is_ok() => {
            error.with_hint(format!("seconds are not part of crontab(5): did you mean \"{}\"?", rest.join(" ")))
        }
        [five @ .., _] if fields.len() > 5 && parse_line(&five[..5].join(" ")).is_ok() => error.with_hint(format!(
            "a user or a command does not belong in a schedule: did you mean \"{}\"?",
            five[..5].join(" ")
        )),
        _ => error.with_hint("minute, hour, day of month, month, day of week: \"15 6 * * *\" is 06:15 every day"),
    }
}

impl CronLine {
    /// Whether the hour is `*` or `*/n`.
    pub fn follows_wall_clock(&self) -> bool {
        self.hour.star
    }

    /// If both day fields are restricted, crontab(5) fires on either. Cron programs disagree about whether `*/2`
    /// restricts a field, so such a line is refused.
    fn refuse_ambiguous_days(&self, day: &str, weekday: &str) -> Result<(), ScheduleError> {
        let unclear = |a: FieldValues, b: FieldValues| a.star && !a.every && !b.every;
        if !unclear(self.day, self.weekday) && !unclear(self.weekday, self.day) {
            return Ok(());
        }
        let (stepped, range) = if unclear(self.day, self.weekday) { (day, "1-31") } else { (weekday, "0-6") };
        let hint = if stepped.contains("*/") {
            format!(
                "write the days as a range with a step (`{}`: fires on these days and on those of the other field), or put `*` \
                 in one of the two fields",
                stepped.replace('*', range)
            )
        } else {
            "`*` already means every day: write it alone, or leave it out".to_owned()
        };
        Err(ScheduleError::new(format!(
            "cron programs disagree about {} in one day field when the other one is also set",
            quote(stepped)
        ))
        .with_hint(hint))
    }

    fn refuse_impossible_dates(&self, day: &str, month: &str) -> Result<(), ScheduleError> {
        if self.day.every {
            return Ok(());
        }
        let longest = |month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let possible =
            self.month.numbers().any(|month| self.day.numbers().next().is_some_and(|first| first <= longest(month)));
        if possible {
            return Ok(());
        }
        Err(ScheduleError::new(format!(
            "day {} of month {} does not exist: the schedule would never fire",
            quote(day),
            quote(month)
        ))
        .with_hint("a month ends with day 28 to 31; every month has a day `28`"))
    }

    /// The line in the dialect of the `cron` crate: seconds first, weekdays by name, all numbers listed.
    pub fn engine_lines(&self) -> Vec<String> {
        let days = number_list(self.day, 31);
        let weekdays = if self.weekday.bits.count_ones() == 7 {
            "*".to_owned()
        } else {
            let name = |n: u32| WEEKDAY.names.get(usize::try_from(n).unwrap_or(0)).copied().unwrap_or("sun");
            self.weekday.numbers().map(name).collect::<Vec<_>>().join(",")
        };
        let line = |days: &str, weekdays: &str| {
            format!(
                "0 {} {} {days} {} {weekdays}",
                number_list(self.minute, 60),
                number_list(self.hour, 24),
                number_list(self.month, 12)
            )
        };
        // Neither starts with a star here: ambiguous lines were refused.
        if self.day.star || self.weekday.star {
            vec![line(&days, &weekdays)]
        } else {
            vec![line(&days, "*"), line("*", &weekdays)]
        }
    }
}

fn number_list(set: FieldValues, all: u32) -> String {
    if set.bits.count_ones() == all {
        return "*".to_owned();
    }
    set.numbers().map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}
