//! Times as text.

use chrono::{DateTime, SecondsFormat, Utc};

/// A time as the store writes it: ISO 8601 in UTC, always with milliseconds, so that the order of the text
/// is the order of time.
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
