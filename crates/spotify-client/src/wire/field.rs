//! The values inside a response, read leniently where Spotify has deviated from its own schema.
//!
//! A field is absent, null or a value, and the three mean different things to a database: an absent key
//! leaves the stored value alone, an explicit null overwrites it. serde has no type that keeps the three
//! apart.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, SecondsFormat};
use serde::de::MapAccess;

use super::lenient::{Lenient, LenientValue};

/// A key of an object: absent, null, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonField<T> {
    /// The response did not contain the key.
    #[default]
    Absent,
    /// The value of the key was `null`.
    Null,
    /// The key had a value.
    Value(T),
    /// The key had a value of a JSON type without a plain meaning here. The store keeps the known value.
    Unreadable,
}

impl<T> JsonField<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            JsonField::Value(value) => Some(value),
            JsonField::Absent | JsonField::Null | JsonField::Unreadable => None,
        }
    }

    /// Whether the response contained the key.
    pub fn is_present(&self) -> bool {
        !matches!(self, JsonField::Absent | JsonField::Unreadable)
    }
}

/// A text, borrowed from the response unless it contains escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct JsonText<'a>(pub Cow<'a, str>);

impl std::ops::Deref for JsonText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The longest text that is kept. Spotify's longest are the notes of episodes, with a few thousand bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The beginning of a text that is too long, and whether it was.
fn cut(text: &str) -> (&str, bool) {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], end < text.len())
}

impl<'de: 'a, 'a> LenientValue<'de> for JsonText<'a> {
    fn from_borrowed_text(text: &'de str) -> Lenient<Self> {
        match cut(text) {
            (start, false) => Lenient::Expected(JsonText(Cow::Borrowed(start))),
            (start, true) => Lenient::Converted(JsonText(Cow::Borrowed(start))),
        }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        match cut(text) {
            (start, false) => Lenient::Expected(JsonText(Cow::Owned(start.to_owned()))),
            (start, true) => Lenient::Converted(JsonText(Cow::Owned(start.to_owned()))),
        }
    }

    fn from_int(number: i64) -> Lenient<Self> {
        Lenient::Converted(JsonText(Cow::Owned(number.to_string())))
    }
}

/// A time. A text in the usual form is kept as it was sent, one in another form of ISO 8601 is converted, and so is a
/// count of seconds or milliseconds since 1970 that is a time in the life of Spotify.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonTime<'a>(pub Cow<'a, str>);

impl std::ops::Deref for JsonTime<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether a text is a time. Spotify has sent blank ones, which are the caller's to judge.
fn is_time(text: &str) -> bool {
    text.trim().is_empty() || DateTime::parse_from_rfc3339(text).is_ok()
}

/// Reads a time in a form that RFC 3339 does not allow: a day alone, no seconds, a blank for the `T`, or an offset
/// without a colon. A time without a zone is in UTC, as all of Spotify's are.
fn read_other_form(text: &str) -> Option<DateTime<FixedOffset>> {
    let (day, rest) = text.split_at_checked(10)?;
    // chrono also reads days of other lengths.
    let is_day = day.char_indices().all(|(n, c)| if matches!(n, 4 | 7) { c == '-' } else { c.is_ascii_digit() });
    let day: NaiveDate = day.parse().ok().filter(|_| is_day)?;
    if rest.is_empty() {
        return Some(day.and_time(NaiveTime::MIN).and_utc().fixed_offset());
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_end_matches(" UTC");
    let clock_end = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(clock_end);
    let clock = NaiveTime::parse_from_str(clock, "%H:%M:%S%.f").or_else(|_| NaiveTime::parse_from_str(clock, "%H:%M"));
    let at = day.and_time(clock.ok()?);
    match zone.trim_start() {
        "" => Some(at.and_utc().fixed_offset()),
        zone => DateTime::parse_from_str(&format!("{}{zone}", at.format("%FT%T%.f")), "%FT%T%.f%#z").ok(),
    }
}

impl<'de: 'a, 'a> LenientValue<'de> for JsonTime<'a> {
    fn from_borrowed_text(text: &'de str) -> Lenient<Self> {
        if is_time(text) { Lenient::Expected(JsonTime(Cow::Borrowed(text))) } else { Self::from_text(text) }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        if is_time(text) {
            return Lenient::Expected(JsonTime(Cow::Owned(text.to_owned())));
        }
        if let Ok(number) = text.trim().parse() {
            return Self::from_int(number);
        }
        match read_other_form(text.trim()) {
            Some(at) => Lenient::Converted(JsonTime(Cow::Owned(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)))),
            None => Lenient::Unreadable,
        }
    }

    fn from_float(number: f64) -> Lenient<Self> {
        match JsonInt::from_float(number) {
            Lenient::Expected(JsonInt(number)) => Self::from_int(number),
            _ => Lenient::Unreadable,
        }
    }

    fn from_int(number: i64) -> Lenient<Self> {
        // From 2000 to 2100. Any other number is hardly a time.
        const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 946_684_800..4_102_444_800;
        let milliseconds = match number {
            _ if PLAUSIBLE_SECONDS.contains(&number) => Some(number * 1000),
            _ if PLAUSIBLE_SECONDS.contains(&(number / 1000)) => Some(number),
            _ => None,
        };
        match milliseconds.and_then(DateTime::from_timestamp_millis) {
            Some(at) => Lenient::Converted(JsonTime(Cow::Owned(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)))),
            None => Lenient::Unreadable,
        }
    }
}

/// A count: a whole number that is not negative. For weeks in 2024, Spotify sent `806.0` and `4.9022656E7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JsonInt(pub i64);

/// The keys under which an object in place of a number holds that number.
const NUMBER_KEYS: [&str; 6] = ["totalMilliseconds", "milliseconds", "ms", "value", "total", "count"];

impl<'de> LenientValue<'de> for JsonInt {
    fn from_int(number: i64) -> Lenient<Self> {
        if number < 0 { Lenient::Unreadable } else { Lenient::Expected(JsonInt(number)) }
    }

    fn from_float(number: f64) -> Lenient<Self> {
        // 2^53: beyond it a float no longer tells whole numbers apart.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            #[expect(clippy::cast_possible_truncation, reason = "checked: whole and below 2^53")]
            Lenient::Expected(JsonInt(number as i64))
        } else {
            Lenient::Unreadable
        }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        let text = text.trim();
        let read = text.parse().map(Self::from_int).or_else(|_| text.parse().map(Self::from_float));
        match read {
            Ok(Lenient::Expected(number) | Lenient::Converted(number)) => Lenient::Converted(number),
            Ok(Lenient::Unreadable) | Err(_) => Lenient::Unreadable,
        }
    }

    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Lenient<Self>, A::Error> {
        let mut found = Lenient::Unreadable;
        while let Some(key) = object.next_key::<Cow<'_, str>>()? {
            let number = object.next_value::<serde_json::Value>()?;
            let number = number.as_i64().filter(|number| *number >= 0);
            if let (true, Some(number)) = (NUMBER_KEYS.contains(&key.as_ref()), number) {
                found = Lenient::Converted(JsonInt(number));
            }
        }
        Ok(found)
    }
}

/// A list. Entries that are null or unreadable are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonList<T> {
    /// The entries that could be read, in order.
    pub values: Vec<T>,
    /// Some entries could not be read, so the list says less than what may be known of it.
    pub has_gaps: bool,
}

impl<T> std::ops::Deref for JsonList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

/// Whether more pages follow. The address in `next` is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HasNextPage(pub bool);

impl LenientValue<'_> for HasNextPage {
    fn from_text(address: &str) -> Lenient<Self> {
        Lenient::Expected(HasNextPage(!address.trim().is_empty()))
    }

    fn from_bool(value: bool) -> Lenient<Self> {
        Lenient::Converted(HasNextPage(value))
    }

    fn from_int(number: i64) -> Lenient<Self> {
        // A zero means that there is none. Another number names no page.
        if number == 0 { Lenient::Converted(HasNextPage(false)) } else { Lenient::Unreadable }
    }
}

impl LenientValue<'_> for bool {
    fn from_bool(value: bool) -> Lenient<Self> {
        Lenient::Expected(value)
    }

    fn from_int(number: i64) -> Lenient<Self> {
        match number {
            0 => Lenient::Converted(false),
            1 => Lenient::Converted(true),
            _ => Lenient::Unreadable,
        }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Lenient::Converted(true),
            "false" | "0" => Lenient::Converted(false),
            _ => Lenient::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        name: JsonField<JsonText<'a>>,
        #[serde(default)]
        size: JsonField<JsonInt>,
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":null}"#).unwrap();
        assert_eq!(probe.name, JsonField::Null);
        assert_eq!(probe.size, JsonField::Absent);
        let probe: Probe<'_> = serde_json::from_str(r#"{"name":"","size":0}"#).unwrap();
        assert_eq!(probe.name.value().map(|t| &**t), Some(""));
        assert_eq!(probe.size, JsonField::Value(JsonInt(0)));
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let json = r#"{"name":"Ágætis byrjun"}"#;
        let probe: Probe<'_> = serde_json::from_str(json).unwrap();
        assert!(matches!(probe.name, JsonField::Value(JsonText(Cow::Borrowed(_)))));
    }

    #[test]
    fn numbers_of_other_types_are_converted() {
        let cases = [
            ("806", JsonField::Value(JsonInt(806))),
            ("806.0", JsonField::Value(JsonInt(806))),
            ("4.9022656E7", JsonField::Value(JsonInt(49_022_656))),
            ("\"10\"", JsonField::Value(JsonInt(10))),
            ("\" 50.0 \"", JsonField::Value(JsonInt(50))),
            (r#"{"totalMilliseconds": 1000}"#, JsonField::Value(JsonInt(1000))),
            (r#"{"seconds": 1}"#, JsonField::Unreadable),
            ("0.5", JsonField::Unreadable),
            ("-5", JsonField::Unreadable),
            ("\"-5\"", JsonField::Unreadable),
            (r#"{"ms": -5}"#, JsonField::Unreadable),
            ("18446744073709551615", JsonField::Unreadable),
            ("[1]", JsonField::Unreadable),
            ("true", JsonField::Unreadable),
            ("null", JsonField::Null),
        ];
        for (json, want) in cases {
            let got: JsonField<JsonInt> = serde_json::from_str(json).unwrap();
            assert_eq!(got, want, "{json}");
        }
        assert!(serde_json::from_str::<JsonField<JsonInt>>("1e999").is_err());
    }

    #[test]
    fn times_of_other_types_are_converted() {
        let time = |text: &str| JsonField::Value(JsonTime(Cow::Owned(text.to_owned())));
        let cases = [
            ("\"2026-11-29T10:00:00Z\"", time("2026-11-29T10:00:00Z")),
            ("\"1970-01-01T00:00:00Z\"", time("1970-01-01T00:00:00Z")),
            ("\"\"", time("")),
            ("1764410000", time("2025-11-29T09:53:20Z")),
            ("1764410000123", time("2025-11-29T09:53:20.123Z")),
            ("\"1764410000\"", time("2025-11-29T09:53:20Z")),
            ("\"2026-11-29 10:00:00\"", time("2026-11-29T10:00:00Z")),
            ("1764410000.0", time("2025-11-29T09:53:20Z")),
            ("\"1764410000123\"", time("2025-11-29T09:53:20.123Z")),
            ("\"2026-11-29\"", time("2026-11-29T00:00:00Z")),
            ("\"2026-11-29T10:00Z\"", time("2026-11-29T10:00:00Z")),
            ("\"2026-11-29T10:00\"", time("2026-11-29T10:00:00Z")),
            ("\"2026-11-29T10:00:00+0000\"", time("2026-11-29T10:00:00Z")),
            ("\"2026-11-29T10:00:00.5-0130\"", time("2026-11-29T10:00:00.500-01:30")),
            ("\"2026-11-29T10:00:00+02\"", time("2026-11-29T10:00:00+02:00")),
            ("\"2026-11-29 10:00:00 UTC\"", time("2026-11-29T10:00:00Z")),
            ("\"2026-11-29 10:00:00 +0000\"", time("2026-11-29T10:00:00Z")),
            ("\"2026-11\"", JsonField::Unreadable),
            ("\"2026-11-31\"", JsonField::Unreadable),
            ("\"2026-11-29T25:00Z\"", JsonField::Unreadable),
            ("\"2026-11-29T10:00:00+99:99\"", JsonField::Unreadable),
            ("\"2026-11-29 at ten\"", JsonField::Unreadable),
            ("\"21\"", JsonField::Unreadable),
            ("21", JsonField::Unreadable),
            ("-1764410000", JsonField::Unreadable),
            ("9223372036854775807", JsonField::Unreadable),
            ("0.5", JsonField::Unreadable),
            ("\"yesterday\"", JsonField::Unreadable),
            ("\"2026-13-29T10:00:00Z\"", JsonField::Unreadable),
            ("0", JsonField::Unreadable),
            ("{}", JsonField::Unreadable),
            ("null", JsonField::Null),
        ];
        for (json, want) in cases {
            let got: JsonField<JsonTime<'_>> = serde_json::from_str(json).unwrap();
            assert_eq!(got, want, "{json}");
        }
    }

    #[test]
    fn booleans_of_other_types_are_converted() {
        let cases = [
            ("false", JsonField::Value(false)),
            ("\"False\"", JsonField::Value(false)),
            ("1", JsonField::Value(true)),
            ("2", JsonField::Unreadable),
            ("{}", JsonField::Unreadable),
            ("\"maybe\"", JsonField::Unreadable),
        ];
        for (json, want) in cases {
            let got: JsonField<bool> = serde_json::from_str(json).unwrap();
            assert_eq!(got, want, "{json}");
        }
    }
}
