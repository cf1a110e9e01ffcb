//! Repairs JSON that serde_json refuses because of one value, so that the rest of an answer can be read.
//!
//! RFC 8259 allows texts with half of a surrogate pair (`"\ud83d"`), numbers of any size (`1e400`) and objects
//! with the same key twice. Texts that were cut within an emoji have been seen in names.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

/// The replacement character, as an escape of the length of the escape that it replaces.
const REPLACEMENT: &[u8] = br"\ufffd";

/// The body with a replacement character in place of each half of a surrogate pair. Nearly every body comes
/// back as it is.
pub fn repair_surrogates(body: Bytes) -> Bytes {
    let has_surrogate = [br"\ud", br"\uD"].iter().any(|start| memmem::find(&body, *start).is_some());
    if !has_surrogate {
        return body;
    }
    let mut repaired = body.to_vec();
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'\\', &repaired[at..]).map(|found| at + found) {
        let length = match surrogate(&repaired, start) {
            None => 2,
            Some(Surrogate::Low) => {
                repaired[start..start + 6].copy_from_slice(REPLACEMENT);
                6
            }
            Some(Surrogate::High) if matches!(surrogate(&repaired, start + 6), Some(Surrogate::Low)) => 12,
            Some(Surrogate::High) => {
                repaired[start..start + 6].copy_from_slice(REPLACEMENT);
                6
            }
        };
        at = (start + length).min(repaired.len());
    }
    repaired.into()
}

enum Surrogate {
    High,
    Low,
}

/// The half of a surrogate pair that is escaped at a position.
fn surrogate(text: &[u8], at: usize) -> Option<Surrogate> {
    let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
    let unit = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match unit {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

/// An object that serde_json refuses, with each number that no `f64` can hold replaced by a fraction, which no
/// field of Spotify's takes, and each key once. `None` if it is not JSON all the same.
pub fn repair_object(raw: &str) -> Option<String> {
    let text = replace_huge_numbers(raw);
    serde_json::from_str::<serde_json::Value>(&text).ok().map(|value| value.to_string())
}

fn replace_huge_numbers(raw: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    let text = raw.as_bytes();
    while at < text.len() {
        match text[at] {
            b'"' => at = end_of_text(text, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = text[at..].iter().position(|byte| !is_part(byte)).map_or(text.len(), |length| at + length);
                if raw[at..end].parse::<f64>().is_ok_and(f64::is_infinite) {
                    out.push_str(&raw[copied..at]);
                    out.push_str("0.5");
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(raw);
    }
    out.push_str(&raw[copied..]);
    Cow::Owned(out)
}

fn end_of_text(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacements() {
        let cases = [
            (r#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\uDE00\ud83dx"}"#, r#"{"a":"\ufffd\ufffdx"}"#),
            (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (r#"{"a":"\ud83"#, r#"{"a":"\ud83"#),
            (r#"{"a":"\"#, r#"{"a":"\"#),
        ];
        for (body, want) in cases {
            assert_eq!(repair_surrogates(Bytes::from_static(body.as_bytes())), want.as_bytes(), "{body}");
        }
    }

    #[test]
    fn huge_numbers_become_fractions() {
        let repaired = repair_object(r#"{"a":1e999,"b":"1e999 \" 2","c":[-1E+400, 5],"a":2}"#).unwrap();
        let value: serde_json::Value = serde_json::from_str(&repaired).unwrap();
        assert_eq!(value, serde_json::json!({"a": 2, "b": "1e999 \" 2", "c": [0.5, 5]}));
        assert_eq!(repair_object("{nonsense"), None);
    }
}
