//! One field of a crontab line.

use super::ScheduleError;
use crate::document::{nearest, or_list};

/// The values that a field may contain.
pub(super) struct CronField {
    /// The name in messages.
    pub name: &'static str,
    /// The smallest and the largest number.
    pub range: (u32, u32),
    /// Names for the numbers, from the smallest number on.
    pub names: &'static [&'static str],
}

pub(super) const MINUTE: CronField = CronField { name: "minute", range: (0, 59), names: &[] };
pub(super) const HOUR: CronField = CronField { name: "hour", range: (0, 23), names: &[] };
pub(super) const DAY: CronField = CronField { name: "day of month", range: (1, 31), names: &[] };
pub(super) const MONTH: CronField = CronField {
    name: "month",
    range: (1, 12),
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 0 and 7 are Sunday.
pub(super) const WEEKDAY: CronField =
    CronField { name: "day of week", range: (0, 7), names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The numbers that a field contains, as bits, and whether it is or contains `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldValues {
    /// Bit n is set for the number n.
    pub bits: u64,
    /// The field is `*` alone.
    pub every: bool,
    /// Whether the field contains `*` or `*/n`.
    pub star: bool,
}

impl FieldValues {
    /// Its numbers.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |n| self.bits & (1 << n) != 0)
    }
}

impl CronField {
    /// Reads the field.
    pub fn parse(&self, text: &str) -> Result<FieldValues, ScheduleError> {
        let mut set = FieldValues { bits: 0, every: text == "*", star: false };
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.parse_step(step, text)?)),
                None => (part, None),
            };
            let (first, last) = if range == "*" {
                set.star = true;
                // `*` in the day of the week means seven days, not eight.
                (self.range.0, if self.range.1 == 7 { 6 } else { self.range.1 })
            } else if let Some((first, last)) = range.split_once('-') {
                (self.parse_number(first, text)?, self.parse_last(last, text)?)
            } else {
                let number = self.parse_number(range, text)?;
                if step.is_some() {
                    return Err(self.error(text, "a step needs `*` or a range before it").with_hint(format!(
                        "write {range}-{}/{}",
                        self.range.1,
                        step.unwrap_or(1)
                    )));
                }
                (number, number)
            };
            if first > last {
                let hint = match (first, last) {
                    // Sunday is at both ends of a week.
                    (7, last) => format!("write 0-{last}"),
                    (first, 0) if self.range.1 == 7 => format!("write {first}-7"),
                    (first, last) => {
                        let end = if self.range.1 == 7 { 6 } else { self.range.1 };
                        format!("write {first}-{end},{}-{last}", self.range.0)
                    }
                };
                return Err(self.error(text, "the range is backwards").with_hint(hint));
            }
            let step = step.unwrap_or(1);
            for n in (first..=last).step_by(usize::try_from(step).unwrap_or(1)) {
                set.bits |= 1 << n;
            }
        }
        if self.range.1 == 7 && set.bits & (1 << 7) != 0 {
            set.bits = (set.bits & !(1 << 7)) | 1;
        }
        Ok(set)
    }

    /// Parses the end of a range: `sun` is 7 there, so that `sat-sun` is two days.
    fn parse_last(&self, word: &str, text: &str) -> Result<u32, ScheduleError> {
        match self.parse_number(word, text)? {
            0 if self.range.1 == 7 && word.eq_ignore_ascii_case("sun") => Ok(7),
            n => Ok(n),
        }
    }

    fn parse_step(&self, word: &str, text: &str) -> Result<u32, ScheduleError> {
        let step = word.parse().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit()));
        match step {
            Some(0) | None => Err(self.error(text, "a step must be a whole number from 1")),
            Some(step) if step > self.range.1 => {
                let error = self.error(text, &format!("a step of {step} is wider than the field"));
                Err(error.with_hint(format!("write {}: it is the only value that such a step selects", self.range.0)))
            }
            Some(step) => Ok(step),
        }
    }

    fn parse_number(&self, word: &str, text: &str) -> Result<u32, ScheduleError> {
        let lower = word.to_ascii_lowercase();
        if let Some(at) = (0u32..).zip(self.names).find_map(|(at, n)| (*n == lower).then_some(at)) {
            return Ok(at + self.range.0);
        }
        if let Some(name) = self.names.iter().find(|n| lower.starts_with(**n)) {
            return Err(self.error(text, "names must have three letters").with_hint(format!("write {name}")));
        }
        if word.contains(['L', 'W', '#', '?']) && !word.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.error(text, "`L`, `W`, `#` and `?` are not part of crontab(5)"));
        }
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_digit()) {
            let error = self.error(text, "not a number");
            let near = nearest(&lower, self.names.iter().copied());
            return Err(match (self.names, near.as_slice()) {
                ([], _) => error,
                (names, []) => error.with_hint(format!("the names are {}", names.join(", "))),
                (_, near) => error.with_hint(format!("did you mean {}?", or_list(near))),
            });
        }
        let (min, max) = self.range;
        word.parse()
            .ok()
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| self.error(text, &format!("{word} is not between {min} and {max}")))
    }

    fn error(&self, text: &str, why: &str) -> ScheduleError {
        let text = crate::document::quote(text);
        ScheduleError::new(format!("{text} as {}: {why}", self.name))
    }
}
