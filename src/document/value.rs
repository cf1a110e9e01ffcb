//! Reads values out of a tree with positions.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table of a file, with the positions of its keys and values.
pub type TomlTable<'a> = DeTable<'a>;
/// A value with its position.
pub type TomlValue<'a> = Spanned<DeValue<'a>>;

/// The text of a value, if it is text.
pub fn as_text<'v>(value: &'v TomlValue<'_>) -> Option<&'v str> {
    value.get_ref().as_str()
}

/// Parses a length of time: digits and one of `s m h d w`, such as `"30d"`.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    // With five digits, the sum of two values fits into every type for times.
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    Some(Duration::from_secs(digits.parse::<u64>().ok()? * secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_digits_and_one_unit() {
        assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for bad in ["", "m", "10", "10 m", "-1d", "1h30m", "1.5h", "100000d", "10M", "1µ"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
