//! One field of a crontab line.

use super::NotASchedule;
use crate::document::{nearest, or_list};

/// What a field may hold.
pub(super) struct Field {
    /// Its name in messages.
    pub name: &'static str,
    /// Smallest and largest number.
    pub range: (u32, u32),
    /// Names for numbers, the first for the smallest.
    pub names: &'static [&'static str],
}

pub(super) const MINUTE: Field = Field { name: "minute", range: (0, 59), names: &[] };
pub(super) const HOUR: Field = Field { name: "hour", range: (0, 23), names: &[] };
pub(super) const DAY: Field = Field { name: "day of month", range: (1, 31), names: &[] };
pub(super) const MONTH: Field = Field {
    name: "month",
    range: (1, 12),
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 0 and 7 are Sunday.
pub(super) const WEEKDAY: Field =
    Field { name: "day of week", range: (0, 7), names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The numbers that a field names, as bits, and whether it is `*` or has one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set {
    /// Bit n for number n.
    pub bits: u64,
    /// The field is `*` alone.
    pub every: bool,
    /// `*` or `*/n` is in it.
    pub star: bool,
}

impl Set {
    /// Its numbers.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |n| self.bits & (1 << n) != 0)
    }
}

impl Field {
    /// Reads the field.
    pub fn read(&self, text: &str) -> Result<Set, NotASchedule> {
        let mut set = Set { bits: 0, every: text == "*", star: false };
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step, text)?)),
                None => (part, None),
            };
            let (first, last) = if range == "*" {
                set.star = true;
                // `*` of the week is seven days, not eight.
                (self.range.0, if self.range.1 == 7 { 6 } else { self.range.1 })
            } else if let Some((first, last)) = range.split_once('-') {
                (self.number(first, text)?, self.last(last, text)?)
            } else {
                let number = self.number(range, text)?;
                if step.is_some() {
                    return Err(self.wrong(text, "a step needs `*` or a range in front").hint(format!(
                        "write {range}-{}/{}",
                        self.range.1,
                        step.unwrap_or(1)
                    )));
                }
                (number, number)
            };
            if first > last {
                let hint = match (first, last) {
                    // Sunday is both ends of a week.
                    (7, last) => format!("write 0-{last}"),
                    (first, 0) if self.range.1 == 7 => format!("write {first}-7"),
                    (first, last) => {
                        let end = if self.range.1 == 7 { 6 } else { self.range.1 };
                        format!("write {first}-{end},{}-{last}", self.range.0)
                    }
                };
                return Err(self.wrong(text, "the range runs backwards").hint(hint));
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

    /// The end of a range: `sun` there is 7, so that `sat-sun` is two days.
    fn last(&self, word: &str, text: &str) -> Result<u32, NotASchedule> {
        match self.number(word, text)? {
            0 if self.range.1 == 7 && word.eq_ignore_ascii_case("sun") => Ok(7),
            n => Ok(n),
        }
    }

    fn step(&self, word: &str, text: &str) -> Result<u32, NotASchedule> {
        let step = word.parse().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit()));
        match step {
            Some(0) | None => Err(self.wrong(text, "a step is a whole number from 1")),
            Some(step) if step > self.range.1 => {
                let error = self.wrong(text, &format!("a step of {step} is wider than the field"));
                Err(error.hint(format!("write {}: it is the only one that such a step meets", self.range.0)))
            }
            Some(step) => Ok(step),
        }
    }

    fn number(&self, word: &str, text: &str) -> Result<u32, NotASchedule> {
        let lower = word.to_ascii_lowercase();
        if let Some(at) = (0u32..).zip(self.names).find_map(|(at, n)| (*n == lower).then_some(at)) {
            return Ok(at + self.range.0);
        }
        if let Some(name) = self.names.iter().find(|n| lower.starts_with(**n)) {
            return Err(self.wrong(text, "names have three letters").hint(format!("write {name}")));
        }
        if word.contains(['L', 'W', '#', '?']) && !word.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.wrong(text, "`L`, `W`, `#` and `?` are not of crontab(5)"));
        }
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_digit()) {
            let error = self.wrong(text, "not a number");
            let near = nearest(&lower, self.names.iter().copied());
            return Err(match (self.names, near.as_slice()) {
                ([], _) => error,
                (names, []) => error.hint(format!("names are {}", names.join(", "))),
                (_, near) => error.hint(format!("did you mean {}?", or_list(near))),
            });
        }
        let (min, max) = self.range;
        word.parse()
            .ok()
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| self.wrong(text, &format!("{word} is not from {min} to {max}")))
    }

    fn wrong(&self, text: &str, why: &str) -> NotASchedule {
        let text = crate::document::quote(text);
        NotASchedule::new(format!("{text} as {}: {why}", self.name))
    }
}
