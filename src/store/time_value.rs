//! Times of the store, which are texts, as numbers.

use chrono::{DateTime, NaiveDate};

/// The microseconds since 1970 of a time in ISO 8601 such as `2026-01-02T03:04:05Z`; none if it is no time.
pub fn microseconds(text: &[u8]) -> Option<i64> {
    if let [year @ .., b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] = text
        && let [y1, y2, y3, y4] = year
    {
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))
        };
        let pair = |one: &u8, two: &u8| number(&[*one, *two]);
        let year = i32::try_from(number(&[*y1, *y2, *y3, *y4])?).ok()?;
        let day = NaiveDate::from_ymd_opt(year, pair(m1, m2)?, pair(d1, d2)?)?;
        // A leap second is a case for the library.
        if let Some(time) = day.and_hms_opt(pair(h1, h2)?, pair(n1, n2)?, pair(s1, s2)?) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    DateTime::parse_from_rfc3339(std::str::from_utf8(text).ok()?).ok().map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-30T15:00:01Z", Some(1_796_050_801_000_000)),
            ("2026-11-30T15:00:01.25Z", Some(1_796_050_801_250_000)),
            ("2026-11-30T16:00:01+01:00", Some(1_796_050_801_000_000)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000)),
            ("2026-11-30", None),
            ("2026-02-30T00:00:00Z", None),
            ("20 6-11-30T15:00:01Z", None),
            ("", None),
        ] {
            assert_eq!(microseconds(text.as_bytes()), expected, "{text}");
        }
    }
}
