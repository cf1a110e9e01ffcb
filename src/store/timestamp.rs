//! Times as text.

use chrono::{DateTime, SecondsFormat, Utc};

/// A time as the store writes it: ISO 8601 in UTC, always with milliseconds, so that the order of the text
/// is the order of time.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time of Spotify's as the store writes it, so that two ways to write one time give the same text. A text that is no
/// time stays as it is.
pub fn canonical_time(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |at| timestamp(at.with_timezone(&Utc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_time_has_one_text() {
        for text in
            ["2026-11-23T09:00:00Z", "2026-11-23T09:00:00.000Z", "2026-11-23T10:00:00+01:00", "2026-11-23t09:00:00.0z"]
        {
            assert_eq!(canonical_time(text), "2026-11-23T09:00:00.000Z", "{text}");
        }
        assert_eq!(canonical_time("yesterday"), "yesterday");
    }
}
